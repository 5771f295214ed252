"""The features of the three configs: core columns first, then the dataset's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import datasets

from cxr_datasets.columns import LABELS, SECTIONS, VIEWS, plural
from cxr_datasets.images.column import XrayImage


@dataclass(frozen=True)
class Column:
    """A column that one dataset has beyond the core.

    Attributes:
        name: Name in config `images`. In `studies` an image's column is a list named `<name>s`.
        feature: Its `datasets` feature.
        per: Whether a value belongs to one image or to the whole study.
    """

    name: str
    feature: Any
    per: Literal["image", "study"]


def label_feature() -> dict[str, Any]:
    """Struct of 14 int8: 1 positive, 0 negative, -1 uncertain, null not mentioned."""
    return {label: datasets.Value("int8") for label in LABELS}


def config_features(config: str, extra: Iterable[Column]) -> datasets.Features:
    """Give the features of one config.

    Args:
        config: One of `CONFIGS`.
        extra: The dataset's own columns, in order.

    Returns:
        Core columns first, then the dataset's own, then `path` (or `paths`), the file's place
        within the release. `reports` has no column of an image.
    """
    string = datasets.Value("string")
    columns = [
        Column("image", XrayImage(), "image"),
        Column("image_id", string, "image"),
        Column("study_id", datasets.Value("int64"), "study"),
        Column("subject_id", datasets.Value("int64"), "study"),
        Column("view", datasets.ClassLabel(names=list(VIEWS)), "image"),
        Column("report", string, "study"),
        *(Column(section, string, "study") for section in SECTIONS),
        Column("labels", label_feature(), "study"),
        *extra,
        Column("path", string, "image"),
    ]
    if config == "images":
        return datasets.Features({column.name: column.feature for column in columns})
    if config == "studies":
        return datasets.Features(dict(_of_a_study(column) for column in columns))
    return datasets.Features(
        {column.name: column.feature for column in columns if column.per == "study"}
    )


def _of_a_study(column: Column) -> tuple[str, Any]:
    if column.per == "study":
        return column.name, column.feature
    # A Python list is the one spelling of "list of" that every supported `datasets` reads alike.
    return plural(column.name), [column.feature]
