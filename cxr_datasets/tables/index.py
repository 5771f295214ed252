"""The index file: every row of one config, without pixels or texts, cut into blocks.

It is made once from the tables, and mapped by whoever needs a block of it: all that a worker is
sent of a block is the file's name and a number. The file lies in the cache of `datasets`, under the
same key as the dataset itself; `sealed` says how it is kept whole, and `own` who may read it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.storage import own
from cxr_datasets.tables.sealed import is_whole, opened, replacing

LARGEST_BLOCK = 256
SMALLEST_BLOCK = 16
"""Rows of one block: few, so that resuming a stream skips few images."""

WANTED_BLOCKS = 1024
"""Blocks of one split, as far as their size allows: more than enough for 64 nodes of 8 workers."""

SHARED = "cxr_index"
"""Folder in the cache of `datasets`, or in a closed dataset's own folder there."""

_SPLITS = b"cxr_splits"
_NOTES = b"cxr_notes"


@dataclass(frozen=True)
class SplitBlocks:
    """Where the rows of one split lie in an index file.

    Attributes:
        blocks: Numbers of its blocks, in order.
        rows: How many rows they have in all.
    """

    blocks: range
    rows: int


def folder_in(cache_dir: str | None, credentialed: str | None = None) -> str:
    """The folder of index files in a cache of `datasets`; local, because they are mapped.

    Args:
        cache_dir: The cache; None: the usual one.
        credentialed: Name of the dataset, if it has an agreement. Its index is then in its own
            folder, which is closed to other users of the machine from now on: the folder of the
            others must stay open to those who share a cache.
    """
    cache = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser()
    if credentialed is None:
        return str(cache / SHARED)
    own.keep_closed(cache / credentialed)
    return str(cache / credentialed / SHARED)


