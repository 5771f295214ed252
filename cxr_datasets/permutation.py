"""A shuffled order that need not be held: the row at a position is computed from the position.

An order is a function of a key, such as seed and epoch, and stays the same for ever: a run that is
resumed years later goes on where it stopped. So nothing here may depend on the version of a
library, and the tests hold what some keys give.

Long orders come from a Feistel network over two digits, the generalised one of Black and Rogaway,
"Ciphers with Arbitrary Finite Domains" (CT-RSA 2002): a position is written as two digits, and
each round adds to one digit a hash of the other. What falls past the end goes through the network
again until it falls within ("cycle walking"). Short ones are sorted by a hash of each position,
so that each order is as likely as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

LONGEST = 2**40
"""Most rows of an order."""

_SORTED = 1_024
"""Up to so many rows an order is made by sorting."""

_ROUNDS = 8
_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""

_Words = npt.NDArray[np.uint64]


def permuted(positions: npt.ArrayLike, n: int, key: Iterable[int]) -> npt.NDArray[np.int64]:
    """Give the rows at some positions of a shuffled order.

    Args:
        positions: Where in the order, from 0 to n - 1; integers of any shape.
        n: Rows there are, from 1 to 2**40.
        key: Which order, such as `(seed, epoch)`; of each number the lowest 64 bits count.

    Returns:
        The rows, from 0 to n - 1; int64, of the shape of `positions`. All positions together give
        each row once.

    Raises:
        ValueError: n or a position is out of range.
    """
    if not 1 <= n <= LONGEST:
        raise ValueError(f"An order has 1 to {LONGEST} rows, not {n}.")
    places = np.asarray(positions)
    if places.size and not 0 <= places.min() <= places.max() < n:
        raise ValueError(f"Expected positions from 0 to {n - 1}, found others.")
    words = _key_words(n, key)
    flat = places.reshape(-1).astype(np.uint64)
    rows = _sorted(flat, n, words[0]) if n <= _SORTED else _walked(flat, n, words)
    return rows.astype(np.int64).reshape(places.shape)


def random_words(positions: npt.ArrayLike, key: Iterable[int]) -> npt.NDArray[np.uint64]:
    """Give a random number for each position: a hash of it, the same for ever.

    Args:
        positions: Integers from 0, of any shape.
        key: Which numbers, such as `(seed, epoch)`; of each part the lowest 64 bits count.

    Returns:
        Numbers of 64 bits, each as likely as any other; of the shape of `positions`.
    """
    places = np.asarray(positions).astype(np.uint64, copy=False)
    return _hashed(places, _key_words(0, key)[0])


@dataclass(frozen=True)
class Order:
    """Rows in an order that is not held: each is computed from its position.

    Attributes:
        rows: How many rows there are in all.
        steps: What was done to them, first to last: a key for each shuffle, a range of positions
            for each part.
    """

    rows: int
    steps: tuple[range | tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        """Rows in the order."""
        return self._lengths()[-1]

    def __str__(self) -> str:
        """As text, the same for the same order; that of a part begins with that of the whole."""
        return f"{self.rows} rows" + "".join(map(_told, self.steps))

    def shuffled(self, key: Iterable[int]) -> Order:
        """The same rows in another order.

        Args:
            key: See `permuted`.
        """
        return Order(self.rows, (*self.steps, tuple(part & _WORD for part in key)))

    def part(self, places: slice) -> Order:
        """The rows at some positions; those beyond the end count for nothing.

        Args:
            places: The positions, such as `slice(rank, None, world_size)`.
        """
        whole = range(len(self))
        return self if whole[places] == whole else Order(self.rows, (*self.steps, whole[places]))

    def at(self, positions: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Give the rows at some positions.

        Args:
            positions: From 0 to `len(self) - 1`; integers of any shape.

        Returns:
            Numbers of rows, from 0 to `rows - 1`; int64, of the shape of `positions`.
        """
        places = np.asarray(positions, np.int64)
        for step, length in zip(reversed(self.steps), self._lengths()[-2::-1], strict=True):
            if isinstance(step, range):
                places = step.start + step.step * places
            else:
                places = permuted(places, length, step)
        return places

    def _lengths(self) -> list[int]:
        """Rows at first, and after each step."""
        lengths = [self.rows]
        for step in self.steps:
            lengths.append(len(step) if isinstance(step, range) else lengths[-1])
        return lengths


def _told(step: range | tuple[int, ...]) -> str:
    if isinstance(step, range):
        return f", part {step.start}:{step.stop}:{step.step}"
    return ", shuffled by " + "-".join(f"{part:x}" for part in step)


def _key_words(n: int, key: Iterable[int]) -> list[int]:
    """A number of 64 bits for each round; each depends on the whole key and on n."""
    parts = list(key)
    state = 0
    for part in (n, len(parts), *parts):
        state = _mixed_number((state + _GOLDEN + _mixed_number(part & _WORD)) & _WORD)
    return [_mixed_number((state + count * _GOLDEN) & _WORD) for count in range(1, _ROUNDS + 1)]


def _mixed_number(number: int) -> int:
    """As `_mixed`, for one number of 64 bits."""
    number = ((number ^ (number >> 30)) * _FIRST) & _WORD
    number = ((number ^ (number >> 27)) * _SECOND) & _WORD
    return number ^ (number >> 31)


def _mixed(words: _Words) -> _Words:
    """The finaliser of SplitMix64: a bijection in which each bit depends on all."""
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(_FIRST)
    words ^= words >> np.uint64(27)
    words *= np.uint64(_SECOND)
    words ^= words >> np.uint64(31)
    return words


def _hashed(words: _Words, key: int) -> _Words:
    return _mixed(_mixed(words ^ np.uint64(key)) + np.uint64(key))


def _sorted(places: _Words, n: int, key: int) -> _Words:
    order = np.argsort(_hashed(np.arange(n, dtype=np.uint64), key), kind="stable")
    return order.astype(np.uint64)[places.astype(np.int64)]


def _walked(places: _Words, n: int, keys: list[int]) -> _Words:
    high = isqrt(n - 1) + 1
    low = -(-n // high)
    rows = _network(places, high, low, keys)
    beyond = np.flatnonzero(rows >= np.uint64(n))
    while beyond.size:
        rows[beyond] = _network(rows[beyond], high, low, keys)
        beyond = beyond[rows[beyond] >= np.uint64(n)]
    return rows


def _network(places: _Words, high: int, low: int, keys: list[int]) -> _Words:
    """A bijection on the numbers below `high * low`, which are `low * first + second`."""
    first, second = np.divmod(places, np.uint64(low))
    for left, right in zip(keys[::2], keys[1::2], strict=True):
        first = _added(first, _hashed(second, left), high)
        second = _added(second, _hashed(first, right), low)
    return first * np.uint64(low) + second


def _added(digit: _Words, hashed: _Words, base: int) -> _Words:
    """A digit plus a hash, modulo its base (below 2**32)."""
    step = ((hashed >> np.uint64(32)) * np.uint64(base)) >> np.uint64(32)
    total: _Words = digit + step
    return np.where(total >= np.uint64(base), total - np.uint64(base), total)
