"""Threads for work on tables, where there is enough of it for them.

Each call of pyarrow gives Python's lock away and waits to have it back. Small tables are made of
calls of microseconds: there, threads that take the lock from each other need nearly twice the time
of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from cxr_datasets.storage.source import Source

SMALL_FILES = 2**20
"""Bytes of gzipped tables up to which one thread reads and joins them as soon as several do."""

SMALL_TABLE = 10_000
"""Rows of the images that such tables tell of."""


class _Here(Executor):
    """Does what it is given at once, in the thread that gives it."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:  # whoever asks for the result meets it
            done.set_exception(error)
        return done


def are_small(source: Source, paths: Sequence[str]) -> bool:
    """Whether some files of tables are small together."""
    return sum(size or 0 for size in source.few_sizes(paths)) <= SMALL_FILES


def workers(small: bool) -> Executor:
    """Give who does some work on tables.

    Args:
        small: Whether these are small: up to `SMALL_FILES`, or `SMALL_TABLE`.

    Returns:
        Threads, or for small tables the thread that hands the work over.
    """
    return _Here() if small else ThreadPoolExecutor()
