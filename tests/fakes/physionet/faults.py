"""What can go wrong with a request to the loopback PhysioNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.physionet.messages import Request


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request that would otherwise have been served."""

    def can_meet(self, request: Request) -> bool:
        """Whether it can happen to this request; otherwise it is kept for one that it can."""
        return True


@dataclass(frozen=True)
class Status(Fault):
    """Answers with this status, such as 429 or 503, and these headers, such as `Retry-After`."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotFound(Fault):
    """Answers 404 although the file is there."""


@dataclass(frozen=True)
class Page(Fault):
    """Answers 200 with this page in place of the file, as for a login that has run out."""

    body: str = "<!DOCTYPE html><html><title>Log in</title><p>Your session ended.</html>"


@dataclass(frozen=True)
class Refuse(Fault):
    """Closes the connection without an answer.

    On a connection that was used before, aiohttp takes this for an idle one that has timed out and
    asks once more by itself.
    """


@dataclass(frozen=True)
class WholeBody(Fault):
    """Answers 200 and the whole file to a request for a range."""

    def can_meet(self, request: Request) -> bool:
        return "Range" in request.headers


@dataclass(frozen=True)
class Truncate(Fault):
    """Serves the first bytes only, as if they were all: Content-Length says so too."""

    length: int

    def can_meet(self, request: Request) -> bool:
        return request.method == "GET"


@dataclass(frozen=True)
class Flip(Fault):
    """Changes a bit after this share of the body, and says nothing of it."""

    place: float = 0.5

    def can_meet(self, request: Request) -> bool:
        return request.method == "GET"


@dataclass(frozen=True)
class InBody(Fault):
    """Goes wrong after so many bytes of the body, at the latest before its last byte."""

    after_bytes: int = 0

    def can_meet(self, request: Request) -> bool:
        return request.method == "GET"


@dataclass(frozen=True)
class Reset(InBody):
    """Resets the connection (RST) in the middle of a body."""


@dataclass(frozen=True)
class Short(InBody):
    """Closes the connection, as at a good end, before the body has its Content-Length."""


@dataclass(frozen=True)
class Stall(InBody):
    """Is silent for so many seconds in the middle of a body, then sends the rest.

    The silence ends early when the client goes away or the server stops.
    """

    seconds: float = 60.0


@dataclass
class Rule:
    """Faults for requests whose path matches, one after another, the whole list `times` times."""

    path: re.Pattern[str]
    faults: tuple[Fault, ...]
    times: int | None
    after: int
    met: int = 0

    def next(self, request: Request) -> Fault | None:
        """The fault this request meets. Call it once a request: it counts."""
        turn = self.met - self.after
        if self.times is not None and turn >= self.times * len(self.faults):
            return None
        fault = self.faults[max(turn, 0) % len(self.faults)]
        if not self.path.search(request.path) or not fault.can_meet(request):
            return None
        self.met += 1
        return fault if turn >= 0 else None
