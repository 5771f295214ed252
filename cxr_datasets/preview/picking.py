"""The study of a loaded dataset that shows most of it, and what its labels say in a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets
import pyarrow as pa

from cxr_datasets.columns import LABELS


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
