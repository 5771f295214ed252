"""Masks as runs, as CheXmask writes them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.layers import decode_rle


def test_runs_count_from_one_row_by_row() -> None:
    assert decode_rle("1 2 5 1 9 4", 3, 4).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert decode_rle("4 2", 2, 4).tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize("text", ["", None, "3 0"])
def test_no_run_is_an_empty_mask(text: str | None) -> None:
    assert not decode_rle(text, 2, 3).any()


def test_a_mask_written_by_a_slow_rule_comes_back() -> None:
    rng = random.Random(1)
    for _ in range(40):
        height, width = rng.randint(1, 12), rng.randint(1, 12)
        mask = [[int(rng.random() < 0.5) for _ in range(width)] for _ in range(height)]
        flat = [value for row in mask for value in row]
        runs, at = [], 0
        while at < len(flat):
            length = 1
            while at + length < len(flat) and flat[at + length] == flat[at]:
                length += 1
            runs += [at + 1, length] if flat[at] else []
            at += length
        assert decode_rle(" ".join(map(str, runs)), height, width).tolist() == mask


@pytest.mark.parametrize(
    ("text", "said"),
    [("1", "1 numbers"), ("1 a", "no integer"), ("0 2", "outside"), ("5 9", "outside"),
     ("1 -1", "outside"), ("99999999999999999999 1", "no integer")],
)  # fmt: skip
def test_what_is_no_mask_of_the_size_is_refused(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        decode_rle(text, 2, 5)


@pytest.mark.parametrize("size", [(0, 3), (3, -1), (100_000, 100_000), (2.5, 2), (True, 2)])
def test_a_size_that_is_none_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(OptionError):
        decode_rle("1 1", *size)


def test_numbers_of_numpy_are_sizes() -> None:
    assert decode_rle("1 1", np.int64(1), np.int32(2)).tolist() == [[1, 0]]
