"""Files from a web site by GNU wget: the program that sites document, and that their servers know.

Several processes of it run at once, each with a list of files. None follows a link, so that nothing
is ever crawled. Each has one connection.
"""

from __future__ import annotations

import os
import posixpath
import queue
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from cxr_datasets.copies.fetcher import Arrival, Fetcher
from cxr_datasets.copies.logins import login_for, nameless_file
from cxr_datasets.errors import DownloadError, StoreError
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.logins import Login
from cxr_datasets.storage.sites import site_of

FILES_A_PROCESS = 64
SILENCE = 60
"""Seconds without a byte after which wget gives a connection up."""

HOW_TO_INSTALL = (
    "Install GNU wget: `apt install wget` (Debian, Ubuntu), `dnf install wget` (Fedora, RHEL), "
    "`brew install wget` (macOS), or `conda install -c conda-forge wget`. On Windows: in WSL."
)

_GUARD = (
    'exec 9<&0; "$@" </dev/null & child=$!; '
    "{ read -r _ <&9; kill $child; } 2>/dev/null & guard=$!; "
    "wait $child; code=$?; kill $guard 2>/dev/null; exit $code"
)
"""Runs a program, and ends it when our end of its standard input is closed: when this process ends,
whatever ends it."""

_CAME = re.compile(r' -> "(?P<file>.*)" \[\d+\]$')
_FAILED = re.compile(r"^(?P<url>https?://\S+):$")
_ANSWER = re.compile(r"\bERROR (?:response )?(?P<status>\d{3})\b")
_NO_LOGIN = "Authentication Failed"

_ELSEWHERE = "the server sends us somewhere else, and a login goes to no other place"
_SAID = {
    "unable to resolve": "the name of the server is not known here (is there a network?)",
    "refused": "the server refuses connections",
    "redirections exceeded": _ELSEWHERE,
}
"""Words of wget -> what they mean for the files that did not come."""

_DISK, _NETWORK, _CERTIFICATE, _LOGIN = 3, 4, 5, 6
"""Exit codes of wget."""

