"""The one loop that tries again what failed, and how long it does."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cxr_datasets import limits
from cxr_datasets.storage.faults import is_passing, retry_after

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
MOST_TRIES = 7
"""Of a request to a store; see `Patience`."""

_T = TypeVar("_T")

Final = Callable[[Exception, int], Exception]
"""Gets what the last try raised and the number of tries; returns the error to raise."""


@dataclass
class Patience:
    """How often something is tried, and how long each wait is.

    Attributes:
        most_tries: Number of tries.
        first_wait: Seconds before the second try. Each later wait is twice the one before it,
            and up to a quarter longer or shorter.
        longest_wait: Most seconds between two tries, unless a server asks for more.
        longest_in_all: Most seconds from the first try to the last.
        passes: Tells whether another try may succeed after an error.
        tries: Number of tries so far.
        began: When the first try began, as `time.monotonic` tells it.
    """

    most_tries: int = field(default_factory=lambda: MOST_TRIES)
    first_wait: float = field(default_factory=lambda: FIRST_WAIT)
    longest_wait: float = field(default_factory=lambda: LONGEST_WAIT)
    longest_in_all: float = field(default_factory=lambda: limits.LONGEST_RETRY)
    passes: Callable[[Exception], bool] = is_passing
    tries: int = 0
    began: float = field(default_factory=time.monotonic)

    def wait(self, error: Exception) -> float | None:
        """Seconds to wait before the next try; None to give up."""
        self.tries += 1
        if self.tries >= self.most_tries or not self.passes(error):
            return None
        growing = min(self.longest_wait, self.first_wait * 2 ** (self.tries - 1))
        wait = max(growing * random.uniform(0.75, 1.25), retry_after(error))
        return wait if time.monotonic() - self.began + wait <= self.longest_in_all else None


def retried(call: Callable[[], _T], final: Final, patience: Patience | None = None) -> _T:
    """Call a function until it succeeds, or until another call is of no use.

    Args:
        call: The function.
        final: Returns the error to raise in the end. Its `__cause__` is shown to the user. Where
            it has none, the library's own error is gone, which may hold signed addresses.
        patience: How often to try. None: as often as a request to a store.

    Returns:
        What the function returns.
    """
    patience = patience or Patience()
    while True:
        try:
            return call()
        except Exception as error:
            failed, wait = error, patience.wait(error)
        if wait is None:
            raise final(failed, patience.tries)  # out here, so that it drags no other error along
        time.sleep(wait)


async def retried_async(
    call: Callable[[], Awaitable[_T]], final: Final, patience: Patience | None = None
) -> _T:
    """Do the same as `retried` for a coroutine function."""
    patience = patience or Patience()
    while True:
        try:
            return await call()
        except Exception as error:
            failed, wait = error, patience.wait(error)
        if wait is None:
            raise final(failed, patience.tries)
        await asyncio.sleep(wait)
