"""Counts of a loaded dataset, and the study that shows most of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS, VIEWS

VALUES = {"positive": 1, "negative": 0, "uncertain": -1, "not mentioned": None}
"""What a label's value means, in the order of the table."""


def count_splits(images: datasets.DatasetDict) -> tuple[list[str], list[list[Any]]]:
    """Count images, studies, patients and views in each split and in all.

    Args:
        images: Splits of a config `images`.

    Returns:
        The table's header and its rows, a row per split and one for all of them.
    """
    parts = {name: column_table(split, "study_id", "subject_id", "view")
             for name, split in images.items()}  # fmt: skip
    parts["all"] = pa.concat_tables(list(parts.values()))
    rows: list[list[Any]] = []
    for name, part in parts.items():
        ids = [pc.count_distinct(part[key]).as_py() for key in ("study_id", "subject_id")]
        views = [pc.sum(pc.equal(part["view"], number)).as_py() for number in range(len(VIEWS))]
        rows.append([name, part.num_rows, *ids, *views])
    return ["split", "images", "studies", "patients", *VIEWS], rows


def count_labels(studies: datasets.DatasetDict) -> tuple[list[str], list[list[Any]]]:
    """Count the studies in which each label has each of its values.

    Args:
        studies: Splits of a config `studies`.

    Returns:
        The table's header and its rows, a row per label.
    """
    labels = [row["labels"] or {} for row in all_rows(studies, "labels")]
    rows: list[list[Any]] = [
        [name, *(sum(row.get(name) == value for row in labels) for value in VALUES.values())]
        for name in LABELS
    ]
    return ["label", *VALUES], rows


def pick_study(studies: datasets.DatasetDict) -> dict[str, Any]:
    """Choose the study that shows most: a whole report, labels of many values, two views."""
    return max(all_rows(studies), key=_interest)


def _interest(study: dict[str, Any]) -> tuple[int, ...]:
    labels = list((study["labels"] or {}).values())
    complete = bool(study["findings"]) and bool(study["impression"])
    return complete, len(set(labels)), len(set(study["views"])), labels.count(1)


def with_value(labels: dict[str, int | None] | None, value: int | None) -> list[str]:
    """List the labels that have the given value; none where a study has no labels."""
    return [name for name in LABELS if labels and labels[name] == value]


def listed(labels: dict[str, int | None] | None, value: int | None) -> str:
    """Give the labels that have the given value in one line; `-` if there are none."""
    return ", ".join(with_value(labels, value)) or "-"


def column_table(split: datasets.Dataset, *columns: str) -> pa.Table:
    """Give some columns of a split as Arrow holds them: nothing is decoded."""
    return split.select_columns(list(columns)).with_format("arrow")[:]


def all_rows(splits: datasets.DatasetDict, *columns: str) -> Iterator[dict[str, Any]]:
    """Give the rows of all splits as they are stored: images are not decoded."""
    for split in splits.values():
        yield from column_table(split, *(columns or split.column_names)).to_pylist()
