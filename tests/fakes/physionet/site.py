"""The rules of the loopback PhysioNet: who may read what, and which request meets a fault."""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from tests.fakes.physionet.faults import (
    Fault,
    Flip,
    NotFound,
    Page,
    Refuse,
    Rule,
    Status,
    Truncate,
    WholeBody,
)
from tests.fakes.physionet.files import file_answer, index_page, inside
from tests.fakes.physionet.messages import Answer, Request, page

USER = "invented-reader"
PASSWORD = "invented password"
HOST = "physionet.org"
"""The host it answers for as a proxy."""
AGENTS = ("Wget/", "libwfdb/")
"""How a User-Agent has to begin for its login to be looked at."""


class Site:
    """Folders behind PhysioNet's rules, and the faults that requests for them shall meet."""

    port: int
    scheme: str

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
        encodes: bool = False,
    ) -> None:
        """Describe what is served.

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
            encodes: Call the form of `.gz` files an encoding of the transport, as servers do that
                know their ending: a client unpacks what it gets, whatever it asked for.
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
        self.encodes = encodes
        self.logins = 0
        self._lock = threading.Lock()
        self._sessions: dict[str, str] = {}
        self._rules: list[Rule] = []

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
            self._rules.append(Rule(re.compile(path), faults, times, after))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()

    def _fault(self, request: Request) -> Fault | None:
        with self._lock:
            return next((fault for rule in self._rules if (fault := rule.next(request))), None)

    def answer(self, request: Request, target: str) -> tuple[Answer | None, Fault | None]:
        """What to answer (None: nothing), and what shall go wrong with it.

        Args:
            request: Is told its user here.
            target: Its path as it was sent, with its query.
        """
        own = (HOST, f"{HOST}:80", f"127.0.0.1:{self.port}", f"localhost:{self.port}")
        if request.host not in own:
            return page(502), None  # As a proxy it knows no other host.
        mount = self._mount(request.path)
        if mount is None:
            return page(404), None
        refusal, headers = (None, {}) if self.open_access else self._gate(request, mount)
        if refusal is not None:
            return refusal, None
        fault = self._fault(request)
        if isinstance(fault, Refuse):
            return None, fault
        if isinstance(fault, Status):
            return page(fault.code, fault.headers), fault
        if isinstance(fault, NotFound):
            return page(404, headers), fault
        if isinstance(fault, Page):
            return page(200, headers, fault.body), fault
        answer = self._content(request, mount, target)
        answer.headers.update(headers)
        if isinstance(fault, WholeBody) and answer.size is not None:
            answer.status, answer.start, answer.length = 200, 0, answer.size
            answer.size = None
        if isinstance(fault, Flip):
            answer.flip(fault.place)
        if isinstance(fault, Truncate):
            answer.length = min(fault.length, max(answer.length - 1, 0))
        return answer, fault

    def _mount(self, path: str) -> str | None:
        """Path of the folder that this path belongs to; the innermost, if they are nested."""
        mounts = [mount for mount in self.folders if f"{path}/".startswith(f"/{mount}/")]
        return max(mounts, key=len, default=None)

    def _gate(self, request: Request, mount: str) -> tuple[Answer | None, dict[str, str]]:
        """The answer to one who may not read this folder; the session's cookie for one who may."""
        agent = request.headers.get("User-Agent", "")
        if request.method not in ("GET", "HEAD") or not agent.startswith(self.agents):
            return page(403), {}
        request.user, headers = self._authenticate(request)
        if request.user is None:
            asks = {
                "WWW-Authenticate": 'Basic realm="PhysioNet", charset="UTF-8"',
                "Set-Cookie": "testcookie=testcookie; Path=/; HttpOnly; SameSite=Lax",
            }
            return page(401, asks), {}
        if not self._has_signed(request.user, mount):
            return page(403, headers), {}
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
            self.logins += 1
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

    def _content(self, request: Request, mount: str, target: str) -> Answer:
        """A file, an index page, or why there is none."""
        if request.method not in ("GET", "HEAD"):
            return page(405, {"Allow": "GET, HEAD"})
        place = inside(self.folders[mount], request.path[len(mount) + 1 :])
        if place is None:
            return page(404)
        if place.is_dir():
            raw, mark, query = target.partition("?")
            if not raw.endswith("/"):
                return page(301, {"Location": f"{self.scheme}://{request.host}{raw}/{mark}{query}"})
            return index_page(place, request.path) if self.listing else page(403)
        if request.path.endswith("/") or not place.is_file():
            return page(404)
        answer = file_answer(place, request, etags=self.etags, ranges=self.ranges)
        if self.encodes and place.suffix == ".gz":
            answer.headers["Content-Encoding"] = "gzip"
        return answer


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
