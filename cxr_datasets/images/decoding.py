"""Decode images for training: small, straight to arrays, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import PIL.Image

from cxr_datasets.counts import is_whole
from cxr_datasets.errors import ImageError, OptionError
from cxr_datasets.images.resize import TRAINING_MARGIN, open_small
from cxr_datasets.images.together import use_file, use_files

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
"""uint8, (height, width): 0 black to 255 white."""

_UNDECODED = (
    "If it is decoded already, cast the column first: "
    'ds.cast_column("image", Image(decode=False)), or '
    'ds.cast_column("images", [Image(decode=False)]) in config studies; Image is datasets.Image.'
)


def decode(example: Mapping[str, Any], size: int | None = None) -> Any:
    """Decode an image for training, at a fraction of its size, straight to an array.

    It uses the margin 1 of `cxr_datasets.images.resize`, which gives the PSNR of each margin. Files
    of all modes become 8-bit grey, by the rule of `cxr_datasets.images.grey`, and upright: the EXIF
    orientation is applied, as in `row["image"]`.

    Args:
        example: A row with an undecoded `image` (`ds.cast_column("image", Image(decode=False))`),
            or such an image itself, `{"bytes": ..., "path": ...}`. Or a row of config `studies`
            with undecoded `images` (`ds.cast_column("images", [Image(decode=False)])`).
        size: Short side in pixels, never enlarged; None keeps the size.

    Returns:
        uint8 array of shape (height, width), values 0 to 255, writable as `torch.from_numpy`
        needs it. Of a row of studies a list of such arrays, one for each image, in their order.

    Raises:
        ImageError: The image is null, absent, truncated or no image; or `example` is a decoded row,
            one without images, or no row.
        OptionError: `size` is no positive integer.
        StoreError: It is remote, and its store refuses it or failed again and again.
    """
    _check_size(size)
    if not isinstance(example, Mapping):
        raise _misuse("decode takes a row, undecoded", example)
    if "images" in example:
        images = _cells(example["images"])
        _refuse_batch(images, "images")
        return [_decode_one(image, size) for image in images]
    if "image" in example:
        _refuse_batch([example["image"]], "image")
        return _decode_one(example["image"], size)
    if "bytes" not in example and "path" not in example:
        raise _without_images(example)
    return _decode_one(example, size)


def decode_batch(batch: Mapping[str, Any], size: int | None = None) -> list[Any]:
    """Decode the images of several rows, in a thread for each core; remote ones side by side.

    In a worker of a `DataLoader` it takes the worker's share of the cores.

    Args:
        batch: As `with_transform` gives it: undecoded images under `image`, or in config `studies`
            lists of them under `images`.
        size: As for `decode`.

    Returns:
        For each row what `decode` gives: an array, or in config `studies` a list of arrays.

    Raises:
        ImageError: One of them is null, absent, truncated or no image; or `batch` is one row, or
            holds decoded images or none.
        OptionError: `size` is no positive integer.
        StoreError: One is remote, and its store refuses it or failed again and again.
    """
    _check_size(size)
    if not isinstance(batch, Mapping):
        raise _misuse("decode_batch takes a batch of rows, undecoded", batch)
    name, rows = images_of(batch)
    if name == "image":
        return _decode_all(rows, size)
    arrays: Iterator[Pixels] = iter(_decode_all([one for many in rows for one in many], size))
    return [[next(arrays) for _ in images] for images in rows]


def images_of(batch: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Find the images of a batch.

    Args:
        batch: As for `decode_batch`; the images may be of any kind.

    Returns:
        `image` and the images; or `images` and for each row the list of its images.

    Raises:
        ImageError: There are none, or `batch` is one row.
    """
    name = "images" if "images" in batch else "image"
    if name not in batch:
        raise _without_images(batch)
    rows = batch[name]
    is_row = _is_image(rows) or isinstance(rows, PIL.Image.Image)
    if name == "images" and not is_row:
        is_row = any(_is_image(row) or isinstance(row, PIL.Image.Image) for row in _cells(rows))
    if is_row:
        raise ImageError(
            f"a batch of rows is wanted, but {name!r} is that of one row. Use decode for one row, "
            f"or map with batched=True. {_UNDECODED}"
        )
    cells = _cells(rows)
    return name, cells if name == "image" else list(map(_cells, cells))


def _refuse_batch(images: list[Any], name: str) -> None:
    if any(map(_is_list, images)):
        raise ImageError(
            f"decode takes one row, but {name!r} holds lists of images, as a batch does. Use "
            "decode_batch."
        )


def _decode_all(images: list[Any], size: int | None) -> list[Pixels]:
    for image in images:
        check_undecoded(image)
    return use_files(images, [partial(_pixels, size=size)] * len(images))


def _decode_one(image: Any, size: int | None) -> Pixels:
    check_undecoded(image)
    return use_file(image, partial(_pixels, size=size))


def _pixels(file: str | BytesIO, size: int | None) -> Pixels:
    # Copied, because torch wants arrays that can be written to.
    return np.array(open_small(file, size, TRAINING_MARGIN))


def check_undecoded(image: Any) -> None:
    """Require that a value is a stored image, undecoded.

    Raises:
        ImageError: It is null, or anything else.
    """
    if image is None:
        raise ImageError(
            "image is null: the row was loaded with missing='null' or damaged='null'. Leave it out."
        )
    if not _is_image(image):
        raise ImageError(
            f"expected an undecoded image, its bytes and path; found {_kind(image)}. {_UNDECODED}"
        )


def _is_image(value: Any) -> bool:
    """Whether a value is a stored image, undecoded."""
    return isinstance(value, Mapping) and ("bytes" in value or "path" in value)


def _is_list(value: Any) -> bool:
    """Whether a value is a list, also in the form that the format `numpy` gives it."""
    if isinstance(value, np.ndarray):
        return value.dtype == object
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _cells(column: Any) -> list[Any]:
    """The values of a column, or the images of a study; of null none."""
    if column is None:
        return []
    if not isinstance(column, np.ndarray) and not _is_list(column):
        raise _misuse("expected a list of undecoded images", column)
    return list(column)


def _check_size(size: int | None) -> None:
    if size is not None:
        check_size(size, "the short side", ", or None to keep the size")


def check_size(size: int, side: str = "the side of the square", or_else: str = "") -> None:
    """Require that a size is a positive integer.

    Raises:
        OptionError: It is not.
    """
    if not is_whole(size, least=1):
        raise OptionError(
            f"size={size!r} is not a number of pixels. Give {side} as a positive integer, such as "
            f"224{or_else}."
        )


def _misuse(expected: str, found: Any) -> ImageError:
    return ImageError(f"{expected}; found {_kind(found)}. {_UNDECODED}")


def _without_images(example: Mapping[str, Any]) -> ImageError:
    columns = ", ".join(map(str, example)) or "no column"
    return ImageError(
        f"neither image nor images is among the columns: {columns}. Keep that column when you "
        "select columns. Config reports has no images: load images or studies."
    )


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
