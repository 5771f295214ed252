"""Work begun ahead of its use, its results in order: how images are read while others are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def in_order(
    begin: Callable[[_T], Future[_R]], items: Iterable[_T], ahead: int
) -> Generator[Future[_R], None, None]:
    """Begin work on items, at most so many ahead of the one that is waited for.

    Args:
        begin: Starts the work on one item.
        items: Taken one at a time, as far ahead as work is begun.
        ahead: Most items under way or done and not yet taken.

    Yields:
        For each item, in order, its finished work; `result()` gives or raises what came of it.
    """
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(begin(item))
            if len(waiting) >= ahead:
                yield _finished(waiting.popleft())
        while waiting:
            yield _finished(waiting.popleft())
    finally:
        for work in waiting:
            work.cancel()


def _finished(work: Future[_R]) -> Future[_R]:
    wait([work])
    return work
