"""Decode images for training: small, straight to arrays, several at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from cxr_datasets.errors import ImageError, StoreError
from cxr_datasets.images.faults import address_of, image_fault
from cxr_datasets.images.resize import TRAINING_MARGIN, open_small
from cxr_datasets.storage.source import read_address


def decode(
    example: Mapping[str, Any], size: int | None = None
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode an image for training, at a fraction of its size, straight to an array.

    It uses the margin 1 of `cxr_datasets.images.resize`, which gives the PSNR of each margin.

    Args:
        example: A row with an undecoded `image` (`ds.cast_column("image", Image(decode=False))`),
            or such an image itself, `{"bytes": ..., "path": ...}` with a local path.
        size: Short side in pixels, never enlarged; None keeps the size.

    Returns:
        uint8 array of shape (height, width), values 0 to 255, writable as `torch.from_numpy`
        needs it.

    Raises:
        ImageError: The image is null, absent, truncated or no image.
        StoreError: It is remote, and its store refuses it or failed again and again.
    """
    image = example.get("image", example)
    if image is None:
        raise ImageError("image is null: the row was loaded with missing='null'. Leave it out.")
    try:
        # Copied, because torch wants arrays that can be written to.
        return np.array(open_small(_file(image), size, TRAINING_MARGIN))
    except StoreError:
        raise
    except Exception as error:
        raise ImageError(image_fault(address_of(image), error)) from error


def decode_batch(
    batch: Mapping[str, Any], size: int | None = None
) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Decode the images of several rows, in a thread for each core.

    Args:
        batch: As `with_transform` gives it: undecoded images under `image`.
        size: As for `decode`.

    Returns:
        An array for each image, as `decode` gives it.

    Raises:
        ImageError: One of them is null, absent, truncated or no image.
        StoreError: One is remote, and its store refuses it or failed again and again.
    """
    rows = ({"image": image} for image in batch["image"])
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="cxr-decode") as pool:
        return list(pool.map(partial(decode, size=size), rows))


def _file(image: Mapping[str, Any]) -> str | BytesIO:
    """Give Pillow what it can open: a local path, or the bytes."""
    if image["bytes"] is not None:
        return BytesIO(image["bytes"])
    if "://" not in image["path"]:
        return image["path"]
    return BytesIO(read_address(image["path"]))
