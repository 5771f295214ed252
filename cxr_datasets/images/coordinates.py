"""Where a point of an image comes to lie when the image is made smaller, or put into a square.

One rule for pixels and for boxes: sizes are those that `resize` and `square` give images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxr_datasets.images.resize import smaller
from cxr_datasets.images.square import Place, square_place

Array = NDArray[np.floating[Any]]


def moved(boxes: ArrayLike, here: ArrayLike, there: ArrayLike) -> Array:
    """Bring boxes from a part of one image to the part of another that shows the same.

    Args:
        boxes: Of shape (n, 4): left, top, right, bottom, in pixels. NaN stays NaN.
        here: The part of their own image; of shape (n, 4) or (4,).
        there: The part of the other image; likewise.

    Returns:
        float64 of shape (n, 4), in pixels of the other image, not cut at any edge.
    """
    (first, last), (to_first, to_last) = _corners(here), _corners(there)
    extent = np.maximum(last - first, np.finfo(float).tiny)  # of a row without an image it is 0
    shares = (np.asarray(boxes, np.float64).reshape(-1, 2, 2) - first) / extent
    return (to_first + shares * (to_last - to_first)).reshape(-1, 4)


def clipped(boxes: Array, part: ArrayLike) -> Array:
    """Cut boxes at the edges of a part of their image.

    Args:
        boxes: Of shape (n, 4).
        part: Left, top, right, bottom; of shape (n, 4) or (4,).

    Returns:
        Of shape (n, 4). One that is wholly outside has no area.
    """
    first, last = _corners(part)
    return np.clip(boxes.reshape(-1, 2, 2), first, last).reshape(-1, 4)


def whole_of(sizes: ArrayLike) -> Array:
    """The boxes that hold all of images, given their (width, height); of shape (n, 4)."""
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    return np.concatenate([np.zeros_like(sizes), sizes], axis=1)


def _corners(boxes: ArrayLike) -> tuple[Array, Array]:
    """First and last corner of boxes, each of shape (n, 1, 2)."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
    return boxes[:, :1], boxes[:, 1:]


def smaller_sizes(sizes: ArrayLike, short_side: int | None) -> Array:
    """The (width, height) of images that `image_size` makes smaller.

    Args:
        sizes: Of shape (n, 2): those of the files, in pixels; NaN where one is not known.
        short_side: Value of `image_size`; None: images stay as they are.
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    if short_side is None or not len(sizes):
        return sizes
    return _for_each(sizes, lambda size: smaller(size, short_side).size, 2)


def square_parts(sizes: ArrayLike, side: int, square: str) -> tuple[Array, Array]:
    """Where images lie in squares that are made of them.

    Args:
        sizes: Of shape (n, 2): (width, height) of the images; NaN where one is not known.
        side: Side of the square in pixels.
        square: One of `SQUARES`.

    Returns:
        The part of the square that is image, and the part of the image that is in the square, each
        of shape (n, 4); NaN where the size is not known.
    """

    def both(size: tuple[int, int]) -> tuple[float, ...]:
        place: Place = square_place(size, side, square)
        return (*place.valid_box, *place.seen_box)

    found = _for_each(np.asarray(sizes, np.float64).reshape(-1, 2), both, 8)
    return found[:, :4], found[:, 4:]


def _for_each(sizes: Array, function: Any, width: int) -> Array:
    """Call a function for each size that there is; a release has few different ones."""
    found = np.full((len(sizes), width), np.nan)
    known = np.isfinite(sizes).all(axis=1)
    if known.any():
        different, which = np.unique(sizes[known].astype(np.int64), axis=0, return_inverse=True)
        values = np.array([function(tuple(size)) for size in different.tolist()], np.float64)
        found[known] = values[which.reshape(-1)]
    return found
