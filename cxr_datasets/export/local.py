"""Files written by processes of this machine, which are told what to do through pipes.

No socket is opened, so no other user of the machine can reach a process. That is why processes are
spawned: a fork server listens on a socket, which in some versions of Python everybody can reach.
A pool of the standard library would end with the first process that is lost.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any, NoReturn

from cxr_datasets.errors import CxrError, ExportError
from cxr_datasets.export.progress import seldom
from cxr_datasets.export.tasks import LOST_WORKERS, Outcome, Progress, Task
from cxr_datasets.storage.credentials import Handed
from cxr_datasets.wording import get_logger, said

_READY, _WRITTEN, _DONE, _FAILED = "ready", "written", "done", "failed"
"""What a process says: it has begun, is so far in a file, is done with it, or cannot write it."""

_SECONDS_TO_END = 3.0
"""How long a process may take to remove its unfinished file, before it is killed."""

_logger = get_logger(__name__)


def write_all(
    tasks: Sequence[Task],
    done: Callable[[Outcome], None],
    progress: Progress,
    processes: int,
    crew: Crew | None = None,
) -> None:
    """Let processes write files; start them, and end them after the last file.

    Each process has one thread, and more for a file that is more than its share of what is left:
    where one of three files holds most images, a process without a file would stand idle.

    Args:
        tasks: One for each file. Options of their stores go to the processes through a pipe.
        done: Is called with what came of each file.
        progress: Is called with the name of a file and the number of its images written so far.
        processes: How many are started.
        crew: Processes that were started before; they are ended like the others.

    Raises:
        CxrError: A file cannot be written.
        ExportError: Processes cannot be started, or many were lost while they wrote one file.
    """
    waiting, lost = deque(tasks), Counter[str]()
    left = {task.file.name: task.file.images for task in tasks}
    with crew or Crew() as crew:
        crew.start(min(processes, len(tasks)))
        while left:
            for worker in _heard_from(crew.workers):
                heard = worker.hears()
                if heard is None:
                    crew.workers.remove(worker)
                    _note_loss(worker, lost, processes)
                    if worker.task is not None:
                        waiting.appendleft(worker.task)
                    crew.workers.append(_Worker())
                    continue
                what, result = heard
                if what == _WRITTEN:
                    progress(*result)
                    continue
                if what == _FAILED:
                    error, told = result
                    raise error from told
                if worker.task is not None:  # it is done with it
                    del left[worker.task.file.name]
                    done(result)
                worker.is_ready = True
                task = waiting.popleft() if waiting else None
                worker.begin(task, threads_for(task.file.name, left, processes) if task else 0)


def threads_for(name: str, left: Mapping[str, int], processes: int) -> int:
    """Say how many threads a process is to write a file with.

    Args:
        name: The file.
        left: The images of each file that is not finished, this one among them.
        processes: How many processes write.

    Returns:
        From 1 to `processes`: as many as its images are of theirs.
    """
    return max(1, -(-left[name] * processes // max(1, sum(left.values()))))


class _Worker:
    """A process, the pipe that its tasks go into, and the pipe that it answers through.

    Each process has pipes of its own: one that is killed in the middle of a word blocks no other.

    Attributes:
        task: The file it is writing.
        is_ready: Whether it has begun.
        is_dismissed: Whether it was told that there is nothing more to do.
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            ExportError: The system gives no more processes or no memory for one.
        """
        self.task: Task | None = None
        self.is_ready = self.is_dismissed = False
        try:
            self._start(multiprocessing.get_context("spawn"))
        except OSError as error:
            raise ExportError(
                f"The system starts no further process for num_proc: {said(error)}. Give a "
                "smaller number, or end other programs, and run the same command again."
            ) from error

    def _start(self, context: SpawnContext) -> None:
        inbox, self._inbox = context.Pipe(duplex=False)
        self.answers, answers = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve, args=(inbox, answers), daemon=True, name="cxr-export"
        )
        with inbox, answers, _ctrl_c_waits():  # these ends are the process's
            self._process.start()

    def begin(self, task: Task | None, threads: int) -> None:
        """Give it a file to write with so many threads; None: there is nothing more to do."""
        self.task = task
        if task is None:
            self.is_dismissed = True
            self._inbox.close()
        else:
            with suppress(BrokenPipeError):  # it was lost just now, which its answers will tell
                # The options are unpickled before the task, which holds only keys of them.
                self._inbox.send((Handed(task.options), task, threads))

    def hears(self) -> tuple[str, Any] | None:
        """Wait for what it says next; None: it ended."""
        try:
            return self.answers.recv()
        except (EOFError, OSError):  # the pipe ends between two words or within one
            return None

    def interrupt(self) -> None:
        """Ask it to end at once and to remove its unfinished file."""
        with suppress(OSError):
            self._inbox.close()
        self._process.terminate()

    def end(self, limit: float) -> str:
        """Wait until it has ended, and kill it if it does not.

        Args:
            limit: When it is killed, as `time.monotonic` counts.

        Returns:
            How it ended: `signal 9`, `exit code 1`.
        """
        self._process.join(max(0, limit - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.answers.close()
        code = self._process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class Crew:
    """Processes that write; those that it has are ended with its block, whatever ends that.

    Attributes:
        workers: The processes.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.workers: list[_Worker] = []

    def start(self, processes: int) -> None:
        """Start processes until there are so many.

        Raises:
            ExportError: The system gives no more processes or no memory for one.
        """
        while len(self.workers) < processes:
            self.workers.append(_Worker())

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self.workers:
            if kind is not None or not worker.is_dismissed:
                worker.interrupt()
        limit = time.monotonic() + _SECONDS_TO_END
        while self.workers:
            self.workers.pop().end(limit)


