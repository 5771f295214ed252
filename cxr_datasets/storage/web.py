"""Files on web servers: how they are asked, and what their refusals mean."""

from __future__ import annotations

import asyncio
import posixpath
import re
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from cxr_datasets import limits
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.credentials import StorageOptions, tells_user
from cxr_datasets.storage.faults import status
from cxr_datasets.storage.filesystems import AGENT
from cxr_datasets.storage.logins import Login, find_login, host_of, ways_to_log_in
from cxr_datasets.storage.origins import session_opener
from cxr_datasets.storage.pages import A_PAGE, PageError, refuse_page
from cxr_datasets.storage.requests import answer_limit
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.sites import site_of

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
    login = find_login(parts.netloc, given)
    _require_encrypted(address, login, given)
    return sessions.shared(
        ("web", parts.scheme, parts.netloc, *proxy.values(), options.key, connections, login),
        lambda: WebFiles(address, login, connections, **given),
    )


def guarded(address: str, options: StorageOptions) -> dict[str, Any]:
    """Options for fsspec's own files on a web server, as it opens them itself within a chain.

    Args:
        address: Any address on the server.
        options: Storage options.
    """
    parts = urlsplit(address)
    given = {**_proxy(parts.scheme, parts.hostname or ""), **options.of_web(address)}
    login = find_login(parts.netloc, given) if "username" in given else None
    _require_encrypted(address, login, given)
    headers = {"Authorization": login.header()} if login else {}
    own = {"User-Agent": AGENT, **headers, **given.pop("headers", {})}
    opener = session_opener(address, AGENT, given.pop("cookies", None))
    return {**given, "headers": own, "get_client": opener, "skip_instance_cache": True}


def _require_encrypted(address: str, login: Login | None, given: dict[str, Any]) -> None:
    """Require https where a login of a site would be sent.

    Raises:
        StoreError: It would be sent over http, where all who are on the way can read it.
    """
    parts = urlsplit(address)
    site = site_of(parts.netloc)
    if site is None or parts.scheme == "https":
        return
    if login is None and not tells_user(given):
        return
    found = login.found if login else "storage_options"
    raise StoreError(
        f"{shown(address)} is asked over http, where others can read along, so the login from "
        f"{found} is not sent: a login of {site.name} goes only over https. Give the address as "
        f"https://{parts.netloc}/...; a tunnel must end in https, too."
    )


def _proxy(scheme: str, host: str) -> dict[str, str]:
    """The proxy for a host that the environment names; hospital networks often need one."""
    proxy = getproxies().get(scheme)
    return {"proxy": proxy} if proxy and not proxy_bypass(host) else {}


class WebFiles(HTTPFileSystem):
    """fsspec's files on a web server, with a login, cookies and a time-out."""

    cachable = False  # an instance holds a login

    def __init__(self, address: str, login: Login | None, connections: int, **options: Any):
        """Prepare for one server.

        Args:
            address: Any address on the server.
            login: The login to send.
            connections: Most requests at once. Callers wait for the semaphore `free`.
            **options: Options of fsspec's `HTTPFileSystem`.
        """
        client = options.pop("client_kwargs", {})
        self.free = asyncio.Semaphore(connections)
        self._server = urlsplit(address).netloc
        self._host = host_of(self._server)
        self._has_own_auth = "auth" in client or "auth" in options
        self._login = None if self._has_own_auth else login
        site = site_of(self._server)
        # Identity: a table named .csv.gz must arrive as it is.
        own = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if self._login:
            own["Authorization"] = self._login.header()
        # With each request, as fsspec does, and not once for the client. In one spelling, so that
        # the user's headers replace ours.
        given = {**client.get("headers", {}), **options.get("headers", {})}
        options["headers"] = {**own, **{name.title(): given[name] for name in given}}
        timeout = aiohttp.ClientTimeout(
            total=limits.LONGEST_REQUEST, sock_connect=30, sock_read=SILENCE
        )
        cookies = {
            **(site.cookies if site and self._login else {}),
            **client.get("cookies", {}),
            **options.pop("cookies", {}),
        }
        client = {name: client[name] for name in client if name not in ("headers", "cookies")}
        super().__init__(
            client_kwargs={"timeout": timeout, **client},
            get_client=session_opener(address, AGENT, cookies),
            **options,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("An open file system holds a login, and is not pickled: pickle its source.")

    def to_json(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to write down the options, the login among them."""
        raise TypeError("An open file system holds a login, and is not written as JSON.")

    to_dict = to_json

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
            answer_limit.set(limits.LARGEST_PAGE)
            with suppress(TooLargeError):  # all of it came, and is too long for a page
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
            return ways_to_log_in(self._server)
        return ""

    def _login_advice(self) -> str:
        site = site_of(self._server)
        ways = f"{ways_to_log_in(self._server)} {site.no_login if site else ''}".rstrip()
        if self._login:
            return f"The login from {self._login.found} is not accepted. Correct it there. {ways}"
        if self._has_own_auth:
            return f"The login in storage_options' client_kwargs is not accepted. {ways}"
        return f"No login was sent: none was found for {self._host}. {ways}"

    def _refusal_advice(self) -> str:
        site, agent = site_of(self._server), repr(self.kwargs["headers"]["User-Agent"])
        if site:
            return site.refusal.replace("{agent}", agent)
        if self._login:
            user = f"the login from {self._login.found} may not read this file: ask its owners."
        elif self._has_own_auth:
            user = "the login in storage_options' client_kwargs may not read it: ask its owners."
        else:
            user = f"it wants a login, and no login was sent. {ways_to_log_in(self._server)}"
        return (
            f"{self._host} may have two reasons. Either {user} Or it does not serve this program, "
            f"which it knows by its User-Agent ({agent}): set another, "
            'storage_options={"headers": {"User-Agent": ...}}.'
        )
