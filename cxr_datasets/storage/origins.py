"""What one web server is told about the user goes to no other, wherever it redirects.

An origin is what browsers call so: scheme, host and port. aiohttp takes the header `Authorization`
out of a request that a redirect leads to another origin. It leaves in the headers that the user
gave, the login of the whole client, and the cookies of the client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from cxr_datasets.storage.answers import LimitedAnswer

_ABOUT_THE_FILE = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "accept", "accept-encoding"}
)
"""Headers that say which bytes are wanted, and nothing of the user."""

_AT_ONCE = 2**20
"""Bytes of an answer that may wait to be read; at twice as many the connection pauses. Of itself
aiohttp takes 64 KiB, and stops and goes on a dozen times in an image."""


def session_opener(
    home: str, agent: str, cookies: Mapping[str, str] | None = None
) -> Callable[..., Awaitable[aiohttp.ClientSession]]:
    """Make the function by which fsspec opens its session with one web server.

    Args:
        home: Any address on the server. Its origin alone gets the user's headers, cookies, login.
        agent: The User-Agent that other servers are told.
        cookies: Cookies for the server.
    """
    origin = URL(home).origin()
    request = type("_RequestOf", (_Request,), {"home": origin, "agent": agent})

    async def opened(**kwargs: Any) -> aiohttp.ClientSession:
        kwargs.pop("loop", None)
        jar = _Jars()
        jar.update_cookies({**(cookies or {}), **(kwargs.pop("cookies", None) or {})}, origin)
        return aiohttp.ClientSession(
            cookie_jar=jar, request_class=request, requote_redirect_url=False,
            **{"response_class": LimitedAnswer, "read_bufsize": _AT_ONCE, **kwargs},
        )  # fmt: skip

    return opened


class _Request(aiohttp.ClientRequest):
    """A request. Each redirect that is followed is one of its own."""

    home: URL
    agent: str

    def __init__(
        self, method: str, url: URL, *, headers: Any = None, auth: Any = None, **others: Any
    ):
        if url.origin() != self.home:
            asked = dict(headers or {}).items()
            headers = {name: value for name, value in asked if name.lower() in _ABOUT_THE_FILE}
            headers["User-Agent"] = self.agent
            auth = None
        super().__init__(method, url, headers=headers, auth=auth, **others)


class _Jars(aiohttp.CookieJar):
    """Cookies, those of each origin apart: ports and schemes of one host share none either.

    Some sites remember a login by a cookie, instead of checking it with every file.
    """

    def __init__(self) -> None:
        super().__init__(unsafe=True)
        self._of: dict[URL, aiohttp.CookieJar] = {}

    def _jar(self, url: URL) -> aiohttp.CookieJar:
        # `unsafe` keeps cookies of servers that have a number and no name, too.
        return self._of.setdefault(url.origin(), aiohttp.CookieJar(unsafe=True))

    def update_cookies(self, cookies: Any, response_url: URL = URL()) -> None:  # noqa: B008
        """Keep cookies of the origin that sent them."""
        self._jar(response_url).update_cookies(cookies, response_url)

    def update_cookies_from_headers(self, headers: Any, response_url: URL) -> None:
        """Keep cookies as newer versions of aiohttp hand them over."""
        self._jar(response_url).update_cookies_from_headers(headers, response_url)

    def filter_cookies(self, request_url: URL = URL()) -> Any:  # noqa: B008
        """Give the cookies for one address."""
        return self._jar(request_url).filter_cookies(request_url)
