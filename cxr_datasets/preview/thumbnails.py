"""Small copies of images, as addresses that hold them: a page with these needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from cxr_datasets.errors import ImageError, StoreError
from cxr_datasets.images.column import stored_file
from cxr_datasets.images.faults import address_of, image_fault
from cxr_datasets.images.grey import to_grey
from cxr_datasets.images.resize import DRAFT_MARGIN, open_fitted, smaller
from cxr_datasets.preview.boxes import Box, draw_boxes

SIDE = 256
"""Long side of a thumbnail, in pixels."""

QUALITY = 80
"""Quality of its JPEG: 5 to 10 kB each."""


@dataclass(frozen=True)
class Thumbnail:
    """A small image.

    Attributes:
        uri: `data:image/jpeg;base64,...`, grey.
        width: Of the small image, in pixels.
        height: Of the small image, in pixels.
    """

    uri: str
    width: int
    height: int


def thumbnail(image: Any, side: int = SIDE, boxes: Sequence[Box] = ()) -> Thumbnail:
    """Make an image small.

    Args:
        image: As a row holds it: a `PIL.Image.Image`; what `Image(decode=False)` gives,
            `{"bytes": ..., "path": ...}`; or an array of a format such as `numpy`, of shape
            (height, width) or (height, width, channels), 0 to 255.
        side: Long side of the result in pixels; an image that is smaller is not enlarged.
        boxes: Boxes to draw on it, in pixels of the image.

    Returns:
        The image in 8-bit grey, but for boxes, upright, of the same aspect.

    Raises:
        ImageError: It is null, absent, truncated or no image.
        StoreError: It is remote, and its store refuses it or failed again and again.
    """
    if image is None:
        raise ImageError("image is null: its file is absent or damaged, or was left out.")
    small, size = _opened(image, side)
    small.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    small = draw_boxes(small, list(boxes), size)
    out = BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    encoded = base64.b64encode(out.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{encoded}", *small.size)


def _opened(image: Any, side: int) -> tuple[PIL.Image.Image, tuple[int, int]]:
    """An image in grey of its own, not much larger than is needed; and the size of the whole."""
    if isinstance(image, PIL.Image.Image):
        return to_grey(image).copy(), image.size
    if not isinstance(image, Mapping):
        array = _of_array(image)
        return to_grey(array).copy(), array.size
    try:
        return open_fitted(stored_file(image), partial(smaller, short_side=side), DRAFT_MARGIN)
    except StoreError:
        raise
    except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
        raise ImageError(image_fault(address_of(image), error)) from error


def _of_array(array: Any) -> PIL.Image.Image:
    try:
        values = np.asarray(array)
        if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3):
            values = values.transpose(1, 2, 0)  # torch has the channels first
        return PIL.Image.fromarray(np.squeeze(values).astype(np.uint8))
    except (TypeError, ValueError) as error:
        raise ImageError(
            f"expected an image, or its bytes and path; found {type(array).__name__}."
        ) from error
