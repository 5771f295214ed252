"""The hash of a patient: pinned, for it must never change."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise

import pyarrow as pa
import pytest

from cxr_datasets.cohorts.patients import folded, in_fraction, patient_number, splits_of

IDS = list(range(10_000_000, 10_002_000))


@pytest.mark.parametrize(
    ("purpose", "seed", "id", "number"),
    [
        ("split", 0, 10_000_000, 15_526_873_259_328_623_856),
        ("fold", 0, 10_000_000, 3_273_986_357_504_100_233),
        ("fraction", 7, 12, 12_082_277_757_403_498_916),
    ],
)
def test_the_number_of_a_patient_never_changes(
    purpose: str, seed: int, id: int, number: int
) -> None:
    assert patient_number(id, purpose, seed) == number


def test_splits_of_some_patients_never_change() -> None:
    found = splits_of(pa.array(range(1, 13)), (0.5, 0.25, 0.25), 0).to_pylist()
    assert " ".join(split[:2] for split in found) == "tr tr tr tr va te te tr va te va tr"


def test_splits_are_what_the_words_of_the_docs_give() -> None:
    found = splits_of(pa.array(IDS), (0.7, 0.1, 0.2), 3).to_pylist()
    for id, split in zip(IDS, found, strict=True):
        digest = hashlib.sha256(f"cxr-datasets:split:3:{id}".encode()).digest()
        x = Fraction(int.from_bytes(digest[:8], "big"), 2**64)
        expected = "train" if x < Fraction(7, 10) else "validation" if x * 10 < 8 else "test"
        assert split == expected
    assert 0.67 < found.count("train") / len(found) < 0.73
    assert 0.08 < found.count("validation") / len(found) < 0.12


def test_all_rows_of_a_patient_are_in_one_split_and_rows_may_be_in_any_order() -> None:
    rows = pa.chunked_array([[5, 7, 5], [7, 9]])
    found = splits_of(rows, (0.4, 0.3, 0.3), 1).to_pylist()
    of_5, of_7, of_9 = splits_of(pa.array([5, 7, 9]), (0.4, 0.3, 0.3), 1).to_pylist()
    assert found == [of_5, of_7, of_5, of_7, of_9]


def test_a_share_of_one_or_of_nothing_takes_all_or_none() -> None:
    assert set(splits_of(pa.array(IDS), (1, 0, 0), 0).to_pylist()) == {"train"}
    assert set(splits_of(pa.array(IDS), (0, 0, 1), 0).to_pylist()) == {"test"}
    assert set(splits_of(pa.array(IDS), (0.5, 0.5, 0), 0).to_pylist()) == {"train", "validation"}


def test_another_seed_gives_another_split() -> None:
    one, other = (splits_of(pa.array(IDS), (0.5, 0.25, 0.25), seed) for seed in (0, 1))
    assert one.to_pylist() != other.to_pylist()


def test_each_patient_is_validation_in_one_fold_and_test_stays() -> None:
    before = pa.array([("train", "validation", "test", None)[id % 4] for id in IDS])
    folds = [folded(pa.array(IDS), before, 5, fold, 0).to_pylist() for fold in range(5)]
    for number, split in enumerate(before.to_pylist()):
        here = [fold[number] for fold in folds]
        if split in ("train", "validation"):
            assert sorted(here) == ["train"] * 4 + ["validation"]
        else:
            assert here == [split] * 5
    sizes = [fold.count("validation") for fold in folds]
    assert min(sizes) > 0.15 * len(IDS) / 2


def test_a_smaller_share_is_within_a_larger_one_and_has_its_number_of_patients() -> None:
    shares = (0.0001, 0.001, 0.01, 0.1, 0.5, 1)
    kept = []
    for share in shares:
        chosen, count, patients = in_fraction(pa.array(IDS), share, 0)
        kept.append({id for id, is_in in zip(IDS, chosen.to_pylist(), strict=True) if is_in})
        assert (len(kept[-1]), patients) == (count, len(IDS))
    assert [len(some) for some in kept] == [1, 2, 20, 200, 1_000, 2_000]
    assert all(small <= large for small, large in pairwise(kept))


def test_halves_are_rounded_upwards_as_the_decimal_is_written() -> None:
    # As a float 0.35 of 10 is below 3.5.
    assert in_fraction(pa.array(range(10)), 0.35, 0)[1] == 4
    assert in_fraction(pa.array(range(10)), 0.34, 0)[1] == 3


def test_the_share_is_of_patients_whatever_rows_they_have() -> None:
    rows = [1] * 90 + list(range(2, 12))
    chosen, kept, patients = in_fraction(pa.array(rows), 0.5, 2)
    assert (kept, patients) == (6, 11)
    by_patient = dict(zip(rows, chosen.to_pylist(), strict=True))
    assert sum(by_patient.values()) == 6
    assert [by_patient[row] for row in rows] == chosen.to_pylist()


def test_no_rows_are_no_error() -> None:
    none = pa.array([], pa.int64())
    assert len(splits_of(none, (0.7, 0.1, 0.2), 0)) == 0
    assert len(folded(none, pa.array([], pa.string()), 2, 0, 0)) == 0
    assert in_fraction(none, 0.5, 0)[1:] == (0, 0)
