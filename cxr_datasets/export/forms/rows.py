"""Rows as Python values, and their images as bytes, for forms that are no tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import PIXELS, PRIOR_IMAGES, plural
from cxr_datasets.tables.keys import combined

_SIGNATURES = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"DICM": ".dcm"}
"""What the bytes of an image file begin with -> the end of its name."""


def plain_rows(table: pa.Table, features: datasets.Features) -> list[dict[str, Any]]:
    """Give rows without their images, with the names of class labels in place of their numbers."""
    columns = {}
    for name in table.column_names:
        if name not in PIXELS:
            columns[name] = _named(combined(table[name]), features[name])
    return pa.table(columns).to_pylist() if columns else [{} for _ in range(table.num_rows)]


def _named(column: pa.Array, feature: Any) -> pa.Array:
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    if not isinstance(inner, datasets.ClassLabel):
        return column
    names = pa.array(inner.names)
    if not isinstance(column, pa.ListArray):
        return names.take(column)
    gone = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(column.offsets, names.take(column.values), mask=gone)


def images_of(table: pa.Table, column: str) -> Iterator[list[bytes | None]]:
    """Give the bytes of the images of each row; None for one that is missing."""
    images = combined(table[column])
    if column == "image":
        contents = pc.struct_field(images, "bytes")
        yield from ([content.as_py()] for content in contents)
        return
    for some in images:
        yield [] if not some.is_valid else [image["bytes"].as_py() for image in some.values]


def own_images(table: pa.Table) -> Iterator[list[bytes | None]]:
    """Give the bytes of the images of each row of any config; empty lists in `reports`."""
    for name in ("image", plural("image")):
        if name in table.column_names:
            return images_of(table, name)
    return iter([[]] * table.num_rows)


def earlier_images(table: pa.Table) -> Iterator[list[bytes | None]]:
    """Give the bytes of the images of each row's earlier studies; empty lists without any."""
    if PRIOR_IMAGES in table.column_names:
        return images_of(table, PRIOR_IMAGES)
    return iter([[]] * table.num_rows)


def suffix_of(content: bytes) -> str:
    """Give the end of an image file's name by what the file begins with."""
    for signature, suffix in _SIGNATURES.items():
        if content.startswith(signature) or content[128:132] == signature:
            return suffix
    return ".img"


def listed(row: Mapping[str, Any], name: str) -> list[Any]:
    """Give what a row has of each of its images, in any config."""
    if name in row:
        return [row[name]]
    return row.get(plural(name)) or []
