"""What goes wrong at the loopback Hub, when it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping


class Fault:
    """Something that goes wrong with certain requests; see `Hub.fail`.

    Attributes:
        reached: Set once a request has met the fault (and, if that holds it, waits).
        met: How many requests have met it.
    """

    def __init__(
        self,
        path: str,
        *,
        method: str | None,
        status: int | None,
        headers: Mapping[str, str] | None,
        times: int | None,
        after: int,
        drop_upload_after: int | None,
        drop_download_after: int | None,
        delay: float,
        hold: bool,
    ) -> None:
        self.reached = threading.Event()
        self.met = 0
        self.status = status
        self.headers = dict(headers or {})
        self.drop_upload_after = drop_upload_after
        self.drop_download_after = drop_download_after
        self._delay = delay
        self._path = re.compile(path)
        self._method = method
        self._spared = after
        self._left = times
        self._released = threading.Event()
        if not hold:
            self._released.set()

    def takes(self, method: str, path: str) -> bool:
        """Whether a request meets this fault; it is counted. Callers hold the server's lock."""
        if self._method not in (None, method) or self._path.search(path) is None:
            return False
        if self._spared > 0:
            self._spared -= 1
            return False
        if self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        self.met += 1
        return True

    def wait(self, closing: threading.Event) -> None:
        """Keep the request waiting, but no longer than the server runs."""
        self.reached.set()
        closing.wait(self._delay)
        self._released.wait()

    def release(self) -> None:
        """Let requests go on that a fault holds."""
        self._released.set()
