"""The index file: whole or not there, its blocks small, its rows those that were written."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.index import LARGEST_BLOCK, SMALLEST_BLOCK

SIZES = (0, 1, 15, 16, 17, 255, 256, 257, 5000, 16_384, 20_000, 300_000)


def rows(count: int, start: int = 0) -> pa.Table:
    numbers = np.arange(start, start + count)
    return pa.table({"number": numbers, "path": pa.array([f"p{number}" for number in numbers])})


def read_all(path: str, blocks: Any, at_once: int = 1000) -> list[dict[str, Any]]:
    return [
        row for part in index_file.read_blocks(path, blocks, at_once) for row in part.to_pylist()
    ]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "not there yet" / "index.arrow")


@pytest.mark.parametrize("count", SIZES[1:])
def test_a_split_is_all_its_rows_in_blocks_that_are_neither_large_nor_tiny(
    count: int, path: str
) -> None:
    index_file.write_index(path, {"train": rows(count)})
    split = index_file.read_splits(path)["train"]
    assert split.rows == count
    parts = list(index_file.read_blocks(path, split.blocks, 1))
    sizes = [part.num_rows for part in parts]
    assert sum(sizes) == count
    assert max(sizes) <= LARGEST_BLOCK
    assert min(sizes[:-1], default=SMALLEST_BLOCK) >= SMALLEST_BLOCK
    assert pa.concat_tables(parts).equals(rows(count))


def test_a_large_split_has_blocks_for_64_nodes_of_8_workers(path: str) -> None:
    index_file.write_index(path, {"train": rows(368_960)})
    assert len(index_file.read_splits(path)["train"].blocks) >= 64 * 8


def test_splits_come_back_in_their_order_and_share_no_block(path: str) -> None:
    splits = {"train": rows(100), "validation": rows(20, 100), "test": rows(3, 120)}
    index_file.write_index(path, splits)
    found = index_file.read_splits(path)
    assert list(found) == list(splits)
    numbers = [block for split in found.values() for block in split.blocks]
    assert numbers == list(range(len(numbers)))
    for name, split in found.items():
        assert read_all(path, split.blocks) == splits[name].to_pylist()
        assert split.rows == splits[name].num_rows


def test_blocks_come_in_the_order_asked_for(path: str) -> None:
    index_file.write_index(path, {"train": rows(64)})
    blocks = index_file.read_splits(path)["train"].blocks
    backwards = read_all(path, list(reversed(blocks)), at_once=1)
    parts = [rows(SMALLEST_BLOCK, start) for start in range(0, 64, SMALLEST_BLOCK)]
    assert backwards == pa.concat_tables(reversed(parts)).to_pylist()
    assert read_all(path, [2]) == parts[2].to_pylist()
    assert read_all(path, []) == []


@pytest.mark.parametrize("at_once", [1, 16, 33, 48, 10_000])
def test_blocks_are_put_together_up_to_a_size(at_once: int, path: str) -> None:
    index_file.write_index(path, {"train": rows(100)})
    blocks = index_file.read_splits(path)["train"].blocks
    parts = list(index_file.read_blocks(path, blocks, at_once))
    assert pa.concat_tables(parts).equals(rows(100))
    assert all(part.num_rows <= max(at_once, SMALLEST_BLOCK) for part in parts)
    if at_once >= 100:
        assert len(parts) == 1
    assert all(column.num_chunks == 1 for part in parts for column in part.columns)
    assert all(part.schema.metadata is None for part in parts)


@pytest.mark.parametrize("count", [1, 16, 17, 256, 5001])
def test_the_rows_of_blocks_are_counted_without_being_read(count: int, path: str) -> None:
    index_file.write_index(path, {"train": rows(count), "test": rows(50, count)})
    for split in index_file.read_splits(path).values():
        sizes = [part.num_rows for part in index_file.read_blocks(path, split.blocks, 1)]
        assert index_file.count_rows(path, split.blocks).tolist() == sizes


def test_single_rows_come_from_all_blocks_in_the_order_asked_for(path: str) -> None:
    splits = {"train": rows(5000), "test": rows(50, 5000)}
    index_file.write_index(path, splits)
    for name, split in index_file.read_splits(path).items():
        held = splits[name]
        order = np.random.default_rng(0).permutation(held.num_rows)
        wanted = [order[:1], order[1:33], order[33:], order[:0], np.array([0, held.num_rows - 1])]
        parts = list(index_file.read_rows(path, split.blocks, iter(wanted)))
        assert [part.to_pylist() for part in parts] == [
            held.take(few).to_pylist() for few in wanted
        ]
        assert all(column.num_chunks <= 1 for part in parts for column in part.columns)


def test_single_rows_are_counted_over_the_blocks_given(path: str) -> None:
    index_file.write_index(path, {"train": rows(64)})
    blocks = [3, 1]
    (part,) = index_file.read_rows(path, blocks, [np.array([0, 15, 16, 31])])
    assert part["number"].to_pylist() == [48, 63, 16, 31]


def test_a_column_is_read_over_all_splits(path: str) -> None:
    index_file.write_index(path, {"train": rows(50), "test": rows(30, 50)})
    assert index_file.read_column(path, "path").to_pylist() == rows(80)["path"].to_pylist()


def test_a_table_of_many_chunks_is_written_like_one_of_one(path: str, tmp_path: Path) -> None:
    pieces = pa.concat_tables([rows(7, start) for start in range(0, 70, 7)])
    index_file.write_index(path, {"train": pieces})
    index_file.write_index(str(tmp_path / "whole"), {"train": rows(70)})
    assert Path(path).read_bytes() == (tmp_path / "whole").read_bytes()


def test_lists_structs_and_nulls_come_back(path: str) -> None:
    table = pa.table(
        {
            "lists": pa.array([["a"], [], ["b", None]], pa.list_(pa.string())),
            "structs": pa.array([{"x": 1}, None, {"x": None}], pa.struct({"x": pa.int8()})),
            "nothing": pa.nulls(3, pa.string()),
        }
    )
    index_file.write_index(path, {"train": table})
    (part,) = index_file.read_blocks(path, [0], 10)
    assert part.equals(table)


def test_an_index_is_there_only_when_it_is_whole(path: str) -> None:
    assert not index_file.has_index(path)
    other = pa.table({"number": ["another type"]})
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        index_file.write_index(path, {"train": rows(20), "test": other})
    assert not index_file.has_index(path)
    assert list(Path(path).parent.iterdir()) == []
    index_file.write_index(path, {"train": rows(20)})
    assert index_file.has_index(path)
    assert [file.name for file in Path(path).parent.iterdir()] == ["index.arrow"]


def test_a_failed_second_write_leaves_the_first(path: str) -> None:
    index_file.write_index(path, {"train": rows(20)})
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        index_file.write_index(path, {"train": rows(5), "test": pa.table({"other": [1]})})
    assert read_all(path, [0, 1]) == rows(20).to_pylist()


def test_who_reads_an_index_keeps_it_while_another_replaces_it(path: str) -> None:
    index_file.write_index(path, {"train": rows(64)})
    reading = index_file.read_blocks(path, range(4), 1)
    first = next(reading)
    index_file.write_index(path, {"train": rows(8, 1000)})
    assert pa.concat_tables([first, *reading]).equals(rows(64))


def test_two_processes_may_write_it_at_once(path: str) -> None:
    def write() -> None:
        for _ in range(50):
            index_file.write_index(path, {"train": rows(500)})

    # Forked, for each would import for longer than it writes.
    forked = multiprocessing.get_context("fork")
    writers = [forked.Process(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert numbers_of(path) == list(range(500))
    assert [file.name for file in Path(path).parent.iterdir()] == ["index.arrow"]


def test_two_threads_may_write_it_at_once(path: str) -> None:
    def write(_: int) -> None:
        for _ in range(50):
            index_file.write_index(path, {"train": rows(500)})

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, range(2))) == [None, None]
    assert numbers_of(path) == list(range(500))
    assert [file.name for file in Path(path).parent.iterdir()] == ["index.arrow"]


def numbers_of(path: str) -> list[int]:
    return index_file.read_column(path, "number").to_pylist()
