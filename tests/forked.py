"""Programs in a process that is forked from one which has imported `datasets` and its libraries.

To import them takes a second of processor time. Such a process is like a new one but for this: they
are in it already, and read their environment variables when they were imported. Folders of
`HF_HOME` are read again; the address of the Hub is not, and needs a `Forks` of its own. Where a
test is about what a program imports, how long that takes, or how much memory, it starts a Python:
`helpers.run_python` without `forked`.
"""

from __future__ import annotations

import atexit
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
from typing import Any

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

    def run(
        self,
        words: Sequence[str],
        *,
        cwd: str | Path,
        env: Mapping[str, str],
        timeout: float = 60,
        modules: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program, as `subprocess.run` does, without input.

        Args:
            words: What follows the name of Python on its command line.
            cwd: Folder it is started in.
            env: Environment variables it has.
            timeout: Seconds it may take.
            modules: What it will import and others of these programs too. It is imported in the
                process that is forked from, and hidden from who does not ask for it.
        """
        global seconds
        with (
            tempfile.NamedTemporaryFile("w", encoding="utf-8") as request,
            tempfile.TemporaryFile("w+", encoding="utf-8") as out,
            tempfile.TemporaryFile("w+", encoding="utf-8") as err,
            open(os.devnull) as nothing,
        ):
            json.dump(
                {"words": list(words), "cwd": str(cwd), "env": dict(env), "modules": [*modules]},
                request,
            )
            request.flush()
            self._connection.settimeout(120)  # for what it imports
            descriptors = [file.fileno() for file in (nothing, out, err)]
            socket.send_fds(self._connection, [request.name.encode()], descriptors)
            child = int(self._connection.recv(64))
            self._connection.settimeout(timeout)
            try:
                answer = self._connection.recv(256)
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._connection.settimeout(None)
                self._connection.recv(256)
                raise subprocess.TimeoutExpired([*words], timeout) from None
            code, took = json.loads(answer)
            seconds += took
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess([*words], code, out.read(), err.read())


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
