"""Labels in every form in which they are loaded, as one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABEL_VALUES, LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.names import places_of

Labels: TypeAlias = Any
"""What `label_matrix` takes."""

_COLUMN = "labels"


def label_matrix(labels: Labels, names: Sequence[str] = LABELS) -> np.ndarray:
    """Give labels as a matrix, a row for each row of the dataset.

    Args:
        labels: One of: a loaded split (its column `labels` counts); a column of one, such as
            `split["labels"]` or `split["labels_negbio"]`; the labels of a batch; an Arrow array or
            column of structs; a `pandas.DataFrame` with a column for each label; an array of
            shape (n, k) with the columns of `names`, NaN for what is not mentioned. A struct that
            is null has 14 labels that are not mentioned.
        names: Labels to give, in this order: k of them.

    Returns:
        float32 of shape (n, k): 1 positive, 0 negative, -1 uncertain, NaN not mentioned.

    Raises:
        OptionError: `labels` is none of these, lacks a label, or holds another value.
    """
    places_of(names)
    matrix = _matrix(labels, names)
    known = np.isnan(matrix)
    for value in LABEL_VALUES:
        if value is not None:
            known |= matrix == value
    if not known.all():
        row, place = np.argwhere(~known)[0]
        raise OptionError(
            f"Label {names[place]} of row {row} is {matrix[row, place]:g}; expected 1, 0, -1 or "
            "null. Give labels as they are loaded, not targets made of them."
        )
    return matrix


def _matrix(labels: Labels, names: Sequence[str]) -> np.ndarray:
    if isinstance(labels, np.ndarray) and labels.dtype != object:  # objects are rows: structs
        return _of_array(labels, names)
    if isinstance(labels, pd.DataFrame):
        return _of_frame(labels, names)
    return _of_structs(_structs(labels), names)


def _of_array(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == len(names):
        return labels.astype(np.float32)
    raise OptionError(
        f"labels is an array of shape {labels.shape}; expected (n, {len(names)}). Give as names "
        "the labels of its columns."
    )


def _of_frame(labels: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    _check_there(names, labels.columns, "The data frame")
    # Copied: policies are applied to the matrix, not to what was given.
    return labels[list(names)].to_numpy(dtype=np.float32, copy=True, na_value=np.nan)


def _structs(labels: Labels) -> pa.StructArray:
    """Bring labels into one Arrow array of structs."""
    if isinstance(labels, datasets.Dataset):
        if _COLUMN not in labels.column_names:
            raise OptionError(
                f"The split has no column {_COLUMN}; its columns are {labels.column_names}."
            )
        labels = labels.select_columns([_COLUMN]).with_format("arrow")[:][_COLUMN]
    elif (whole := _whole_column(labels)) is not None:
        labels = whole
    if isinstance(labels, pa.ChunkedArray):
        labels = labels.combine_chunks()
        labels = pa.concat_arrays(labels.chunks) if isinstance(labels, pa.ChunkedArray) else labels
    if isinstance(labels, pa.StructArray):
        return labels
    if isinstance(labels, Iterable) and not isinstance(labels, (str, bytes, Mapping, pa.Array)):
        rows = list(labels)
        if all(row is None or isinstance(row, Mapping) for row in rows):
            return _of_rows(rows)
    raise OptionError(
        f"labels is a {type(labels).__name__}; expected a split, a column or batch "
        "of labels, an Arrow array of structs, a pandas.DataFrame, or an array of shape (n, k)."
    )


def _whole_column(labels: Labels) -> Any:
    """Give the Arrow column behind a column of a split of `datasets` 4 or newer; else None."""
    source, name = getattr(labels, "source", None), getattr(labels, "column_name", None)
    if isinstance(source, datasets.Dataset) and isinstance(name, str):
        return source.select_columns([name]).with_format("arrow")[:][name]
    return None


def _of_rows(rows: list[Any]) -> pa.StructArray:
    """Structs of Python as one Arrow array; their values may be scalars of other libraries."""
    names = list(dict.fromkeys(name for row in rows for name in row or ()))
    columns = [
        pa.array([None if row is None else _plain(row.get(name)) for row in rows], pa.float32())
        for name in names
    ]
    gone = pa.array([row is None for row in rows], pa.bool_())
    if not names:  # every row is null
        names, columns = list(LABELS), [pa.nulls(len(rows), pa.float32()) for _ in LABELS]
    return pa.StructArray.from_arrays(columns, names, mask=gone)


def _plain(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _of_structs(labels: pa.StructArray, names: Sequence[str]) -> np.ndarray:
    _check_there(names, [field.name for field in labels.type], "The struct")
    matrix = np.empty((len(labels), len(names)), np.float32)
    for place, name in enumerate(names):
        # Unlike `field`, this gives null where the struct is.
        column = pc.struct_field(labels, name).cast(pa.float32())
        matrix[:, place] = column.to_numpy(zero_copy_only=False)
    return matrix


def _check_there(names: Sequence[str], there: Iterable[Any], holder: str) -> None:
    columns = list(there)
    for name in names:
        if name not in columns:
            raise OptionError(
                f"{holder} of labels lacks {name}; it has {columns}. Leave it out of names."
            )
