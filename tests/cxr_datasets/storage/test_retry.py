"""The loop that tries again does the same for functions and for coroutines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from cxr_datasets.errors import StoreError
from cxr_datasets.storage import retry
from cxr_datasets.storage.retry import Patience, retried, retried_async


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


def in_coroutine(call: Callable[[], Any], *rest: Any) -> Any:
    async def asked() -> Any:
        return call()

    return asyncio.run(retried_async(asked, *rest))


FORMS = pytest.mark.parametrize("form", [retried, in_coroutine])


def failing(*errors: Exception) -> Callable[[], str]:
    """Raises these errors, one a call, and then succeeds."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def plain(error: Exception, tries: int) -> Exception:
    return error


@FORMS
def test_what_passes_is_tried_again_after_growing_waits(form: Any, waits: list[float]) -> None:
    assert form(failing(*[TimeoutError()] * 6), plain) == "done"
    assert len(waits) == 6
    for number, wait in enumerate(waits):
        assert 0.75 <= wait / min(retry.LONGEST_WAIT, retry.FIRST_WAIT * 2**number) <= 1.25


@FORMS
def test_the_tries_end_and_are_counted(form: Any, waits: list[float]) -> None:
    def final(error: Exception, tries: int) -> Exception:
        return StoreError(f"{type(error).__name__} {tries}")

    with pytest.raises(StoreError, match="TimeoutError 7") as caught:
        form(failing(*[TimeoutError("secret")] * 9), final)
    assert len(waits) == retry.MOST_TRIES - 1
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@FORMS
def test_the_cause_is_told_where_it_is_given(form: Any) -> None:
    cause = TypeError("a mistake")

    def final(error: Exception, tries: int) -> Exception:
        told = StoreError("told")
        told.__cause__ = error
        return told

    with pytest.raises(StoreError) as caught:
        form(failing(cause), final)
    assert caught.value.__cause__ is cause


@FORMS
@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("throttled"), NotADirectoryError("throttled"),
        IsADirectoryError("throttled"), PermissionError(), TypeError(), StoreError("said"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_pass_is_raised_at_once_as_it_is(
    form: Any, error: Exception, waits: list[float]
) -> None:
    with pytest.raises(type(error)) as caught:
        form(failing(error), plain)
    assert caught.value is error
    assert not waits


@FORMS
def test_a_policy_of_ones_own_has_its_own_waits_and_end(form: Any, waits: list[float]) -> None:
    own = Patience(most_tries=3, first_wait=8, longest_wait=9, passes=lambda error: True)
    with pytest.raises(KeyError):
        form(failing(*[KeyError()] * 9), plain, own)
    assert len(waits) == 2
    assert 6 <= waits[0] <= 10
    assert 6.75 <= waits[1] <= 11.25


@FORMS
def test_a_wait_past_the_end_of_all_waits_is_not_begun(form: Any, waits: list[float]) -> None:
    with pytest.raises(TimeoutError):
        form(failing(TimeoutError()), plain, Patience(longest_in_all=0.1))
    assert not waits
