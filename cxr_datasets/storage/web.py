"""Files on web servers: how they are asked, and what their refusals mean."""

from __future__ import annotations

import asyncio
import posixpath
import re
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from cxr_datasets import limits
from cxr_datasets._version import __version__
from cxr_datasets.storage.answers import LimitedAnswer
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.faults import status
from cxr_datasets.storage.logins import Login, find_login, ways_to_log_in
from cxr_datasets.storage.pages import A_PAGE, PageError, refuse_page
from cxr_datasets.storage.requests import answer_limit
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.sites import site_of

AGENT = f"cxr-datasets/{__version__} (+https://pypi.org/project/cxr-datasets/)"
"""Our name for servers. Some refuse programs that call themselves by another's name."""

_KINDS_OF_PAGES = ("text/html", "application/xhtml+xml", "application/json")
_SUFFIX = re.compile(r"\.\w*[a-zA-Z]\w*$")
"""What servers call a page, and names that are not those of folders."""

SILENCE = 60.0
"""Seconds without a byte after which a request counts as failed."""


def web_files(address: str, options: StorageOptions, connections: int) -> WebFiles:
    """Open the files of a web server.

    All sources on one server with the same options share its cookies and its limit of requests.

    Args:
        address: Any address on the server.
        options: Storage options.
        connections: Most requests at once.
    """
    parts = urlsplit(address)
    proxy = _proxy(parts.scheme, parts.hostname or "")
    given = {**proxy, **options.of_web(address)}
    login = find_login(parts.hostname or "", given)
    return sessions.shared(
        ("web", parts.scheme, parts.netloc, *proxy.values(), options.key, connections, login),
        lambda: WebFiles(parts.hostname or "", login, connections, **given),
    )


def _proxy(scheme: str, host: str) -> dict[str, str]:
    """The proxy for a host that the environment names; hospital networks often need one."""
    proxy = getproxies().get(scheme)
    return {"proxy": proxy} if proxy and not proxy_bypass(host) else {}


class WebFiles(HTTPFileSystem):
    """fsspec's files on a web server, with a login, cookies and a time-out."""

    cachable = False  # an instance holds a login

    def __init__(self, host: str, login: Login | None, connections: int, **options: Any):
        """Prepare for one server.

        Args:
            host: The name of the server.
            login: The login to send.
            connections: Most requests at once. Callers wait for the semaphore `free`.
            **options: Options of fsspec's `HTTPFileSystem`.
        """
        client = options.pop("client_kwargs", {})
        self.free = asyncio.Semaphore(connections)
        self._host = host
        self._has_own_auth = "auth" in client
        self._login = None if self._has_own_auth else login
        site = site_of(host)
        # Identity: a table named .csv.gz must arrive as it is.
        own = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if self._login:
            own["Authorization"] = self._login.header()
        # With each request, as fsspec does, and not once for the client. In one spelling, so that
        # the user's headers replace ours.
        given = {**client.get("headers", {}), **options.get("headers", {})}
        options["headers"] = {**own, **{name.title(): given[name] for name in given}}
        defaults = {
            "timeout": aiohttp.ClientTimeout(
                total=limits.LONGEST_REQUEST, sock_connect=30, sock_read=SILENCE
            ),
            "cookies": dict(site.cookies) if site and self._login else {},
        }
        super().__init__(client_kwargs={**defaults, **client}, get_client=_client, **options)

    async def _ls(self, url: str, detail: bool = True, **kwargs: Any) -> Any:
        """List a folder, by the name with a final slash, which avoids a redirect."""
        answer_limit.set(limits.LARGEST_PAGE)
        found = await super()._ls(f"{url.rstrip('/')}/", detail, **kwargs)
        if detail:
            return [{**entry, "name": unquote(entry["name"])} for entry in found]
        return list(map(unquote, found))

    async def _info(self, url: str, **kwargs: Any) -> dict[str, Any]:
        """Ask for size and version by one HEAD request. fsspec would take an error for absence."""
        session = await self.set_session()
        options = {"allow_redirects": True, **self.kwargs, **kwargs}
        async with session.head(self.encode_url(url), **options) as answer:
            if answer.status in (405, 501):  # no HEAD here
                return await super()._info(url, **kwargs)
            self._raise_not_found_for_status(answer, url)
            headers, kind = answer.headers, answer.content_type
            name = posixpath.basename(unquote(urlsplit(url).path))
            folder = answer.url.path.endswith(f"{name}/")
        if kind in _KINDS_OF_PAGES and not folder and _SUFFIX.search(name):
            # Some servers call every file a page, so what matters is how it begins. And some show
            # a folder as one, by its own name.
            refuse_page(await self._cat_file(url, start=0, end=A_PAGE), url)
        size = None if folder else headers.get("Content-Length")
        return {
            "name": url,
            "type": "directory" if folder else "file",
            "size": None if size is None else int(size),
            "ETag": headers.get("ETag"),
            "Last-Modified": headers.get("Last-Modified"),
        }

    def advice(self, error: Exception) -> str:
        """What a refusal by this server means and what to do next; empty for other answers."""
        answer = status(error)
        if answer == 401:
            return self._login_advice()
        if answer == 403:
            return self._refusal_advice()
        if isinstance(error, PageError):
            return ways_to_log_in(self._host)
        return ""

    def _login_advice(self) -> str:
        ways = ways_to_log_in(self._host)
        if self._login:
            return f"The login from {self._login.found} is not accepted. Correct it there. {ways}"
        if self._has_own_auth:
            return f"The login in storage_options' client_kwargs is not accepted. {ways}"
        return f"No login was sent: none was found for {self._host}. {ways}"

    def _refusal_advice(self) -> str:
        site, agent = site_of(self._host), repr(self.kwargs["headers"]["User-Agent"])
        if site:
            return site.refusal.replace("{agent}", agent)
        if self._login:
            user = f"the login from {self._login.found} may not read this file: ask its owners."
        elif self._has_own_auth:
            user = "the login in storage_options' client_kwargs may not read it: ask its owners."
        else:
            user = f"it wants a login, and no login was sent. {ways_to_log_in(self._host)}"
        return (
            f"{self._host} may have two reasons. Either {user} Or it does not serve this program, "
            f"which it knows by its User-Agent ({agent}): set another, "
            'storage_options={"headers": {"User-Agent": ...}}.'
        )


async def _client(**kwargs: Any) -> aiohttp.ClientSession:
    kwargs.pop("loop", None)
    # Some sites remember a login by a cookie, instead of checking it with every file. `unsafe`
    # keeps cookies of servers that have a number and no name, too.
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        requote_redirect_url=False,
        **{"response_class": LimitedAnswer, **kwargs},
    )
