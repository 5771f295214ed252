"""Work ahead of its use is in order, limited and cancelled, and its results are not kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from cxr_datasets.storage.ahead import after, in_order, shared


class Content:
    """Something of which one can see whether it is still there."""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_results_come_in_order_and_few_are_begun_ahead() -> None:
    begun: list[int] = []

    def begin(item: int) -> Future[int]:
        begun.append(item)
        work: Future[int] = Future()
        work.set_result(10 * item)
        return work

    works = in_order(begin, range(10), 3)
    assert next(works).result() == 0
    assert begun == [0, 1, 2]
    assert [work.result() for work in works] == [10 * item for item in range(1, 10)]


def test_work_on_an_item_that_comes_again_soon_is_done_once() -> None:
    begun: list[str] = []

    def begin(item: str) -> Future[str]:
        begun.append(item)
        work: Future[str] = Future()
        work.set_result(item.upper())
        return work

    works = in_order(shared(begin, 2), "aabacdba", 1)
    assert [work.result() for work in works] == list("AABACDBA")
    assert begun == ["a", "b", "c", "d", "b", "a"]  # of more than two the one that came first goes


def test_work_that_nobody_takes_is_cancelled() -> None:
    futures: list[Future[int]] = [Future() for _ in range(3)]
    works = in_order(futures.__getitem__, range(3), 3)
    next(works)
    works.close()
    assert [future.cancelled() for future in futures] == [False, True, True]


def test_what_follows_is_given_the_result_or_the_error(pool: ThreadPoolExecutor) -> None:
    good: Future[int] = Future()
    bad: Future[int] = Future()
    doubled = [after(work, pool, lambda work: 2 * work.result()) for work in (good, bad)]
    good.set_result(21)
    bad.set_exception(ValueError("no number"))
    assert doubled[0].result(10) == 42
    with pytest.raises(ValueError, match="no number"):
        doubled[1].result(10)


def test_to_cancel_what_follows_cancels_the_work_before_it(pool: ThreadPoolExecutor) -> None:
    first: Future[int] = Future()
    used: list[Future[int]] = []
    second = after(first, pool, used.append)
    assert second.cancel()
    assert first.cancelled()
    with pytest.raises(CancelledError):
        second.result(10)
    pool.shutdown()
    assert used == []


def test_a_pool_that_is_gone_is_no_error(pool: ThreadPoolExecutor) -> None:
    first: Future[int] = Future()
    second = after(first, pool, lambda work: work.result())
    pool.shutdown()
    first.set_result(1)
    assert not second.done()


def test_a_result_that_was_used_is_freed_at_once(pool: ThreadPoolExecutor) -> None:
    first: Future[Content] = Future()
    second = after(first, pool, lambda work: str(type(work.result())))
    content = Content()
    kept = weakref.ref(content)
    first.set_result(content)
    assert "Content" in second.result(10)
    pool.shutdown()  # its threads are done with it
    gc.disable()
    try:
        del first, second, content
        assert kept() is None
    finally:
        gc.enable()
