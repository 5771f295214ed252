"""Texts of a form are those that Python's `format` writes, whatever the lengths of their parts."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from cxr_datasets.tables.characters import text_bytes, written
from cxr_datasets.tables.keys import find_keys

FORM = "files/p{0:.2}/p{0}/s{1}/{2}.jpg"


def by_python(form: str, *values: pa.Array) -> list[str | None]:
    rows = zip(*(column.to_pylist() for column in values), strict=True)
    return [None if None in row else form.format(*map(str, row)) for row in rows]


def draws(rng: random.Random, rows: int) -> list[pa.Array]:
    """Ids of one length, as a release has them, or of several, or null, or slices of others."""
    digits = rng.choice([[8], [1, 10], [3]])
    length = rng.choice([44, 7, 0])

    def numbers_of(sizes: list[int]) -> pa.Array:
        drawn = [rng.randrange(10 ** (size - 1), 10**size) for size in sizes]
        return pa.array(drawn, rng.choice([pa.int64(), pa.uint64()]))

    numbers = [numbers_of(rng.choices(digits, k=rows)) for _ in range(2)]
    texts = pa.array([f"{n:x}".rjust(length, "-") for n in range(rows)])
    if rng.random() < 0.3 and rows:
        numbers[0] = pa.array([*numbers[0].to_pylist()[:-1], None], pa.int64())
    columns = [*numbers, texts]
    first = rng.choice([0, rows // 3])
    return [column.slice(first) for column in columns]


@pytest.mark.parametrize("rows", [0, 1, 2, 100, 9_000])
def test_texts_are_those_that_format_writes(rows: int) -> None:
    for seed in range(40 if rows < 1_000 else 4):
        values = draws(random.Random(seed), rows)
        assert written(FORM, *values).to_pylist() == by_python(FORM, *values)


def test_numbers_that_are_no_ids_are_written_as_they_are() -> None:
    for numbers in ([-5, 12], [2**40, 2**40 + 1], [0, 7]):
        column = pa.array(numbers, pa.int64())
        assert written("{0}/{0:.1}", column).to_pylist() == by_python("{0}/{0:.1}", column)


def test_texts_whose_bytes_differ_from_their_characters_are_cut_by_characters() -> None:
    column = pa.array(["äb", "öc"])
    assert written("{0:.1}-{0}", column).to_pylist() == ["ä-äb", "ö-öc"]


def test_the_bytes_of_texts_are_those_of_their_slice() -> None:
    texts = pa.array(["ab", "cd", "ef"]).slice(1)
    assert text_bytes(texts).tolist() == [list(b"cd"), list(b"ef")]  # type: ignore[union-attr]
    assert text_bytes(pa.array(["a", "bc"])) is None
    assert text_bytes(pa.array(["", ""])) is None


def test_large_strings_are_joined_and_found_as_others() -> None:
    rows = 20
    texts = pa.array(["junk", *(f"{n:08}" for n in range(rows))]).slice(1)
    large = pa.array(["junk", *texts.to_pylist()], pa.large_string()).slice(1)
    assert text_bytes(large) is None
    assert find_keys(texts, large).to_pylist() == list(range(rows))
    assert written("{0}.jpg", large).to_pylist() == by_python("{0}.jpg", texts)
