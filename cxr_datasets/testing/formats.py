"""The formatters of `datasets`, and whether whole rows pass them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import datasets
import pyarrow as pa
import pytest

FORMATS = ("torch", "numpy", "pandas", "polars", "arrow")
"""Names that `with_format` takes; a whole row of any config passes each of them."""

_TABLES = ("pandas", "polars", "arrow")
"""Formats of which a row is a table of one row."""

_BATCH = 3
_COLUMNS = 3
"""Columns that are asked for one by one: that of images is the first."""


def need_format(kind: str) -> None:
    """Skip a test whose formatter needs a library that is not installed."""
    pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))


def assert_formatted(formatted: Any, kind: str, stored: pa.Table) -> None:
    """Assert that a row or batch came out of a formatter whole, with its texts as they are stored.

    Args:
        formatted: What a dataset with a format gave.
        kind: The format, one of `FORMATS`.
        stored: The same rows as they are stored.
    """
    names = formatted.column_names if kind == "arrow" else list(_columns(formatted))
    assert names == stored.column_names
    for name in names:
        if pa.types.is_string(stored.schema.field(name).type):
            assert _texts(formatted[name], kind) == stored[name].to_pylist(), name


def assert_passes(dataset: Any, kind: str, stored: pa.Table) -> None:
    """Assert that rows of a dataset, one by one and in batches, pass a formatter.

    Args:
        dataset: Built or streamed; without a format.
        kind: The format, one of `FORMATS`.
        stored: Its first rows as they are stored, or all. Of a stream no more are read, but for
            those of one batch.
    """
    formatted = dataset.with_format(kind)
    rows = list(islice(formatted, stored.num_rows))
    assert len(rows) == stored.num_rows
    for number, row in enumerate(rows):
        assert_formatted(row, kind, stored.slice(number, 1))
    starts = range(0, stored.num_rows - _BATCH + 1, _BATCH)
    for start, batch in zip(starts, formatted.iter(batch_size=_BATCH), strict=False):
        assert_formatted(batch, kind, stored.slice(start, _BATCH))
    if isinstance(dataset, datasets.Dataset):
        some = formatted.select(range(stored.num_rows))
        assert_formatted(some[0], kind, stored.slice(0, 1))
        assert_formatted(some[:], kind, stored)
        for name in stored.column_names[:_COLUMNS]:
            assert len(some[name][:]) == stored.num_rows


def _columns(formatted: Any) -> Any:
    return formatted if isinstance(formatted, Mapping) else formatted.columns


def _texts(cells: Any, kind: str) -> list[str | None]:
    """The texts of one column; a row that is no table holds a bare one."""
    if kind == "arrow":
        return cells.to_pylist()
    if kind not in _TABLES and (cells is None or isinstance(cells, str)):
        cells = [cells]
    return [str(cell) if isinstance(cell, str) else None for cell in cells]
