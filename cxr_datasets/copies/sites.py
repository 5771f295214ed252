"""The host of a publisher's site: its own, or the one that its variable names."""

from __future__ import annotations

import os
from urllib.parse import urlsplit, urlunsplit

from cxr_datasets.storage.sites import site_of


def at_site(address: str) -> str:
    """Give an address at the host that the site's own variable names, if it names one.

    Args:
        address: An address at the site.

    Raises:
        OptionError: The variable holds no name of a host.
    """
    parts = urlsplit(address)
    site = site_of(parts.netloc)
    host = os.environ.get(site.host_variable, "").strip() if site and site.host_variable else ""
    if not host:
        return address
    site_of(host)  # says so if it is none
    return urlunsplit(parts._replace(netloc=host))