_REFUSED = (401, 403)
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class Wget(Fetcher):
    """Brings files by several processes of wget."""

    def __init__(
        self, address: str, connections: int, refusals: Mapping[int, str], closed: bool = True
    ):
        """Look for the program; nothing is asked of the site.

        Args:
            address: Of the folder of the release, with a slash at its end.
            connections: How many processes run at once.
            refusals: HTTP status -> what it means there, and what to do.
            closed: Whether nobody else on the machine may read what comes.

        Raises:
            DownloadError: There is no GNU wget.
        """
        self.address = address
        self.connections = connections
        self._refusals = refusals
        self._umask = 0o077 if closed else -1
        self._options = options_of(program_found(), address)
        self._login: Login | None = None

    def shown(self, path: str = "") -> str:
        """See `Fetcher.shown`."""
        return shown(self.address + path)

    @property
    def login(self) -> Login:
        """The user's login; it is looked for, or asked for, once."""
        if self._login is None:
            self._login = login_for(urlsplit(self.address).netloc)
        return self._login

    def fetch(self, paths: Sequence[str], folder: Path, small: bool = True) -> Iterator[Arrival]:
        """See `Fetcher.fetch`."""
        settings = settings_for(self.login)
        each = min(FILES_A_PROCESS, -(-len(paths) // self.connections))
        starts = range(0, len(paths), each) if paths else ()
        lists = deque(paths[start : start + each] for start in starts)
        run = _Run(self, folder, settings, lists)
        workers = [
            threading.Thread(target=run.work, daemon=True)
            for _ in range(min(self.connections, len(lists)))
        ]
        for worker in workers:
            worker.start()
        try:
            yield from run.arrivals(len(workers))
        finally:
            run.stop()
            for worker in workers:
                worker.join()

    def refusal(self, status: int, path: str) -> StoreError:
        """Build the error for a login that the site refuses."""
        told = self._refusals.get(status, "Check the login, and that it may read this place.")
        error = StoreError(
            f"{self.shown(path)} may not be read: the server answered {status} to the login of "
            f"{self.login.user} (from {self.login.found}). {told}"
        )
        error.refused = True
        return error


class _Run:
    """The processes of one call of `fetch`."""

    def __init__(self, wget: Wget, folder: Path, settings: str, lists: deque[Sequence[str]]):
        self._wget, self._folder, self._settings, self._lists = wget, folder, settings, lists
        self._told: queue.Queue[Arrival | BaseException | None] = queue.Queue()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []

    def arrivals(self, workers: int) -> Iterator[Arrival]:
        """Give what the workers tell, until all have ended."""
        while workers:
            told = self._told.get()
            if told is None:
                workers -= 1
            elif isinstance(told, BaseException):
                raise told
            else:
                yield told

    def work(self) -> None:
        """Run one process after another, until no list is left."""
        try:
            while not self._stopped.is_set():
                try:
                    paths = self._lists.popleft()
                except IndexError:
                    break
                self._fetch(paths)
        except BaseException as error:
            self._told.put(error)
        finally:
            self._told.put(None)

    def stop(self) -> None:
        """End all processes."""
        self._stopped.set()
        with self._lock:
            for process in self._running:
                if process.stdin:
                    process.stdin.close()  # the guard ends wget

    def _fetch(self, paths: Sequence[str]) -> None:
        listed = "".join(f"{path}\n" for path in paths)
        before = {path: _size(self._folder / path) for path in paths}
        with nameless_file(self._settings) as settings, nameless_file(listed) as names:
            process = self._start(settings, names)
            if process is None:
                return
            try:
                assert process.stderr is not None
                left, said = self._follow(process.stderr, paths)
                code = process.wait()
            finally:
                with self._lock:
                    self._running.remove(process)
                for pipe in (process.stdin, process.stderr):
                    if pipe:
                        pipe.close()
                process.wait()
        if self._stopped.is_set():
            return
        if code == _NETWORK and not said:
            for path in left:
                _drop_stuck(self._folder / path, before[path])
        self._tell_rest(left, code, said)

    def _start(self, settings: int, names: int) -> subprocess.Popen[bytes] | None:
        words = ["sh", "-c", _GUARD, "sh", *self._wget._options, "-P", str(self._folder),
                 "-i", f"/dev/fd/{names}"]  # fmt: skip
        with self._lock:
            if self._stopped.is_set():
                return None
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                pass_fds=(settings, names), env=environment_for(self._wget.address, settings),
                umask=self._wget._umask, start_new_session=True,
            )  # fmt: skip
            self._running.append(process)
            return process

    def _follow(self, log: IO[bytes], paths: Sequence[str]) -> tuple[list[str], str]:
        """Read what wget says, and tell it.

        Returns:
            The files of which it said nothing, and what it said of none in particular.
        """
        base, left, url, said = self._wget.address, dict.fromkeys(paths), "", ""
        for raw in log:
            line = raw.decode("utf-8", "replace").strip()
            came, failed, answer = _CAME.search(line), _FAILED.search(line), _ANSWER.search(line)
            if came:
                path = posixpath.relpath(came["file"], str(self._folder))
                self._tell(left, Arrival(path))
            elif failed:
                url = failed["url"]
            elif answer or _NO_LOGIN in line:
                status = int(answer["status"]) if answer else 401
                path = url.removeprefix(base) if url.startswith(base) else next(iter(left), "")
                if status in _REFUSED:
                    raise self._wget.refusal(status, path)
                self._tell(left, _answered(path, status))
            else:
                said = next((told for words, told in _SAID.items() if words in line), said)
        return list(left), said

    def _tell(self, left: dict[str, None], arrival: Arrival) -> None:
        if arrival.path in left:
            del left[arrival.path]
            self._told.put(arrival)

    def _tell_rest(self, paths: Sequence[str], code: int, said: str) -> None:
        """Tell what became of files of which wget said nothing: the code that it ended with does.

        Raises:
            DownloadError: The disk is full.
            StoreError: The server is not the one that it says it is, or refuses the login.
        """
        if code == _DISK:
            free = shutil.disk_usage(self._folder).free
            raise DownloadError(
                f"wget could not write into {self._folder.parent.parent}; {free:,} bytes are free "
                "on its disk. Make room, or check the permissions of the folder, and start again: "
                "what came whole is not fetched again."
            )
        if code == _CERTIFICATE:
            raise StoreError(
                f"{self._wget.shown()} could not be read: the certificate of the server is not "
                "trusted. Check the clock of this machine, and whether a proxy stands between; if "
                "that has a certificate of its own, name its file in the variable SSL_CERT_FILE."
            )
        if code == _LOGIN and paths:
            raise self._wget.refusal(401, paths[0])
        for path in paths:
            if code == _NETWORK or not (self._folder / path).is_file():
                why = said or "the connection was lost, or the server went silent"
                self._told.put(Arrival(path, f"could not be read: {why}", said != _ELSEWHERE))
            else:  # whole since an earlier run
                self._told.put(Arrival(path))


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _drop_stuck(part: Path, before: int) -> None:
    """Begin a file anew that did not grow.

    Where the server has no more bytes than we have, as after it changed the file, wget waits for
    some until it gives up.
    """
    if before and _size(part) == before:
        part.unlink()


def _answered(path: str, status: int) -> Arrival:
    if status == 404:
        return Arrival(path, "is not there (the server answered 404)")
    said = f"could not be read: the server answered {status}"
    return Arrival(path, said, passing=status in _PASSING)


def options_of(program: Sequence[str], address: str) -> list[str]:
    """Give the words that wget is called with, as a user may call it, too.

    Args:
        program: What `program_found` gave.
        address: Of the folder of the release.
    """
    above = [part for part in urlsplit(address).path.split("/") if part]
    return [
        *program, "-nv", *words_for(len(above)), f"--base={address}",
        # With a file that was cut, to ask only for a newer one would be to keep it as it is.
        "--no-if-modified-since",
        # To try again is done here; a login goes to no other server.
        "--tries=1", "--max-redirect=0", f"--timeout={SILENCE}",
    ]  # fmt: skip


def words_for(folders: int) -> list[str]:
    """The documented options: whole or newer files only, in the release's own folders."""
    return ["-x", "-N", "-c", "-nH", f"--cut-dirs={folders}"]


def program_found() -> list[str]:
    """Find wget.

    Raises:
        DownloadError: There is none, or another program has its name.
    """
    found = shutil.which("wget")
    if found is None:
        raise DownloadError(f"wget is not installed, and the site is read by it. {HOW_TO_INSTALL}")
    asked = subprocess.run(
        [found, "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},  # without a login
    )  # fmt: skip
    version = asked.stdout.decode("utf-8", "replace")
    if "GNU Wget" not in version:
        raise DownloadError(f"{found} is not GNU wget (BusyBox has another). {HOW_TO_INSTALL}")
    return [found, "--max-threads=1"] if "Wget2" in version else [found]


def settings_for(login: Login) -> str:
    """Write the settings of wget: the login, and whom to trust."""
    lines = [f"user = {login.user}", f"password = {login.password}", "netrc = off"]
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted:
        lines.append(f"ca_certificate = {trusted}")
    return "\n".join([*lines, ""])


def environment_for(address: str, settings: int) -> dict[str, str]:
    """The environment of wget: ours without the login, and where its settings are."""
    site = site_of(urlsplit(address).netloc)
    ours = (site.user_variable, site.password_variable) if site else ()
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "WGETRC": f"/dev/fd/{settings}", "LC_ALL": "C"}
