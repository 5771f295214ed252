"""Work that begins before its result is needed: images are read while earlier ones are used."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def in_order(
    begin: Callable[[_T], Future[_R]], items: Iterable[_T], ahead: int
) -> Generator[Future[_R], None, None]:
    """Work on several items at once, and give the results in order.

    Args:
        begin: Starts the work on one item.
        items: The items. Only those whose work begins are taken.
        ahead: Most items that are under way, or done and not yet taken.

    Yields:
        The work on each item. `result()` waits for it, and returns or raises what came of it.
    """
    waiting: deque[Future[_R]] = deque()
    is_over = sys.is_finalizing  # kept here: at the end of a program this module's names are gone
    try:
        for item in items:
            waiting.append(begin(item))
            if len(waiting) >= ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        # A program that ends with rows begun takes its modules apart before it closes this. What a
        # future calls when it is cancelled would miss them, and print pages of errors.
        if not is_over():
            for work in waiting:
                work.cancel()


def shared(begin: Callable[[_T], Future[_R]], most: int) -> Callable[[_T], Future[_R]]:
    """Let the work on an item be done once where the same item comes again soon.

    Args:
        begin: Starts the work on one item.
        most: Items whose work is remembered: those that came last. Their results stay in memory.

    Returns:
        A function like `begin`.
    """
    begun: dict[_T, Future[_R]] = {}

    def begin_once(item: _T) -> Future[_R]:
        work = begun.pop(item, None) or begin(item)
        begun[item] = work
        if len(begun) > most:
            del begun[next(iter(begun))]
        return work

    return begin_once


def one_ahead(items: Iterable[_T]) -> Generator[_T, None, None]:
    """Make the next item in a thread while the one before it is used. No item may be None."""
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="cxr-ahead") as pool:
        coming = pool.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield item
            del item  # free its memory before the next one comes


def after(first: Future[_T], pool: Executor, use: Callable[[Future[_T]], _R]) -> Future[_R]:
    """Begin a second step as soon as the first is done.

    Args:
        first: The first step.
        pool: Calls `use`.
        use: The second step. It gets `first`, which is done: `result()` returns or raises at once.

    Returns:
        Both steps as one. Cancelling it cancels `first`.
    """
    both: _Both[_R] = _Both(first)

    def run(done: Future[_T]) -> None:
        if not both.set_running_or_notify_cancel():
            return
        try:
            both.set_result(use(done))
        except BaseException as error:
            both.set_exception(error)
        both.first = None

    def begin(done: Future[_T]) -> None:
        with suppress(RuntimeError):  # the pool is shut down, so nobody waits for the result
            pool.submit(run, done)

    first.add_done_callback(begin)
    return both


class _Both(Future[_R]):
    """Two steps as one future.

    The first future keeps its callbacks, and they keep this one. So this one drops the first as
    soon as it is used. Otherwise what was read would stay in memory until the garbage collector
    finds the cycle.
    """

    def __init__(self, first: Future[Any]):
        super().__init__()
        self.first: Future[Any] | None = first

    def cancel(self) -> bool:
        """Cancel both."""
        cancelled = super().cancel()
        first, self.first = self.first, None
        if first is not None:
            first.cancel()  # does nothing if it is done
        return cancelled
