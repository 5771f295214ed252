"""Which login a web server gets, and where a user can put one."""

from __future__ import annotations

import netrc
import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cxr_datasets.storage.sites import Site, known_sites, site_of
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)


@dataclass(frozen=True, repr=False)
class Login:
    """A user's name and password for one host.

    Attributes:
        user: The name.
        password: The password.
        found: Where both were found, in words.
    """

    user: str
    password: str
    found: str

    def header(self) -> str:
        """The header `Authorization`."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_login(server: str, options: dict[str, Any]) -> Login | None:
    """Look for a login in the options, in the environment (for known sites), in the netrc file.

    Args:
        server: `HOST` or `HOST:PORT`.
        options: Options of the file system. `username` and `password` are removed from them.
    """
    user, password = options.pop("username", None), options.pop("password", None)
    if user and password:
        return Login(user, password, "storage_options")
    return _login_of_a_site(server) or _netrc_login(host_of(server))


def host_of(server: str) -> str:
    """Cut the port off a server."""
    return urlsplit(f"//{server}").hostname or ""


def _login_of_a_site(server: str) -> Login | None:
    site = site_of(server)
    if site is None or not site.has_login:
        return None
    user, password = (os.environ[name] for name in (site.user_variable, site.password_variable))
    return Login(user, password, f"{site.user_variable} and {site.password_variable}")


def _netrc_login(host: str) -> Login | None:
    file = os.environ.get("NETRC") or "~/.netrc"
    try:
        # Not `authenticators`: what the file has for all other machines is for none of ours.
        found = netrc.netrc(os.environ.get("NETRC")).hosts.get(host)
    except OSError:
        return None
    except netrc.NetrcParseError as error:
        # What is said of a line may quote a password; of the file it is who may read it.
        is_of_a_line = not error.msg.startswith("~/.netrc")
        fault = f"line {error.lineno} is not understood" if is_of_a_line else error.msg
        _logger.warning("no login is taken from %s: %s", file, fault)
        return None
    except ValueError:  # of its encoding; the error's text quotes the file
        _logger.warning("no login is taken from %s: it is not a text in UTF-8", file)
        return None
    return Login(found[0], found[2], file) if found and found[2] else None


def ways_to_log_in(server: str) -> str:
    """Say where a user can put a login for a server."""
    site, host = site_of(server), host_of(server)
    variables = (
        f"or {site.user_variable} and {site.password_variable} into the environment, "
        if site
        else ""
    )
    others = "" if site else "".join(_not_sent(other) for other in known_sites())
    return (
        f"Put the login of {host} into ~/.netrc, {variables}or pass storage_options="
        f'{{"username": ..., "password": ...}}.{others}'
    )


def _not_sent(site: Site) -> str:
    """Say why a login that the environment has was not sent to a server of no site."""
    if not site.has_login:
        return ""
    tunnel = f" and to the host that {site.host_variable} names" if site.host_variable else ""
    return (
        f" {site.user_variable} and {site.password_variable} go to {site.host}{tunnel} only, "
        "and over https only."
    )
