"""Layers beside the rows of a dataset: their columns, and where each row finds its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import plural
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.layers.boxes import BOX_TYPE, STATE, Sizes, box_columns, with_boxes
from cxr_datasets.layers.reading import BOX
from cxr_datasets.layers.stored import StoredLayer
from cxr_datasets.tables.id_forms import MANY, TOLD
from cxr_datasets.tables.keys import combined, find_keys
from cxr_datasets.wording import get_logger

IMAGE_ID = "image_id"

_logger = get_logger(__name__)

ReadSizes = Callable[[np.ndarray[Any, Any]], Sizes]
"""Gives the sizes of all images of some rows; those that are marked must be looked for."""


@dataclass(frozen=True)
class LayerColumn:
    """A column that a layer gives to the rows.

    Attributes:
        name: Its name in config `images`.
        type: Its type there.
        per: Whether a value belongs to one image or to the whole study.
        about: What it holds, for people.
    """

    name: str
    type: pa.DataType
    per: Literal["image", "study"]
    about: str


class Layers:
    """The layers of one dataset, read into the cache. They are pickled to every worker.

    Attributes:
        all: The layers, in the order in which they were given.
    """

    def __init__(self, layers: Sequence[StoredLayer] = ()):
        self.all = tuple(layers)

    def __bool__(self) -> bool:
        return bool(self.all)

    def __iter__(self) -> Iterator[StoredLayer]:
        return iter(self.all)

    def key(self) -> list[Any]:
        """What decides their rows, for the key of the cache."""
        return [[layer.name, layer.path.rpartition("/")[2]] for layer in self.all]

    def columns(self) -> list[LayerColumn]:
        """Every column that they give, in order."""
        return [column for layer in self.all for column in columns_of(layer)]

    def image_columns(self) -> list[str]:
        """Columns of the index with a value for each image."""
        return [place_of(layer) for layer in self.all if layer.column == IMAGE_ID]

    def check_names(self, taken: Collection[str], config: str) -> None:
        """Require that no column has the name of another one.

        Args:
            taken: Names of the columns that rows have without layers.
            config: The config, in which columns of images may be called in the plural.

        Raises:
            OptionError: One has.
        """
        names = set(taken)
        for layer in self.all:
            for column in columns_of(layer):
                name = _name_in(column, config)
                if name in names:
                    raise OptionError(
                        f"layers[{layer.name!r}] makes a column {name!r}, and there is one "
                        "already. Give the layer another name, or leave the column out by columns=."
                    )
                names.add(name)

    def add_places(self, index: pa.Table) -> pa.Table:
        """Let each row of an index say where its row of each layer is.

        One line for each layer says how many find none, both ways.

        Raises:
            TableError: No row at all finds one.
        """
        for layer in self.all:
            ids = combined(index[layer.column])
            keys = layer.ids()
            places = find_keys(ids, keys)
            _tell(layer, ids, places)
            index = index.append_column(place_of(layer), places.cast(pa.int64()))
        return index

    def complete(
        self,
        rows: pa.Table,
        config: str,
        wanted: Collection[str] | None,
        read_sizes: ReadSizes,
    ) -> pa.Table:
        """Add their columns to rows.

        Args:
            rows: Rows of the index.
            config: The config.
            wanted: Columns that are looked at; None: all. Of others nothing is read: they are null.
            read_sizes: Gives the sizes of the images, where there are boxes.
        """
        sizes = _Once(read_sizes, rows, config)
        for layer in self.all:
            columns = {_name_in(column, config): column for column in columns_of(layer)}
            if wanted is not None and not set(columns) & set(wanted):
                for name, column in columns.items():
                    rows = rows.append_column(name, _nulls(column, config, rows.num_rows))
                continue
            for name, values in zip(columns, _values(layer, rows, config, sizes), strict=True):
                rows = rows.append_column(name, values)
        return rows


class _Once:
    """Sizes of the images of some rows, read once for all layers, and only if one has a box."""

    def __init__(self, read: ReadSizes, rows: pa.Table, config: str):
        self._read = read
        self._images = _image_count(rows, config)
        self._sizes: Sizes | None = None
        self._looked = np.zeros(self._images, bool)

    def of(self, marked: np.ndarray[Any, Any]) -> Sizes:
        """Sizes of all images, of which those that are marked are known as far as can be."""
        if self._sizes is None or (marked & ~self._looked).any():
            self._looked |= marked
            self._sizes = self._read(self._looked)
        return self._sizes


def _image_count(rows: pa.Table, config: str) -> int:
    return len(combined(rows["paths"]).flatten()) if config == "studies" else rows.num_rows


def place_of(layer: StoredLayer) -> str:
    """Name of the column of an index that says where rows of a layer are; no column has it."""
    return f"layer:{layer.name}"


def columns_of(layer: StoredLayer) -> list[LayerColumn]:
    """The columns that a layer gives to rows."""
    per: Literal["image", "study"] = "image" if layer.column == IMAGE_ID else "study"
    told = f"layer `{layer.name}`, by `{layer.column}`"
    if layer.named.ready:
        told += f": {layer.named.ready.about}"
    fields = _given_fields(layer)
    if layer.several:
        kind = pa.list_(pa.struct(fields))
        return [LayerColumn(layer.name, kind, per, f"{told}; a struct for each row of its key")]
    return [LayerColumn(f"{layer.name}_{field.name}", field.type, per, told) for field in fields]


def _given_fields(layer: StoredLayer) -> list[pa.Field]:
    """The fields of a layer as rows have them: of a box, where it is and what became of it."""
    plain = [pa.field(field.name, field.type) for field in layer.fields if field.name != BOX]
    if layer.layer.boxes is None:
        return [pa.field(field.name, field.type) for field in layer.fields]
    return [*plain, pa.field(BOX, BOX_TYPE), pa.field(STATE, pa.string())]


def _name_in(column: LayerColumn, config: str) -> str:
    return plural(column.name) if config == "studies" and column.per == "image" else column.name


def _nulls(column: LayerColumn, config: str, count: int) -> pa.Array:
    is_list = config == "studies" and column.per == "image"
    return pa.nulls(count, pa.list_(column.type) if is_list else column.type)


def _values(layer: StoredLayer, rows: pa.Table, config: str, sizes: _Once) -> Iterator[pa.Array]:
    """The columns of a layer for some rows, in the order of `columns_of`."""
    offsets = None
    if config == "studies" and layer.column == IMAGE_ID:
        lists = combined(rows[plural(place_of(layer))])
        offsets, places = pc.subtract(lists.offsets, lists.offsets[0]), lists.flatten()
    else:
        places = combined(rows[place_of(layer)])
    columns = layer.take(places)
    if layer.layer.boxes is not None:
        found = sizes.of(places.is_valid().to_numpy(zero_copy_only=False))
        if layer.several:
            columns = {"": with_boxes(columns[""], layer.layer.space, found)}
        else:
            columns[BOX], columns[STATE] = box_columns(columns[BOX], layer.layer.space, found)
    for column, values in zip(columns_of(layer), columns.values(), strict=True):
        values = values.cast(column.type)
        yield values if offsets is None else pa.ListArray.from_arrays(offsets, values)


def _tell(layer: StoredLayer, ids: pa.Array, places: pa.Array) -> None:
    """Say in one line how many of both sides find no other."""
    kind, kinds = TOLD[layer.column], MANY[layer.column]
    different = pc.unique(ids)
    lacking = len(pc.unique(ids.filter(places.is_null())))
    if lacking == len(different):
        raise TableError(
            f"layers[{layer.name!r}]: none of the {layer.keys} ids of {layer.address} is one "
            f"of the {kinds} of this release, such as {ids[0].as_py()}. Give the table that was "
            "made for this release, or name its column of ids by key=."
        )
    used = np.zeros(layer.keys, bool)
    used[places.drop_null().to_numpy()] = True
    unused_rows = int(layer.rows_of_keys()[~used].sum())
    told = []
    if lacking:
        told.append(f"{lacking} of {len(different)} {kinds} have no row in it: null")
    if not used.all():
        told.append(
            f"{int((~used).sum())} of its {layer.keys} ids ({unused_rows} of {layer.rows} rows) "
            f"are of no {kind} of the release: ignored"
        )
    if layer.unkeyed:
        told.append(f"{layer.unkeyed} more rows have no ids of {kinds}: ignored")
    if told:
        _logger.warning("layer %s, %s: %s", layer.name, layer.address, "; ".join(told))
