"""A slow reader of cohorts, in plain Python, by docs/cohorts.md.

It must not import the project: what both would take from one place could be wrong in both.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.differential.reading import LABELS, Row


@dataclass
class Cohort:
    """What is asked for.

    Attributes:
        ids: Column of ids, and the ids that are wanted; None: all.
        splits: Column of ids, and the split of each; None: the release's.
        fractions: Shares of a split by patient, as they are written; None: no such split.
        folds: How many folds, and which one is validation; None: none.
        seed: The seed.
        fraction: Share of the patients of train, as it is written; None: all.
        require: What rows must have, in order.
    """

    ids: tuple[str, set[Any]] | None = None
    splits: tuple[str, dict[Any, str]] | None = None
    fractions: Sequence[str] | None = None
    folds: tuple[int, int] | None = None
    seed: int = 0
    fraction: str | None = None
    require: Sequence[str] = ()


def apply(images: Sequence[Row], cohort: Cohort) -> list[Row]:
    """Give the rows that stay, with their splits. A row of no split is left out."""
    rows = [dict(row) for row in images]
    if cohort.ids:
        column, ids = cohort.ids
        rows = [row for row in rows if row[column] in ids]
    for row in rows:
        row["split"] = _split(row, cohort)
    rows = [row for row in rows if row["split"] is not None]
    if cohort.fraction is not None:
        kept = _fraction({row["subject_id"] for row in rows if row["split"] == "train"}, cohort)
        rows = [row for row in rows if row["split"] != "train" or row["subject_id"] in kept]
    return [row for row in rows if all(_has(row, name) for name in cohort.require)]


def _split(row: Row, cohort: Cohort) -> str | None:
    split = row["split"]
    if cohort.splits:
        column, splits = cohort.splits
        split = splits.get(row[column])
    if cohort.fractions:
        x, (train, validation, _) = _x("split", row, cohort), map(Fraction, cohort.fractions)
        split = "train" if x < train else "validation" if x < train + validation else "test"
    if cohort.folds and split in ("train", "validation"):
        folds, fold = cohort.folds
        held = math.floor(_x("fold", row, cohort) * folds) == fold
        split = "validation" if held else "train"
    return split


def _x(purpose: str, row: Row, cohort: Cohort) -> Fraction:
    text = f"cxr-datasets:{purpose}:{cohort.seed}:{row['subject_id']}"
    return Fraction(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16), 2**64)


def _fraction(patients: set[int], cohort: Cohort) -> set[int]:
    order = sorted(patients, key=lambda id: _x("fraction", {"subject_id": id}, cohort))
    wanted = Fraction(cohort.fraction or "1") * len(order)
    count = math.floor(wanted) + (wanted - math.floor(wanted) >= Fraction(1, 2))
    return set(order[: max(1, count)])


def _has(row: Row, name: str) -> bool:
    column, _, label = name.partition(".")
    if column in LABELS:
        column, label = "labels", column
    value = row[column]
    if label:
        return value is not None and value[label] is not None
    if isinstance(value, dict):
        return any(one is not None for one in value.values())
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, list):
        return any(one is not None for one in value)
    return value is not None
