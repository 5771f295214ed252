"""What goes wrong at the loopback Hub, when it is told to."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass(eq=False)
class Fault:
    """Something that goes wrong with certain requests; see `Hub.fail`, where most of this is told.

    Attributes:
        left: How many requests shall still meet it; None: all of them.
        spared: How many requests are still let through before.
        reached: Set once a request has met the fault (and, if that holds it, waits).
        met: How many requests have met it.
    """

    path: re.Pattern[str]
    method: str | None
    status: int | None
    headers: dict[str, str]
    left: int | None
    spared: int
    drop_upload_after: int | None
    reached: threading.Event = field(default_factory=threading.Event)
    met: int = 0
    _released: threading.Event = field(default_factory=threading.Event)

    def takes(self, method: str, path: str) -> bool:
        """Whether a request meets this fault; it is counted."""
        if self.method not in (None, method) or self.path.search(path) is None:
            return False
        if self.spared > 0:
            self.spared -= 1
            return False
        if self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        self.met += 1
        return True

    def wait(self) -> None:
        """Keep the request waiting until it may go on."""
        self.reached.set()
        self._released.wait()

    def release(self) -> None:
        """Let requests go on that the fault holds."""
        self._released.set()
