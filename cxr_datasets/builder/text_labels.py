"""The column `labels_text`: the 14 labels, read by rules from the text of each report."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.features import Column, label_feature
from cxr_datasets.labels.text import label_texts
from cxr_datasets.tables.keys import combined, numbered

LABELS_TEXT = "labels_text"
"""Name of the column, and of the option that asks for it."""


def text_labels_column(*sections: str) -> Column:
    """Declare `labels_text` at its place among a dataset's own columns.

    Args:
        *sections: Sections of the report, of which the first that a report has is labelled.
    """
    read = ", else ".join(f"`{section}`" for section in sections)
    return Column(
        LABELS_TEXT, label_feature(), "study",
        f"as `labels`, by the rules of `cxr_datasets.labels.label_text` from {read}; null if there "
        f"is none; only if the option `{LABELS_TEXT}` is on",
        labelled=sections, option=LABELS_TEXT,
    )  # fmt: skip


def text_labels_option(default: bool) -> Any:
    """Declare the option `labels_text` of a dataset that has the column, as a dataclass field."""
    return field(
        default=default,
        metadata={
            "help": f"Whether rows have the column {LABELS_TEXT}: the 14 labels, read from the "
            f"report by the rules of cxr_datasets.labels.label_text. Default: {default}."
        },
    )


def chosen(columns: Iterable[Column], config: Any) -> tuple[Column, ...]:
    """Give the columns that the rows of a config have: one made here only if asked for."""
    return tuple(
        column for column in columns if not column.option or getattr(config, column.option, True)
    )


def of_the_release(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Give the columns that a release must have: those that are not made here."""
    return tuple(column for column in columns if not column.option)


def add_text_labels(
    rows: pa.Table, columns: Iterable[Column], wanted: Collection[str] | None
) -> pa.Table:
    """Add the columns of labels that are made from texts.

    Args:
        rows: Rows with their texts.
        columns: The dataset's own columns.
        wanted: Columns that are looked at; None: all. Others are null, and take no time.
    """
    for column in columns:
        if column.labelled:
            labels = (
                _labels(rows, column.labelled)
                if wanted is None or column.name in wanted
                else pa.nulls(rows.num_rows, _type(column))
            )
            rows = rows.append_column(column.name, labels)
    return rows


def _labels(rows: pa.Table, sections: Iterable[str]) -> pa.StructArray:
    """Label each study once, whose images all have the same text; null where it has none."""
    study, first = numbered(combined(rows["study_id"]))
    texts = pc.coalesce(*(combined(rows[section]).take(first) for section in sections))
    return label_texts(texts).take(study)


def _type(column: Column) -> pa.DataType:
    return pa.struct([(name, value.pa_type) for name, value in column.feature.items()])
