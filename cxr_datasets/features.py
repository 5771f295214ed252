"""Columns that every chest X-ray dataset here shares, and the layouts of the three configs.

Every dataset begins with the same core columns, of the same types and in the same order, so that
`concatenate_datasets([a.select_columns(CORE), b.select_columns(CORE)])` works as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import datasets

from cxr_datasets.images.column import XrayImage

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""The 14 observations of CheXpert (Irvin et al., AAAI 2019, table 1), in alphabetical order."""

VIEWS = ("frontal", "lateral", "oblique", "unknown")
"""Normalised views; the position in this tuple is the value stored in `view`."""

SECTIONS = ("indication", "comparison", "findings", "impression")
"""Report sections that both datasets have."""

CORE = ("image", "image_id", "study_id", "subject_id", "view", "report", *SECTIONS, "labels")
"""Names of the core columns of config `images`, in order."""

CONFIGS = ("images", "studies", "reports")
"""Row per image; row per study with its images; row per study with text and labels only."""


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


def plural(name: str) -> str:
    """Name in config `studies` of a column that has one value for each image."""
    return f"{name}s"


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
