"""Images of one square size, and where in the square each came to lie.

A square is made in one of three ways:

- `crop`: the short side gets the size of the square, and the middle is kept.
- `pad`: the long side gets the size of the square, and black fills the rest, on both sides alike.
- `stretch`: both sides get it, and the aspect is lost.

Squares of one batch must be equal, so an image that is smaller is enlarged; all other functions
here enlarge nothing.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pyarrow as pa

from cxr_datasets.images.resize import (
    TRAINING_MARGIN,
    Box,
    Fit,
    Size,
    open_fitted,
    resized,
    whole,
)

SQUARES = ("crop", "pad", "stretch")


class Place(NamedTuple):
    """Where an image lies in its square. Boxes are left, top, right, bottom.

    Attributes:
        valid_box: The part of the square that is image, in pixels of the square.
        seen_box: The part of the image that is in the square, in pixels of the upright image.
        original_size: (height, width) of the upright image.
    """

    valid_box: Box
    seen_box: Box
    original_size: tuple[int, int]


def open_square(
    image: str | BytesIO | PIL.Image.Image, size: int, square: str, out: np.ndarray[Any, Any]
) -> Place:
    """Make a square of an image.

    Args:
        image: Path of an image file, or its bytes; or an image that is decoded and upright.
        size: Side of the square in pixels.
        square: One of `SQUARES`.
        out: uint8 array of shape (size, size), all zeros. It becomes 8-bit grey, by the rule of
            `cxr_datasets.images.grey`.

    Returns:
        Where the image lies in it.

    Raises:
        OSError: The file is truncated, no image of a format that is opened, or beyond a limit.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    fitted = partial(_fitted, side=size, square=square)
    if isinstance(image, PIL.Image.Image):
        upright = image.size
        pixels = resized(image, fitted(upright))
    else:
        pixels, upright = open_fitted(image, fitted, TRAINING_MARGIN)
    return _put(pixels, fitted(upright), upright, out)


def _fitted(size: Size, side: int, square: str) -> Fit:
    """What of an image, and how large, comes into a square."""
    width, height = size
    if square == "stretch":
        return Fit((side, side), whole(size))
    if square == "pad":
        factor = side / max(size)
        return Fit((max(1, round(width * factor)), max(1, round(height * factor))), whole(size))
    short = min(size)
    if short == side:  # no pixel changes; the middle is cut out once the image is upright
        return Fit(size, whole(size))
    left, top = (width - short) / 2, (height - short) / 2
    return Fit((side, side), (left, top, left + short, top + short))


def square_place(size: Size, side: int, square: str) -> Place:
    """Say where an image lies in a square that `open_square` makes of it.

    Args:
        size: (width, height) of the upright image.
        side: Side of the square in pixels.
        square: One of `SQUARES`.
    """
    return _place(_fitted(size, side, square), size, side)


def _put(image: PIL.Image.Image, fit: Fit, whole_size: Size, out: np.ndarray[Any, Any]) -> Place:
    """Put an image into the middle of a square, or the middle of an image into a square."""
    side = len(out)
    (left, across), (top, down) = (_middle(length, side) for length in image.size)
    pixels = _without_copy(image)
    height, width = pixels.shape
    out[down : down + height, across : across + width] = pixels[
        top : top + side, left : left + side
    ]
    return _place(fit, whole_size, side)


def _place(fit: Fit, whole_size: Size, side: int) -> Place:
    """Where an image lies that was made to fit, and then put into the middle of a square."""
    (left, across), (top, down) = (_middle(length, side) for length in fit.size)
    width, height = (min(length, side) for length in fit.size)
    valid = (across, down, across + width, down + height)
    seen = fit.box
    if fit.size == whole_size:  # the middle is cut out only when it is put there
        seen = (left, top, left + width, top + height)
    return Place(valid, seen, (whole_size[1], whole_size[0]))


def _without_copy(image: PIL.Image.Image) -> np.ndarray[Any, Any]:
    """Pixels of an image of mode `L`, to be read only."""
    # Since Pillow 11.2. Before 13 it ends the process where the pixels are not the image's own:
    # made by `fromarray`, or mapped from a file.
    if hasattr(image, "__arrow_c_array__") and not image.readonly:
        with suppress(ValueError):  # a large image may lie in several blocks
            return np.asarray(pa.array(image)).reshape(image.height, image.width)
    return np.asarray(image)


def _middle(length: int, side: int) -> tuple[int, int]:
    """Where the middle of a line that is too long begins; where one that is too short is put."""
    return max(0, length - side) // 2, max(0, side - length) // 2
