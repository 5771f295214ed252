"""A list of ids, and perhaps of the split of each, from a file or from Python; checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.cohorts.files import read_listing
from cxr_datasets.cohorts.values import (
    SPLITS_READ,
    Columns,
    columns_of,
    is_id_column,
    is_split_column,
)
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import CxrError, OptionError, TableError
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.tables.id_forms import IdForm, form_named, form_of, normal_ids, odd_value
from cxr_datasets.tables.keys import combined, numbered
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

Forms = tuple[IdForm, ...]


@dataclass(frozen=True)
class IdList:
    """Ids, each of them once.

    Attributes:
        form: What they name.
        ids: The ids, as the column `form.column` has them, sorted.
        splits: Split of each, one of `columns.SPLITS`; None: the list tells none.
        place: Where they are from, for messages.
    """

    form: IdForm
    ids: pa.Array
    splits: pa.Array | None
    place: str

    @property
    def told(self) -> str:
        """How many ids it has, and a digest of them and their splits, for keys and cards.

        The same ids in any order and any form of a file give the same text.
        """
        count = len(self.ids)
        return f"{count:,} {named(self.form, count)}, digest {self._digest()}"

    def _digest(self) -> str:
        columns = [self.ids.cast(pa.string()), *([] if self.splits is None else [self.splits])]
        lines = pc.binary_join_element_wise(*columns, " ").to_pylist()
        return short_digest("\n".join([self.form.column, *lines]).encode())


def named(form: IdForm, count: int) -> str:
    """What so many ids name: `image` or `images`, `study` or `studies`, `patient` or `patients`."""
    return form.told if count == 1 else form.many


def read_ids(value: Any, forms: Forms, options: StorageOptions | None = None) -> IdList:
    """Read the option `ids`.

    Args:
        value: A list of ids, or the address of a file of them.
        forms: The forms of the dataset's ids, the finest first.
        options: Storage options.

    Raises:
        OptionError: It is no list of ids of one kind, or no such file is there.
        TableError: The file holds no ids, or ids of several kinds.
    """
    place, columns, fault = _columns("ids", value, forms, options)
    form, ids = _ids_in(place, columns, forms, fault)
    return _once(place, form, ids, None, fault)


def read_any_ids(address: str, forms: Forms, options: StorageOptions | None = None) -> list[str]:
    """Read a file of ids that may be of several kinds; the tables of the release tell them.

    Args:
        address: The file.
        forms: The forms of the dataset's ids, the finest first.
        options: Storage options.

    Returns:
        The ids as they are written, in order, without nulls.

    Raises:
        CxrError: As `read_ids`.
    """
    place, columns, fault = _columns("ids", address, forms, options)
    _, values, _ = _column_of_ids(place, columns, forms, fault)
    return combined(values).cast(pa.string()).drop_null().to_pylist()


def read_splits(value: Any, forms: Forms, options: StorageOptions | None = None) -> IdList:
    """Read the option `split_file`: ids, each with its split.

    Args:
        value: The address of a file, or what JSON would hold.
        forms: The forms of the dataset's ids, the finest first.
        options: Storage options.

    Raises:
        OptionError: No such file is there.
        TableError: The file holds no ids, ids of several kinds, no splits, or one id in several.
    """
    place, columns, fault = _columns("split_file", value, forms, options)
    name, splits = _splits_in(place, columns, fault)
    others = {other: column for other, column in columns.columns.items() if other != name}
    form, ids = _ids_in(place, Columns(others, columns.named), forms, fault)
    return _once(place, form, ids, splits, fault)


def _columns(
    option: str, value: Any, forms: Forms, options: StorageOptions | None
) -> tuple[str, Columns, type[CxrError]]:
    """Give the columns that an option lists, their place, and the error for what is wrong there."""
    if isinstance(value, (str, os.PathLike)):
        listing = read_listing(option, os.fspath(value), forms, options)
        return listing.address, listing.columns, TableError
    columns = columns_of([value] if isinstance(value, int) else value)
    if columns is None or not columns.rows:
        found = "an empty one" if columns else f"a value of type {type(value).__name__}"
        raise OptionError(
            f"{option} is no list of ids: found {found}. Give a list, such as "
            f"{option}=[{forms[1].example!r}], or the address of a file."
        )
    return option, columns, OptionError


def _ids_in(
    place: str, columns: Columns, forms: Forms, fault: type[CxrError]
) -> tuple[IdForm, pa.Array]:
    """Read the column of ids, which are all of one kind."""
    form, values, ids = _column_of_ids(place, columns, forms, fault)
    _check_each(place, form, values, ids, forms, fault)
    return form, ids


def _column_of_ids(
    place: str, columns: Columns, forms: Forms, fault: type[CxrError]
) -> tuple[IdForm, pa.Array, pa.Array]:
    """Find the column of ids, of several that of the finest; give it and what is read of it."""
    found: list[tuple[IdForm, pa.Array, pa.Array]] = []
    for name, values in columns.columns.items():
        form = form_named(name, forms) if columns.named else None
        if form is not None:
            found.append((form, values, normal_ids(values, form)))
        elif not columns.named or is_id_column(name):
            told = form_of(values, forms)
            if told is not None:
                found.append((told[0], values, told[1]))
    # Without names, a column that is of one kind throughout counts before one that is not.
    if not columns.named:
        found = [one for one in found if one[2].null_count == 0] or found
    if not found:
        raise fault(f"{place} holds nothing that is written as an id. {_expected(columns, forms)}")
    return min(found, key=lambda one: forms.index(one[0]))


def _expected(columns: Columns, forms: Forms) -> str:
    told = ", ".join(f"{form.one} like {form.example}" for form in forms)
    if columns.named:
        names = ", ".join(form.column for form in forms)
        return (
            f"Expected a column {names}, or another name of one, and found none of them. Name the "
            f"column so. An id of {told}."
        )
    by_name = [form.column for form in forms if not form.by_pattern]
    more = (
        f" The ids of a column {' or '.join(by_name)} are told by its name only: give the column "
        "its name, or a dict of it, such as {'" + by_name[0] + "': [...]}."
        if by_name
        else ""
    )
    return f"Expected the id of {told}.{more}"


def _check_each(
    place: str, form: IdForm, values: Any, ids: pa.Array, forms: Forms, fault: type[CxrError]
) -> None:
    odd = odd_value(values, ids, forms)
    if odd is not None:
        row, told = odd
        raise fault(
            f"{place}: entry {row + 1:,} is {told}; expected the id of {form.one}, like "
            f"{form.example}, as the others are. Give ids of one kind."
        )
    if ids.null_count:
        row = pc.indices_nonzero(ids.is_null())[0].as_py()
        raise fault(
            f"{place}: entry {row + 1:,} has no id; expected the id of {form.one} in each "
            f"({ids.null_count:,} of {len(ids):,} have none). Fill it, or leave the entry out."
        )


def _splits_in(place: str, columns: Columns, fault: type[CxrError]) -> tuple[str, pa.Array]:
    names = [name for name in columns.columns if is_split_column(name)]
    if not names and not columns.named:
        names = [name for name, some in columns.columns.items() if not _read(some).null_count]
    if not names:
        raise fault(
            f"{place} gives no splits: expected a column split beside the ids, or in JSON an "
            f"object of splits with their lists, named {_choices()}. Add the column."
        )
    name = names[0]
    splits = _read(columns.columns[name])
    if splits.null_count:
        row = pc.indices_nonzero(splits.is_null())[0].as_py()
        found = wording.cell(combined(columns.columns[name])[row].as_py())
        raise fault(
            f"{place}: entry {row + 1:,} has {found} as its split; expected {_choices()}. Correct "
            "it, or leave the entry out."
        )
    return name, splits


def _choices() -> str:
    return f"one of {', '.join(SPLITS_READ)}"


def _read(column: Any) -> pa.Array:
    """Our names of splits; null where a value is none."""
    values = combined(column)
    if pa.types.is_null(values.type) or pa.types.is_nested(values.type):
        return pa.nulls(len(values), pa.string())
    text = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
    place = pc.index_in(text, value_set=pa.array(list(SPLITS_READ)))
    return pa.array(list(SPLITS_READ.values())).take(place)


def _once(
    place: str, form: IdForm, ids: pa.Array, splits: pa.Array | None, fault: type[CxrError]
) -> IdList:
    """Take each id once.

    Raises:
        CxrError: One has several splits.
    """
    number, first = numbered(ids)
    once = ids.take(first)
    if splits is not None:
        _check_one_split(place, form, ids, splits, splits.take(first).take(number), fault)
        splits = splits.take(first)
    repeats = len(ids) - len(once)
    if repeats:
        _logger.warning(
            "%d of %d entries of %s repeat an id, and count once", repeats, len(ids), place
        )
    order = pc.sort_indices(once)
    return IdList(form, once.take(order), None if splits is None else splits.take(order), place)


def _check_one_split(
    place: str,
    form: IdForm,
    ids: pa.Array,
    splits: pa.Array,
    expected: pa.Array,
    fault: type[CxrError],
) -> None:
    differs = pc.indices_nonzero(pc.not_equal(splits, expected))
    if not len(differs):
        return
    row = differs[0].as_py()
    id = ids[row].as_py()
    several = len(pc.unique(ids.take(differs)))
    raise fault(
        f"{place}: {form.told} {id} is in two splits, {expected[row].as_py()} in entry "
        f"{pc.index(ids, ids[row]).as_py() + 1:,} and {splits[row].as_py()} in entry {row + 1:,}"
        f"{f'; {several - 1:,} others too' if several > 1 else ''}. Leave it in one of them."
    )


def unknown_ids(listed: IdList, column: pa.Array) -> pa.Array:
    """Ids of a list that a column of the release does not have."""
    return listed.ids.filter(pc.invert(pc.is_in(listed.ids, value_set=pc.unique(column))))


def examples(ids: pa.Array, most: int = 3) -> str:
    """Write the first of some ids."""
    some: Sequence[Any] = ids.slice(0, most).to_pylist()
    return ", ".join(map(str, some))
