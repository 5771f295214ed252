"""Threads for work on tables, where there is enough of it for them.

Each call of pyarrow gives Python's lock away and waits to have it back. Small tables are made of
calls of microseconds: there, threads that take the lock from each other need nearly twice the time
of one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from cxr_datasets.storage.source import Source

SMALL_FILES = 2**20
"""Bytes of gzipped tables up to which one thread reads and joins them as soon as several do."""

SMALL_TABLE = 10_000
"""Images in such tables."""

Files = Collection[tuple[Source, str]]
"""Files of tables: where each is, and its path there."""


class _Here(Executor):
    """Does what it is given at once, in the thread that gives it."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:  # whoever asks for the result meets it
            done.set_exception(error)
        return done


def are_small(files: Files) -> bool:
    """Whether some files of tables are small together."""
    return sum(source.size(path) or 0 for source, path in files) <= SMALL_FILES


def readers(files: Files) -> Executor:
    """Give who reads some files of tables: over a network threads, as each waits for its bytes."""
    return workers(not any(source.is_remote for source, _ in files) and are_small(files))


def workers(small: bool) -> Executor:
    """Give who does some work on tables.

    Args:
        small: Whether these are small: up to `SMALL_FILES`, or `SMALL_TABLE`.

    Returns:
        Threads, or for small tables the thread that hands the work over.
    """
    return _Here() if small else ThreadPoolExecutor()
