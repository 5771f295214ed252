"""The features of the three configs: core columns first, then the dataset's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import datasets

from cxr_datasets.columns import LABEL_VALUES, LABELS, SECTIONS, VIEWS, plural
from cxr_datasets.images.column import XrayImage


@dataclass(frozen=True)
class Column:
    """A column that one dataset has beyond the core.

    Attributes:
        name: Name in config `images`. In `studies` an image's column is a list named `<name>s`.
        feature: Its `datasets` feature.
        per: Whether a value belongs to one image or to the whole study.
        about: What it holds, and what it is made from, for people.
        is_section: Whether it holds a section of the report.
        labelled: Sections of the report from whose text its labels are read by rules, of which the
            first that a report has counts; see `text_labels`.
        option: Name of the option by which rows have it: it is made here, and no release has it.
        needs_images: Whether config `reports`, which needs no image, goes without it.
    """

    name: str
    feature: Any
    per: Literal["image", "study"]
    about: str = ""
    is_section: bool = False
    labelled: tuple[str, ...] = ()
    option: str = ""
    needs_images: bool = False


_VIEWS_TOLD = ", ".join(f"{number} {view}" for number, view in enumerate(VIEWS))
_LABELS_TOLD = ", ".join(
    f"{'null' if value is None else value} {told}" for value, told in LABEL_VALUES.items()
)

_CORE_ABOUT = {
    "image": "the radiograph",
    "image_id": "id of the image",
    "study_id": "id of the study: an exam with its images and its report",
    "subject_id": "id of the patient",
    "view": f"from where the patient is seen: {_VIEWS_TOLD}",
    "report": "the whole report",
    "indication": "section of the report: why the exam was done",
    "comparison": "section: earlier exams that it was compared with",
    "findings": "section: what is seen",
    "impression": "section: the conclusion",
    "labels": f"14 findings, each {_LABELS_TOLD}",
    "path": "place of the image's file in the release",
}
"""What the core columns, and `path`, hold in every dataset."""


def about_columns(extra: Iterable[Column], sources: Mapping[str, str]) -> dict[str, str]:
    """Say what every column of config `images` holds.

    Args:
        extra: The dataset's own columns, in order.
        sources: Core column, or `path` -> what it is made from in this dataset.

    Returns:
        Name -> one line, in the order of the columns.
    """
    told = {}
    for column in _all_columns(extra):
        source = sources.get(column.name, column.about)
        told[column.name] = "; ".join(filter(None, [_CORE_ABOUT.get(column.name), source]))
    return told


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
    columns = _all_columns(extra)
    if config == "images":
        return datasets.Features({column.name: column.feature for column in columns})
    if config == "studies":
        return datasets.Features(dict(_of_a_study(column) for column in columns))
    return datasets.Features(
        {
            column.name: column.feature
            for column in columns
            if column.per == "study" and not column.needs_images
        }
    )


def _all_columns(extra: Iterable[Column]) -> list[Column]:
    """The columns of config `images`, in order."""
    string = datasets.Value("string")
    return [
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


def _of_a_study(column: Column) -> tuple[str, Any]:
    if column.per == "study":
        return column.name, column.feature
    # A Python list is the one spelling of "list of" that every supported `datasets` reads alike.
    return plural(column.name), [column.feature]
