"""Sites that datasets are fetched from: their logins, and what their answers mean.

A dataset's package registers its site when it is imported. Some processes never import it, such as
a worker that reads images which another process loaded. For them the package also names the site
in its `pyproject.toml`, under the site's host:

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
    """A site that asks for a login.

    Attributes:
        name: Its name in messages.
        host: Its host. Hosts below it, such as `data.example.org` below `example.org`, count too.
        user_variable: Environment variable for the user's name.
        password_variable: Environment variable for the password.
        refusal: What a 403 of this site means and what to do, in whole sentences. `{agent}` in it
            is replaced by the User-Agent that was sent, in quotes.
        cookies: Cookies that are sent with a login: name -> value.
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
    """Make a site known. It replaces a site of the same host."""
    _sites[site.host] = site


def site_of(host: str) -> Site | None:
    """Find the site that a host belongs to; None if no known site has it."""
    for announced, point in _announced().items():
        if announced not in _sites and _serves(announced, host):
            _load(point)
    return next((site for site in _sites.values() if site.serves(host)), None)


def _serves(site: str, host: str) -> bool:
    # This machine too, for a tunnel to the site may end here. No other host gets its password.
    return host == site or host.endswith(f".{site}") or host in _THIS_MACHINE


@cache
def _announced() -> dict[str, EntryPoint]:
    """Host -> entry point of each site that installed packages name. None is imported."""
    return {point.name: point for point in entry_points(group=_GROUP)}


def _load(point: EntryPoint) -> None:
    try:
        register_site(point.load())
    except (ImportError, AttributeError) as error:
        # Whoever loads its dataset is told why that fails; other servers do not need the site.
        _logger.debug("The site %s does not load: %r", point.value, error)
