"""Sites that datasets are fetched from: their logins, and what their answers mean.

A dataset's package registers its site when it is imported. Some processes never import it, such as
a worker that reads images which another process loaded. For them the package also names the site
in its `pyproject.toml`, under the site's host, and under the variable that names another host:

    [project.entry-points."cxr_datasets.sites"]
    "data.example.org" = "my_cxr.site:SITE"
    "EXAMPLE_HOST" = "my_cxr.site:SITE"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from urllib.parse import urlsplit

from cxr_datasets.errors import OptionError
from cxr_datasets.wording import get_logger

_GROUP = "cxr_datasets.sites"

_logger = get_logger(__name__)


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
        no_login: What to do where no login is accepted, beyond putting it right, in whole
            sentences.
        cookies: Cookies that are sent with a login: name -> value.
        host_variable: Environment variable that names one more host of the site, such as the end
            of a tunnel, as `HOST` (any port) or `HOST:PORT`. Empty: there is none.
    """

    name: str
    host: str
    user_variable: str
    password_variable: str
    refusal: str
    no_login: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    host_variable: str = ""

    def serves(self, server: str) -> bool:
        """Whether a server, `HOST` or `HOST:PORT`, belongs to the site."""
        return _is_below(self.host, server) or _is_named_by(self.host_variable, server)

    @property
    def has_login(self) -> bool:
        """Whether the environment has a login for it."""
        return bool(os.environ.get(self.user_variable) and os.environ.get(self.password_variable))


_sites: dict[str, Site] = {}


def register_site(site: Site) -> None:
    """Make a site known. It replaces a site of the same host."""
    _sites[site.host] = site


def known_sites() -> list[Site]:
    """The sites whose packages were imported, or asked for."""
    return list(_sites.values())


def site_of(server: str) -> Site | None:
    """Find the site that a server belongs to; None if no known site has it.

    Args:
        server: `HOST` or `HOST:PORT`.

    Raises:
        OptionError: A variable that names a host of a site has another value.
    """
    for announced, point in _announced().items():
        if _is_below(announced, server) or _is_named_by(announced, server):
            _load(point)
    return next((site for site in _sites.values() if site.serves(server)), None)


def _is_below(site: str, server: str) -> bool:
    host = _cut(server)[0]
    return host == site or host.endswith(f".{site}")


def _is_named_by(variable: str, server: str) -> bool:
    """Whether an environment variable names this server. No other server gets the login."""
    value = os.environ.get(variable, "").strip() if variable else ""
    if not value:
        return False
    try:
        host, port = _cut(value)
    except ValueError:
        host, port = "", None
    if not host or any(mark in value for mark in "/@?# "):
        raise OptionError(
            f"The environment variable {variable} is no name of a host. Give HOST or HOST:PORT, "
            "without https:// and without a path."
        )
    asked_host, asked_port = _cut(server)
    return host == asked_host and port in (None, asked_port or 443)


def _cut(server: str) -> tuple[str, int | None]:
    """Cut a server into its host, in small letters and without brackets, and its port."""
    parts = urlsplit(
        f"//[{server}]" if server.count(":") > 1 and "[" not in server else f"//{server}"
    )
    return parts.hostname or "", parts.port


@cache
def _announced() -> dict[str, EntryPoint]:
    """Host or variable -> entry point of each site that packages name. None is imported."""
    return {point.name: point for point in entry_points(group=_GROUP)}


@cache
def _load(point: EntryPoint) -> None:
    try:
        site = point.load()
    except (ImportError, AttributeError) as error:
        # Whoever loads its dataset is told why that fails; other servers do not need the site.
        _logger.debug("The site %s does not load: %s", point.value, type(error).__name__)
        return
    _sites.setdefault(site.host, site)
