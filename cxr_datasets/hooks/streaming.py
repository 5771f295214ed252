"""The first step of a stream: rows of the index, with images read ahead.

For `datasets` each block of the index is a shard. It reads a shard to its end before it begins the
next, so a slow store would stand idle at the end of each. Here the images of the next block are
fetched while those of this one are used. The state for resuming is the one that `datasets` keeps.

A shuffled stream draws its rows from all blocks. Its order is computed from seed, epoch and
position, so that a position is all the state it needs.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import IterableDataset
from datasets.iterable_dataset import ArrowExamplesIterable

from cxr_datasets.errors import ResumeError
from cxr_datasets.permutation import Order
from cxr_datasets.tables.index import count_rows

ReadBlocks = Callable[..., Iterator[tuple[int, pa.Table]]]
"""From an index file, some of its blocks and the rows to pass over, to numbered tables."""

ReadOrder = Callable[..., Iterator[tuple[int, pa.Table]]]
"""From an index file, some of its blocks and an order of their rows, to the position behind each
table, and the table."""

_SHARDS = (6720, 3360, 1680, 840, 420, 240, 120, 60, 24, 12, 6, 4, 2, 1, 0)
"""Into how many shards shuffled rows may be cut. `datasets` lets each node read all rows where the
number of nodes does not divide them, so these are divided by as many numbers as can be."""


_SHUFFLES_AGAIN = "shuffling" in inspect.signature(IterableDataset.__init__).parameters
"""Whether `datasets` shuffles once more by the same seed when the first epoch begins, as 3.6."""


class ShardsAhead(ArrowExamplesIterable):
    """Rows of some blocks of an index file, as `builder.streamed` gives them."""

    def __init__(
        self,
        read_blocks: ReadBlocks,
        read_order: ReadOrder,
        index: str,
        blocks: list[int],
        skips: bool = False,
    ):
        super().__init__(read_blocks, {"index": index, "blocks": blocks})
        self._read_order = read_order
        self._blocks_in_split = len(blocks)
        self._skips = skips

    def _iter_arrow(self) -> Iterator[tuple[int, pa.Table]]:
        state = self._state_dict or {"shard_idx": 0, "shard_example_idx": 0}
        first, passed = state["shard_idx"], state["shard_example_idx"]
        blocks = self.kwargs["blocks"][first:]
        is_split = not passed and len(blocks) == self._blocks_in_split
        options = {**self.kwargs, "blocks": blocks, "passed": passed, "is_split": is_split}
        for key, (number, rows) in enumerate(self.generate_tables_fn(**options)):
            if first + number != state["shard_idx"]:
                state |= {"shard_idx": first + number, "shard_example_idx": 0}
            state["shard_example_idx"] += len(rows)
            yield key, rows
        state |= {"shard_idx": len(self.kwargs["blocks"]), "shard_example_idx": 0}

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, rows in self._iter_arrow():
            for row in rows.to_pylist():
                yield key, row

    def shuffle_data_sources(self, generator: np.random.Generator) -> ShardsAhead:
        """The same blocks in another order."""
        return self._of(deepcopy(generator).permutation(self.num_shards).tolist())

    def shard_data_sources(
        self, num_shards: int, index: int, contiguous: bool = True
    ) -> ShardsAhead:
        """The blocks of one node or worker."""
        numbers = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return self._of(numbers)

    def reshard_data_sources(self) -> ShardsAhead:
        """The same blocks: none is cut further."""
        return copy(self)

    def looking_at(self, columns: list[str]) -> ShardsAhead:
        """The same rows, with null in columns that take time and are none of these."""
        changed = copy(self)
        changed.kwargs = _looking_at(self.kwargs, columns)
        return changed

    def ordered(self) -> RowsAhead:
        """The same rows, single, so that they can be shuffled and cut at any row."""
        rows = count_rows(self.kwargs["index"], self.kwargs["blocks"])
        is_split = len(rows) == self._blocks_in_split
        order = Order(int(rows.sum()))
        return RowsAhead(self._read_order, self.kwargs, order, is_split, self._skips)

    def _of(self, numbers: list[int]) -> ShardsAhead:
        changed = copy(self)
        changed.kwargs = {**self.kwargs, "blocks": [self.kwargs["blocks"][n] for n in numbers]}
        return changed


class RowsAhead(ArrowExamplesIterable):
    """Rows of some blocks of an index file, in an order that goes over all of them.

    Attributes:
        skips: Whether rows of the index may be left out, so that fewer come than the order has.
    """

    def __init__(
        self,
        read_order: ReadOrder,
        kwargs: dict[str, Any],
        order: Order,
        is_split: bool,
        skips: bool,
    ):
        super().__init__(read_order, {**kwargs, "order": order})
        self.skips = skips
        self._is_split = is_split
        self._shards = _shards_of(len(order))

    @property
    def order(self) -> Order:
        """The order."""
        order: Order = self.kwargs["order"]
        return order

    @property
    def num_shards(self) -> int:
        """Among how many workers, of all nodes, the rows can be shared."""
        return self._shards

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict = {
            "position": 0,
            "used": 0,
            "order": str(self.order),
            "type": type(self).__name__,
        }
        return self._state_dict

    def _iter_arrow(self) -> Iterator[tuple[int, pa.Table]]:
        for key, end, state, rows in self._tables():
            state |= {"position": end, "used": 0}
            yield key, rows

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, end, state, rows in self._tables():
            for row in rows.to_pylist():
                state["used"] += 1
                yield key, row
            state |= {"position": end, "used": 0}

    def _tables(self) -> Iterator[tuple[int, int, dict[str, Any], pa.Table]]:
        """Give each table a number, with the position behind it and the state."""
        state = self._state_dict or self._fresh_state()
        self._check(state)
        position, used = state["position"], state["used"]
        is_split = self._is_split and not position and len(self.order) == self.order.rows
        options = {**self.kwargs, "position": position, "is_split": is_split}
        for key, (end, rows) in enumerate(self.generate_tables_fn(**options)):
            rows, used = rows.slice(used), 0
            if rows.num_rows:
                yield key, end, state, rows
        state |= {"position": len(self.order), "used": 0}

    def _fresh_state(self) -> dict[str, Any]:
        return copy(self)._init_state_dict()

    def _check(self, state: dict[str, Any]) -> None:
        order, found = str(self.order), state["order"]
        if not _is_place(state["position"], len(self.order)) or not _is_place(state["used"]):
            raise ResumeError.of_other_steps()
        if not state["position"] and not state["used"] and order.startswith(found):
            state["order"] = found = order  # made for all workers together, before the first row
        if found != order:
            raise ResumeError(
                "The state that was loaded is not one of this stream: expected one of "
                f"{order}, found one of {found}. Make the stream as it was made then: the same "
                "options, seed, epoch, number of nodes and of workers."
            )

    def shuffle_data_sources(self, generator: np.random.Generator) -> RowsAhead:
        """The same rows in another order."""
        key = _drawn_key(generator)
        if _SHUFFLES_AGAIN and key in self.order.steps:
            return self
        return self._with(self.order.shuffled(key), self._shards)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> RowsAhead:
        """The rows of one node or worker: as many as the others have, or one more."""
        parts = max(1, min(num_shards, self._shards))
        shards = len(self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous))
        rows = len(self.order)
        if index >= parts:
            places = slice(0)
        elif contiguous:
            each, more = divmod(rows, parts)
            first = index * each + min(index, more)
            places = slice(first, first + each + (index < more))
        else:
            places = slice(index, None, parts)
        return self._with(self.order.part(places), shards)

    def reshard_data_sources(self) -> RowsAhead:
        """The same rows: they are shared out as finely as can be."""
        return copy(self)

    def looking_at(self, columns: list[str]) -> RowsAhead:
        """The same rows, with null in columns that take time and are none of these."""
        changed = copy(self)
        changed.kwargs = _looking_at(self.kwargs, columns)
        return changed

    def part(self, places: slice) -> RowsAhead:
        """The rows at some positions."""
        order = self.order.part(places)
        return self._with(order, min(self._shards, _shards_of(len(order))))

    def _with(self, order: Order, shards: int) -> RowsAhead:
        changed = copy(self)
        changed.kwargs = {**self.kwargs, "order": order}
        changed._shards = shards
        return changed


def _looking_at(kwargs: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    # A tuple: `datasets` takes every list among these for one of shards.
    return {**kwargs, "columns": tuple(columns)}


def _is_place(number: Any, most: int = sys.maxsize) -> bool:
    return isinstance(number, int) and 0 <= number <= most


def _drawn_key(generator: np.random.Generator) -> tuple[int, ...]:
    """Draw a key for an order from a generator, which stays as it is.

    Raw bits are taken: what NumPy makes of them may differ from one version to the next.
    """
    return tuple(map(int, deepcopy(generator).bit_generator.random_raw(2)))


def _shards_of(rows: int) -> int:
    return next(shards for shards in _SHARDS if shards <= rows)
