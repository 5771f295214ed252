"""Which part of a global batch each rank gets."""

from __future__ import annotations

import heapq

import numpy as np

from cxr_datasets.training.batches import Batch
from cxr_datasets.training.groups import Numbers


def share(batch: Batch, rank: int, world_size: int) -> Numbers:
    """Give the rows of a batch that are a rank's.

    Shares differ by one row at most, where rows need not stay together. Every rank gets a share: if
    there are fewer rows than ranks (or fewer studies), some go to more than one rank.

    Args:
        batch: A global batch; not empty.
        rank: Number of the rank, from 0.
        world_size: How many ranks there are.
    """
    if world_size == 1:
        return batch.rows
    if batch.lengths is None:
        return batch.rows[_slice(len(batch.rows), rank, world_size)]
    return _share_of_whole(batch.rows, batch.lengths, rank, world_size)


def _slice(number: int, rank: int, world_size: int) -> slice:
    start = rank * number // world_size
    return slice(start, max((rank + 1) * number // world_size, start + 1))


def _share_of_whole(rows: Numbers, lengths: Numbers, rank: int, world_size: int) -> Numbers:
    """Deal groups to the ranks, the longest first, each to the rank with the fewest rows."""
    units = np.argsort(-lengths, kind="stable")
    if len(units) < world_size:
        mine = units[_slice(len(units), rank, world_size)].tolist()
    else:
        mine = []
        loads = [(0, number) for number in range(world_size)]
        for unit in units.tolist():
            load, number = loads[0]
            heapq.heapreplace(loads, (load + int(lengths[unit]), number))
            if number == rank:
                mine.append(unit)
    ends = np.cumsum(lengths)
    return np.concatenate([rows[ends[unit] - lengths[unit] : ends[unit]] for unit in sorted(mine)])