def write_index(
    path: str,
    splits: Mapping[str, pa.Table],
    notes: Sequence[Mapping[str, Any]] = (),
    check: Callable[[], object] = lambda: None,
) -> None:
    """Write an index file, whole or not at all.

    Args:
        path: Local file to write. Several processes or threads may write it at once; the last
            one stays.
        splits: Rows of each split; all of one schema. No block holds rows of two splits.
        notes: What is to be known of the rows, as JSON has it.
        check: Is called when all is written. If it raises, there is no index file.
    """
    ranges, first = {}, 0
    for name, rows in splits.items():
        blocks = -(-rows.num_rows // _rows_per_block(rows.num_rows))
        ranges[name] = [first, first + blocks, rows.num_rows]
        first += blocks
    schema = next(iter(splits.values())).schema.remove_metadata()
    schema = schema.with_metadata(
        {_SPLITS: json.dumps(ranges).encode(), _NOTES: json.dumps(list(notes)).encode()}
    )
    with replacing(path, schema) as writer:
        for rows in splits.values():
            whole = rows.replace_schema_metadata(schema.metadata).combine_chunks()
            writer.write_table(whole, max_chunksize=_rows_per_block(whole.num_rows))
        check()


def write_tables(path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables one after another into an Arrow file, whole or not at all.

    Args:
        path: Local file to write.
        schema: The schema of all tables.
        tables: The tables; taken one at a time.
    """
    with replacing(path, schema) as writer:
        for table in tables:
            writer.write_table(table.combine_chunks())


def _rows_per_block(rows: int) -> int:
    return min(LARGEST_BLOCK, max(SMALLEST_BLOCK, -(-rows // WANTED_BLOCKS)))


def has_index(path: str) -> bool:
    """Whether an Arrow file is there, and as it was written.

    Raises:
        CacheError: The disk refuses to tell.
    """
    return is_whole(path)


def read_splits(path: str) -> dict[str, SplitBlocks]:
    """Read where each split of an index file lies, in order."""
    with opened(path) as reader:
        metadata = reader.schema.metadata
    ranges = json.loads(metadata[_SPLITS])
    return {name: SplitBlocks(range(a, b), rows) for name, (a, b, rows) in ranges.items()}


def read_notes(path: str) -> list[dict[str, Any]]:
    """Read what was noted of the rows of an index file."""
    with opened(path) as reader:
        return json.loads(reader.schema.metadata[_NOTES])


def read_tables(path: str) -> dict[str, pa.Table]:
    """Map all rows of an index file: split -> its rows, in order."""
    splits = read_splits(path)
    with opened(path) as reader:
        return {
            name: pa.Table.from_batches(map(reader.get_batch, split.blocks), reader.schema)
            .replace_schema_metadata(None)
            .combine_chunks()
            for name, split in splits.items()
        }


def read_table(path: str) -> pa.Table:
    """Map all rows of an Arrow file that is no index."""
    with opened(path) as reader:
        return reader.read_all().replace_schema_metadata(None).combine_chunks()


def read_column(path: str, name: str) -> pa.ChunkedArray:
    """Map one column of an index file, all splits in order."""
    with opened(path) as reader:
        return pa.chunked_array(
            [reader.get_batch(block).column(name) for block in range(reader.num_record_batches)]
        )


def spread_rows(path: str, name: str, count: int) -> pa.Array:
    """Read so many rows of one column, or all, spread evenly over all splits in order.

    Only their blocks are touched, so that it takes no time in a large file.
    """
    splits = list(read_splits(path).values())
    starts = np.cumsum([0, *(split.rows for split in splits)])
    wanted = spread_places(int(starts[-1]), count)
    found = []
    with opened(path) as reader:
        for row in wanted.tolist():
            number = int(np.searchsorted(starts, row, side="right")) - 1
            block, place = divmod(row - starts[number], _rows_per_block(splits[number].rows))
            batch = reader.get_batch(int(splits[number].blocks.start + block))
            found.append(batch.column(name).slice(int(place), 1))
    return pa.concat_arrays(found)


def spread_places(rows: int, count: int) -> np.ndarray:
    """Numbers of so many rows, or of all if there are fewer, from the first to the last."""
    return np.unique(np.linspace(0, rows - 1, min(count, rows)).astype(np.int64))


def take_rows(path: str, name: str, rows: pa.Array) -> pa.Array:
    """Read some rows of one column.

    Args:
        path: An Arrow file.
        name: The column.
        rows: Numbers of the rows, in any order; a null gives a null.

    Returns:
        Array as long as `rows`.
    """
    chunks = read_column(path, name).chunks
    ends = np.cumsum([len(chunk) for chunk in chunks])
    # pyarrow's own take of a chunked array copies all of it first, in some versions.
    wanted = rows.filter(rows.is_valid()).to_numpy()
    chunk_of = np.searchsorted(ends, wanted, side="right")
    order = np.argsort(chunk_of, kind="stable")
    parts = [
        chunks[number].take(
            pa.array(wanted[chunk_of == number] - (ends[number] - len(chunks[number])))
        )
        for number in np.unique(chunk_of)
    ]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    positions = pa.nulls(len(rows), pa.int64())
    positions = pc.replace_with_mask(positions, rows.is_valid(), pa.array(place, pa.int64()))
    return pa.concat_arrays(parts or [pa.array([], chunks[0].type)]).take(positions)


def read_blocks(path: str, blocks: Sequence[int], rows: int) -> Iterator[pa.Table]:
    """Map some blocks of an index file.

    Args:
        path: The index file.
        blocks: Numbers of the blocks, in the order wanted.
        rows: Blocks are put together up to this many rows; a larger block stands alone.

    Yields:
        Tables of their rows, in that order.
    """
    with opened(path) as reader:
        batches: list[pa.RecordBatch] = []
        for batch in map(reader.get_batch, blocks):
            if batches and sum(map(len, batches)) + len(batch) > rows:
                yield _one_table(batches)
                batches = []
            batches.append(batch)
        if batches:
            yield _one_table(batches)


def count_rows(path: str, blocks: Sequence[int]) -> np.ndarray:
    """Count the rows of each of some blocks of an index file; none is read."""
    lengths = np.concatenate([_lengths(split) for split in read_splits(path).values()])
    return lengths[np.asarray(blocks, np.int64)]


def _lengths(split: SplitBlocks) -> np.ndarray:
    lengths = np.full(len(split.blocks), _rows_per_block(split.rows))
    lengths[-1] += split.rows - lengths.sum()
    return lengths


def read_rows(path: str, blocks: Sequence[int], wanted: Iterable[np.ndarray]) -> Iterator[pa.Table]:
    """Map single rows of an index file, wherever they are.

    Args:
        path: The index file.
        blocks: Numbers of some of its blocks.
        wanted: For each table the numbers of its rows, counted over these blocks; in any order.

    Yields:
        Tables of these rows, in that order.
    """
    ends = np.cumsum(count_rows(path, blocks))
    starts = [0, *ends.tolist()]
    with opened(path) as reader:
        schema = reader.schema.remove_metadata()
        # Of a block its columns are found, not read: once, for each gives rows again and again.
        columns_of = functools.cache(lambda place: reader.get_batch(blocks[place]).columns)
        for rows in wanted:
            places = np.searchsorted(ends, rows, side="right").tolist()
            single = [
                (columns_of(place), row - starts[place])
                for place, row in zip(places, rows.tolist(), strict=True)
            ]
            yield _joined(single, schema)


def _joined(rows: list[tuple[list[pa.Array], int]], schema: pa.Schema) -> pa.Table:
    """One table of single rows of many blocks: eight times as fast as `combine_chunks`."""
    if not rows:
        return schema.empty_table()
    joined = [
        pa.concat_arrays([columns[number].slice(row, 1) for columns, row in rows])
        for number in range(len(schema))
    ]
    return pa.Table.from_arrays(joined, schema=schema)


def _one_table(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).replace_schema_metadata(None).combine_chunks()
