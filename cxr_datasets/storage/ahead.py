"""Work begun ahead of its use, its results in order: how images are read while others are used."""

from __future__ import annotations

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
    """Begin work on items, at most so many ahead of the one that is used.

    Args:
        begin: Starts the work on one item.
        items: Taken one at a time, as far ahead as work is begun.
        ahead: Most items under way or done and not yet taken.

    Yields:
        For each item, in order, its work; `result()` waits for it, and gives or raises what came
        of it.
    """
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(begin(item))
            if len(waiting) >= ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for work in waiting:
            work.cancel()


def one_ahead(items: Iterable[_T]) -> Generator[_T, None, None]:
    """Take each item, none of which is None, in a thread while the one before it is used."""
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="cxr-ahead") as pool:
        coming = pool.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield item
            del item  # not to be held while the next one is waited for


def after(first: Future[_T], pool: Executor, use: Callable[[Future[_T]], _R]) -> Future[_R]:
    """Begin what follows on some work as soon as that is done.

    Args:
        first: The work.
        pool: Where `use` is called.
        use: Is given `first`, done; its `result()` gives or raises what came of it.

    Returns:
        Both together. To cancel it cancels `first`.
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
        with suppress(RuntimeError):  # the pool was shut down: nobody waits any more
            pool.submit(run, done)

    first.add_done_callback(begin)
    return both


class _Both(Future[_R]):
    """Some work and what follows on it.

    A future keeps its callbacks, and these keep this one: it lets go of the first work as soon as
    that is used, or all that was read would stay in memory until Python looks for cycles.
    """

    def __init__(self, first: Future[Any]):
        super().__init__()
        self.first: Future[Any] | None = first

    def cancel(self) -> bool:
        """Cancel both."""
        cancelled = super().cancel()
        first, self.first = self.first, None
        if first is not None:
            first.cancel()  # which does nothing once it is done
        return cancelled
