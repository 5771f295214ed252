"""Connections of the loopback Hub: requests, replies, and a line of the log for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import responses
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote

from tests.fakes import loopback
from tests.fakes.hub.faults import Fault
from tests.fakes.hub.repository import Caller

if TYPE_CHECKING:
    from tests.fakes.hub.server import Hub


@dataclass(frozen=True)
class Asked:
    """A line of the log.

    Attributes:
        method: Such as `GET`.
        path: Without what follows the `?`, percent signs resolved.
        status: Of the answer; None if the connection was dropped instead.
        user: Whose token came with it, None without one. The token itself is kept nowhere.
        received: Bytes of the request's body that were read.
        range: The `Range` asked for.
    """

    method: str
    path: str
    status: int | None
    user: str | None
    received: int = 0
    range: str | None = None


@dataclass(frozen=True)
class Incoming:
    """A request as the routes see it: `parts` are those of its path, percent signs resolved."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def flag(self, name: str) -> bool:
        """Whether a query parameter is given and true."""
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")


@dataclass
class Reply:
    """An answer; to `HEAD` its body is counted, not sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        kind = {"Content-Type": "application/json"}
        return cls(status, json.dumps(value).encode(), {**kind, **(headers or {})})


class Refusal(Exception):
    """An answer that is an error, as the Hub words it: a header for the client, and JSON.

    Args:
        status: Such as 404.
        message: Goes to `X-Error-Message` and to the JSON.
        code: `X-Error-Code`, by which the client chooses its exception.
        headers: More headers.
    """

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        headers = {"X-Error-Message": message, **headers}
        if code is not None:
            headers["X-Error-Code"] = code
        self.reply = Reply.json({"error": message}, status, headers)


class Connection(loopback.Connection):
    """One connection: parses requests, sends answers, does what faults say."""

    def do_CONNECT(self) -> None:
        """Clients are told to use us as their proxy for all but ourselves: they get nowhere."""
        self._send(Asked("CONNECT", self.path, 403, None), Reply(403))

    def _serve(self) -> None:
        host, target = self.target()
        path, _, query = target.partition("?")
        parts = tuple(unquote(part) for part in path.split("/")[1:])
        method, path = self.command, "/" + "/".join(parts)
        if "://" in self.path:  # meant for another host
            self.body()
            self._send(Asked(method, f"{host}{path}", 404, None), Reply(404))
            return
        fault = self._hub.fault_for(method, path)
        drop_after = None if fault is None else fault.drop_upload_after
        body = self.body(drop_after)
        if fault is not None:
            fault.wait()
        # What a client asked for must not happen after its end.
        if drop_after is not None or (fault is not None and self.is_gone()):
            self._hub.note(Asked(method, path, None, None, len(body)))
            self.hang_up(reset=True)
            return
        incoming = Incoming(method, parts, parse_qs(query), self.headers, body)
        user, reply = self._answer(incoming, fault)
        wanted = self.headers.get("Range")
        self._send(Asked(method, path, reply.status, user, len(body), wanted), reply)

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    @property
    def _hub(self) -> Hub:
        return cast("Hub", self.server.owner)

    def _answer(self, incoming: Incoming, fault: Fault | None) -> tuple[str | None, Reply]:
        """Who asks, and the answer."""
        caller = Caller()
        try:
            caller = self._hub.caller(incoming)
            if fault is not None and fault.status is not None:
                reason = f"{fault.status} {responses.get(fault.status, '')}".strip()
                return caller.name, Reply.json({"error": reason}, fault.status, fault.headers)
            return caller.name, self._hub.answer(incoming, caller)
        except Refusal as refusal:
            return caller.name, refusal.reply

    def _send(self, asked: Asked, reply: Reply) -> None:
        self._hub.note(asked)
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if asked.method != "HEAD":
            self.wfile.write(reply.body)
