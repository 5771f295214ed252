"""Splits, folds and shares of patients, by a hash of the patient: the same everywhere and for ever.

To recompute one, take the SHA-256 of the ASCII text `cxr-datasets:<purpose>:<seed>:<subject_id>`,
both numbers in decimal, and read its first 8 bytes as an unsigned big-endian integer `n`, so that
`x = n / 2**64` is from 0 to below 1. The purpose is `split`, `fold` or `fraction`, so that the
three do not depend on each other. Nothing else of a patient counts, and nothing is stratified.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import SPLITS
from cxr_datasets.tables.keys import combined, numbered

TRAIN, VALIDATION, TEST = SPLITS
_RANGE: Final = 2**64


def patient_number(subject_id: int, purpose: str, seed: int) -> int:
    """Give the number `n` of a patient, from 0 to 2**64 - 1."""
    text = f"cxr-datasets:{purpose}:{seed}:{subject_id}".encode("ascii")
    return int.from_bytes(hashlib.sha256(text, usedforsecurity=False).digest()[:8], "big")


def splits_of(
    subject_ids: pa.Array | pa.ChunkedArray, fractions: Sequence[float], seed: int
) -> pa.Array:
    """Assign each patient to a split.

    Args:
        subject_ids: n ids, repeated or not.
        fractions: Share of train, validation and test; their sum is 1.
        seed: Another one gives another assignment.

    Returns:
        n names of splits: train where `x` is below the first share, validation where it is below
        the first two, else test. The shares count as the decimals they are written as.
    """
    shares = list(map(exact, fractions))
    ends = [shares[0], shares[0] + shares[1]]

    def split(n: int) -> str:
        if n < ends[0] * _RANGE:
            return TRAIN
        return VALIDATION if n < ends[1] * _RANGE else TEST

    patient, ids = _patients(subject_ids)
    found = [split(patient_number(id, "split", seed)) for id in ids]
    return pa.array(found, pa.string()).take(patient)


def folded(
    subject_ids: pa.Array | pa.ChunkedArray,
    splits: pa.Array | pa.ChunkedArray,
    folds: int,
    fold: int,
    seed: int,
) -> pa.Array:
    """Cut the patients of train and validation anew, into folds of which one is validation.

    Args:
        subject_ids: n ids.
        splits: Split of each, or null.
        folds: How many folds there are.
        fold: Which of them is validation, from 0 on; the others are train.
        seed: Another one gives other folds.

    Returns:
        n names of splits. A patient is in fold `floor(x * folds)`. Test stays, and so does null.
    """
    patient, ids = _patients(subject_ids)
    held = [patient_number(id, "fold", seed) * folds // _RANGE == fold for id in ids]
    before = combined(splits)
    anew = pc.if_else(pa.array(held, pa.bool_()).take(patient), VALIDATION, TRAIN)
    return pc.if_else(pc.is_in(before, value_set=pa.array([TRAIN, VALIDATION])), anew, before)


def in_fraction(
    subject_ids: pa.Array | pa.ChunkedArray, fraction: float, seed: int
) -> tuple[pa.Array, int, int]:
    """Keep a share of patients: those with the smallest numbers.

    So those of a smaller share are among those of a larger one.

    Args:
        subject_ids: n ids.
        fraction: Share of the patients, above 0 and at most 1. Of so many their number is rounded,
            halves upwards, and one at least is kept.
        seed: Another one keeps others.

    Returns:
        n booleans; how many patients are kept; and of how many.
    """
    patient, ids = _patients(subject_ids)
    kept = max(1, math.floor(exact(fraction) * len(ids) + Fraction(1, 2))) if ids else 0
    order = sorted(ids, key=lambda id: (patient_number(id, "fraction", seed), id))
    chosen = set(order[:kept])
    return pa.array([id in chosen for id in ids], pa.bool_()).take(patient), kept, len(ids)


def exact(share: float) -> Fraction:
    """A share as the decimal it is written as: 0.1 is a tenth, which no float is."""
    return Fraction(repr(float(share)))


def _patients(subject_ids: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, list[int]]:
    """The number of each row's patient, from 0 on, and the id of each patient."""
    column = combined(subject_ids)
    number, first = numbered(column)
    return number, column.take(first).to_pylist()
