"""Who writes the files: this process, processes started here, or a cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence

from cxr_datasets.errors import ExportError, OptionError
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.tasks import Outcome, Progress, Task


def write_all(
    tasks: Sequence[Task],
    done: Callable[[Outcome], None],
    progress: Progress,
    options: ExportOptions,
) -> None:
    """Write files.

    Args:
        tasks: One for each file.
        done: Is called here with what came of each file, one at a time.
        progress: Is called with the name of a file and the number of its images written so far.
        options: Their `num_proc`, `dask` and `client` say who writes.

    Raises:
        CxrError: A file cannot be written.
    """
    if not tasks:
        return
    if options.dask is None and options.client is None and (options.num_proc or 1) == 1:
        for task in tasks:
            done(task.run(progress, threads=options.num_proc))
        return
    try:
        from cxr_datasets.export import cluster
    except ImportError as error:
        raise ExportError(
            f"num_proc, dask and client need a package that is not installed ({error.name}). "
            'Install it: pip install "cxr-datasets[dask]".'
        ) from error
    if options.client is not None:
        cluster.run_tasks(options.client, tasks, done, progress)
    elif options.dask is not None:
        with cluster.connected(options.dask) as client:
            cluster.run_tasks(client, tasks, done, progress)
    else:
        stores = [tasks[0].reader.builder.options, tasks[0].folder.options]
        processes = min(options.num_proc or 1, len(tasks))
        with cluster.local_cluster(processes, stores) as client:
            cluster.run_tasks(client, tasks, done, progress)


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
