"""What is particular to the sites that datasets come from, as their packages say it.

A package registers its site when it is imported. It also names it in the entry points of its
`pyproject.toml`, by the site's host, for processes that read what another one loaded and so never
import the package:

    [project.entry-points."cxr_datasets.sites"]
    "data.example.org" = "my_cxr.site:SITE"
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points

_GROUP = "cxr_datasets.sites"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """A web server that asks for a login, and what its answers mean.

    Attributes:
        name: What its users call it.
        host: Its host; those below it belong to it too.
        user_variable: Environment variable that holds a user's name.
        password_variable: Environment variable that holds the password.
        refusal: What a 403 means and what to do, in sentences. `{agent}` in it becomes the
            User-Agent that was sent, in quotes.
        cookies: Sent with a login: name -> value.
    """

    name: str
    host: str
    user_variable: str
    password_variable: str
    refusal: str
    cookies: Mapping[str, str] = field(default_factory=dict)

    def serves(self, host: str) -> bool:
        """Whether a host belongs to the site."""
        return _serves(self.host, host)


_sites: dict[str, Site] = {}


def register_site(site: Site) -> None:
    """Make a site known, instead of any that was registered for its host before."""
    _sites[site.host] = site


def site_of(host: str) -> Site | None:
    """Give the site that a host belongs to; None if it belongs to none that is known."""
    for announced, point in _announced().items():
        if announced not in _sites and _serves(announced, host):
            _load(point)
    return next((site for site in _sites.values() if site.serves(host)), None)


def _serves(site: str, host: str) -> bool:
    # A tunnel to a site ends on this machine; no other host is to see its password.
    return host == site or host.endswith(f".{site}") or host in _THIS_MACHINE


@cache
def _announced() -> dict[str, EntryPoint]:
    """The sites that installed packages name, by host; none of them is imported."""
    return {point.name: point for point in entry_points(group=_GROUP)}


def _load(point: EntryPoint) -> None:
    try:
        register_site(point.load())
    except (ImportError, AttributeError) as error:
        # Its dataset cannot be used either, and says why; other servers need nothing of it.
        _logger.debug("The site %s does not load: %r", point.value, error)
