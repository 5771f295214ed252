"""A loopback PhysioNet: a real HTTP server that serves folders behind PhysioNet's rules.

    with PhysioNet({"files/mimic-cxr-jpg/2.1.0": release}) as server:
        server.fail(r"\\.jpg$", Status(503, {"Retry-After": "1"}), Reset(100))
        ...  # a client reads from server.address("files/mimic-cxr-jpg/2.1.0/README")
        assert server.max_concurrent <= 8

Who may read a file is asked in this order: a User-Agent that is not on the list is answered 403,
no login or a wrong one 401, a user who has not signed the agreement 403; only then may a file be
missing (404). Files are served as nginx does: ETag, Last-Modified, ranges, index pages.

The rules are those of PhysioNet's own code (MIT-LCP/physionet-build, `check_http_auth` and
`require_http_auth`).
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import os
import re
import secrets
import socket
import stat
import struct
import sys
import threading
import time
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

USER = "invented-reader"
PASSWORD = "invented password"
HOST = "physionet.org"
"""The host it answers for as a proxy."""
AGENTS = ("Wget/", "libwfdb/")
"""How a User-Agent has to begin for its login to be looked at."""


# ------------------------------------------------------------------ faults


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


@dataclass(frozen=True)
class _InBody(Fault):
    """Goes wrong after so many bytes of the body, at the latest before its last byte."""

    after_bytes: int = 0

    def can_meet(self, request: Request) -> bool:
        return request.method == "GET"


@dataclass(frozen=True)
class Reset(_InBody):
    """Resets the connection (RST) in the middle of a body."""


@dataclass(frozen=True)
class Short(_InBody):
    """Closes the connection, as at a good end, before the body has its Content-Length."""


@dataclass(frozen=True)
class Stall(_InBody):
    """Is silent for so many seconds in the middle of a body, then sends the rest.

    The silence ends early when the client goes away or the server stops.
    """

    seconds: float = 60.0


@dataclass
class _Rule:
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


# ------------------------------------------------------------------ requests and answers


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
class _Answer:
    """A status, headers, and `length` bytes of `file` from `start`.

    `size` is the length of the whole file if this is a range of it.
    """

    status: int
    headers: dict[str, str]
    file: BinaryIO
    start: int
    length: int
    size: int | None = None

    def all_headers(self) -> dict[str, str]:
        headers = {**self.headers, "Content-Length": str(self.length)}
        if self.size is not None:
            last = self.start + self.length - 1
            headers["Content-Range"] = f"bytes {self.start}-{last}/{self.size}"
        return headers


def _page(status: int, headers: Mapping[str, str] | None = None, body: str = "") -> _Answer:
    """An HTML page; without a body, one that names the status."""
    if not body:
        names: Mapping[int, str] = {known.value: known.phrase for known in HTTPStatus}
        title = f"{status} {names.get(status, '')}".strip()
        body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    content = body.encode()
    own = {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
    return _Answer(status, own, io.BytesIO(content), 0, len(content))


class PhysioNet:
    """A PhysioNet on 127.0.0.1, in threads of this process. Use it as a context manager."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        users: Mapping[str, str] | None = None,
        signed: Collection[str] | Mapping[str, Collection[str]] | None = None,
        agents: Sequence[str] = AGENTS,
        open_access: bool = False,
        latency: float = 0.0,
        etags: bool = True,
        ranges: bool = True,
        listing: bool = True,
        tests_cookies: bool = False,
    ) -> None:
        """Describe what is served; `start` (or `with`) serves it.

        Args:
            folders: What is served, by path ("files/mimic-cxr-jpg/2.1.0"). Their content may
                change at any time.
            users: Passwords by name; by default the one user USER.
            signed: Names of the users who have signed the agreement, for all folders or by path of
                the folder; None: all have.
            agents: How a User-Agent has to begin for its login to be looked at.
            open_access: Serve everyone, without any login.
            latency: Seconds that each request waits for its answer. May be changed at any time.
            etags: Send an ETag.
            ranges: Serve ranges; otherwise a request for one gets 200 and the whole file.
            listing: Answer a folder with an index page; otherwise with 403.
            tests_cookies: Hand out sessions as sparingly as PhysioNet: only to a client that has
                sent some cookie (`testcookie`) with its login, and to be used only beside an
                Authorization header. Otherwise every good login starts a session.
        """
        self.folders = {path.strip("/"): Path(folder) for path, folder in folders.items()}
        self.users = dict({USER: PASSWORD} if users is None else users)
        self.signed = signed
        self.agents = tuple(agents)
        self.open_access = open_access
        self.latency = latency
        self.etags = etags
        self.ranges = ranges
        self.listing = listing
        self.tests_cookies = tests_cookies
        self._lock = threading.Lock()
        self._sessions: dict[str, str] = {}
        self._rules: list[_Rule] = []
        self._requests: list[Request] = []
        self._logins = 0
        self._in_service = 0
        self._max_concurrent = 0
        self._defects: list[BaseException] = []
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------- running

    def start(self) -> None:
        """Serve; on the same port as before, if there was one."""
        if self._server is not None:
            return
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="PhysioNet")
        self._thread.start()

    def stop(self) -> None:
        """Be dead: close all connections, refuse new ones. `start` makes it come back.

        Sessions, faults, requests and counts are kept.
        """
        if self._server is None or self._thread is None:
            return
        self._server.stop()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> PhysioNet:
        self.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()
        if error is None and self._defects:
            raise RuntimeError("The loopback server itself failed.") from self._defects[0]

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, the same after `stop` and `start`.

        aiohttp keeps no cookies of a numeric host: ask for `localhost`, or for HOST with this
        address as the proxy, where they matter.
        """
        return f"http://127.0.0.1:{self._port}"

    def address(self, path: str = "") -> str:
        """The URL of a path, which is quoted here."""
        return f"{self.url}/{quote(path.lstrip('/'))}"

    # -------------------------------------------------------------- what happened

    @property
    def requests(self) -> list[Request]:
        """Every request since `reset`, in the order in which they came."""
        with self._lock:
            return list(self._requests)

    @property
    def logins(self) -> int:
        """How often a name and a password were checked since `reset`."""
        return self._logins

    @property
    def max_concurrent(self) -> int:
        """The most requests that were in service at once since `reset`.

        One is in service from when its head has been read until just before its last byte is
        sent, so that a client that waits for each answer never counts as two.
        """
        return self._max_concurrent

    def reset(self) -> None:
        """Forget requests and counts. Faults, sessions and requests in service stay."""
        with self._lock:
            self._requests.clear()
            self._logins = 0
            self._max_concurrent = self._in_service

    # -------------------------------------------------------------- faults

    def fail(self, path: str, *faults: Fault, times: int | None = 1, after: int = 0) -> None:
        """Let requests go wrong. Only those that may read the file can meet a fault.

        Args:
            path: Regular expression, searched for in `Request.path`.
            *faults: They happen in turn, each to the next request that it can happen to.
            times: How often the whole list happens; None: for ever.
            after: So many such requests are served well before.
        """
        if not faults:
            raise ValueError("fail() needs a fault.")
        with self._lock:
            self._rules.append(_Rule(re.compile(path), faults, times, after))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()

    def _fault(self, request: Request) -> Fault | None:
        with self._lock:
            return next((fault for rule in self._rules if (fault := rule.next(request))), None)

    # -------------------------------------------------------------- answering

    def _begin(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            self._in_service += 1
            self._max_concurrent = max(self._max_concurrent, self._in_service)

    def _finish(self, request: Request) -> None:
        with self._lock:
            if request.end is None:
                request.end = time.monotonic()
                self._in_service -= 1

    def _answer(self, request: Request, target: str) -> tuple[_Answer | None, Fault | None]:
        """What to answer (None: nothing), and what shall go wrong with it.

        Args:
            request: Is told its user here.
            target: Its path as it was sent, with its query.
        """
        own = (HOST, f"{HOST}:80", f"127.0.0.1:{self._port}", f"localhost:{self._port}")
        if request.host not in own:
            return _page(502), None  # As a proxy it knows no other host.
        mount = self._mount(request.path)
        if mount is None:
            return _page(404), None
        refusal, headers = (None, {}) if self.open_access else self._gate(request, mount)
        if refusal is not None:
            return refusal, None
        fault = self._fault(request)
        if isinstance(fault, Refuse):
            return None, fault
        if isinstance(fault, Status):
            return _page(fault.code, fault.headers), fault
        if isinstance(fault, NotFound):
            return _page(404, headers), fault
        answer = self._content(request, mount, target)
        answer.headers.update(headers)
        if isinstance(fault, WholeBody) and answer.size is not None:
            answer.status, answer.start, answer.length = 200, 0, answer.size
            answer.size = None
        if isinstance(fault, Truncate):
            answer.length = min(fault.length, max(answer.length - 1, 0))
        return answer, fault

    def _mount(self, path: str) -> str | None:
        """Path of the folder that this path belongs to; the innermost, if they are nested."""
        mounts = [mount for mount in self.folders if f"{path}/".startswith(f"/{mount}/")]
        return max(mounts, key=len, default=None)

    def _gate(self, request: Request, mount: str) -> tuple[_Answer | None, dict[str, str]]:
        """The answer to one who may not read this folder; the session's cookie for one who may."""
        agent = request.headers.get("User-Agent", "")
        if request.method not in ("GET", "HEAD") or not agent.startswith(self.agents):
            return _page(403), {}
        request.user, headers = self._authenticate(request)
        if request.user is None:
            asks = {
                "WWW-Authenticate": 'Basic realm="PhysioNet", charset="UTF-8"',
                "Set-Cookie": "testcookie=testcookie; Path=/; HttpOnly; SameSite=Lax",
            }
            return _page(401, asks), {}
        if not self._has_signed(request.user, mount):
            return _page(403, headers), {}
        return None, headers

    def _authenticate(self, request: Request) -> tuple[str | None, dict[str, str]]:
        """Whose session or login a request has, and the cookie of a session that starts here."""
        cookies = dict(_cookies(request.headers.get("Cookie", "")))
        login = request.headers.get("Authorization")
        user = self._sessions.get(cookies.get("sessionid", ""))
        if user is not None and not (self.tests_cookies and login is None):
            return user, {}
        if login is None:
            return None, {}
        with self._lock:
            self._logins += 1
        name, password = _basic(login)
        if name is None or self.users.get(name) != password:
            return None, {}
        if self.tests_cookies and not cookies:
            return name, {}
        session = secrets.token_hex(16)
        self._sessions[session] = name
        return name, {"Set-Cookie": f"sessionid={session}; Path=/; HttpOnly; SameSite=Lax"}

    def _has_signed(self, user: str, mount: str) -> bool:
        if self.signed is None:
            return True
        if not isinstance(self.signed, Mapping):
            return user in self.signed
        return any(user in names for path, names in self.signed.items() if path.strip("/") == mount)

    def _content(self, request: Request, mount: str, target: str) -> _Answer:
        """A file, an index page, or why there is none."""
        if request.method not in ("GET", "HEAD"):
            return _page(405, {"Allow": "GET, HEAD"})
        place = _inside(self.folders[mount], request.path[len(mount) + 1 :])
        if place is None:
            return _page(404)
        if place.is_dir():
            raw, mark, query = target.partition("?")
            if not raw.endswith("/"):
                return _page(301, {"Location": f"http://{request.host}{raw}/{mark}{query}"})
            return _index(place, request.path) if self.listing else _page(403)
        if request.path.endswith("/") or not place.is_file():
            return _page(404)
        return self._file(request, place)

    def _file(self, request: Request, place: Path) -> _Answer:
        """A file or the range of it that was asked for."""
        file = place.open("rb")
        facts = os.fstat(file.fileno())
        headers = {
            "Content-Type": _TYPES.get(place.suffix, "application/octet-stream"),
            "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
        }
        if self.etags:
            headers["ETag"] = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
        answer = _Answer(200, headers, file, 0, facts.st_size)
        only_if = request.headers.get("If-Range")
        fresh = only_if is None or only_if in (headers.get("ETag"), headers["Last-Modified"])
        wanted = _range(request.headers.get("Range", ""), facts.st_size)
        if not self.ranges or not fresh or wanted is None:
            return answer
        if not wanted:
            file.close()
            return _page(416, {"Content-Range": f"bytes */{facts.st_size}"})
        answer.status, answer.size = 206, facts.st_size
        answer.start, answer.length = wanted.start, len(wanted)
        return answer


