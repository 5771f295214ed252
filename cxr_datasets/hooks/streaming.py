"""The first step of a stream: blocks of the index, one after another, with images read ahead.

For `datasets` each block is a shard. It reads a shard to its end before it begins the next, so a
slow store would stand idle at the end of each. Here the images of the next block are fetched while
those of this one are used. The state for resuming is the one that `datasets` keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.iterable_dataset import ArrowExamplesIterable

ReadBlocks = Callable[..., Iterator[tuple[int, pa.Table]]]
"""From an index file, some of its blocks and the rows to pass over, to numbered tables."""


class ShardsAhead(ArrowExamplesIterable):
    """Rows of some blocks of an index file, as `CxrBuilder.read_blocks` gives them."""

    def __init__(self, read_blocks: ReadBlocks, index: str, blocks: list[int]):
        super().__init__(read_blocks, {"index": index, "blocks": blocks})
        self._blocks_in_split = len(blocks)

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
        # A tuple: `datasets` takes every list among these for one of shards.
        changed.kwargs = {**self.kwargs, "columns": tuple(columns)}
        return changed

    def _of(self, numbers: list[int]) -> ShardsAhead:
        changed = copy(self)
        changed.kwargs = {**self.kwargs, "blocks": [self.kwargs["blocks"][n] for n in numbers]}
        return changed
