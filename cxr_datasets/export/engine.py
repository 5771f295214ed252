"""Who writes the shards: this process, processes started here, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import datasets
from tqdm import tqdm

from cxr_datasets.errors import ExportError, OptionError
from cxr_datasets.export.manifest import Line
from cxr_datasets.export.tasks import Progress, Task


class Bar:
    """A progress bar over images, with rate and time left.

    Images of a shard that is begun anew, as its worker was lost, count once.
    """

    def __init__(self, unit: str, total: int, finished: int, shown: bool):
        """Show the bar.

        Args:
            unit: What is counted.
            total: How many there are.
            finished: How many an earlier run wrote; they say nothing of the rate.
            shown: Whether there is to be a bar.
        """
        disabled = datasets.are_progress_bars_disabled()  # by the user, for all of `datasets`
        interval = 0.2 if sys.stderr.isatty() else 10.0  # a log file keeps every line
        self._bar = tqdm(
            total=total, initial=finished, unit=f" {unit}", disable=not shown or disabled,
            mininterval=interval, dynamic_ncols=True, desc="export",
        )  # fmt: skip
        self._written: dict[str, int] = {}

    def __call__(self, name: str, images: int) -> None:
        """Note how many images of a shard are written."""
        self._bar.update(images - self._written.get(name, 0))
        self._written[name] = images

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def run(
    tasks: Sequence[Task],
    done: Callable[[Line], None],
    progress: Progress,
    num_proc: int | None = None,
    dask: str | None = None,
    client: Any = None,
) -> None:
    """Write shards.

    Args:
        tasks: The shards.
        done: Is given the line of each as it is finished, here, one at a time.
        progress: Is told how each goes on.
        num_proc: Processes to start, of one thread each; None: this one, with a thread a core.
        dask: Address of a Dask scheduler to leave it to.
        client: A Dask client to leave it to.

    Raises:
        CxrError: A shard cannot be written.
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


def check(num_proc: int | None, dask: str | None, client: Any) -> None:
    """Check who is to write.

    Raises:
        OptionError: It is not clear, or this process is one of those being started.
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
