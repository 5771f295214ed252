"""The global batches of an epoch, each a function of seed, epoch and its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from cxr_datasets.permutation import permuted, random_words
from cxr_datasets.training.groups import Numbers

Key: TypeAlias = tuple[int, ...]
"""What an order depends on: seed and epoch, and what it is used for."""

_CHUNK = 4_096
"""So many positions are computed at once, for a call takes as long as a thousand of them."""


class Batch(NamedTuple):
    """The rows of a global batch.

    Attributes:
        rows: Their numbers in the dataset.
        lengths: How many of them, one after another, have to stay together; None: each is its own.
    """

    rows: Numbers
    lengths: Numbers | None = None


class Part(NamedTuple):
    """What was taken of an epoch before it went on with batches of another size.

    Attributes:
        batch_size: Rows of a batch.
        batches: How many were taken.
    """

    batch_size: int
    batches: int


class Batches(Protocol):
    """What is left of an epoch, as global batches."""

    short: bool
    """Whether the last one has fewer rows than the others because no more were left."""

    def __len__(self) -> int:
        """How many there are, the short one too."""

    def __getitem__(self, number: int) -> Batch:
        """One of them."""

    def filled(self) -> Batch:
        """The short one, filled up with rows of other batches."""


class Order(Protocol):
    """A rule by which an epoch is cut into batches."""

    def batches(self, key: Key, parts: Sequence[Part], batch_size: int) -> Batches:
        """Give what is left of an epoch after some parts of it."""


class Plain:
    """Every row once an epoch, in an order that is computed and not held."""

    def __init__(self, rows: int):
        self.rows = rows

    def rows_at(self, positions: Numbers, key: Key) -> Numbers:
        """The rows at some positions of an epoch; past its end it begins again."""
        return permuted(positions % self.rows, self.rows, key)

    def batches(self, key: Key, parts: Sequence[Part], batch_size: int) -> Batches:
        """Give what is left of an epoch after some parts of it."""
        return _Positions(
            self, key, sum(part.batch_size * part.batches for part in parts), batch_size
        )


class Weighted(Plain):
    """Rows drawn with replacement by weights; an epoch has as many draws as there are rows."""

    def __init__(self, weights: np.ndarray):
        super().__init__(len(weights))
        self.sums = np.cumsum(weights, dtype=np.float64)
        self.last = int(np.flatnonzero(weights)[-1])

    def rows_at(self, positions: Numbers, key: Key) -> Numbers:
        """The rows drawn at some positions; past the end of an epoch there are more draws."""
        shares = (random_words(positions, key) >> np.uint64(11)) * 2.0**-53
        drawn = np.searchsorted(self.sums, shares * self.sums[-1], side="right")
        return np.minimum(drawn, self.last)


class _Positions:
    """Batches that are runs of positions, from one on."""

    def __init__(self, order: Plain, key: Key, start: int, batch_size: int):
        self._order, self._key, self._start, self._size = order, key, start, batch_size
        left = max(order.rows - start, 0)
        self.short = left % batch_size > 0
        self._number = -(-left // batch_size)
        self._chunk_start, self._chunk = start, np.empty(0, np.int64)

    def __len__(self) -> int:
        """How many there are, the short one too."""
        return self._number

    def __getitem__(self, number: int) -> Batch:
        """One of them."""
        first = self._start + number * self._size
        end = min(first + self._size, self._order.rows)
        if not self._chunk_start <= first < end <= self._chunk_start + len(self._chunk):
            far = min(max(end, first + _CHUNK), self._order.rows)
            self._chunk_start = first
            self._chunk = self._order.rows_at(np.arange(first, far), self._key)
        return Batch(self._chunk[first - self._chunk_start : end - self._chunk_start])

    def filled(self) -> Batch:
        """The last batch, filled up with the first rows of the epoch, or with more draws."""
        first = self._start + (self._number - 1) * self._size
        return Batch(self._order.rows_at(np.arange(first, first + self._size), self._key))


@dataclass(frozen=True)
class Dealt:
    """Units that were dealt out to batches.

    Attributes:
        units: Numbers of units, batch after batch.
        ends: Where the units of each batch end.
        short: Whether the last batch is.
        key: What the order within a batch depends on.
    """

    units: Numbers
    ends: Numbers
    short: bool
    key: Key

    @classmethod
    def of(cls, units: Numbers, batch_of: Numbers, number: int, short: bool, key: Key) -> Dealt:
        """Bring units in the order of their batches.

        Args:
            units: Their numbers.
            batch_of: The batch of each.
            number: How many batches there are.
            short: Whether the last is.
            key: What the order within a batch depends on.
        """
        # Numbers of 16 bits are sorted in a third of the time.
        order = np.argsort(
            batch_of.astype(np.uint16 if number < 2**16 else np.int64), kind="stable"
        )
        ends = np.cumsum(np.bincount(batch_of, minlength=number))
        return cls(units[order], ends, short, key)

    def __len__(self) -> int:
        """How many batches there are."""
        return len(self.ends)

    def __getitem__(self, number: int) -> Numbers:
        """The units of a batch, in random order."""
        units = self.units[self._start(number) : self.ends[number]]
        return units[permuted(np.arange(len(units)), len(units), (*self.key, number))]

    def after(self, number: int) -> Numbers:
        """The units that are left after so many batches."""
        return self.units[self._start(min(number, len(self))) :]

    def _start(self, number: int) -> int:
        return int(self.ends[number - 1]) if number else 0


def sorted_at_random(ranks: Numbers, key: Key) -> Numbers:
    """Give the order that sorts ranks along the last axis, at random where they are equal.

    A rank, random bits and the place are packed into 64 bits and sorted: as no two are equal, the
    outcome depends on no algorithm. For a whole order it takes a tenth of the time of `permuted`.
    """
    places = np.arange(ranks.shape[-1], dtype=np.uint64)
    of_place = np.uint64(max(len(places) - 1, 0).bit_length())
    of_rank = int(ranks.max(initial=0)).bit_length()
    packed = random_words(np.arange(ranks.size, dtype=np.uint64), key).reshape(ranks.shape)
    packed >>= np.uint64(of_rank + of_place)
    packed <<= of_place
    packed |= places
    if of_rank:
        packed |= ranks.astype(np.uint64) << np.uint64(64 - of_rank)
    packed.sort(axis=-1)
    packed &= (np.uint64(1) << of_place) - np.uint64(1)
    return packed.view(np.int64)
