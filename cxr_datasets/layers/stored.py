"""A layer as an Arrow file in the cache: a row for each key, so that rows find theirs by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.digests import short_digest
from cxr_datasets.layers.files import find_file
from cxr_datasets.layers.layer import Layer, NamedLayer
from cxr_datasets.layers.reading import Reading
from cxr_datasets.layers.writing import FACTS, KEYS, ROWS, write_layer
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Stamp
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.id_forms import IdForm
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.sealed import opened


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
        return combined(index_file.read_column(self.path, KEYS))

    def rows_of_keys(self) -> np.ndarray:
        """How many rows each key has."""
        if not self.several:
            return np.ones(self.keys, np.int64)
        return pc.list_value_length(combined(index_file.read_column(self.path, ROWS))).to_numpy()

    def take(self, places: pa.Array) -> dict[str, pa.Array]:
        """Read the rows of some keys.

        Args:
            places: n numbers of rows of the Arrow file; null: none.

        Returns:
            Name of a column -> n values; where a key may have several rows, one entry: `""` -> n
            lists of structs.
        """
        if self.several:
            return {"": index_file.take_rows(self.path, ROWS, places)}
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
    stamp = file.stamp()
    key = [stamp, file.source.address(file.path), named.layer.decides(), list(map(repr, forms))]
    digest = short_digest(json.dumps(key, sort_keys=True, default=str).encode())
    path = f"{folder}/layer-{digest}-{code}.arrow"
    if not index_file.has_index(path):
        write_layer(path, Reading(told, named.layer, file, tuple(forms)))
    with opened(path) as reader:
        schema = reader.schema
    facts = json.loads(schema.metadata[FACTS])
    fields = schema.field(ROWS).type.value_type if facts["several"] else list(schema)[1:]
    return StoredLayer(named, file.address, stamp, path, fields=tuple(fields), **facts)
