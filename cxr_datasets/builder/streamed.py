"""Rows for a stream: blocks of the index one after another, or rows drawn from all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cxr_datasets.builder.pixels import FIRST_ROWS, rows_at_once
from cxr_datasets.builder.tally import Tally
from cxr_datasets.permutation import Order
from cxr_datasets.tables import index as index_file

if TYPE_CHECKING:
    from cxr_datasets.builder.builder import CxrBuilder


def read_blocks(
    builder: CxrBuilder,
    index: str,
    blocks: list[int],
    columns: Collection[str] | None = None,
    passed: int = 0,
    is_split: bool = False,
) -> Iterator[tuple[int, pa.Table]]:
    """Read blocks as `CxrBuilder.read_rows` does, in tables that each hold rows of one block only.

    Args:
        builder: Whose index it is.
        index: The index file.
        blocks: Numbers of its blocks.
        columns: Columns that are looked at; None: all. See `CxrBuilder.complete_rows`.
        passed: Rows at the start of the first block to pass over: they were read before.
        is_split: Whether the blocks are a whole split, so that an image at least must be there.

    Yields:
        The block's position in `blocks`, and some of its rows.

    Raises:
        CxrError: A report or an image cannot be read, or no image is there.
    """
    tables = index_file.read_blocks(index, blocks, rows=1)
    # Which rows the options leave out shows only when they are read.
    unread = passed if not builder.config.skips else 0
    tables = (rows.slice(0 if n else unread) for n, rows in enumerate(tables))
    left = passed - unread
    tally = Tally()
    try:
        for number, rows in builder.complete_rows(tables, columns, tally):
            if number == 0 and left >= rows.num_rows:
                left -= rows.num_rows
                continue
            yield number, rows
        if is_split:
            builder.check_any(tally)
    finally:
        tally.tell(builder.config)


def read_order(
    builder: CxrBuilder,
    index: str,
    blocks: list[int],
    order: Order,
    columns: Collection[str] | None = None,
    position: int = 0,
    is_split: bool = False,
) -> Iterator[tuple[int, pa.Table]]:
    """Read rows in an order of their own, as `CxrBuilder.read_rows` does.

    Args:
        builder: Whose index it is.
        index: The index file.
        blocks: Numbers of its blocks, over whose rows the order goes.
        order: The order.
        columns: Columns that are looked at; None: all. See `CxrBuilder.complete_rows`.
        position: Where in the order to begin.
        is_split: Whether the rows are a whole split, so that an image at least must be there.

    Yields:
        The position behind some rows, and the rows. A table that begins at the same position
        always ends at the same one.

    Raises:
        CxrError: A report or an image cannot be read, or no image is there.
    """
    ends: list[int] = []

    def wanted() -> Iterator[np.ndarray]:
        most = rows_at_once(builder.pace, builder.config)
        for piece in _pieces(position, len(order), most):
            ends.append(piece.stop)
            yield order.at(np.arange(piece.start, piece.stop))

    tables = index_file.read_rows(index, blocks, wanted())
    tally = Tally()
    try:
        for number, rows in builder.complete_rows(tables, columns, tally, are_small=True):
            yield ends[number], rows
        if is_split:
            builder.check_any(tally)
    finally:
        tally.tell(builder.config)


def _pieces(position: int, end: int, most: int) -> Iterator[range]:
    """Cut an order from a position on: few rows at its start, so that the first comes soon.

    Where a piece ends depends on where it begins alone: `datasets` counts the pieces it has used.
    """
    while position < end:
        size = min(most, position + 1) if FIRST_ROWS == 1 else most
        piece = range(position, min(end, position + size))
        yield piece
        position = piece.stop
