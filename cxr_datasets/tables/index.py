"""The index file: every row of one config, without pixels or texts, cut into shards.

It is made once from the tables and mapped by whoever needs a shard of it, so a shard is a file
name and a number. It lives in the cache of `datasets` under the same key as the dataset itself.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LARGEST_SHARD = 256
SMALLEST_SHARD = 16
"""Rows of one shard: few, so that resuming a stream skips few images."""

WANTED_SHARDS = 1024
"""Shards of one split, as far as their size allows: enough for 64 nodes of 8 workers and more."""

_BUFFER = 2**20

_SPLITS = b"cxr_splits"


@dataclass(frozen=True)
class SplitShards:
    """Where the rows of one split lie in an index file.

    Attributes:
        shards: Numbers of its shards, in order.
        rows: How many rows they have in all.
    """

    shards: range
    rows: int


def folder_in(cache_dir: str | None) -> str:
    """Where index files are in a cache of `datasets`; a local folder, for they are mapped."""
    root = str(cache_dir or datasets.config.HF_DATASETS_CACHE)
    if "://" in root:  # a dataset may be built into a bucket
        root = str(datasets.config.HF_DATASETS_CACHE)
    return str(Path(root).expanduser() / "cxr_index")


def write_index(path: str, splits: Mapping[str, pa.Table]) -> None:
    """Write an index file, whole or not at all.

    Args:
        path: Local file to write. Two processes or threads may write it at once: the last one
            stays.
        splits: Rows of each split; all of one schema. No shard holds rows of two splits.
    """
    ranges, first = {}, 0
    for name, rows in splits.items():
        shards = -(-rows.num_rows // _rows_per_shard(rows.num_rows))
        ranges[name] = [first, first + shards, rows.num_rows]
        first += shards
    schema = next(iter(splits.values())).schema.remove_metadata()
    schema = schema.with_metadata({_SPLITS: json.dumps(ranges).encode()})
    with _replacing(path, schema) as writer:
        for rows in splits.values():
            whole = rows.replace_schema_metadata(schema.metadata).combine_chunks()
            writer.write_table(whole, max_chunksize=_rows_per_shard(whole.num_rows))


def write_tables(path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables one after another into an Arrow file, whole or not at all.

    Args:
        path: Local file to write.
        schema: Of all tables.
        tables: They are taken one at a time.
    """
    with _replacing(path, schema) as writer:
        for table in tables:
            writer.write_table(table.combine_chunks())


def _rows_per_shard(rows: int) -> int:
    return min(LARGEST_SHARD, max(SMALLEST_SHARD, -(-rows // WANTED_SHARDS)))


@contextmanager
def _replacing(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatchWriter]:
    """Write to a temporary file that takes the place of `path` once it is complete."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    unfinished = f"{path}.{uuid.uuid4().hex}.incomplete"
    try:
        # Each column of each shard is a few small pieces: unbuffered, as many calls of the system.
        with (
            pa.output_stream(unfinished, compression=None, buffer_size=_BUFFER) as file,
            pa.ipc.new_file(file, schema) as writer,
        ):
            yield writer
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def has_index(path: str) -> bool:
    """Whether an index file is there."""
    return Path(path).is_file()


def read_splits(path: str) -> dict[str, SplitShards]:
    """Give the splits of an index file, in order."""
    with pa.memory_map(path) as file:
        metadata = pa.ipc.open_file(file).schema.metadata
    ranges = json.loads(metadata[_SPLITS])
    return {name: SplitShards(range(a, b), rows) for name, (a, b, rows) in ranges.items()}


def read_column(path: str, name: str) -> pa.ChunkedArray:
    """Map one column of an index file, all splits in order."""
    with pa.memory_map(path) as file:
        reader = pa.ipc.open_file(file)
        return pa.chunked_array(
            [reader.get_batch(shard).column(name) for shard in range(reader.num_record_batches)]
        )


def take_rows(path: str, name: str, rows: pa.Array) -> pa.Array:
    """Read some rows of one column.

    Args:
        path: An Arrow file.
        name: The column.
        rows: Numbers of the rows, in any order; null gives null.

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


def read_shards(path: str, shards: Sequence[int], rows: int) -> Iterator[pa.Table]:
    """Map some shards of an index file.

    Args:
        path: The index file.
        shards: Numbers of the shards, in the order wanted.
        rows: Shards are put together up to this many rows; one larger shard stands alone.

    Yields:
        Their rows, one shard after another.
    """
    with pa.memory_map(path) as file:
        reader = pa.ipc.open_file(file)
        batches: list[pa.RecordBatch] = []
        for batch in map(reader.get_batch, shards):
            if batches and sum(map(len, batches)) + len(batch) > rows:
                yield _one_table(batches)
                batches = []
            batches.append(batch)
        if batches:
            yield _one_table(batches)


def _one_table(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).replace_schema_metadata(None).combine_chunks()
