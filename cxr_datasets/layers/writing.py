"""Write the table of a layer into the cache: a row for each key, checked and in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from cxr_datasets.errors import TableError
from cxr_datasets.layers.files import OtherTypesError, is_large, read_blocks, read_file
from cxr_datasets.layers.reading import Reading, check_columns, ids_of, key_of
from cxr_datasets.layers.values import values_of
from cxr_datasets.tables.id_forms import IdForm
from cxr_datasets.tables.keys import combined, numbered
from cxr_datasets.tables.sealed import replacing

KEYS = "\0key"
ROWS = "\0rows"
"""Columns of the Arrow file that no table can have: the key, and the rows of a key."""

FACTS = b"cxr_layer"
_ROWS_PER_BLOCK = 4_096


def write_layer(path: str, reading: Reading) -> None:
    """Read a layer's table and write it as an Arrow file, whole or not at all.

    A large CSV file with one row a key is never in memory as a whole: its keys are read first, and
    then its rows, part by part.

    Args:
        path: The file to write.
        reading: The layer.

    Raises:
        OptionError: The layer names a column that is not there, or has no ids.
        TableError: The table is broken, or its ids are none of the dataset.
    """
    if is_large(reading.file):
        try:
            if _write_parts(path, reading):
                return
        except OtherTypesError:  # a later cell is of another type than the first ones
            pass
    names: list[str] = []

    def is_wanted(name: str) -> bool:
        names.append(name)
        return reading.is_wanted(name)

    table = read_file(reading.file, reading.layer.records, is_wanted)
    check_columns(reading, table.column_names, dict.fromkeys(names))
    key, form = key_of(reading, table.column_names, lambda name: table[name])
    ids = ids_of(reading, key, form, combined(table[key]))
    table, kept = table.filter(ids.is_valid()), ids.drop_null()
    number, first = numbered(kept)
    values = values_of(reading, table, key)
    facts = _facts(reading, key, form, ids, number, first)
    stored = (
        _grouped(kept, number, first, values)
        if facts["several"]
        else values.add_column(0, KEYS, kept)
    )
    _write_tables(path, facts, iter([stored]))


def _write_parts(path: str, reading: Reading) -> bool:
    """Write a large table part by part, if it has one row a key; say whether it was written."""
    names = reading.file.names()
    check_columns(reading, list(filter(reading.is_wanted, names)), names)

    @cache
    def column(name: str) -> pa.ChunkedArray:
        return read_file(reading.file, None, lambda other: other == name)[name]

    key, form = key_of(reading, names, column)
    ids = ids_of(reading, key, form, combined(column(key)))
    number, first = numbered(ids.drop_null())
    facts = _facts(reading, key, form, ids, number, first)
    if facts["several"]:
        return False

    def parts() -> Iterator[pa.Table]:
        start = 0
        for block in read_blocks(reading.file, reading.is_wanted):
            own = ids.slice(start, block.num_rows)
            start += block.num_rows
            values = values_of(reading, block.filter(own.is_valid()), key)
            yield values.add_column(0, KEYS, own.drop_null())

    _write_tables(path, facts, parts())
    return True


def _facts(
    reading: Reading, key: str, form: IdForm, ids: pa.Array, number: pa.Array, first: pa.Array
) -> dict[str, Any]:
    """What is written down of a layer beside its rows.

    Raises:
        TableError: A key has several rows, where one was promised.
    """
    rows, several = len(number), reading.layer.several
    if several is None:
        several = len(first) < rows
    elif not several and len(first) < rows:
        raise _repeats(reading, key, number, first)
    return {
        "column": form.column, "several": several, "keys": len(first), "rows": rows,
        "unkeyed": ids.null_count,
    }  # fmt: skip


def _write_tables(path: str, facts: dict[str, Any], tables: Iterator[pa.Table]) -> None:
    head = next(tables)
    schema = head.schema.with_metadata({FACTS: json.dumps(facts).encode()})
    with replacing(path, schema) as writer:
        for table in chain([head], tables):
            for start in range(0, table.num_rows, _ROWS_PER_BLOCK):
                block = table.slice(start, _ROWS_PER_BLOCK).combine_chunks()
                writer.write_table(block.replace_schema_metadata(schema.metadata))


def _repeats(reading: Reading, key: str, number: pa.Array, first: pa.Array) -> TableError:
    counts = np.bincount(number.to_numpy())
    twice = int(np.flatnonzero(counts > 1)[0])
    return reading.wrong(
        key, f"has {int((counts > 1).sum())} keys in several rows, the first of them in "
        f"{counts[twice]} from row {first[twice].as_py() + 1} on; several=False allows one. Leave "
        "that out to get lists.",
    )  # fmt: skip


def _grouped(ids: pa.Array, number: pa.Array, first: pa.Array, values: pa.Table) -> pa.Table:
    """A row for each key, in the order in which keys first appear, with the list of its rows."""
    order = pa.array(np.argsort(number.to_numpy(), kind="stable"))
    counts = np.bincount(number.to_numpy())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    fields = [pa.field(name, values.schema.field(name).type) for name in values.column_names]
    structs = pa.StructArray.from_arrays(
        [combined(values[field.name]).take(order) for field in fields], fields=fields
    )
    return pa.table({KEYS: ids.take(first), ROWS: pa.ListArray.from_arrays(offsets, structs)})
