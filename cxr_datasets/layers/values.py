"""The columns of a layer as they are stored: of types that rows can have, and with boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from cxr_datasets.errors import OptionError
from cxr_datasets.layers.layer import SIZES
from cxr_datasets.layers.reading import BOX, Reading
from cxr_datasets.tables.keys import combined

_MOST_OF_A_STRING = 2**31 - 1


def values_of(reading: Reading, table: pa.Table, key: str) -> pa.Table:
    """The columns of a layer as they are stored: without the key, and with a box for four."""
    layer = reading.layer
    boxes = layer.boxes or ()
    kept = [
        name for name in table.column_names
        if name != key and name not in boxes and name in (layer.columns or table.column_names)
    ]  # fmt: skip
    columns = {name: _storable(reading, name, table[name]) for name in kept}
    if layer.boxes:
        columns[BOX] = pa.chunked_array([_box(reading, table)])
    if not columns:
        raise OptionError(
            f"{reading.told}: {reading.file.address} has no column beside its ids. Nothing would "
            "be joined."
        )
    return pa.table(columns)


def _box(reading: Reading, table: pa.Table) -> pa.FixedSizeListArray:
    """Left, top, right and bottom of each row; fractions where the space is of two columns.

    Returns:
        NaN where there is no box; infinite where there is one, but nobody can tell where.
    """
    layer = reading.layer
    box = np.stack([_numbers(reading, name, table) for name in layer.boxes or ()], axis=1)
    if layer.form_of_boxes == SIZES:
        box[:, 2:] += box[:, :2]
    is_there = ~np.isnan(box).any(axis=1)
    if isinstance(layer.space, tuple):
        sizes = np.stack([_numbers(reading, name, table) for name in layer.space], axis=1)
        sizes[sizes <= 0] = np.nan
        box /= np.concatenate([sizes, sizes], axis=1)
    box[~np.isfinite(box).all(axis=1)] = np.inf
    box[~is_there] = np.nan
    return pa.FixedSizeListArray.from_arrays(pa.array(box.ravel()), 4)


def _numbers(reading: Reading, name: str, table: pa.Table) -> np.ndarray[Any, Any]:
    column = combined(table[name])
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise reading.wrong(name, f"is of type {kind}: expected numbers, for boxes.")
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).copy()


def _storable(reading: Reading, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of a type that `datasets` has."""
    kind = storable_type(column.type)
    if kind is None:
        raise reading.wrong(
            name, f"is of type {column.type}, which rows cannot have. Leave it out by columns=."
        )
    if pa.types.is_string(kind) and column.nbytes > _MOST_OF_A_STRING:
        kind = pa.large_string()
    return column if kind == column.type else column.cast(kind)


def storable_type(kind: pa.DataType) -> pa.DataType | None:
    """The type in which a column is stored: its own, where `datasets` has it.

    Returns:
        Null becomes string, and a dictionary its values; None if there is no such type.
    """
    types = pa.types
    if types.is_null(kind):
        return pa.string()
    if types.is_dictionary(kind):
        return storable_type(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = storable_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if types.is_struct(kind):
        inner_types = {field.name: storable_type(field.type) for field in kind}
        if not inner_types or None in inner_types.values():
            return None
        return pa.struct(inner_types)
    is_plain = types.is_primitive(kind) or types.is_string(kind) or types.is_large_string(kind)
    return kind if is_plain or types.is_binary(kind) or types.is_decimal(kind) else None
