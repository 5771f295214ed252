"""Messages about images that cannot be read."""

from __future__ import annotations

from typing import Any

import PIL.Image

from cxr_datasets.storage.addresses import shown


def image_fault(address: str, error: Exception) -> str:
    """Say which image has an error, what the error means and what to do next.

    Args:
        address: Where the image is.
        error: What reading or decoding it raised.
    """
    if isinstance(error, FileNotFoundError):
        return (
            f"image {address} is not there. Fetch it again, or load with missing='skip' to leave "
            "out rows whose file is absent, or missing='null' to keep them without an image."
        )
    if isinstance(error, PIL.Image.DecompressionBombError):
        return (
            f"image {address} is refused by Pillow's limit PIL.Image.MAX_IMAGE_PIXELS: {error} If "
            "you trust the file, raise that limit."
        )
    return (
        f"image {address} does not decode: {type(error).__name__}: {error}. "
        "The file is probably an unfinished or damaged download: compare it with the release's "
        "checksums and fetch it again."
    )


def address_of(value: Any) -> str:
    """Give the address of a stored image as it may be shown, or say that it has none."""
    path = value.get("path") if isinstance(value, dict) else value
    return shown(path) if path else "(embedded, without a path)"
