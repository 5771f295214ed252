"""Lists of ids as Python or JSON has them, made into columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from cxr_datasets.tables.id_forms import IdForm, form_named

SPLIT = "split"
_SPLIT_COLUMNS = ("split", "splits", "subset", "partition", "set")
_ID = "id"

_SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "validate", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}

SPLITS_READ = {name: split for split, names in _SPLIT_NAMES.items() for name in names}
"""Name of a split in files, in small letters -> our name."""


@dataclass(frozen=True)
class Columns:
    """Columns of a list of ids.

    Attributes:
        columns: Name -> its values, texts or numbers; all of one length.
        named: Whether the names tell what the columns hold; if not, their values must.
    """

    columns: dict[str, pa.Array]
    named: bool

    @property
    def rows(self) -> int:
        """Length of the columns."""
        return len(next(iter(self.columns.values()), ()))


def is_split_column(name: str) -> bool:
    """Whether a column of such a name holds splits."""
    return name.strip().lower() in _SPLIT_COLUMNS


def is_id_column(name: str) -> bool:
    """Whether a column of such a name holds ids that only their pattern tells."""
    return name.strip().lower() in (_ID, f"{_ID}s")


def is_known_name(name: str, forms: Iterable[IdForm]) -> bool:
    """Whether a text is the name of a column of ids or splits."""
    return is_split_column(name) or is_id_column(name) or form_named(name, forms) is not None


def columns_of(value: Any) -> Columns | None:
    """Make columns of a list of ids in any of the forms that people write.

    Args:
        value: A list of ids; a list of mappings with an id, and perhaps a split, each; a mapping of
            splits to such lists, of ids to mappings or to splits, or of names of columns to lists;
            or a data frame.

    Returns:
        The columns; None if it is none of these.
    """
    if isinstance(value, pd.DataFrame):
        value = {str(name): value[name].tolist() for name in value}
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return None
    return _of_list(value)


def _of_mapping(value: Mapping[Any, Any]) -> Columns | None:
    if not value:
        return Columns({}, named=False)
    kinds = {_kind(one) for one in value.values()}
    if kinds == {"mapping"}:  # ids, each with an object
        entries = _of_list(value.values())
        keys = _array(value)
        return None if keys is None else _with(entries, keys)
    if kinds == {"scalar"}:  # ids, each with its split
        keys, splits = _array(value), _array(value.values())
        return None if keys is None or splits is None else Columns(
            {"": keys, SPLIT: splits}, named=False
        )  # fmt: skip
    if kinds != {"list"}:
        return None
    if any(str(name).strip().lower() in SPLITS_READ for name in value):
        return _of_splits(value)
    arrays = {str(name): _array(some) for name, some in value.items()}
    lengths = {len(some) for some in value.values()}
    if len(lengths) > 1 or any(array is None for array in arrays.values()):
        return None
    return Columns({name: array for name, array in arrays.items() if array is not None}, named=True)


def _of_splits(value: Mapping[Any, Any]) -> Columns | None:
    """Lists of ids, or of objects, by split."""
    entries = [entry for some in value.values() for entry in some]
    columns = _of_list(entries)
    if columns is None:
        return None
    splits = [str(name) for name, some in value.items() for _ in some]
    kept = {name: column for name, column in columns.columns.items() if not is_split_column(name)}
    return Columns({**kept, SPLIT: pa.array(splits, pa.string())}, columns.named)


def _of_list(value: Iterable[Any]) -> Columns | None:
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return Columns({"": value}, named=False)
    entries = list(value)
    if entries and all(isinstance(entry, Mapping) for entry in entries):
        return _of_objects(entries)
    array = _array(entries)
    return None if array is None else Columns({"": array}, named=False)


def _of_objects(entries: list[Mapping[Any, Any]]) -> Columns:
    """The columns of objects that hold a single value each."""
    names = dict.fromkeys(str(name) for entry in entries for name in entry)
    columns = {}
    for name in names:
        array = _array([_single(entry.get(name)) for entry in entries])
        if array is not None:
            columns[name] = array
    return Columns(columns, named=True)


def _with(entries: Columns | None, keys: pa.Array) -> Columns:
    """Ids that are the keys of objects, with the splits that these tell."""
    found = entries.columns if entries else {}
    splits = {name: column for name, column in found.items() if is_split_column(name)}
    return Columns({"": keys, **splits}, named=False)


def _single(value: Any) -> Any:
    """A value, or the only one of a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection):
        return "scalar"
    return "list"


def _array(values: Iterable[Any]) -> pa.Array | None:
    """Texts or numbers as an array; numbers beside texts become texts. None: they are neither."""
    some = list(values)
    if any(_kind(value) != "scalar" for value in some):
        return None
    try:
        return pa.array(some)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in some], pa.string())
