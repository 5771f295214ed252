"""Files written with Dask, by processes of this machine or of a cluster.

No other module imports Dask.
"""

from __future__ import annotations

import logging
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.comm import CommClosedError
from distributed.diagnostics.plugin import WorkerPlugin

from cxr_datasets.errors import ExportError
from cxr_datasets.export.tasks import Outcome, Progress, Task
from cxr_datasets.storage.credentials import StorageOptions

LOST_WORKERS = 10
"""How often Dask may give a file up for its lost workers before the file itself is to blame."""

_CONNECTING = 30
"""Seconds to reach a scheduler."""

_SECONDS_BETWEEN_SIGNS = 1.0

_TOPIC = "cxr-export"


class _Carrier(WorkerPlugin):
    """Takes storage options to processes started here, by their own pipe and past the scheduler.

    When it is unpickled in such a process, that process knows the options.
    """

    name = "cxr-storage-options"

    def __init__(self, options: Sequence[StorageOptions]):
        self.options = options

    def setup(self, worker: Any) -> None:
        """Leave Ctrl-C, which a terminal sends to all processes, to the one that started this."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def local_cluster(processes: int, options: Sequence[StorageOptions]) -> Iterator[Client]:
    """Start processes of one thread each, and stop them at the end of the block.

    Args:
        processes: How many.
        options: Storage options they need to reach the stores.
    """
    quiet = {
        "distributed.scheduler.allowed-failures": LOST_WORKERS,
        "distributed.admin.tick.limit": "1h",
        "distributed.comm.timeouts.connect": "60s",
    }
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=processes, threads_per_worker=1, processes=True, memory_limit=0,
            dashboard_address=":0", silence_logs=logging.CRITICAL, plugins=(_Carrier(options),),
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """Connect to the scheduler of a running cluster.

    Raises:
        ExportError: No scheduler answers there.
    """
    try:
        client = Client(scheduler, timeout=_CONNECTING)
    except (OSError, ValueError, CommClosedError) as error:
        raise ExportError(
            f"No Dask scheduler answers at {scheduler} ({type(error).__name__}). Check the "
            "address, such as tcp://host:8786, and that the cluster is up."
        ) from error
    with client:
        yield client


def run_tasks(
    client: Client, tasks: Sequence[Task], done: Callable[[Outcome], None], progress: Progress
) -> None:
    """Let the workers of a cluster write files.

    A few kilobytes for each file go through the scheduler: the task, its progress, the outcome.

    Args:
        client: Client of the cluster. Workers may come and go.
        tasks: One for each file.
        done: Is called with what came of each file.
        progress: Is called with the name of a file and the number of its images written so far.

    Raises:
        CxrError: A file cannot be written.
        ExportError: The scheduler was lost, or many workers were lost while they wrote one file.
    """
    topic = f"{_TOPIC}-{secrets.token_hex(4)}"
    client.subscribe_topic(topic, lambda event: progress(*event[1]))
    attempts: Counter[str] = Counter()
    running: dict[Future, Task] = {}

    def begin(task: Task) -> Future:
        name = task.file.name
        attempts[name] += 1
        future = client.submit(_run, task, topic, key=f"{topic}-{name}-{attempts[name]}")
        running[future] = task
        return future

    try:
        waiting = as_completed([begin(task) for task in tasks])
        for future in waiting:
            task = running.pop(future)
            outcome = _outcome(future, is_last=attempts[task.file.name] >= LOST_WORKERS)
            # Else Dask writes the file again if the worker that wrote it goes away.
            future.release()
            if outcome is None:
                waiting.add(begin(task))
            else:
                done(outcome)
    finally:
        _let_go(client, topic, list(running))


def _outcome(future: Future, is_last: bool) -> Outcome | None:
    """Return what came of a file; None if Dask gave the file up because of its workers.

    Dask gives a task up if several workers were lost while they ran it. On a cluster whose nodes
    are taken away at any time, this says nothing about the task.
    """
    try:
        return future.result()
    except KilledWorker as error:
        if not is_last:
            return None
        raise ExportError(
            f"{error.task} was given up: all workers that began it were lost, the last of them "
            f"{error.last_worker.address}. They may lack memory: one task needs up to 700 MB. Run "
            "the same command again: it goes on with the files that are not there yet."
        ) from None
    except (CancelledError, CommClosedError) as error:
        raise ExportError(
            "The connection to the Dask scheduler was lost. Run the same command again: it goes "
            "on with the files that are not there yet."
        ) from error


def _run(task: Task, topic: str) -> Outcome:
    """Write a file; runs on a worker."""
    worker, said = get_worker(), [0.0]

    def tell(name: str, images: int) -> None:
        if time.monotonic() - said[0] >= _SECONDS_BETWEEN_SIGNS:
            said[0] = time.monotonic()
            worker.log_event(topic, (name, images))

    return task.run(tell)


def _let_go(client: Client, topic: str, futures: list[Any]) -> None:
    try:
        client.unsubscribe_topic(topic)
        client.cancel(futures)
    except Exception:
        logging.getLogger(__name__).debug("The scheduler is gone.", exc_info=True)
