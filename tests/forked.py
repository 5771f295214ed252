"""Programs in a process that is forked from one which has imported `datasets` and its libraries.

To import them takes a second of processor time. Such a process is like a new one but for this: they
are in it already, and read their environment variables when they were imported. Folders of
`HF_HOME`, the address of the Hub and whether to be offline are read again. Where a test is about
what a program imports, how long that takes, or how much memory, it starts a Python:
`helpers.run_python` without `forked`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

SERVER = Path(__file__).with_name("fork_server.py")

LIBRARIES = ("numpy", "pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet", "fsspec",
             "aiohttp", "httpx", "httpx2", "PIL.Image", "multiprocess", "dill", "xxhash",
             "requests", "yaml", "tqdm.auto", "filelock", "datasets")  # fmt: skip
"""`datasets`, and what it imports. Where it keeps things it reads again in each program."""

seconds = 0.0
"""Processor time of the programs that were forked; they are no children of this process."""


class Forks:
    """Runs programs in processes forked from one that is started with the first of them.

    Args:
        modules: What is imported there, once.
        env: Environment variables it is imported with.
    """

    def __init__(self, modules: Sequence[str] = LIBRARIES, env: Mapping[str, str] = os.environ):
        self._owner = os.getpid()
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        variables = {name: value for name, value in env.items() if name != "PYTHONPATH"}
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, str(SERVER), str(theirs.fileno()), *modules],
                env=variables, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.close)

    def close(self) -> None:
        """End the process that is forked from."""
        if os.getpid() == self._owner:
            self._connection.close()
            self._server.wait()
            atexit.unregister(self.close)

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: str | Path,
        env: Mapping[str, str],
        modules: Sequence[str] = (),
        new_session: bool = False,
        output: IO[str] | None = None,
    ) -> Forked:
        """Start a program, without input.

        Args:
            words: What follows the name of Python on its command line.
            cwd: Folder it is started in.
            env: Environment variables it has.
            modules: What it will import and others of these programs too. It is imported in the
                process that is forked from, and hidden from who does not ask for it.
            new_session: Whether it leads a session of its own.
            output: Where its output and its errors go; None: both are kept for `communicate`.
        """
        out, err = (output, output) if output else (_nameless(), _nameless())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with (
            tempfile.NamedTemporaryFile("w", encoding="utf-8") as request,
            open(os.devnull) as nothing,
            theirs,
        ):
            asked = {"words": [*words], "cwd": str(cwd), "env": dict(env), "modules": [*modules],
                     "new_session": new_session}  # fmt: skip
            json.dump(asked, request)
            request.flush()
            descriptors = [file.fileno() for file in (nothing, out, err, theirs)]
            socket.send_fds(self._connection, [request.name.encode()], descriptors)
            theirs.close()  # so that the end of the one that forks is noticed
            ours.settimeout(120)  # for what it imports
            return Forked([*words], int(ours.recv(64)), ours, out, err)

    def run(
        self, words: Sequence[str], *, timeout: float = 60, **place: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program, as `subprocess.run` does.

        Args:
            words: What follows the name of Python on its command line.
            timeout: Seconds it may take.
            **place: What `start` takes.
        """
        program = self.start(words, **place)
        try:
            out, err = program.communicate(timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            raise
        return subprocess.CompletedProcess([*words], program.wait(), out, err)


def _nameless() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


class Forked:
    """A program that was started, to be looked after like a `subprocess.Popen`.

    Attributes:
        args: What follows the name of Python on its command line.
        pid: Of its process.
        returncode: As of `Popen`: None as long as it is not known to have ended.
    """

    def __init__(
        self, args: list[str], pid: int, answers: socket.socket, out: IO[str], err: IO[str]
    ):
        self.args = args
        self.pid = pid
        self.returncode: int | None = None
        self._answers, self._out, self._err = answers, out, err

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and give its exit code."""
        global seconds
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                code, took = json.loads(self._answers.recv(256))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._answers.close()
            seconds += took
            self.returncode = int(code)
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and give its output and its errors."""
        self.wait(timeout)
        found = []
        for file in (self._out, self._err):
            file.seek(0)
            found.append(file.read())
            file.close()
        return found[0], found[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send_signal(signal.SIGKILL)


def can_fork() -> bool:
    """Whether forking what has imported libraries is safe here."""
    return sys.platform.startswith("linux")


@cache
def shared_forks() -> Forks:
    """The one of this process, for programs of all kinds."""
    return Forks()


def run(
    words: Sequence[str], *, timeout: float = 60, **place: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program as `Forks.run` does, by the one of this process or in a Python of its own.

    Args:
        words: What follows the name of Python on its command line.
        timeout: Seconds it may take.
        **place: Its `cwd` and `env`.
    """
    if can_fork():
        return shared_forks().run(words, timeout=timeout, **place)
    return subprocess.run(
        [sys.executable, *words], timeout=timeout, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, **place,
    )  # fmt: skip


def start(
    words: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    modules: Sequence[str] = (),
    new_session: bool = False,
    output: IO[str] | None = None,
) -> Forked | subprocess.Popen[str]:
    """Start a program as `Forks.start` does, by the one of this process or in a Python of its own.

    Args:
        words: What follows the name of Python on its command line.
        cwd: Folder it is started in; None: the current one.
        env: Environment variables it has; None: ours.
        modules: What it will import and others of these programs too.
        new_session: Whether it leads a session of its own.
        output: Where its output and its errors go; None: both are kept for `communicate`.
    """
    cwd, env = cwd or os.getcwd(), os.environ if env is None else env
    if can_fork():
        return shared_forks().start(
            words, cwd=cwd, env=env, modules=modules, new_session=new_session, output=output
        )
    return subprocess.Popen(
        [sys.executable, *words], cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL,
        stdout=output or subprocess.PIPE, stderr=output or subprocess.PIPE, text=True,
        start_new_session=new_session,
    )  # fmt: skip
