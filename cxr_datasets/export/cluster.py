"""Files written by the workers of a Dask cluster.

No other module imports Dask.
"""

from __future__ import annotations

import io
import logging
import pickle
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed, get_worker
from distributed.comm import CommClosedError

from cxr_datasets.errors import CxrError, ExportError
from cxr_datasets.export.agreement import Watch, require_same_code, require_workers
from cxr_datasets.export.encryption import require_encryption, scheduler_addresses, told_secrets
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.progress import seldom
from cxr_datasets.export.tasks import LOST_WORKERS, Outcome, Progress, Task
from cxr_datasets.storage.credentials import Handed

_CONNECTING = 30
"""Seconds to reach a scheduler."""

_LOOKS_EVERY = 0.05
"""Seconds between two looks whether a file is done."""

_TOPIC = "cxr-export"


def write_all(
    tasks: Sequence[Task],
    done: Callable[[Outcome], None],
    progress: Progress,
    options: ExportOptions,
) -> None:
    """Let the workers of a cluster write files, if they are fit for it.

    Args:
        tasks: One for each file.
        done: Is called with what came of each file.
        progress: Is called with the name of a file and the number of its images written so far.
        options: Their `dask` or `client` names the cluster.

    Raises:
        CxrError: A file cannot be written.
        ExportError: No scheduler answers; there are no workers; they have other code, or would get
            secrets over a plain connection; or many were lost.
    """
    with _connected(options) as client:
        require_workers(client)
        require_same_code(client, tasks[0].software, tasks[0].reader.package)
        if told_secrets(options):
            require_encryption(scheduler_addresses(client), options)
        _run_tasks(client, tasks, done, progress)


@contextmanager
def _connected(options: ExportOptions) -> Iterator[Client]:
    """Give the client, or connect to the scheduler of a running cluster.

    Raises:
        ExportError: No scheduler answers there.
    """
    if options.client is not None:
        yield options.client
        return
    scheduler = str(options.dask)
    try:
        client = Client(scheduler, timeout=_CONNECTING)
    except (OSError, ValueError, TypeError, CommClosedError) as error:
        certificates = ""
        if scheduler.startswith("tls://"):
            certificates = (
                ", and that DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._TLS__CLIENT__CERT and "
                "..._TLS__CLIENT__KEY name the certificates and the key of this side"
            )
        raise ExportError(
            f"No Dask scheduler answers at {scheduler} ({type(error).__name__}). Check the "
            f"address, such as tls://host:8786, and that the cluster is up{certificates}."
        ) from error
    with client:
        yield client


def _run_tasks(
    client: Client, tasks: Sequence[Task], done: Callable[[Outcome], None], progress: Progress
) -> None:
    """Let workers, which may come and go, write files.

    A few kilobytes for each file go through the scheduler: the task, its progress, the outcome.
    """
    topic = f"{_TOPIC}-{secrets.token_hex(4)}"
    watch = Watch(client)

    def hear(event: Any) -> None:
        watch.hear()
        progress(*event[1])

    client.subscribe_topic(topic, hear)
    attempts: Counter[str] = Counter()
    handed = Handed(tasks[0].options)
    running: dict[Future, Task] = {}

    def begin(task: Task) -> Future:
        name = task.file.name
        attempts[name] += 1
        order = io.BytesIO(pickle.dumps(_Order(task, handed, topic)))
        future = client.submit(pickle.load, order, key=f"{topic}-{name}-{attempts[name]}")
        running[future] = task
        return future

    try:
        waiting = as_completed([begin(task) for task in tasks])
        while running:
            if not waiting.has_ready():
                watch.look()
                time.sleep(_LOOKS_EVERY)
                continue
            future = next(waiting)
            watch.hear()
            task = running.pop(future)
            is_last = attempts[task.file.name] >= LOST_WORKERS
            with _blaming_other_code(client, task):
                outcome = _outcome(future, is_last)
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


@contextmanager
def _blaming_other_code(client: Client, task: Task) -> Iterator[None]:
    """Where a task ends in an error that is none of ours, look whether a worker has other code.

    One that joined meanwhile and lacks a package cannot even read the task.
    """
    try:
        yield
    except CxrError:
        raise
    except Exception:
        require_same_code(client, task.software, task.reader.package)
        raise


class _Order:
    """A file to write, once this is unpickled on a worker: that runs `_run`.

    Dask drops a worker that cannot import what it is sent, without a word. So it is sent bytes, and
    a function of the standard library: an import that fails is then an error like any other. Where
    Dask logs its arguments, `BytesIO` shows none of these bytes.
    """

    def __init__(self, task: Task, handed: Handed, topic: str):
        self._arguments = task, handed, topic

    def __reduce__(self) -> tuple[Any, ...]:
        return _run, self._arguments


def _run(task: Task, handed: Handed, topic: str) -> Outcome:
    """Write a file; runs on a worker, which knows the options that were handed to it by now."""
    worker = get_worker()
    tell = seldom(lambda *written: worker.log_event(topic, written))
    return task.run(tell, who=f"The Dask worker at {worker.address} ({socket.gethostname()})")


def _let_go(client: Client, topic: str, futures: list[Any]) -> None:
    try:
        client.unsubscribe_topic(topic)
        client.cancel(futures)
    except Exception:
        logging.getLogger(__name__).debug("The scheduler is gone.", exc_info=True)
