"""Who writes the files: this process, processes started here, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import Any

from cxr_datasets.errors import OptionError
from cxr_datasets.export import local
from cxr_datasets.export.encryption import require_encryption
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.local import Crew
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.tasks import Outcome, Progress, Task


def write_all(
    tasks: Sequence[Task],
    done: Callable[[Outcome], None],
    progress: Progress,
    options: ExportOptions,
    crew: Crew | None = None,
) -> None:
    """Write files.

    Args:
        tasks: One for each file.
        done: Is called here with what came of each file, one at a time.
        progress: Is called with the name of a file and the number of its images written so far.
        options: Their `num_proc`, `dask` and `client` say who writes.
        crew: What `start_early` started.

    Raises:
        CxrError: A file cannot be written.
    """
    if not tasks:
        return
    if options.client is not None or options.dask is not None:
        from cxr_datasets.export import cluster

        cluster.write_all(tasks, done, progress, options)
    elif (options.num_proc or 1) > 1:
        local.write_all(tasks, done, progress, options.num_proc or 1, crew)
    else:
        for task in tasks:
            done(task.run(progress, threads=options.num_proc))


def start_early(crew: Crew, options: ExportOptions, folder: Folder) -> None:
    """Start processes that will write, so that they are ready when it is known what to write.

    Where something lies in the folder, an export goes on there, and may have nothing left to do: no
    process starts until that is known.

    Args:
        crew: Takes them.
        options: Their `num_proc` says how many; no more than the machine has cores start early.
        folder: The folder of the export.

    Raises:
        ExportError: The system gives no more processes.
    """
    processes = options.num_proc or 1
    if processes > 1 and folder.is_local and not folder.names():
        crew.start(min(processes, os.cpu_count() or 1))


def check(options: ExportOptions) -> None:
    """Check, before anything is read or written, that a cluster can and may be used.

    Raises:
        OptionError: Dask is not installed, or the client is none.
        ExportError: Secrets would go to the cluster without encryption.
    """
    if options.client is None and options.dask is None:
        return
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise OptionError(
            f"dask and client need a package that is not installed ({error.name}). Install it: "
            'pip install "cxr-datasets[dask]". num_proc needs none.'
        ) from error
    scheduler: Any = getattr(options.client, "scheduler", None)
    if options.client is not None and scheduler is None:
        raise OptionError(
            f"client={type(options.client).__name__} is no Dask client that is connected. Give a "
            "distributed.Client that is open, or the address of its scheduler as dask=."
        )
    require_encryption([options.dask or scheduler.address], options)


def refuse_in_a_starting_process() -> None:
    """Require that this process is not just being started by an export of its own script.

    Raises:
        OptionError: It is: the script calls `export` when it is imported.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise OptionError(
            "export(num_proc=...) is called while a process that it started imports your script. "
            'Put the call under: if __name__ == "__main__":'
        )
