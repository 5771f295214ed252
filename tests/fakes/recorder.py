"""A loopback server that keeps what it was asked, and answers by a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes import loopback


@dataclass
class Asked:
    """One request: the path with its query, and the headers by name in title case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What is answered to one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Connection(loopback.Connection):
    def do_GET(self) -> None:
        owner = self.server.owner
        assert isinstance(owner, Recorder)
        headers = {name.title(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.target()[1], headers)
        owner.asked.append(asked)
        answer = owner.answer(asked)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET


class Recorder(loopback.Loopback):
    """A server on this machine, over http or https. Use it as a context manager.

    Attributes:
        asked: Every request, in the order in which they came.
        answer: Says what is answered. May be changed at any time.
    """

    connection = _Connection

    def __init__(
        self,
        answer: Callable[[Asked], Answer] = lambda asked: Answer(404),
        *,
        encrypted: bool = False,
    ) -> None:
        super().__init__()
        self.encrypted = encrypted
        self.asked: list[Asked] = []
        self.answer = answer
