"""Programs that use the real `huggingface_hub` or `datasets` against the loopback Hub."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

from tests.fakes.hub.server import Hub
from tests.forked import LIBRARIES, Forks, can_fork

_ROOT = Path(__file__).resolve().parents[3]

_RUNNER = """
import json, sys
with open(sys.argv[1]) as file:
    given = json.load(file)
names = given["arguments"]
exec(compile(given["program"], "<program>", "exec"), names)
with open(given["outcome"], "w") as file:
    json.dump(names.get("result"), file)
"""


class Client:
    """A program in a Python of its own, that a Hub's environment leads to the Hub.

    It starts at once and ends at the latest with the `with` it is used in.

    Args:
        hub: The Hub.
        program: The program. `arguments` are its global names; what it leaves in the name `result`
            is its result. Both are made of what JSON knows. It may be indented.
        token: Access token; None: not logged in.
        home: Folder for all of the client's caches, and for its output; None: a new one.
        **arguments: Global names of the program.
    """

    def __init__(
        self,
        hub: Hub,
        program: str,
        *,
        token: str | None = None,
        home: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        words, folder, env = _prepared(hub, program, token, home, arguments)
        self._outcome = folder / "outcome.json"
        self._output = folder / "output.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, cwd=folder, start_new_session=True, env=env,
            )  # fmt: skip

    def result(self, timeout: float = 60) -> Any:
        """Wait for the program's end and return its result.

        Raises:
            RuntimeError: It did not come to its end; the message is its output.
        """
        try:
            self.process.wait(timeout)
        finally:
            self.kill()
        if not self._outcome.is_file():
            raise RuntimeError(self._output.read_text()[-4000:])
        return json.loads(self._outcome.read_text())

    def kill(self) -> None:
        """End the program as `kill -9` does, and whatever it started, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def run_client(
    hub: Hub,
    program: str,
    *,
    token: str | None = None,
    home: str | Path | None = None,
    timeout: float = 60,
    **arguments: Any,
) -> Any:
    """Run a program as `Client` does, and return its result.

    It is forked from a process that has imported what `datasets` is made of, but for what reads the
    address of the Hub: see `forked`.
    """
    if not can_fork():
        return Client(hub, program, token=token, home=home, **arguments).result(timeout)
    words, folder, env = _prepared(hub, program, token, home, arguments)
    done = _forks().run(words, cwd=folder, env=env, timeout=timeout)
    outcome = folder / "outcome.json"
    if not outcome.is_file():
        raise RuntimeError((done.stdout + done.stderr)[-4000:])
    return json.loads(outcome.read_text())


@cache
def _forks() -> Forks:
    return Forks([name for name in LIBRARIES if name != "datasets"])


def _prepared(
    hub: Hub, program: str, token: str | None, home: str | Path | None, arguments: dict[str, Any]
) -> tuple[list[str], Path, dict[str, str]]:
    """Give the words that run a program, the folder to run it in and its environment."""
    environment = hub.environment(token=token, home=home)
    folder = Path(environment["HF_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    outcome, given = folder / "outcome.json", folder / "given.json"
    outcome.unlink(missing_ok=True)
    told = {"program": textwrap.dedent(program), "arguments": arguments, "outcome": str(outcome)}
    given.write_text(json.dumps(told))
    env = {**os.environ, "PYTHONPATH": str(_ROOT), **environment}
    return ["-c", _RUNNER, str(given)], folder, env
