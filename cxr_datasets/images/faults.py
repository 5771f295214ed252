"""Messages about images that cannot be read."""

from __future__ import annotations

from typing import Any

import PIL.Image

from cxr_datasets import limits, wording
from cxr_datasets.images.opening import FORMATS
from cxr_datasets.images.whole import DamagedImage
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.faults import NOT_THERE

_FETCH = (
    "The file is probably an unfinished or damaged download: compare it with the release's "
    "checksums and fetch it again."
)
_NOT_THE_RELEASES = (
    "It is not the release's own file: compare it with the release's checksums and fetch it again."
)
_LEAVE_OUT = (
    "Where images are embedded (embed=True, image_size, remote copies, exports), damaged='skip' "
    "leaves out rows with such a file, and damaged='null' keeps them without an image."
)


def image_fault(address: str, error: Exception) -> str:
    """Say which image has an error, what the error means and what to do next.

    Args:
        address: Where the image is.
        error: What reading or decoding it raised.
    """
    return f"image {address} {what_is_wrong(error)}. {_advice(error)}"


def what_is_wrong(error: Exception) -> str:
    """Say what the error of an image means, to stand after the name of its file.

    Args:
        error: What reading or decoding it raised.
    """
    if isinstance(error, NOT_THERE):
        return "is not there"
    if isinstance(error, (DamagedImage, TooLargeError)):
        return str(error)
    if isinstance(error, PIL.Image.DecompressionBombError):
        return f"is refused by Pillow's limit PIL.Image.MAX_IMAGE_PIXELS: {wording.said(error)}"
    if isinstance(error, PIL.UnidentifiedImageError):
        return f"is no image in a format that is opened here ({', '.join(FORMATS)})"
    kind, told = type(error).__name__, wording.said(error)
    return f"does not decode: {kind}" + (f": {told}" if told != kind else "")


def _advice(error: Exception) -> str:
    if isinstance(error, NOT_THERE):
        return (
            "Fetch it again, or load with missing='skip' to leave out rows whose file is absent, "
            "or missing='null' to keep them without an image."
        )
    bomb = isinstance(error, PIL.Image.DecompressionBombError)
    if bomb and 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) < limits.MOST_PIXELS:
        return "If you trust the file, raise that limit."
    is_large = bomb or isinstance(error, TooLargeError)
    return f"{_NOT_THE_RELEASES if is_large else _FETCH} {_LEAVE_OUT}"


def address_of(value: Any) -> str:
    """Give the address of a stored image as it may be shown, or say that it has none."""
    path = value.get("path") if isinstance(value, dict) else value
    return shown(path) if path else "(embedded, without a path)"
