"""Annotations follow their image into a square of pixels, and predictions come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cxr_datasets.errors import OptionError
from cxr_datasets.images.coordinates import clipped, moved


def boxes_to_square(boxes: Any, row: Mapping[str, Any]) -> np.ndarray:
    """Bring boxes from an image to the square that `ImageTransform` made of it.

    Args:
        boxes: Of shape (k, 4): left, top, right, bottom from the upper left corner, in pixels of
            the upright image.
        row: One row with `valid_box` and `seen_box`, each of shape (4,).

    Returns:
        float32 of shape (k, 4), in pixels of the square, cut at the edges of what is seen. A box
        that is not seen at all has no area. What `augment` does to pixels, boxes do not follow.

    Raises:
        OptionError: `boxes` has another shape, or `row` is no such row.
    """
    return _moved(boxes, *_boxes_of(row, "seen_box", "valid_box"))


def boxes_to_original(boxes: Any, row: Mapping[str, Any]) -> np.ndarray:
    """Bring boxes from the square back to the image; see `boxes_to_square`.

    Args:
        boxes: Of shape (k, 4), in pixels of the square.
        row: As for `boxes_to_square`.

    Returns:
        float32 of shape (k, 4), in pixels of the upright image, cut at the edges of what is seen.

    Raises:
        OptionError: See `boxes_to_square`.
    """
    return _moved(boxes, *_boxes_of(row, "valid_box", "seen_box"))


def _boxes_of(row: Mapping[str, Any], *names: str) -> list[np.ndarray]:
    """The boxes of one row."""
    for name in names:
        if not isinstance(row, Mapping) or np.shape(row.get(name, 0)) != (4,):
            raise OptionError(
                f"row has no {name} of four numbers. Give one row, or one image of a study, that "
                "ImageTransform made."
            )
    return [np.asarray(row[name], np.float64) for name in names]


def _moved(boxes: Any, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    try:
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        raise OptionError(
            "boxes are not of shape (k, 4). Give left, top, right and bottom of each."
        ) from None
    return moved(clipped(corners, here), here, there).astype(np.float32)
