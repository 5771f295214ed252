"""Connections of the loopback PhysioNet: requests parsed, answers sent, faults carried out."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
import weakref
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from tests.fakes.physionet_faults import Fault, InBody, Reset, Stall
from tests.fakes.physionet_messages import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.physionet import PhysioNet


class Server(ThreadingHTTPServer):
    """A thread a connection, all of which have ended when `stop` returns."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: PhysioNet) -> None:
        self.site = site
        self.connections: set[socket.socket] = set()
        super().__init__(address, Handler)
        _servers.add(self)

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the name service what this machine is called.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that goes away is no defect; all else is kept for the end of the test.
        if error is not None and not isinstance(error, ConnectionError):
            self.site.defects.append(error)

    def stop(self) -> None:
        _servers.discard(self)
        # This wakes the accepting thread, which otherwise looks twice a second whether to end.
        _shut(self.socket)
        self.shutdown()
        for connection in list(self.connections):
            _shut(connection)
        self.server_close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # It may be closed already.
        connection.shutdown(socket.SHUT_RDWR)


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _close_in_child() -> None:
    """Close a forked child's copies of our sockets.

    As long as it has them, no close of ours resets a connection or frees the port.
    """
    for server in list(_servers):
        for copy in (server.socket, *server.connections):
            with contextlib.suppress(OSError):
                os.close(copy.detach())


os.register_at_fork(after_in_child=_close_in_child)


class Handler(BaseHTTPRequestHandler):
    """One connection: parses requests, sends answers, does what faults say."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        target, request = self._request()
        site = cast(Server, self.server).site
        site.begin(request)
        try:
            self.rfile.read(int(request.headers.get("Content-Length", 0)))
            self._pause(site.latency)
            answer, fault = site.answer(request, target)
            if answer is None:
                site.finish(request)
                self._hang_up(reset=False)
                return
            with answer.file:
                self._send(site, request, answer, fault)
        finally:
            site.finish(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _request(self) -> tuple[str, Request]:
        """The target without its host, and the request."""
        start = time.monotonic()
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.title())
            headers[name.title()] = value if known is None else f"{known}, {value}"
        host, target = headers.get("Host", ""), self.path
        if "://" in target:  # As a proxy is asked.
            parts = urlsplit(target)
            host = parts.netloc
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path = unquote(target.partition("?")[0])
        return target, Request(self.command, path, host, headers, start)

    def _send(self, site: PhysioNet, request: Request, answer: Answer, fault: Fault | None) -> None:
        """Send an answer. It counts as finished just before its last byte goes out."""
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.all_headers().items():
            self.send_header(name, value)
        length = 0 if request.method == "HEAD" else answer.length
        if not length:
            site.finish(request)
            self.end_headers()
            return
        self.end_headers()
        sent = 0
        if isinstance(fault, InBody):
            sent = min(fault.after_bytes, length - 1)
            self._send_body(answer, 0, sent)
            if not isinstance(fault, Stall):
                site.finish(request)
                self._hang_up(reset=isinstance(fault, Reset))
                return
            self._pause(fault.seconds)
        self._send_body(answer, sent, length - 1)
        site.finish(request)
        self._send_body(answer, length - 1, length)

    def _send_body(self, answer: Answer, first: int, end: int) -> None:
        # sendfile copies without Python's lock, so that the client in this process can go on.
        if end > first:
            sent = self.connection.sendfile(answer.file, answer.start + first, end - first)
            if sent != end - first:
                raise ConnectionAbortedError("The file became shorter while it was sent.")

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # Closed with a linger of 0 seconds, TCP sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the connection lives: the client or `stop` may close it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._is_gone():
            time.sleep(min(left, 0.05))

    def _is_gone(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def version_string(self) -> str:
        return "nginx"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `PhysioNet.requests` holds what happened."""
