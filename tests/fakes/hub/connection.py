"""The HTTP side of the loopback Hub: requests, replies, and a log of what was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.hub_faults import Fault
from tests.fakes.hub_store import Caller

_BLOCK = 64 * 1024
"""Bytes of a body that are read at once."""

_CUT_OFF = "the client left in the middle of a request"


@dataclass(frozen=True)
class Asked:
    """A line of the log.

    Attributes:
        method: Such as `GET`.
        path: Without what follows the `?`, percent signs resolved.
        status: Of the answer; None if the connection was dropped instead.
        user: Whose token came with it, None without one. The token itself is kept nowhere.
        received: Bytes of the request's body that were read.
        sent: Bytes of the answer's body.
        range: The `Range` asked for.
    """

    method: str
    path: str
    status: int | None
    user: str | None
    received: int = 0
    sent: int = 0
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


class Server(ThreadingHTTPServer):
    """Serves what a function answers, on a port of its own on 127.0.0.1.

    Args:
        answer: Is given a request and who asks.
        caller: Says who asks, by the parts of the path and the `Authorization`; refuses tokens it
            does not know.
    """

    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(
        self,
        answer: Callable[[Incoming, Caller], Reply],
        caller: Callable[[tuple[str, ...], str | None], Caller],
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.caller = caller
        self.log: list[Asked] = []
        self.errors: list[BaseException] = []
        self.faults: list[Fault] = []
        self.latency = 0.0
        self.closing = threading.Event()
        self.logged = threading.Condition()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="hub")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections, and wait for the threads that served them."""
        self.closing.set()
        for fault in self.faults:
            fault.release()
        self.shutdown()
        self._thread.join()
        with self.logged:
            for connection in self._open:
                _hang_up(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.logged:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.logged:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients that go away are part of the tests, and what is not is kept."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)

    def note(self, asked: Asked) -> None:
        with self.logged:
            self.log.append(asked)
            self.logged.notify_all()

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.logged:
            return next((fault for fault in self.faults if fault.takes(method, path)), None)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def do_CONNECT(self) -> None:
        """Clients are told to use us as their proxy for all but ourselves: they get nowhere."""
        self._send("CONNECT", self.path, None, Reply(403), 0)

    def _serve(self) -> None:
        target = urlsplit(self.path)
        parts = tuple(unquote(part) for part in target.path.split("/")[1:])
        method, path = self.command, "/" + "/".join(parts)
        try:
            if target.netloc:  # meant for another host
                self._body(None)
                self._send(method, f"{target.netloc}{path}", None, Reply(404), 0)
                return
            self.server.closing.wait(self.server.latency)
            fault = self.server.fault_for(method, path)
            body = self._body(fault.drop_upload_after if fault is not None else None)
        except ConnectionError:
            self.server.note(Asked(method, path, None, None))
            raise
        if fault is not None:
            fault.wait(self.server.closing)
            if fault.drop_upload_after is not None or self._left():
                self.server.note(Asked(method, path, None, None, len(body)))
                self._drop()
                return
        incoming = Incoming(method, parts, parse_qs(target.query), self.headers, body)
        user, reply = self._answer(incoming, fault)
        drop_after = fault.drop_download_after if fault is not None else None
        self._send(method, path, user, reply, len(body), drop_after)

    def _answer(self, incoming: Incoming, fault: Fault | None) -> tuple[str | None, Reply]:
        caller = Caller()
        try:
            caller = self.server.caller(incoming.parts, incoming.headers.get("Authorization"))
            if fault is not None and fault.status is not None:
                reason = f"{fault.status} {responses.get(fault.status, '')}".strip()
                return caller.name, Reply.json({"error": reason}, fault.status, fault.headers)
            return caller.name, self.server.answer(incoming, caller)
        except Refusal as refusal:
            return caller.name, refusal.reply
        except Exception as error:
            self.server.errors.append(error)
            return caller.name, Reply.json({"error": repr(error)}, 500)

    def _send(
        self,
        method: str,
        path: str,
        user: str | None,
        reply: Reply,
        received: int,
        drop_after: int | None = None,
    ) -> None:
        status = reply.status if drop_after is None else None
        content = b"" if method == "HEAD" else reply.body[:drop_after]
        self.server.note(
            Asked(method, path, status, user, received, len(content), self.headers.get("Range"))
        )
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        if drop_after is not None:
            _hang_up(self.connection)
            self.close_connection = True

    def _body(self, limit: int | None) -> bytes:
        """The request's body, or its beginning."""
        body = bytearray()
        for block in self._blocks() if limit != 0 else ():
            body += block
            if limit is not None and len(body) >= limit:
                break
        return bytes(body[:limit])

    def _blocks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self._line().split(b";")[0], 16):
                yield self._exactly(size)
                self._line()
            while self._line().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self._exactly(min(left, _BLOCK))
            left -= len(block)
            yield block

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError(_CUT_OFF)
        return line

    def _exactly(self, size: int) -> bytes:
        block = self.rfile.read(size)
        if len(block) < size:
            raise ConnectionError(_CUT_OFF)
        return block

    def _left(self) -> bool:
        """Whether the client is gone: what it asked for must not happen after its end."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _drop(self) -> None:
        """End the connection as a lost one ends: reset, whatever is on its way."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _hang_up(self.connection)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed: `Server.log` has it all."""


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may be faster
        connection.shutdown(socket.SHUT_RDWR)
