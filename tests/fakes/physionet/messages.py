"""What the loopback PhysioNet is asked and what it answers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO


@dataclass
class Request:
    """One request that was received.

    Attributes:
        method: "GET", "HEAD", …
        path: Decoded, from the first slash, without host and query.
        host: Host (and port) that was asked for.
        headers: Names in title case ("User-Agent", "Range"); a repeated one joined by commas.
        start: `time.monotonic()` when the head had been read.
        user: Whose login or session was accepted; None if none was.
        status: Of the answer; None if there was none, or not yet.
        end: `time.monotonic()` just before the last byte was sent, or the connection closed; None
            while it is in service.
    """

    method: str
    path: str
    host: str
    headers: dict[str, str]
    start: float
    user: str | None = None
    status: int | None = None
    end: float | None = None


@dataclass
class Answer:
    """A status, headers, and `length` bytes of `file` from `start`.

    `size` is the length of the whole file if this is a range of it.
    """

    status: int
    headers: dict[str, str]
    file: BinaryIO
    start: int
    length: int
    size: int | None = None

    def flip(self, place: float) -> None:
        """Change a bit after this share of the body."""
        with self.file:
            self.file.seek(self.start)
            body = bytearray(self.file.read(self.length))
        body[int(place * len(body))] ^= 4
        self.file, self.start = io.BytesIO(bytes(body)), 0

    def all_headers(self) -> dict[str, str]:
        headers = {**self.headers, "Content-Length": str(self.length)}
        if self.size is not None:
            last = self.start + self.length - 1
            headers["Content-Range"] = f"bytes {self.start}-{last}/{self.size}"
        return headers


def page(status: int, headers: Mapping[str, str] | None = None, body: str = "") -> Answer:
    """An HTML page; without a body, one that names the status."""
    if not body:
        names: Mapping[int, str] = {known.value: known.phrase for known in HTTPStatus}
        title = f"{status} {names.get(status, '')}".strip()
        body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    content = body.encode()
    own = {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
    return Answer(status, own, io.BytesIO(content), 0, len(content))
