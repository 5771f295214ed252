"""A check of the index that a dataset's package gives, once, where it enters.

A fault here is one of the package, or of a release that its own checks let through. Later it would
be rows lost in silence, or an error that says nothing of its cause.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.release import Release
from cxr_datasets.columns import LABELS, SPLITS, VIEWS
from cxr_datasets.errors import TableError
from cxr_datasets.tables.keys import all_differ, combined

_FILLED = ("image_id", "study_id", "subject_id", "view", "path", "rank")
_NEEDED = (*_FILLED, "labels", "split")
"""Columns that an index has even where `add_texts` adds others."""

_LABEL_TYPE = pa.struct(dict.fromkeys(LABELS, pa.int8()))
_IDS = ("study_id", "subject_id")


def check_index(release: Release, index: Any, own: Iterable[Column]) -> None:
    """Check the columns of an index, their types, and the values that others rely on.

    Args:
        release: Whose index it is.
        index: What its `index` gave.
        own: The dataset's own columns.

    Raises:
        TableError: It is not what `Release.index` describes.
    """
    if not isinstance(index, pa.Table):
        raise _fault(release, "a pyarrow.Table", type(index).__name__, "Give one")
    _check_columns(release, index, own)
    if not index.num_rows:
        raise _fault(release, "a row for each image", "no row", "Raise an error with the cause")
    for name in _FILLED:
        _check_filled(release, index, name)
    _check_values(release, index)
    if not all_differ(combined(index["image_id"])):
        _refuse_repeats(release, index)


def check_complete(release: Release, rows: pa.Table, schema: pa.Schema) -> None:
    """Check that rows have every column of their config once texts are added.

    Raises:
        TableError: One is missing.
    """
    there = set(rows.column_names)  # which pyarrow lists anew each time
    for name in schema.names:
        if name not in there:
            raise _fault(release, f"a column {name!r}", _listed(rows), "Add it", "add_texts")


def _check_columns(release: Release, index: pa.Table, own: Iterable[Column]) -> None:
    expected = {field.name: field.type for field in config_features("images", own).type}
    expected = {**expected, "split": pa.string(), "rank": None}
    del expected["image"]  # read later
    adds_texts = type(release).add_texts is not Release.add_texts
    for name, type_ in expected.items():
        if name in index.column_names:
            _check_type(release, name, type_, index.schema.field(name).type)
        elif name in _NEEDED or not adds_texts:
            raise _fault(release, f"a column {name!r}", _listed(index), "Add it")


def _check_type(
    release: Release, name: str, expected: pa.DataType | None, found: pa.DataType
) -> None:
    if found == expected or (name == "rank" and pa.types.is_integer(found)):
        return
    wanted, step = str(expected or "integers"), "Cast it"
    if name in _IDS and pa.types.is_string(found):
        step = "Make numbers of the ids by cxr_datasets.tables.keys.number_ids"
    elif name == "view":
        step = "Give the place of each view in columns.VIEWS"
    elif expected == _LABEL_TYPE:
        wanted = f"a struct of {len(LABELS)} int8, in the order of columns.LABELS,"
        step = "Give all of them, null where the release does not tell,"
    raise _fault(release, f"{wanted} in column {name!r}", str(found), step)


def _check_filled(release: Release, index: pa.Table, name: str) -> None:
    empty = pc.indices_nonzero(combined(index[name]).is_null())
    if len(empty):
        found = (
            f"null in {len(empty)} of {index.num_rows} rows, first in row {empty[0].as_py() + 1}"
        )
        raise _fault(release, f"a value in every row of column {name!r}", found, "Fill it")


def _check_values(release: Release, index: pa.Table) -> None:
    views = pc.min_max(index["view"])
    for view in (views["min"].as_py(), views["max"].as_py()):
        if not 0 <= view < len(VIEWS):
            expected = f"0 to {len(VIEWS) - 1} in column 'view', places in columns.VIEWS"
            raise _fault(release, expected, str(view), "Give 3, unknown, to any other view")
    for split in pc.unique(index["split"]).to_pylist():
        if split not in (*SPLITS, None):
            rows = pc.sum(pc.equal(index["split"], split)).as_py()
            choices = ", ".join(map(repr, SPLITS))
            raise _fault(
                release,
                f"{choices}, or null for an image of no split, in column 'split'",
                f"{wording.cell(split)} in {rows} rows",
                "Map the release's own names to these",
            )


def _refuse_repeats(release: Release, index: pa.Table) -> None:
    counts = pc.value_counts(combined(index["image_id"]))
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    found = f"{wording.cell(twice[0]['values'].as_py())} in {twice[0]['counts']} rows"
    if len(twice) > 1:
        found += f", and {len(twice) - 1} more that repeat"
    raise _fault(
        release,
        "a value of its own in every row of column 'image_id'",
        found,
        "Make ids that differ",
    )


def _fault(
    release: Release, expected: str, found: str, step: str, method: str = "index"
) -> TableError:
    """Build the error for a package whose release gives a wrong table.

    Args:
        release: The release.
        expected: What was expected of the table.
        found: What was found.
        step: What its author is to do.
        method: Which of its methods gave the table.
    """
    kind = type(release)
    return TableError(
        f"The package {kind.__module__.partition('.')[0]} gives a wrong index: expected "
        f"{expected}, found {found}. {step} in {kind.__module__}.{kind.__qualname__}.{method}()."
    )


def _listed(rows: pa.Table) -> str:
    return "only " + ", ".join(map(repr, rows.column_names))
