"""Who writes the files: this process, processes started here, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import Any

from cxr_datasets.errors import ExportError, OptionError
from cxr_datasets.export.manifest import Line
from cxr_datasets.export.tasks import Progress, Task


def write_files(
    tasks: Sequence[Task],
    done: Callable[[Line], None],
    progress: Progress,
    num_proc: int | None = None,
    dask: str | None = None,
    client: Any = None,
) -> None:
    """Write files.

    Args:
        tasks: One for each file.
        done: Is called here with the line of each finished file, one at a time.
        progress: Is called with the name of a file and the number of its images written so far.
        num_proc: Processes to start, of one thread each; None: this one, with a thread a core.
        dask: Address of the scheduler of a Dask cluster that writes.
        client: A Dask client whose cluster writes.

    Raises:
        CxrError: A file cannot be written.
    """
    if not tasks:
        return
    if dask is None and client is None and (num_proc or 1) == 1:
        for task in tasks:
            done(task.run(progress, threads=num_proc))
        return
    try:
        from cxr_datasets.export import cluster
    except ImportError as error:
        raise ExportError(
            f"num_proc, dask and client need a package that is not installed ({error.name}). "
            'Install it: pip install "cxr-datasets[dask]".'
        ) from error
    if client is not None:
        cluster.run_tasks(client, tasks, done, progress)
        return
    if dask is not None:
        with cluster.connected(dask) as connected:
            cluster.run_tasks(connected, tasks, done, progress)
        return
    options = [tasks[0].reader.builder.options, tasks[0].folder.options]
    processes = min(num_proc or 1, len(tasks))
    with cluster.local_cluster(processes, options) as local:
        cluster.run_tasks(local, tasks, done, progress)


def check_workers(num_proc: int | None, dask: str | None, client: Any) -> None:
    """Check the options that say who writes.

    Raises:
        OptionError: They exclude each other or have a wrong value, or this process is one of those
            being started.
    """
    if sum(choice is not None for choice in (num_proc, dask, client)) > 1:
        raise OptionError("num_proc, dask and client exclude each other. Give one of them.")
    if num_proc is not None and (not isinstance(num_proc, int) or num_proc < 1):
        raise OptionError(
            f"num_proc={num_proc!r} is not a number of processes. Give a positive integer, such "
            f"as {os.cpu_count()}."
        )
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise OptionError(
            "export(num_proc=...) is called while a process that it started imports your script. "
            'Put the call under: if __name__ == "__main__":'
        )
