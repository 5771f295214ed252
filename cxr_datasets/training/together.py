"""Batches that hold whole groups: all images of a study, or none.

Groups of one size are dealt out in turn, the largest first, each to the batch that has the fewest
rows (the "longest processing time" rule: Graham, "Bounds on Multiprocessing Timing Anomalies",
SIAM Journal on Applied Mathematics 17, 1969). How many of each size a batch gets depends on the
sizes alone, so every epoch has the same number of batches; which ones it gets is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxr_datasets.errors import OptionError
from cxr_datasets.training.batches import Batch, Batches, Dealt, Key, Part, sorted_at_random
from cxr_datasets.training.groups import Groups, Numbers


class Together:
    """Every row once an epoch, and all of a group in one batch."""

    def __init__(self, groups: Groups, column: str, batch_size: int):
        """Check that each group fits in a batch.

        Raises:
            OptionError: A group has more rows than a batch.
        """
        self.groups = groups
        most = int(groups.sizes.max())
        if most > batch_size:
            group = int(groups.sizes.argmax())
            raise OptionError(
                f"by={column!r}: {column} {groups.shown(group)} has {most} rows, and a batch has "
                f"{batch_size}. Expected a batch_size of at least {most}; or leave rows of it out."
            )

    def batches(self, key: Key, parts: Sequence[Part], batch_size: int) -> Batches:
        """Give what is left of an epoch after some parts of it."""
        left = np.arange(len(self.groups.sizes))
        for number, part in enumerate(parts):
            left = self._dealt(left, part.batch_size, (*key, number)).after(part.batches)
        return _Whole(self.groups, self._dealt(left, batch_size, (*key, len(parts))))

    def _dealt(self, units: Numbers, batch_size: int, key: Key) -> Dealt:
        sizes = self.groups.sizes[units]
        # The largest first, at random among those of one size.
        order = sorted_at_random(sizes.max(initial=0) - sizes, (*key, 0))
        number, batch_of = shared_out(sizes[order], batch_size)
        turn = sorted_at_random(np.zeros(number, np.int64), (*key, 1))
        return Dealt.of(units[order], turn[batch_of], number, False, (*key, 2))


def shared_out(sizes: Numbers, most: int) -> tuple[int, Numbers]:
    """Share units out to as few batches as this rule can, all of about as many rows.

    Args:
        sizes: Rows of each unit, falling.
        most: Rows that a batch may have.

    Returns:
        How many batches there are, and the batch of each unit.
    """
    kinds, counts = np.unique(sizes, return_counts=True)
    number = -(-int(sizes.sum()) // most)
    while True:
        loads = np.zeros(number, np.int64)
        batch_of = []
        for kind, count in zip(kinds[::-1].tolist(), counts[::-1].tolist(), strict=True):
            more = _levelled(loads, kind, count)
            loads += more * kind
            batch_of.append(np.repeat(np.arange(number), more))
        if loads.max(initial=0) <= most:
            return number, np.concatenate([np.empty(0, np.int64), *batch_of])
        number += 1


def _levelled(loads: Numbers, size: int, count: int) -> Numbers:
    """How many units of a size each batch gets, if each goes to the one with the fewest rows."""
    low, high = int(loads.min()), int(loads.max()) + size * (count // len(loads) + 2)
    while high - low > 1:  # the level below which every batch is filled
        level = (low + high) // 2
        low, high = (level, high) if _below(loads, size, level).sum() <= count else (low, level)
    more = _below(loads, size, low)
    at_level = np.flatnonzero((loads <= low) & ((low - loads) % size == 0))
    more[at_level[: count - int(more.sum())]] += 1
    return more


def _below(loads: Numbers, size: int, level: int) -> Numbers:
    """How many units of a size each batch gets until it has no fewer rows than a level."""
    return np.maximum(-(-(level - loads) // size), 0)


class _Whole:
    """Batches of whole groups."""

    short = False  # all have about as many rows

    def __init__(self, groups: Groups, units: Dealt):
        self._groups, self._units = groups, units

    def __len__(self) -> int:
        """How many there are."""
        return len(self._units)

    def __getitem__(self, number: int) -> Batch:
        """One of them."""
        units = self._units[number]
        lengths = self._groups.sizes[units]
        firsts = np.repeat(self._groups.starts[units] - np.cumsum(lengths) + lengths, lengths)
        return Batch(self._groups.rows[firsts + np.arange(len(firsts))], lengths)

    def filled(self) -> Batch:
        """The last batch, which is not short."""
        return self[len(self) - 1]
