"""The option `layers`: tables of other people beside the rows that a builder makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.columns import plural
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.images.coordinates import smaller_sizes
from cxr_datasets.images.resize import upright_size
from cxr_datasets.layers.boxes import Sizes
from cxr_datasets.layers.joined import IMAGE_ID, Layers, place_of
from cxr_datasets.layers.layer import named_layers
from cxr_datasets.layers.stored import store
from cxr_datasets.storage.addresses import last_part
from cxr_datasets.storage.faults import NOT_THERE
from cxr_datasets.storage.source import Source
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined
from cxr_datasets.wording import get_logger

if TYPE_CHECKING:
    from cxr_datasets.builder.builder import CxrBuilder

_START = 2**16
"""Bytes at the start of an image file that tell its size."""

_LARGEST = limits.LARGEST_IMAGE

_COMPARED = 4
"""Images of a table whose files are compared with the sizes that the release tells."""

_THREADS = 8

_IN_AN_INDEX = ("split", "rank", "present", "report_at", "image", "path", "paths", "images")
"""Names that a column of a layer must not have, whatever the config."""

_logger = get_logger(__name__)


def open_layers(builder: CxrBuilder, config: Any) -> Layers:
    """Read the layers that a config names into the cache, unless they are there.

    Raises:
        CxrError: One is not there, broken, or makes a column that exists.
    """
    given = named_layers(config.layers, builder.LAYERS)
    if not given:
        return Layers()
    stored = [
        store(
            one, builder.ID_FORMS, builder._index_folder, builder.hash, builder.options,
            config.connections,
        )
        for one in given
    ]  # fmt: skip
    for layer in stored:
        if layer.layer.boxes and layer.column != IMAGE_ID:
            raise OptionError(
                f"layers[{layer.name!r}] has boxes, but its rows are joined by {layer.column}: a "
                "box lies in one image. Name a column of ids of images by key=, or leave out "
                "boxes=."
            )
        if layer.column == IMAGE_ID and config.name == "reports":
            _logger.warning(
                "layer %s is of images, and rows of config reports have none: it is left out",
                layer.name,
            )
    layers = Layers([
        layer for layer in stored if layer.column != IMAGE_ID or config.name != "reports"
    ])  # fmt: skip
    rows = config_features(config.name, builder.columns_without_layers(config))
    layers.check_names([*rows, *_IN_AN_INDEX], config.name)
    return layers


def describe_layers(builder: CxrBuilder) -> list[dict[str, Any]]:
    """Say what each layer is and how many rows have something of it, once the index is written.

    Returns:
        For each its `name`, `file` (the last part of its address), `by` (our column that joins
        it), `keys`, `rows` (those that these keys have), `matched` (images, or rows of studies,
        that have something of it) and `of` (how many there are); and of one that the dataset
        knows `about`, `homepage` and `citation`.
    """
    path, told = builder._index_path(builder.config), []
    for layer in builder.layers:
        name = place_of(layer)
        if builder.config.name == "studies" and layer.column == IMAGE_ID:
            places = pc.list_flatten(index_file.read_column(path, plural(name)))
        else:
            places = index_file.read_column(path, name)
        said: dict[str, Any] = {
            "name": layer.name,
            "file": last_part(layer.address),
            "by": layer.column,
            "keys": layer.keys,
            "rows": layer.rows,
            "matched": len(places) - places.null_count,
            "of": len(places),
        }
        if layer.named.ready:
            ready = layer.named.ready
            said |= {
                "about": ready.about, "homepage": ready.homepage, "citation": ready.citation,
            }  # fmt: skip
        told.append(said)
    return told


def layer_columns(layers: Layers) -> tuple[Column, ...]:
    """Give the columns of layers as those of a dataset."""
    return tuple(
        Column(column.name, _feature(column.type), column.per, column.about)
        for column in layers.columns()
    )


def _feature(kind: pa.DataType) -> Any:
    """The feature of `datasets` for a type of Arrow, spelt as every version reads it."""
    if pa.types.is_struct(kind):
        return {inner.name: _feature(inner.type) for inner in kind}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    return datasets.Features.from_arrow_schema(pa.schema({"value": kind}))["value"]


def add_layers(builder: CxrBuilder, rows: pa.Table, columns: Collection[str] | None) -> pa.Table:
    """Add the columns of layers to rows that have their images.

    Args:
        builder: Whose rows they are.
        rows: The rows.
        columns: Columns that are looked at; None: all.
    """
    if not builder.layers:
        return rows

    def read_sizes(marked: np.ndarray[Any, Any]) -> Sizes:
        return _sizes(builder, rows, marked)

    return builder.layers.complete(rows, builder.config.name, columns, read_sizes)


def _sizes(builder: CxrBuilder, rows: pa.Table, marked: np.ndarray[Any, Any]) -> Sizes:
    """Sizes of the images of some rows, of those that are marked at least."""
    look = np.flatnonzero(marked)
    told = _told_sizes(builder, rows)
    if told is not None and _are_as_told(builder, rows, look, told):
        files = original = told
    else:
        files = _file_sizes(builder, rows, look)
        original = files if told is None else told
    handed_out = smaller_sizes(files, builder.config.image_size)
    return Sizes(original, np.where(_may_be_of(files, original), handed_out, np.nan))


def _are_as_told(
    builder: CxrBuilder, rows: pa.Table, look: np.ndarray[Any, Any], told: np.ndarray[Any, Any]
) -> bool:
    """Whether files have the sizes that the release tells, by a few of the first that are read.

    A copy may hold smaller images under the same names, and then tells the same.
    """
    if not builder.sizes_are_told:
        few = np.unique(np.linspace(0, len(look) - 1, min(_COMPARED, len(look))).astype(np.int64))
        found = _file_sizes(builder, rows, look[few])
        known = np.isfinite(found).all(axis=1)
        if (found[known] != told[known]).any():
            return False
        builder.sizes_are_told = bool(known.any())
    return True


def _told_sizes(builder: CxrBuilder, rows: pa.Table) -> np.ndarray[Any, Any] | None:
    """(width, height) of each image as the release tells them; None if it does not."""
    if builder.SIZE_COLUMNS is None:
        return None
    sides = [_of_images(builder, rows, name) for name in builder.SIZE_COLUMNS]
    return np.stack(
        [side.cast(pa.float64()).to_numpy(zero_copy_only=False) for side in sides], axis=1
    )


def _of_images(builder: CxrBuilder, rows: pa.Table, name: str) -> pa.Array:
    """A column of the index with a value for each image of some rows."""
    if builder.config.name == "studies":
        return combined(rows[plural(name)]).flatten()
    return combined(rows[name])


def _may_be_of(files: np.ndarray[Any, Any], original: np.ndarray[Any, Any]) -> Any:
    """Mark the files that may be the originals with both sides made smaller alike, up to a pixel.

    Others were cut, filled up or stretched, and nobody says how.
    """
    (width, height), (all_width, all_height) = files.T, original.T
    difference = np.abs(width * all_height - height * all_width)
    return (difference <= np.maximum(all_width, all_height))[:, None]


def _file_sizes(
    builder: CxrBuilder, rows: pa.Table, look: Sequence[int] | np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(width, height) of the upright files of some images; NaN for others, and where none is."""
    sizes = np.full((len(_of_images(builder, rows, "path")), 2), np.nan)
    if not len(look):
        return sizes
    chosen = pa.array(look, pa.int64())
    paths = builder.place.form.files(_of_images(builder, rows, "path").take(chosen)).to_pylist()
    contents = _contents(builder, rows, chosen) or [None] * len(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        source = builder.place.source
        found = pool.map(lambda path, held: _size(source, path, held), paths, contents)
        sizes[look] = list(found)
    return sizes


def _contents(builder: CxrBuilder, rows: pa.Table, chosen: pa.Array) -> list[Any] | None:
    """The files of some images, where rows hold them as they are."""
    name = "images" if builder.config.name == "studies" else "image"
    if name not in rows.column_names or builder.config.image_size is not None:
        return None
    images = combined(rows[name])
    images = images.flatten() if name == "images" else images
    held = pc.struct_field(images, "bytes").take(chosen)
    return [each.as_buffer() if each.is_valid else None for each in held]


def _size(source: Source, path: str, held: Any) -> tuple[float, float]:
    """(width, height) of a file; NaN if it is not there, or no image.

    Raises:
        StoreError: A store refuses it, or failed again and again.
    """
    try:
        whole = (lambda: held) if held is not None else partial(source.read, path, _LARGEST)
        start = held if held is not None else source.start(path, _START, _LARGEST)
    except NOT_THERE:
        return np.nan, np.nan
    # Some formats tell their size at their end.
    return _size_in(lambda: start) or _size_in(whole) or (np.nan, np.nan)


def _size_in(read: Callable[[], Any]) -> tuple[float, float] | None:
    """(width, height) of an image; None if it is none, or not enough of one."""
    try:
        width, height = upright_size(BytesIO(read()))
    except CxrError:
        raise
    except Exception:  # of Pillow and zlib; whoever reads the image says which
        return None
    return float(width), float(height)
