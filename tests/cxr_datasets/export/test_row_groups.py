"""Tables of any length become row groups of known length, and no row is lost."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from cxr_datasets.export import parquet


def tables(lengths: list[int], width: int) -> list[pa.Table]:
    """Tables of so many rows, of `width` bytes and a number each."""
    made, first = [], 0
    for length in lengths:
        numbers = range(first, first + length)
        values = [bytes(width)] * length
        made.append(
            pa.table({"number": pa.array(numbers, pa.int64()), "bytes": pa.array(values, "binary")})
        )
        first += length
    return made


def numbers_of(groups: list[pa.Table]) -> list[int]:
    return [number for group in groups for number in group["number"].to_pylist()]


@pytest.mark.parametrize("seed", range(20))
def test_all_groups_but_the_last_have_as_many_rows_as_allowed(seed: int) -> None:
    draw = random.Random(seed)
    lengths = [draw.choice((0, 1, 7, 16, 50, 300)) for _ in range(draw.randint(1, 8))]
    most = draw.choice((1, 5, 16, 67))
    groups = list(parquet.row_groups(tables(lengths, 3), most))
    assert numbers_of(groups) == list(range(sum(lengths)))
    assert all(len(group) == most for group in groups[:-1])
    assert all(0 < len(group) <= most for group in groups)


@pytest.mark.parametrize("seed", range(20))
def test_a_group_ends_before_it_is_too_large_or_too_long(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10_000)
    draw = random.Random(seed)
    lengths = [draw.randint(0, 40) for _ in range(8)]
    most = draw.choice((4, 30, 1_000))
    groups = list(parquet.row_groups(tables(lengths, 1_000), most))
    assert numbers_of(groups) == list(range(sum(lengths)))
    assert all(0 < len(group) <= most for group in groups)
    # A table is cut into equal parts, each as near to the size as can be.
    assert all(group.nbytes < 1.6 * 10_000 for group in groups)
