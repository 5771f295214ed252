"""Calling a function in a forked process, as workers of a DataLoader call what reads their rows."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def in_fork(function: Callable[[], _T], seconds: float = 60) -> _T:
    """Call a function in a forked process.

    Args:
        function: Gives something that can be pickled.
        seconds: How long it may take.

    Returns:
        What the function gives there.

    Raises:
        AssertionError: It raised, with its traceback, or did not end in time.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def run() -> None:
        try:
            sending.send((True, function()))
        except BaseException as error:
            sending.send((False, "".join(traceback.format_exception(error))))

    process = context.Process(target=run, daemon=True)
    process.start()
    sending.close()
    try:
        assert receiving.poll(seconds), "the forked process does not end"
        worked, result = receiving.recv()
    finally:
        process.kill()
        process.join()
    assert worked, result
    return result