_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".txt": "text/plain",
    ".zip": "application/zip",
}


def _cookies(header: str) -> Iterator[tuple[str, str]]:
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            yield name, value


def _basic(header: str) -> tuple[str | None, str]:
    """Name and password of an Authorization header; no name if it is not a proper Basic one."""
    scheme, _, token = header.partition(" ")
    with contextlib.suppress(ValueError):
        name, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
        if scheme.lower() == "basic" and colon:
            return name, password
    return None, ""


def _range(header: str, size: int) -> range | None:
    """The bytes a Range header asks for, empty if there are none; None: not one plain range."""
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)


def _inside(folder: Path, path: str) -> Path | None:
    """Where a decoded path leads; None if that is not there, or not in the folder."""
    if "\0" in path:
        return None
    root = folder.resolve()
    place = root.joinpath(*filter(None, path.split("/"))).resolve()
    return place if place.is_relative_to(root) and place.exists() else None


def _index(folder: Path, path: str) -> _Answer:
    """A page as nginx's autoindex writes it: folders first, each kind by name."""
    lines = ['<a href="../">../</a>']
    found = [(not child.is_dir(), child.name, child.stat()) for child in folder.iterdir()]
    for _, name, facts in sorted(found, key=lambda entry: entry[:2]):
        is_folder = stat.S_ISDIR(facts.st_mode)
        shown = name + "/" * is_folder
        when = time.strftime("%d-%b-%Y %H:%M", time.gmtime(facts.st_mtime))
        size = "-" if is_folder else str(facts.st_size)
        # nginx cuts a shown name to 50 characters; the address is never cut.
        cut = shown if len(shown) <= 50 else f"{shown[:47]}..>"
        link = f'<a href="{quote(shown)}">{html.escape(cut)}</a>'
        lines.append(f"{link}{' ' * (50 - len(cut))} {when} {size:>19}")
    title = f"Index of {html.escape(path)}"
    listing = "\n".join(lines)
    return _page(
        200,
        body=f"<html>\n<head><title>{title}</title></head>\n<body>\n"
        f"<h1>{title}</h1><hr><pre>{listing}\n</pre><hr></body>\n</html>\n",
    )


