"""Rows of different tables are brought together by key, whatever their order."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.tables.keys import (
    all_differ,
    combined,
    count_places,
    count_unused,
    find_keys,
    find_rows,
    has_repeats,
    null_where,
    number_ids,
    numbered,
    take_struct,
)
from cxr_datasets.tables.table import Table

TEXT, NUMBER = pa.string(), pa.int64()
LARGEST = 2**63 - 1


def same_digests(keys: pa.Array) -> pa.Array:
    return pa.array([7] * len(keys), pa.uint64())


def table(**columns: Any) -> Table:
    return Table("place/t.csv", pa.table(columns))


def test_places_are_counted_once_each_and_nulls_not_at_all() -> None:
    for numbers, count in (([2, 0, None, 0], 2), ([None], 0), ([], 0)):
        assert count_places(pa.array(numbers, pa.int32())) == count


def test_rows_are_found_by_key_and_null_where_there_is_none() -> None:
    rows = find_rows(pa.array([30, 10, 99, 10]), table(id=[10, 20, 30]), "id")
    assert rows.to_pylist() == [2, 0, None, 0]


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        (["aaaaaaaa-1", "bbbbbbbb-2"], ["bbbbbbbb-2", "cccccccc-3", "aaaaaaaa-1"]),
        (["aaaaaaaa-1", "zzzzzzzz-9"], ["aaaaaaaa-1", "short", "aaaaaaaa-1", None]),
        (["aaaaaaaaaa", "aaaaaaaaab", "baaaaaaaaa"], ["baaaaaaaaa", "aaaaaaaaab", "aaaaaaaaaa"]),
        (["äääää", "ääääö"], ["ääääö", "äääää", "a"]),
        (["aaaaaaaa-1", "bb", "c"], ["c", "aaaaaaaa-1"]),
        (["aaaaaaaa-1", None], ["aaaaaaaa-1"]),
        (["", ""], ["", "x"]),
        (["aaaaaaaa-1"], []),
        ([], ["aaaaaaaa-1"]),
    ],
)
@pytest.mark.parametrize("digests_differ", [True, False])
def test_long_keys_are_found_as_short_ones_are_even_if_their_digests_are_the_same(
    keys: list[str | None],
    values: list[str | None],
    digests_differ: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not digests_differ:
        monkeypatch.setattr("cxr_datasets.tables.keys._digests", same_digests)
    # The first rows of both are no part of them: a slice begins in the middle of its characters.
    sliced = [pa.array(["begin!", *rows], TEXT).slice(1) for rows in (keys, values)]
    expected = [values.index(key) if key in values else None for key in keys]
    if None in keys:
        expected[keys.index(None)] = None
    assert find_keys(*sliced).to_pylist() == expected


def test_a_place_found_twice_is_a_repeat_and_null_is_none() -> None:
    assert has_repeats(pa.array([2, 0, None, 2]))
    assert not has_repeats(pa.array([2, 0, None, None]))
    assert not has_repeats(pa.array([], NUMBER))


def test_values_are_numbered_as_they_first_appear() -> None:
    numbers, first = numbered(pa.array([50, 70, 50, 60, 70]))
    assert numbers.to_pylist() == [0, 1, 0, 2, 1]
    assert first.to_pylist() == [0, 1, 3]
    assert [part.to_pylist() for part in numbered(pa.array([], NUMBER))] == [[], []]


def test_rows_without_a_use_are_counted() -> None:
    other = table(id=[10, 20, 30])
    assert count_unused(pa.array([10, 10]), other, "id") == 2
    assert count_unused(pa.array([10, 20, 30, 40]), other, "id") == 0


def test_a_struct_is_null_where_there_is_no_row_and_of_nulls_where_the_row_is_blank() -> None:
    labels = table(id=[1, 2], a=[1.0, None], b=[-1.0, None])
    rows = find_rows(pa.array([2, 9, 1, 1]), labels, "id")
    struct = take_struct(rows, labels, ["b", "a"])
    assert struct.type == pa.struct({"b": pa.int8(), "a": pa.int8()})
    assert struct.to_pylist() == [
        {"b": None, "a": None}, None, {"b": -1, "a": 1}, {"b": -1, "a": 1},
    ]  # fmt: skip


def test_a_column_of_any_number_of_chunks_is_one_array() -> None:
    for chunks in ([], [[1, 2]], [[1], [], [2]]):
        column = pa.chunked_array(chunks, NUMBER)
        assert isinstance(combined(column), pa.Array)
        assert combined(column).to_pylist() == column.to_pylist()
    array = pa.array([1])
    assert combined(array) is array


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], True),
        (["a"], True),
        (["aaaaaaaa-1", "aaaaaaaa-2", "baaaaaaa-1"], True),
        (["aaaaaaaa-1", "aaaaaaaa-2", "aaaaaaaa-1"], False),
        (["a", "aaaaaaaa-1", "aaaaaaaa-2"], True),
        (["a", "aaaaaaaa-1", "a"], False),
        (["aaaaaaaa-1", None], True),
        (["aaaaaaaa-1", None, None], False),
    ],
)
@pytest.mark.parametrize("digests_differ", [True, False])
def test_values_all_differ_or_one_stands_twice(
    values: list[str | None],
    expected: bool,
    digests_differ: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not digests_differ:
        monkeypatch.setattr("cxr_datasets.tables.keys._digests", same_digests)
    assert all_differ(pa.array(["begin!", *values], TEXT).slice(1)) is expected


# ids


def test_an_id_has_the_same_number_wherever_it_stands() -> None:
    ids = ["p-2", "p-1", "p-2", None, "", "ä" * 100]
    numbers = number_ids(pa.array(ids)).to_pylist()
    assert number_ids(pa.chunked_array([ids[3:], ids[:3]])).to_pylist() == numbers[3:] + numbers[:3]
    assert number_ids(pa.array(["p-1"], pa.large_string())).to_pylist() == numbers[1:2]
    assert len(set(numbers)) == len(set(ids))
    assert numbers[3] is None


def test_the_number_is_the_documented_one_for_ever() -> None:
    """First 8 bytes of the SHA-256, big-endian, without the first bit."""
    ids = [f"id {number}" for number in range(1000)]
    numbers = number_ids(pa.array(ids))
    assert numbers.type == NUMBER
    for text, number in zip(ids, numbers.to_pylist(), strict=True):
        digest = hashlib.sha256(text.encode()).digest()
        assert number == int.from_bytes(digest[:8], "big") % 2**63
        assert 0 <= number <= LARGEST
    # SHA-256("abc") is ba7816bf 8f01cfea ...
    assert number_ids(pa.array(["abc"])).to_pylist() == [0x3A7816BF8F01CFEA]
    assert number_ids(pa.array([], TEXT)).to_pylist() == []
    assert number_ids(pa.nulls(2, TEXT)).to_pylist() == [None, None]


def test_two_ids_of_one_number_are_an_error_that_names_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cxr_datasets.tables.keys._number_of", lambda text: len(text))
    with pytest.raises(TableError, match=r"Two ids.*in rows 2 and 4,.*another way"):
        number_ids(pa.array(["a", "bb", "a", "cc"]))


def test_ids_that_are_numbers_already_are_refused() -> None:
    with pytest.raises(TableError, match=r"strings.*int32.*cast"):
        number_ids(pa.array([1, 2], pa.int32()))


TEXTS = ["before", "and again", "Zebra.", "Apple.", None, " x ", "a text of some length"]


@pytest.mark.parametrize(
    "texts",
    [
        pa.array(TEXTS).slice(2),
        pa.array([text and text.encode() for text in TEXTS]).slice(2),
        pa.chunked_array([pa.array(TEXTS[2:4]), pa.array(TEXTS).slice(4)]),
        pa.array(range(7)).slice(2),
    ],
    ids=["slice", "bytes", "chunks", "numbers"],
)
def test_values_become_null_where_a_mask_says_so_and_others_stay_as_they_are(texts: Any) -> None:
    mask = [True, False, False, None, False]
    expected = [
        None if gone or gone is None else value
        for gone, value in zip(mask, texts.to_pylist(), strict=True)
    ]
    assert null_where(pa.array(mask), texts).to_pylist() == expected
    assert null_where(pa.array([None, *mask]).slice(1), texts).to_pylist() == expected
