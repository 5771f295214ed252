"""A web server whose answers have no end, or come a byte at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import cast

from tests.fakes import loopback

CHUNK = bytes(2**20)


class Connection(loopback.Connection):
    """Answers each path by the first rule that it ends as."""

    def _serve(self) -> None:
        owner = cast("Endless", self.server.owner)
        path = self.target()[1]
        answer = next((rule for end, rule in owner.rules.items() if path.endswith(end)), absent)
        with contextlib.suppress(ConnectionError, TimeoutError):
            answer(self)

    do_GET = do_HEAD = _serve

    def begin(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


Answer = Callable[[Connection], None]


class Endless(loopback.Loopback):
    """Serves what its rules say: how a path ends -> the answer. Use it as a context manager."""

    connection = Connection

    def __init__(self, rules: dict[str, Answer]) -> None:
        super().__init__()
        self.rules = rules


def absent(connection: Connection) -> None:
    """404."""
    connection.begin(404, Content_Length=0)


def file(content: bytes) -> Answer:
    """A file, or the range of it that is asked for."""

    def answer(connection: Connection) -> None:
        wanted = loopback.byte_range(connection.headers.get("Range", ""), len(content))
        part = content if wanted is None else content[wanted.start : wanted.stop]
        status = 200 if wanted is None else 206
        connection.begin(status, Content_Length=len(part), Accept_Ranges="bytes")
        if connection.command == "GET":
            connection.wfile.write(part)

    return answer


def without_end(start: bytes = b"", kind: str = "application/octet-stream") -> Answer:
    """A body in chunks, without a length, that goes on as long as somebody reads."""

    def answer(connection: Connection) -> None:
        connection.begin(Transfer_Encoding="chunked", Content_Type=kind)
        if connection.command == "GET":
            connection.chunk(start or CHUNK)
            while True:
                connection.chunk(CHUNK)

    return answer


def said_to_be(size: int) -> Answer:
    """A body that is said to be so long, and comes as long as somebody reads."""

    def answer(connection: Connection) -> None:
        connection.begin(Content_Length=size)
        if connection.command == "GET":
            for _ in range(size // len(CHUNK)):
                connection.wfile.write(CHUNK)

    return answer


def dripping(size: int, seconds: float) -> Answer:
    """A body of which a byte comes every few seconds, so that it is never silent for long."""

    def answer(connection: Connection) -> None:
        wanted = loopback.byte_range(connection.headers.get("Range", ""), size) or range(size)
        status = 206 if len(wanted) < size else 200
        connection.begin(status, Content_Length=len(wanted), Accept_Ranges="bytes")
        for _ in wanted if connection.command == "GET" else ():
            connection.wfile.write(b"x")
            time.sleep(seconds)
            if connection.is_gone():
                return

    return answer


def busy(seconds: int) -> Answer:
    """503, and to come back after so many seconds."""
    return lambda connection: connection.begin(503, Retry_After=seconds, Content_Length=0)