# ------------------------------------------------------------------ connections


class _Server(ThreadingHTTPServer):
    """A thread a connection, all of which have ended when `stop` returns."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: PhysioNet) -> None:
        self.site = site
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)
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
            self.site._defects.append(error)

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


class _Handler(BaseHTTPRequestHandler):
    """One connection: parses requests, sends answers, does what faults say."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        target, request = self._request()
        site = cast(_Server, self.server).site
        site._begin(request)
        try:
            self.rfile.read(int(request.headers.get("Content-Length", 0)))
            self._pause(site.latency)
            answer, fault = site._answer(request, target)
            if answer is None:
                site._finish(request)
                self._hang_up(reset=False)
                return
            with answer.file:
                self._send(site, request, answer, fault)
        finally:
            site._finish(request)

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

    def _send(
        self, site: PhysioNet, request: Request, answer: _Answer, fault: Fault | None
    ) -> None:
        """Send an answer. It counts as finished just before its last byte goes out."""
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.all_headers().items():
            self.send_header(name, value)
        length = 0 if request.method == "HEAD" else answer.length
        if not length:
            site._finish(request)
            self.end_headers()
            return
        self.end_headers()
        sent = 0
        if isinstance(fault, _InBody):
            sent = min(fault.after_bytes, length - 1)
            self._send_body(answer, 0, sent)
            if not isinstance(fault, Stall):
                site._finish(request)
                self._hang_up(reset=isinstance(fault, Reset))
                return
            self._pause(fault.seconds)
        self._send_body(answer, sent, length - 1)
        site._finish(request)
        self._send_body(answer, length - 1, length)

    def _send_body(self, answer: _Answer, first: int, end: int) -> None:
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
