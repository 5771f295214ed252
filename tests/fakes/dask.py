"""Workers and schedulers of Dask, each a process of its own, with other code or none if need be."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests import forked

_BEGIN = """
import os, sys, time
import dask
from distributed.cli.dask_{command} import main

class Missing:
    def find_spec(self, name, *_):
        if name in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

dask.config.refresh()  # Dask may have been imported before the environment was that of the worker
sys.meta_path.insert(0, Missing())
if {command!r} == "worker" and "cxr_datasets" not in {missing!r}:
    import cxr_datasets.export
while {gate!r} and not os.path.exists({gate!r}):
    time.sleep(0.02)
sys.exit(main())
"""


class Worker:
    """A worker of one thread; it ends with the block.

    Attributes:
        process: The program.
    """

    COMMAND = "worker"
    WORDS = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60")

    def __init__(
        self,
        *words: str,
        folder: Path,
        code: Path | None = None,
        missing: tuple[str, ...] = (),
        gate: Path | None = None,
        **environment: str,
    ):
        """Start it.

        Args:
            *words: Of the command `dask worker`: the scheduler's address, and more.
            folder: For its files.
            code: A checkout whose packages it imports; None: those of the tests.
            missing: Packages that it lacks.
            gate: A file; it joins when this is there.
            **environment: Variables it has beyond ours.
        """
        program = _BEGIN.format(
            command=self.COMMAND, missing=missing, gate=str(gate) if gate else ""
        )
        variables = {**os.environ, **environment}
        if code is not None:
            variables["PYTHONPATH"] = str(code)
        self.process = forked.start(
            ["-c", program, *words, *self.WORDS], cwd=folder, env=variables,
            modules=("distributed.cli.dask_scheduler", "distributed.cli.dask_worker"),
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


class Scheduler(Worker):
    """A scheduler; it writes its address into a file that `--scheduler-file` names."""

    COMMAND = "scheduler"
    WORDS = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
