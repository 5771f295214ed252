"""What the loopback PhysioNet and the loopback Hub share: port, threads, connections."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
import weakref
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from tests.fakes.certificate import server_context

T = TypeVar("T", bound="Loopback")


class Loopback:
    """An HTTP server on 127.0.0.1, in threads of this process. Use it as a context manager.

    Attributes:
        connection: Class that serves one connection.
        port: Its port, the same after `stop` and `start`.
        defects: What failed in the server itself. The first is raised at the end of the `with`.
        opened: How many connections were opened so far.
    """

    connection: ClassVar[type[Connection]]
    encrypted = False  # whether it is asked over https

    def __init__(self) -> None:
        self.port = 0
        self.defects: list[BaseException] = []
        self.opened = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or `https:`, with no slash at its end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def scheme(self) -> str:
        """How it is asked: `http` or `https`."""
        return "https" if self.encrypted else "http"

    def bind(self) -> None:
        """Take the port, so that the address is known, and answer nothing yet."""
        if self._server is None:
            self._server = _Server(self)
            self.port = self._server.server_address[1]

    def start(self) -> None:
        """Serve; on the same port as before, if there was one."""
        self.bind()
        if self._server is not None and self._thread is None:
            self._thread = threading.Thread(
                target=self._server.serve_forever, name=type(self).__name__
            )
            self._thread.start()

    def stop(self) -> None:
        """Be dead: close all connections, refuse new ones. `start` makes it come back."""
        if self._server is None or self._thread is None:
            return
        self._server.stop()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self: T) -> T:
        self.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()
        if error is None and self.defects:
            raise RuntimeError("The loopback server itself failed.") from self.defects[0]


class _Server(ThreadingHTTPServer):
    """A thread a connection, all of which have ended when `stop` returns."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", owner.port), owner.connection)
        _servers.add(self)

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the name service what this machine is called.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[Any, Any]:
        request, address = super().get_request()
        if self.owner.encrypted:  # the handshake is made by the connection's own thread
            request = server_context().wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
        return request, address

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        self.owner.opened += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that goes away is no defect; all else is kept for the end of the test.
        if error is not None and not isinstance(error, (ConnectionError, ssl.SSLError)):
            self.owner.defects.append(error)

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


_servers: weakref.WeakSet[_Server] = weakref.WeakSet()


def _close_in_child() -> None:
    """Close a forked child's copies of our sockets.

    As long as it has them, no close of ours resets a connection or frees the port.
    """
    for server in list(_servers):
        for copy in (server.socket, *server.connections):
            with contextlib.suppress(OSError):
                os.close(copy.detach())


os.register_at_fork(after_in_child=_close_in_child)


class Connection(BaseHTTPRequestHandler):
    """One connection: what every server does with it. A subclass has `do_GET` and the like."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def target(self) -> tuple[str, str]:
        """The host that is asked for, and the path and query as they were sent."""
        if "://" not in self.path:
            return self.headers.get("Host", ""), self.path
        parts = urlsplit(self.path)  # As a proxy is asked.
        return parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def body(self, limit: int | None = None) -> bytes:
        """The request's body, or its first bytes.

        Raises:
            ConnectionError: The client left in the middle of it.
        """
        size = int(self.headers.get("Content-Length", 0))
        size = size if limit is None else min(size, limit)
        content = self.rfile.read(size)
        if len(content) < size:
            raise ConnectionAbortedError("The client left in the middle of a request.")
        return content

    def hang_up(self, *, reset: bool) -> None:
        """Close the connection, as at a good end or as one that is lost."""
        self.close_connection = True
        if reset:
            # Closed with a linger of 0 seconds, TCP sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the connection lives: the client or `stop` may close it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.is_gone():
            time.sleep(min(left, 0.05))

    def is_gone(self) -> bool:
        """Whether the client has closed the connection."""
        if isinstance(self.connection, ssl.SSLSocket):  # which does not peek; a client that waits
            return bool(select.select([self.connection], [], [], 0)[0])  # says nothing but goodbye
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: each server keeps a list of what it was asked."""


def byte_range(header: str, size: int) -> range | None:
    """The bytes a Range header asks for, empty if there are none; None: not one plain range."""
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)
