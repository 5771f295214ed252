"""Rows of a dataset, transformed straight from Arrow when they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import datasets
import numpy as np
import pyarrow as pa

from cxr_datasets.columns import LABELS, PRIOR_IMAGES
from cxr_datasets.errors import ImageError, OptionError
from cxr_datasets.labels import label_matrix
from cxr_datasets.training.collate import Collate
from cxr_datasets.training.later import Unscaled, sent_unseen

Batch: TypeAlias = dict[str, Any]
"""Column -> its values, one for each row."""

Transform: TypeAlias = Callable[[Mapping[str, Any]], Batch]

STREAM_BATCH = 32
"""Rows of a stream that are transformed together."""

_IMAGE_FIELDS = {"bytes", "path"}


class PixelRows:
    """Rows with `pixel_values` in place of images: a dataset for the `DataLoader` of torch.

    Made by `ImageTransform.on`. It is no `datasets.Dataset`, so the `Trainer` of transformers
    does not remove the column of images from it: it looks at the rows themselves.

    Attributes:
        dataset: The split whose rows these are.
        transform: Makes of a batch with images one with pixels.
    """

    def __init__(self, dataset: datasets.Dataset, transform: Transform):
        self.dataset = dataset
        self.transform = transform
        # As a table of Arrow, of which nothing is decoded or copied.
        self._tables = dataset.with_format("arrow", columns=dataset.format["columns"])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.dataset)

    def __getitem__(self, key: int | slice | Iterable[int]) -> Batch:
        """One row, by a number; or a batch, by a slice or several numbers.

        Raises:
            ImageError: An image is absent or damaged.
            IndexError: There is no such row.
            OptionError: The key is the name of a column.
            StoreError: An image is remote, and its store refuses it or failed again and again.
        """
        if isinstance(key, str):
            raise OptionError(
                f"rows[{key!r}] asks for a column; rows with pixels are read by number, such as "
                f"rows[3] or rows[:8]. Columns other than pixels are those of rows.dataset."
            )
        batch = self.transform(columns_of(self._tables[key]))
        if isinstance(key, (slice, Iterable)):
            return batch
        return {name: values[0] for name, values in batch.items()}

    def __getitems__(self, keys: list[int]) -> list[Batch]:
        """Several rows, whose images are read together. A `DataLoader` calls this."""
        if self._can_wait() and sent_unseen(self, Collate, sys._getframe(1)):
            return self._unscaled(keys)
        return rows_of(self[keys])

    def _can_wait(self) -> bool:
        """Whether pixels may be scaled later. A class derived from these may change how."""
        transform: Any = self.transform
        known = type(self) is PixelRows and "unscaled" in vars(type(transform))
        return known and transform.scale != "uint8"

    def _unscaled(self, keys: list[int]) -> list[Batch]:
        transform: Any = self.transform
        batch = transform.unscaled(columns_of(self._tables[keys]))
        rows = rows_of(batch)
        if getattr(batch["pixel_values"], "dtype", None) != np.uint8:
            return rows
        return Unscaled(rows, transform.scale, transform.channels)

    def __iter__(self) -> Iterator[Batch]:
        """Each row, in order."""
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        return f"PixelRows({len(self)} rows, {self.transform!r})"


def with_pixels(dataset: Any, transform: Transform) -> Any:
    """See `ImageTransform.on`.

    Raises:
        ImageError: The dataset has no column of images, or is none.
    """
    if not isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        raise ImageError(
            f"expected a split, built or streamed, or a dictionary of splits; found a "
            f"{type(dataset).__name__}. Load one with datasets.load_dataset."
        )
    names = dataset.column_names
    name = next((name for name in ("images", "image") if name in (names or ("image",))), None)
    if name is None:
        raise ImageError(
            f"neither image nor images is among the columns: {', '.join(names)}. Keep that column "
            "when you select columns. Config reports has no images: load images or studies."
        )
    if isinstance(dataset, datasets.Dataset):
        return PixelRows(dataset, transform)
    plain: Any = datasets.Image(decode=False)
    undecoded = dataset.cast_column(name, [plain] if name == "images" else plain)
    replaced = [name]
    if PRIOR_IMAGES in (names or ()):
        undecoded = undecoded.cast_column(PRIOR_IMAGES, [plain])
        replaced.append(PRIOR_IMAGES)
    of_stream = _OfStream(transform, _columns_of_labels(dataset.features))
    return undecoded.map(of_stream, batched=True, batch_size=STREAM_BATCH, remove_columns=replaced)


class _OfStream:
    """The transform for batches of a stream, whose labels become arrays as in `PixelRows`."""

    def __init__(self, transform: Transform, labels: list[str]):
        self.transform = transform
        self.labels = labels

    def __call__(self, batch: Mapping[str, Any]) -> Batch:
        made = self.transform(batch)
        return made | {name: label_matrix(made[name]) for name in self.labels}


def _columns_of_labels(features: Mapping[str, Any] | None) -> list[str]:
    return [
        name
        for name, feature in (features or {}).items()
        if isinstance(feature, Mapping) and set(feature) == set(LABELS)
    ]


def rows_of(batch: Batch) -> list[Batch]:
    """A batch as its rows."""
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def columns_of(table: pa.Table) -> Batch:
    """A table as a batch for a transform.

    Returns:
        Stored images as `{"bytes": ..., "path": ...}` whose bytes are buffers of the table; the 14
        labels as float32 of shape (n, 14), NaN for what is not mentioned; all else as Python has
        it.
    """
    return {name: _values(table.column(name)) for name in table.column_names}


def _values(column: pa.ChunkedArray) -> Any:
    kind = column.type
    if _fields(kind) == _IMAGE_FIELDS:
        return [_image(value) for chunk in column.chunks for value in chunk]
    if pa.types.is_list(kind) and _fields(kind.value_type) == _IMAGE_FIELDS:
        return [
            [_image(image) for image in images.values] if images.is_valid else []
            for chunk in column.chunks
            for images in chunk
        ]
    if _fields(kind) == set(LABELS):
        return label_matrix(column)
    return column.to_pylist()


def _fields(kind: pa.DataType) -> set[str]:
    """Names of the fields of a struct; of another type none."""
    return {field.name for field in kind} if pa.types.is_struct(kind) else set()


def _image(stored: pa.StructScalar) -> dict[str, Any] | None:
    """A stored image whose bytes are not copied."""
    if not stored.is_valid:
        return None
    return {"bytes": stored["bytes"].as_buffer(), "path": stored["path"].as_py()}
