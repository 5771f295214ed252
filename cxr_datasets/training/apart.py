"""Batches in which no two rows are of one group: at most one image of a patient in each.

Rows are dealt out like cards, group after group: with S batches, the next S rows go to one batch
each, so that a group of at most S rows never meets itself. Which of the S rows goes to which batch
is drawn anew each time, so that the groups that meet in one batch do not meet in the next. This is
McNaughton's wrap-around rule ("Scheduling with Deadlines and Loss Functions", Management Science
6, 1959) with a shuffled round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from cxr_datasets.errors import OptionError
from cxr_datasets.training.batches import Batch, Batches, Dealt, Key, Part, sorted_at_random
from cxr_datasets.training.groups import Groups, Numbers


class Apart:
    """Every row once an epoch, and no two of a group in one batch."""

    def __init__(self, groups: Groups, column: str, batch_size: int):
        """Check that there are batches enough.

        Raises:
            OptionError: A group has more rows than an epoch has batches.
        """
        self.groups = groups
        rows, most = len(groups.codes), int(groups.sizes.max())
        number = -(-rows // batch_size)
        if most > number:
            group = int(groups.sizes.argmax())
            raise OptionError(
                f"by={column!r}: {column} {groups.shown(group)} has {most} of {rows} rows, and an "
                f"epoch has {number} batches of {batch_size}: two of its rows would share one. "
                f"Expected a batch_size of at most {-(-rows // (most - 1)) - 1}; or leave rows of "
                "it out."
            )

    def batches(self, key: Key, parts: Sequence[Part], batch_size: int) -> Batches:
        """Give what is left of an epoch after some parts of it."""
        left = self.groups
        rows = left.rows
        for number, part in enumerate(parts):
            dealt = _dealt(left, rows, part.batch_size, (*key, number))
            rows = dealt.after(part.batches)
            left = Groups(self.groups.codes[rows], self.groups.values)
            rows = rows[left.rows]
        return _Rows(self, _dealt(left, rows, batch_size, (*key, len(parts))), batch_size)


def _dealt(groups: Groups, rows: Numbers, batch_size: int, key: Key) -> Dealt:
    """Deal out rows, which stand group after group."""
    sizes = groups.sizes
    rounds = _Rounds.of(len(rows), int(sizes.max(initial=0)), int(batch_size), sizes)
    # The groups in random order, those that come in every batch first: they fill whole rounds. The
    # rows of a group need no order of their own, for the batches of a round are drawn.
    order = sorted_at_random((sizes < rounds.number).astype(np.int64), (*key, 0))
    lengths = sizes[order]
    begins = np.cumsum(lengths) - lengths
    cards = np.repeat(groups.starts[order] - begins, lengths)
    cards += np.arange(len(rows))
    batch_of = rounds.deal(begins[lengths > 0], (*key, 2))
    # A batch that a round leaves out gets nothing in later rounds either: so the place of a row in
    # its batch is the number of its round, and nothing need be sorted.
    sizes_of = np.bincount(batch_of, minlength=rounds.number)
    ends = np.cumsum(sizes_of)
    places = (ends - sizes_of)[batch_of]
    places += np.repeat(np.arange(len(rounds.widths)), rounds.widths)
    units = np.empty(len(rows), np.int64)
    units[places] = rows[cards]
    return Dealt(units, ends, rounds.short, (*key, 3))


class _Rounds:
    """How many rows are dealt in each round, and to how many batches.

    Attributes:
        number: How many batches there are.
        short: Whether the last one has fewer rows than the others.
        widths: Rows of each round.
        open: Batches that each round deals to: these are the first ones.
    """

    def __init__(self, number: int, short: bool, widths: Numbers, open: Numbers):
        self.number, self.short, self.widths, self.open = number, short, widths, open

    @classmethod
    def of(cls, rows: int, most: int, batch_size: int, sizes: Numbers) -> _Rounds:
        """Plan full batches and a short one, or, where groups are too large, equal smaller ones."""
        number = -(-rows // batch_size)
        last = rows - (number - 1) * batch_size  # rows of the last batch
        everywhere = int((sizes == number).sum()) if number else 0
        if most <= number and everywhere <= last:
            # The last batch takes part in as many rounds as it has rows.
            open = np.where(np.arange(batch_size) < last, number, number - 1)
            open = open[open > 0]
            return cls(number, 0 < last < batch_size, open, open)
        number = max(number, most)
        widths = np.full(-(-rows // number), number)
        widths[-1] = rows - (len(widths) - 1) * number
        return cls(number, False, widths, np.full(len(widths), number))

    def deal(self, begins: Numbers, key: Key) -> Numbers:
        """Give the batch of each row; rows of a group stand together and never share one.

        Args:
            begins: Where the rows of each group begin.
            key: What the draw hangs on.
        """
        if not len(begins):
            return np.empty(0, np.int64)
        turns = list(sorted_at_random(np.zeros((len(self.widths), self.number), np.int64), key))
        for number in np.flatnonzero(self.open < self.number).tolist():
            turns[number] = turns[number][turns[number] < self.open[number]]
        free = np.ones(self.number, bool)
        for number, before, behind in self._across(begins):
            taken = turns[number - 1][: self.widths[number - 1]][-before:]
            free[taken] = False
            if not free[turns[number][:behind]].all():
                turns[number] = _first(turns[number], free, behind)
            free[taken] = True
        widths = self.widths.tolist()
        return np.concatenate([turn[:width] for turn, width in zip(turns, widths, strict=True)])

    def _across(self, begins: Numbers) -> Iterator[tuple[int, int, int]]:
        """Groups that go on in a round: its number, their rows in the round before and in it."""
        ends = np.cumsum(self.widths)
        of_begin = np.searchsorted(begins, ends[:-1], side="right")
        begin = begins[of_begin - 1]  # of the group that stands at the end of each round
        end = np.append(begins, ends[-1])[of_begin]
        rounds = np.flatnonzero(begin < ends[:-1])
        before, behind = (ends[:-1] - begin)[rounds], (end - ends[:-1])[rounds]
        yield from zip((rounds + 1).tolist(), before.tolist(), behind.tolist(), strict=True)


def _first(turn: Numbers, free: npt.NDArray[np.bool_], count: int) -> Numbers:
    """Bring so many batches that are free to the front of a turn."""
    front = np.flatnonzero(free[turn])[:count]
    return np.concatenate([turn[front], np.delete(turn, front)])


class _Rows:
    """Batches of rows that were dealt."""

    def __init__(self, order: Apart, rows: Dealt, batch_size: int):
        self._order, self._rows, self._size = order, rows, batch_size
        self.short = rows.short

    def __len__(self) -> int:
        """How many there are, the short one too."""
        return len(self._rows)

    def __getitem__(self, number: int) -> Batch:
        """One of them."""
        return Batch(self._rows[number])

    def filled(self) -> Batch:
        """The last batch, filled up with rows of other groups as far as there are."""
        last = self._rows[len(self) - 1]
        codes = self._order.groups.codes
        others = self._rows.units[~np.isin(codes[self._rows.units], codes[last])]
        _, first = np.unique(codes[others], return_index=True)
        more = others[np.sort(first)[: self._size - len(last)]]
        return Batch(np.concatenate([last, more]))
