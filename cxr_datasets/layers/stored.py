"""A layer as an Arrow file in the cache: a row for each key, so that rows find theirs by number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.layers.files import LayerFile, find_file, read_file
from cxr_datasets.layers.layer import SIZES, Layer, NamedLayer
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Stamp
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.id_forms import (
    IdForm,
    form_named,
    form_of,
    id_column,
    normal_ids,
    odd_value,
)
from cxr_datasets.tables.keys import combined, numbered
from cxr_datasets.tables.sealed import opened, replacing

BOX = "box"
"""Name of what becomes of the four columns of a box."""

COORDINATES = pa.list_(pa.float64(), 4)
"""Left, top, right, bottom of a box in the layer's space, in the Arrow file; NaN: unknown."""

_KEYS = "\0key"
_ROWS = "\0rows"
"""Columns of the Arrow file that no table can have: the key, and the rows of a key."""

_FACTS = b"cxr_layer"
_ROWS_PER_BLOCK = 4_096
_MOST_OF_A_STRING = 2**31 - 1


@dataclass(frozen=True)
class StoredLayer:
    """A layer that was read; pickled to every worker, so it holds no rows.

    Attributes:
        named: Its name and form.
        address: Where its table is, as it may be shown.
        stamp: The state of its table.
        path: The Arrow file.
        column: Our column by which it is joined.
        several: Whether a key may have several rows.
        keys: How many keys it has.
        rows: How many rows these have.
        unkeyed: How many rows of its table have no id of this kind, and are left out.
        fields: Its columns as the Arrow file has them.
    """

    named: NamedLayer
    address: str
    stamp: Stamp
    path: str
    column: str
    several: bool
    keys: int
    rows: int
    unkeyed: int
    fields: tuple[pa.Field, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.named.name

    @property
    def layer(self) -> Layer:
        """Its form."""
        return self.named.layer

    def ids(self) -> pa.Array:
        """The keys, as our column has them, in the order of the Arrow file's rows."""
        return combined(index_file.read_column(self.path, _KEYS))

    def rows_of_keys(self) -> np.ndarray:
        """How many rows each key has."""
        if not self.several:
            return np.ones(self.keys, np.int64)
        return pc.list_value_length(combined(index_file.read_column(self.path, _ROWS))).to_numpy()

    def take(self, places: pa.Array) -> dict[str, pa.Array]:
        """Read the rows of some keys.

        Args:
            places: n numbers of rows of the Arrow file; null: none.

        Returns:
            Name of a column -> n values; where a key may have several rows, one entry: `""` -> n
            lists of structs.
        """
        if self.several:
            return {"": index_file.take_rows(self.path, _ROWS, places)}
        return {
            field.name: index_file.take_rows(self.path, field.name, places) for field in self.fields
        }


def store(
    named: NamedLayer,
    forms: Sequence[IdForm],
    folder: str,
    code: str,
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> StoredLayer:
    """Read a layer into the cache, unless it is there.

    Args:
        named: The layer.
        forms: The forms of the dataset's ids.
        folder: The folder in the cache.
        code: A hash of the code that makes rows.
        options: Storage options of all stores.
        connections: Most requests at once to a remote store.

    Raises:
        OptionError: There is no such table, or no such column in it.
        TableError: The table is broken, or its ids are none of the dataset.
        StoreError: The store refuses it.
    """
    told = f"layers[{named.name!r}]"
    file = find_file(told, named.layer.address, options, connections)
    stamp = file.source.stamp(file.path)
    key = [stamp, file.source.address(file.path), named.layer.decides(), list(map(repr, forms))]
    digest = short_digest(json.dumps(key, sort_keys=True, default=str).encode())
    path = f"{folder}/layer-{digest}-{code}.arrow"
    if not index_file.has_index(path):
        _write(path, _Reading(told, named.layer, file, tuple(forms)))
    with opened(path) as reader:
        schema = reader.schema
    facts = json.loads(schema.metadata[_FACTS])
    fields = schema.field(_ROWS).type.value_type if facts["several"] else list(schema)[1:]
    return StoredLayer(named, file.address, stamp, path, fields=tuple(fields), **facts)


@dataclass(frozen=True)
class _Reading:
    """A layer that is being read.

    Attributes:
        told: The option that names it, for the errors.
        layer: Its form.
        file: Its table.
        forms: The forms of the dataset's ids.
    """

    told: str
    layer: Layer
    file: LayerFile
    forms: tuple[IdForm, ...]

    def is_wanted(self, name: str) -> bool:
        """Whether a column of the table is read."""
        layer = self.layer
        if layer.columns is None:
            return True
        space = layer.space if isinstance(layer.space, tuple) else ()
        named = (*layer.columns, *(layer.boxes or ()), *space, layer.key)
        return name in named or (layer.key is None and form_named(name, self.forms) is not None)

    def wrong(self, column: str, what: str) -> TableError:
        """Build the error for a column of the table."""
        return TableError(f"{self.file.address}: column {column!r} {what}")


def _write(path: str, reading: _Reading) -> None:
    table = read_file(reading.file, reading.layer.records, reading.is_wanted)
    _check_columns(reading, table.column_names)
    key, form, ids = _keys_of(reading, table)
    kept = ids.is_valid()
    unkeyed = ids.null_count
    if unkeyed:
        table, ids = table.filter(kept), ids.filter(kept)
    values = _values(reading, table, key)
    number, first = numbered(ids)
    several = reading.layer.several
    if several is None:
        several = len(first) < len(ids)
    elif not several and len(first) < len(ids):
        raise _repeats(reading, key, number, first)
    facts = {
        "column": form.column, "several": several, "keys": len(first), "rows": len(ids),
        "unkeyed": unkeyed,
    }  # fmt: skip
    stored = _grouped(ids, number, first, values) if several else values.add_column(0, _KEYS, ids)
    schema = stored.schema.with_metadata({_FACTS: json.dumps(facts).encode()})
    with replacing(path, schema) as writer:
        for start in range(0, stored.num_rows, _ROWS_PER_BLOCK):
            block = stored.slice(start, _ROWS_PER_BLOCK).combine_chunks()
            writer.write_table(block.replace_schema_metadata(schema.metadata))


def _check_columns(reading: _Reading, found: Sequence[str]) -> None:
    layer = reading.layer
    space = layer.space if isinstance(layer.space, tuple) else ()
    asked = [*(layer.columns or ()), *(layer.boxes or ()), *space]
    for name in [*([layer.key] if layer.key else []), *asked]:
        if name not in found:
            raise OptionError(
                f"{reading.told} names a column {name!r}, which {reading.file.address} does not "
                f"have. It has: {_listed(found)}."
            )
    if layer.boxes and BOX in set(found) - set(layer.boxes):
        raise reading.wrong(BOX, "has the name that boxes get here. Leave it out by columns=.")


def _listed(names: Iterable[str]) -> str:
    """Names of columns as a message may hold them: of a lost header they may be cells."""
    return ", ".join(repr(name) if len(name) <= 40 else wording.cell(name) for name in names)


def _keys_of(reading: _Reading, table: pa.Table) -> tuple[str, IdForm, pa.Array]:
    """Find the column of ids; give it, its form, and the ids as our column has them."""
    layer, forms = reading.layer, reading.forms
    if layer.key is None:
        wanted = [form for form in forms if layer.by in (None, form.column)]
        found = id_column(table.column_names, wanted)
        if found is None:
            names = [name for form in wanted for name in (form.column, *form.names)]
            raise OptionError(
                f"{reading.told}: {reading.file.address} has no column that is called as ids are: "
                f"expected one of {', '.join(dict.fromkeys(names))}, found "
                f"{_listed(table.column_names)}. Name its column of ids by key=."
            )
        key, form = found
    else:
        key = layer.key
        form = _form_of(reading, table[key])
    values = combined(table[key])
    _check_type(reading, key, values.type)
    ids = normal_ids(values, form)
    if ids.null_count == len(ids):
        odd = odd_value(values, ids, forms)
        found_there = f"{odd[1]} in row {odd[0] + 1}" if odd else "blanks only"
        raise reading.wrong(
            key, f"holds no id of a {form.told}, such as {form.example}; found {found_there}. "
            "Name the right column by key=, or say by by= whose ids it has.",
        )  # fmt: skip
    return key, form, ids


def _form_of(reading: _Reading, column: pa.ChunkedArray) -> IdForm:
    layer, forms = reading.layer, reading.forms
    if layer.by is not None:
        return next(form for form in forms if form.column == layer.by)
    named = form_named(layer.key or "", forms)
    if named is not None:
        return named
    _check_type(reading, layer.key or "", column.type)
    told = form_of(column, forms)
    if told is None:
        raise reading.wrong(
            layer.key or "", "does not tell whose ids it has. Say it by by=: image_id, study_id "
            "or subject_id.",
        )  # fmt: skip
    return told[0]


def _check_type(reading: _Reading, key: str, kind: pa.DataType) -> None:
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (
        texts or pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    ):
        raise reading.wrong(key, f"is of type {kind}: expected ids, as texts or numbers.")


def _repeats(reading: _Reading, key: str, number: pa.Array, first: pa.Array) -> TableError:
    counts = np.bincount(number.to_numpy())
    twice = int(np.flatnonzero(counts > 1)[0])
    return reading.wrong(
        key, f"has {int((counts > 1).sum())} keys in several rows, the first of them in "
        f"{counts[twice]} from row {first[twice].as_py() + 1} on; several=False allows one. Leave "
        "that out to get lists.",
    )  # fmt: skip


def _values(reading: _Reading, table: pa.Table, key: str) -> pa.Table:
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


def _box(reading: _Reading, table: pa.Table) -> pa.FixedSizeListArray:
    """Left, top, right and bottom of each row; fractions where the space is of two columns."""
    layer = reading.layer
    box = np.stack([_numbers(reading, name, table) for name in layer.boxes or ()], axis=1)
    if layer.form_of_boxes == SIZES:
        box[:, 2:] += box[:, :2]
    if isinstance(layer.space, tuple):
        sizes = np.stack([_numbers(reading, name, table) for name in layer.space], axis=1)
        sizes[sizes <= 0] = np.nan
        box /= np.concatenate([sizes, sizes], axis=1)
    box[~np.isfinite(box).all(axis=1)] = np.nan
    return pa.FixedSizeListArray.from_arrays(pa.array(box.ravel()), 4)


def _numbers(reading: _Reading, name: str, table: pa.Table) -> np.ndarray[Any, Any]:
    column = combined(table[name])
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise reading.wrong(name, f"is of type {kind}: expected numbers, for boxes.")
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).copy()


def _storable(reading: _Reading, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
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


def _grouped(ids: pa.Array, number: pa.Array, first: pa.Array, values: pa.Table) -> pa.Table:
    """A row for each key, in the order in which keys first appear, with the list of its rows."""
    order = pa.array(np.argsort(number.to_numpy(), kind="stable"))
    counts = np.bincount(number.to_numpy())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    fields = [pa.field(name, values.schema.field(name).type) for name in values.column_names]
    structs = pa.StructArray.from_arrays(
        [combined(values[field.name]).take(order) for field in fields], fields=fields
    )
    return pa.table({_KEYS: ids.take(first), _ROWS: pa.ListArray.from_arrays(offsets, structs)})
