"""Web servers, PhysioNet above all: who we say we are, whose login is used, what answers mean."""

from __future__ import annotations

import asyncio
import logging
import netrc
import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from cxr_datasets._version import __version__
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.retry import status
from cxr_datasets.storage.sessions import sessions

AGENT = f"cxr-datasets/{__version__} (+https://pypi.org/project/cxr-datasets/)"
"""What we call ourselves to servers. PhysioNet asks programs not to borrow another's name."""

SILENCE = 60.0
"""Seconds without a byte after which a request counts as failed."""

PHYSIONET = "physionet.org"
USER_VARIABLE, PASSWORD_VARIABLE = "PHYSIONET_USERNAME", "PHYSIONET_PASSWORD"

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Login:
    """A user's name and password for one host, and where they were found."""

    user: str
    password: str
    found: str

    def header(self) -> str:
        """What is sent as `Authorization`; aiohttp leaves it out when redirected elsewhere."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_login(host: str, options: dict[str, Any]) -> Login | None:
    """Look for a login: in the options, the environment (PhysioNet's hosts only), the netrc file.

    Args:
        host: Name of the server.
        options: `username` and `password` are taken out of them.
    """
    user, password = options.pop("username", None), options.pop("password", None)
    if user and password:
        return Login(user, password, "storage_options")
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    # A tunnel to PhysioNet ends on this machine; no other host is to see its password.
    trusted = host == PHYSIONET or host.endswith(f".{PHYSIONET}") or host in _THIS_MACHINE
    if user and password and trusted:
        return Login(user, password, f"{USER_VARIABLE} and {PASSWORD_VARIABLE}")
    return _netrc_login(host)


def _netrc_login(host: str) -> Login | None:
    file = os.environ.get("NETRC") or "~/.netrc"
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except OSError:
        return None
    except netrc.NetrcParseError as error:
        # Not what it says of a line that it could not parse: that may quote a password.
        fault = f"line {error.lineno} is not understood" if error.lineno else error.msg
        _logger.warning("no login is taken from %s: %s", file, fault)
        return None
    return Login(found[0], found[2], file) if found and found[2] else None


def web_files(address: str, options: StorageOptions, connections: int) -> WebFiles:
    """The files of a web server.

    All that this process reads from one server with the same options shares one session: its
    cookies, and its limit of requests at once.

    Args:
        address: Any address on the server.
        options: Storage options.
        connections: Most requests at once.
    """
    parts = urlsplit(address)
    given = {**_proxy(parts.scheme, parts.hostname or ""), **options.of_web(address)}
    login = find_login(parts.hostname or "", given)
    return sessions.shared(
        ("web", parts.scheme, parts.netloc, options.key, connections, login),
        lambda: WebFiles(parts.hostname or "", login, connections, **given),
    )


def _proxy(scheme: str, host: str) -> dict[str, str]:
    """The proxy that the environment names for a host, as hospital networks need it."""
    proxy = getproxies().get(scheme)
    return {"proxy": proxy} if proxy and not proxy_bypass(host) else {}


class WebFiles(HTTPFileSystem):
    """fsspec's files on a web server, with a login, cookies, a time-out, and errors kept apart."""

    cachable = False  # an instance holds a login

    def __init__(self, host: str, login: Login | None, connections: int, **options: Any):
        """Prepare for one server.

        Args:
            host: Its name.
            login: What to log in with.
            connections: Most requests at once; who makes them asks `free`.
            **options: As fsspec's `HTTPFileSystem` takes them.
        """
        client = options.pop("client_kwargs", {})
        self.free = asyncio.Semaphore(connections)
        self._host = host
        self._has_own_auth = "auth" in client
        self._login = None if self._has_own_auth else login
        # Identity: a table named .csv.gz must arrive as it is.
        own = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if self._login:
            own["Authorization"] = self._login.header()
        # Not among the client's headers: fsspec gives its own to each request. One spelling, so
        # that a user's replaces ours.
        given = {**client.get("headers", {}), **options.get("headers", {})}
        options["headers"] = {**own, **{name.title(): given[name] for name in given}}
        defaults = {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE),
            "cookies": {"testcookie": "1"} if self._login else {},
        }
        super().__init__(client_kwargs={**defaults, **client}, get_client=_client, **options)

    async def _ls(self, url: str, detail: bool = True, **kwargs: Any) -> Any:
        """List a folder under the name that servers would redirect to; names without quoting."""
        found = await super()._ls(f"{url.rstrip('/')}/", detail, **kwargs)
        if detail:
            return [{**entry, "name": unquote(entry["name"])} for entry in found]
        return list(map(unquote, found))

    async def _info(self, url: str, **kwargs: Any) -> dict[str, Any]:
        """Size and version of a file by one HEAD request; errors are not taken for absence."""
        session = await self.set_session()
        options = {"allow_redirects": True, **self.kwargs, **kwargs}
        async with session.head(self.encode_url(url), **options) as answer:
            if answer.status in (405, 501):  # no HEAD here
                return await super()._info(url, **kwargs)
            self._raise_not_found_for_status(answer, url)
            headers = answer.headers
            folder = str(answer.url).endswith("/")
            size = None if folder else headers.get("Content-Length")
            return {
                "name": url,
                "type": "directory" if folder else "file",
                "size": None if size is None else int(size),
                "ETag": headers.get("ETag"),
                "Last-Modified": headers.get("Last-Modified"),
            }

    def advice(self, error: Exception) -> str:
        """What an answer of this server means and what to do; empty if it says nothing special."""
        answer = status(error)
        if answer == 401:
            return self._login_advice()
        if answer == 403:
            return self._refusal_advice()
        return ""

    def _login_advice(self) -> str:
        ways = (
            f"Put the login of {self._host} into ~/.netrc, or {USER_VARIABLE} and "
            f"{PASSWORD_VARIABLE} into the environment, or pass storage_options="
            '{"username": ..., "password": ...}.'
        )
        if self._login:
            return f"The login from {self._login.found} is not accepted. Correct it there. {ways}"
        if self._has_own_auth:
            return f"The login in storage_options' client_kwargs is not accepted. {ways}"
        return f"No login was sent: none was found for {self._host}. {ways}"

    def _refusal_advice(self) -> str:
        agent = self.kwargs["headers"]["User-Agent"]
        return (
            "PhysioNet answers so for two reasons. It does not know this program's User-Agent "
            f"({agent!r}): it honours a login only from those on its list; ask its staff to add "
            'it, or set one that is, storage_options={"headers": {"User-Agent": ...}}. Or the user '
            "has not signed the data use agreement for this version of the project: sign it on "
            "the project's page. Other ways to the same files: the project's S3 access point or "
            "Google Cloud bucket (data_dir='s3://...' or 'gs://...'), or a download by wget."
        )


async def _client(**kwargs: Any) -> aiohttp.ClientSession:
    kwargs.pop("loop", None)
    # PhysioNet keeps a login in a cookie, instead of checking it anew, for clients that it has
    # seen to send one. Unsafe means: also for servers that have a number and no name.
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        requote_redirect_url=False,
        **kwargs,
    )