def _heard_from(crew: Sequence[_Worker]) -> list[_Worker]:
    """Wait until some processes said something or ended."""
    by_pipe = {worker.answers: worker for worker in crew if worker.task or not worker.is_ready}
    return [by_pipe[pipe] for pipe in wait(list(by_pipe))]  # type: ignore[index]


def _note_loss(worker: _Worker, lost: Counter[str], processes: int) -> None:
    """Count a process that ended before its time.

    Raises:
        ExportError: Nothing says that another one would do better.
    """
    how = worker.end(time.monotonic() + _SECONDS_TO_END)
    if not worker.is_ready and how.startswith("exit"):
        raise ExportError(
            f"A process that num_proc={processes} started ended before it could write ({how}). Its "
            "own error stands above. Mend that, or run the same command without num_proc."
        )
    name = worker.task.file.name if worker.task else ""  # it may be lost before it has any
    lost[name] += 1
    if lost[name] >= LOST_WORKERS:
        that_began = "that began it " if name else ""
        raise ExportError(
            f"{name or 'num_proc'} was given up: {LOST_WORKERS} processes {that_began}were lost, "
            f"the last one by {how}. The machine may lack memory: each process needs up to "
            "700 MB. Run the same command again, with a smaller num_proc: it goes on with the "
            "files that are not there yet."
        )
    _logger.warning(
        "1 of %d processes was lost (%s) %s.", processes, how,
        f"while it wrote {name}. Another one writes it" if name
        else "before its first file. Another one is started",
    )  # fmt: skip


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let processes that are started in the block not see Ctrl-C, from their first moment on.

    A terminal sends it to all processes; the one that started the others ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # to start it would end the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(inbox: Connection, answers: Connection) -> None:
    """Write one file after another; what a started process does, and the last thing it does.

    Args:
        inbox: Gives the tasks, until it is closed.
        answers: Takes what is to be said.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows; elsewhere it is blocked already
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True, name="cxr-parent").start()
    answers.send((_READY, None))
    tell = seldom(lambda *written: answers.send((_WRITTEN, written)))
    while True:
        try:
            received = inbox.recv_bytes()
        except EOFError:
            _end_at_once()
        try:
            _, task, threads = pickle.loads(received)
            answer: tuple[str, Any] = (_DONE, task.run(tell, threads))
        except Exception as error:
            answer = (_FAILED, _portable(error))
        answers.send(answer)


def _end_at_once() -> NoReturn:
    """End this process without taking all its modules apart, which takes a third of a second."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            stream.flush()
    os._exit(0)


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _ToldError(Exception):
    """Where in another process an error was raised; the text is a traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _portable(error: Exception) -> tuple[Exception, _ToldError | None]:
    """Make of an error what can be sent: ours as it is, a fault in code with its traceback."""
    if isinstance(error, CxrError):
        told = None
    else:
        told = _ToldError("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__} in a process of num_proc"), told
    return error, told
