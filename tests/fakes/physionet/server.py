"""A loopback PhysioNet: a real HTTP server that serves folders behind PhysioNet's rules.

    with PhysioNet({"files/mimic-cxr-jpg/2.1.0": release}) as server:
        server.fail(r"\\.jpg$", Status(503, {"Retry-After": "1"}), Reset(100))
        ...  # a client reads from server.address("files/mimic-cxr-jpg/2.1.0/README")
        assert server.max_concurrent <= 8

Who may read a file is asked in this order: a User-Agent that is not on the list is answered 403,
no login or a wrong one 401, a user who has not signed the agreement 403; only then may a file be
missing (404). Files are served as nginx does: ETag, Last-Modified, ranges, index pages.

The rules are those of PhysioNet's own code (MIT-LCP/physionet-build, `check_http_auth` and
`require_http_auth`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.fakes.loopback import Loopback
from tests.fakes.physionet.connection import Connection
from tests.fakes.physionet.messages import Request
from tests.fakes.physionet.site import Site


class PhysioNet(Site, Loopback):
    """A PhysioNet on 127.0.0.1, in threads of this process. Use it as a context manager.

    `stop` keeps sessions, faults, requests and counts. aiohttp keeps no cookies of a numeric host:
    where they matter, ask for `localhost`, or for HOST with `url` as the proxy.

    Attributes:
        logins: How often a name and a password were checked since `reset`.
    """

    connection = Connection

    def __init__(
        self, folders: Mapping[str, Path], *, encrypted: bool = False, **options: Any
    ) -> None:
        """Take what `Site` takes; `start` (or `with`) serves it.

        Args:
            folders: What is served, by path.
            encrypted: Whether it is asked over https, with a certificate that tests trust.
            **options: As for `Site`.
        """
        Loopback.__init__(self)
        self.encrypted = encrypted
        Site.__init__(self, folders, **options)
        self._requests: list[Request] = []
        self._in_service = 0
        self._max_concurrent = 0

    def address(self, path: str = "") -> str:
        """The URL of a path, which is quoted here."""
        return f"{self.url}/{quote(path.lstrip('/'))}"

    @property
    def requests(self) -> list[Request]:
        """Every request since `reset`, in the order in which they came."""
        with self._lock:
            return list(self._requests)

    @property
    def max_concurrent(self) -> int:
        """The most requests that were in service at once since `reset`.

        One is in service from when its head has been read until just before its last byte is
        sent, so that a client that waits for each answer never counts as two.
        """
        return self._max_concurrent

    def reset(self) -> None:
        """Forget requests and counts. Faults, sessions and requests in service stay."""
        with self._lock:
            self._requests.clear()
            self.logins = 0
            self._max_concurrent = self._in_service

    def begin(self, request: Request) -> None:
        """Count a request as in service."""
        with self._lock:
            self._requests.append(request)
            self._in_service += 1
            self._max_concurrent = max(self._max_concurrent, self._in_service)

    def finish(self, request: Request) -> None:
        """Count it as served; once only."""
        with self._lock:
            if request.end is None:
                request.end = time.monotonic()
                self._in_service -= 1
