"""The text of a study that a model is trained to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import OptionError
from cxr_datasets.labels.names import names_of
from cxr_datasets.tables.keys import null_where

PREFER = ("findings", "impression")


def target_text(row: Mapping[str, Any], prefer: str | Sequence[str] = PREFER) -> str | None:
    """Choose the text of one row that a model is to write: the first section that is there.

    Args:
        row: One row of a dataset, of any config.
        prefer: Names of sections, the wanted one first.

    Returns:
        That section as it stands; None if the row has none of them. A section that is null or
        blank counts as absent. What a text says, and how long it is, does not matter.

    Raises:
        OptionError: The row has no column of such a name, or one that holds no text.
    """
    if not isinstance(row, Mapping):
        raise OptionError(f"row is a {type(row).__name__}; expected one row: a name -> value.")
    for name in _checked(prefer, row):
        text = row[name]
        if not isinstance(text, str) and not _is_missing(text):
            raise OptionError(
                f"Column {name!r} of the row holds a {type(text).__name__}; expected a text or "
                "null. Give one row; for a batch or a whole split, use target_texts."
            )
        if isinstance(text, str) and text.strip():
            return text
    return None


def target_texts(rows: Any, prefer: str | Sequence[str] = PREFER) -> list[str | None]:
    """Choose the text of many rows, as `target_text` does of one, a column at a time.

    Args:
        rows: A loaded split, a batch as `map` and `set_transform` give it, a `pandas.DataFrame`, or
            a `pyarrow.Table`.
        prefer: Names of sections, the wanted one first.

    Returns:
        A text, or None, for each row.

    Raises:
        OptionError: There is no column of such a name, it holds no texts, or `rows` is none of
            these.
    """
    columns = {name: _filled(name, column) for name, column in _columns(rows, prefer).items()}
    if len(set(map(len, columns.values()))) > 1:
        lengths = {name: len(column) for name, column in columns.items()}
        raise OptionError(f"The columns differ in length: {lengths}. Give each a value a row.")
    return pc.coalesce(*columns.values()).to_pylist()


def _checked(prefer: str | Sequence[str], there: Iterable[Any]) -> list[str]:
    names = names_of("prefer", prefer)
    there = list(there)
    for name in names:
        if name not in there:
            raise OptionError.unknown("prefer", name, there)
    if not names:
        raise OptionError(f"prefer is empty. Name at least one of: {', '.join(map(repr, there))}.")
    return names


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _columns(rows: Any, prefer: str | Sequence[str]) -> dict[str, Any]:
    """Give the columns that are preferred, in that order."""
    if isinstance(rows, datasets.Dataset):
        names = _checked(prefer, rows.column_names)
        rows = rows.select_columns(names).with_format("arrow")[:]
    if isinstance(rows, pa.Table):
        return {name: rows[name] for name in _checked(prefer, rows.column_names)}
    if isinstance(rows, (Mapping, pd.DataFrame)):
        return {name: rows[name] for name in _checked(prefer, rows)}
    raise OptionError(
        f"rows is a {type(rows).__name__}; expected a split, a batch, a pandas.DataFrame or a "
        "pyarrow.Table. Of a stream, take batches; for one row, use target_text."
    )


def _filled(name: str, column: Any) -> pa.Array | pa.ChunkedArray:
    """Give a column as strings, with null in place of blank ones."""
    is_arrow = isinstance(column, (pa.Array, pa.ChunkedArray))
    try:
        if isinstance(column, str):
            raise TypeError("one text")
        texts = column if is_arrow else pa.array(column, pa.string(), from_pandas=True)
        texts = texts.cast(pa.string()) if pa.types.is_null(texts.type) else texts
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        TypeError,
        UnicodeError,
    ):
        raise OptionError(
            f"Column {name!r} holds other things than texts and nulls. Give names of sections as "
            "prefer; for one row, use target_text."
        ) from None
    return null_where(blank, texts)
