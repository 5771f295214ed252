"""Programs that use the real `huggingface_hub` or `datasets` against the loopback Hub."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import textwrap
from pathlib import Path
from typing import Any

from tests import forked
from tests.fakes.hub.server import Hub

_ROOT = Path(__file__).resolve().parents[3]

_RUNNER = """
import json, sys
given = json.load(open(sys.argv[1]))
names = given["arguments"]
exec(compile(given["program"], "<program>", "exec"), names)
with open(given["outcome"], "w") as file:
    json.dump(names.get("result"), file)
"""


class Client:
    """A program in a process of its own, that a Hub's environment leads to the Hub.

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
        environment = hub.environment(token=token, home=home)
        folder = Path(environment["HF_HOME"])
        folder.mkdir(parents=True, exist_ok=True)
        self._outcome = folder / "outcome.json"
        self._outcome.unlink(missing_ok=True)
        self._output = folder / "output.txt"
        program = textwrap.dedent(program)
        given = {"program": program, "arguments": arguments, "outcome": str(self._outcome)}
        (folder / "given.json").write_text(json.dumps(given))
        with self._output.open("w") as output:
            self.process = forked.start(
                ["-c", _RUNNER, str(folder / "given.json")], cwd=folder, new_session=True,
                env={**os.environ, "PYTHONPATH": str(_ROOT), **environment}, output=output,
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
    """Run a program as `Client` does, and return its result."""
    return Client(hub, program, token=token, home=home, **arguments).result(timeout)
