"""Annotations follow their image into a square of pixels, and predictions come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def boxes_to_square(boxes: Any, row: Mapping[str, Any]) -> np.ndarray:
    """Bring boxes from an image to the square that `ImageTransform` made of it.

    Args:
        boxes: Of shape (k, 4): left, top, right, bottom from the upper left corner, in pixels of
            the upright image.
        row: One row with `valid_box` and `seen_box`, each of shape (4,).

    Returns:
        float32 of shape (k, 4), in pixels of the square, cut at the edges of what is seen. A box
        that is not seen at all has no area. What `augment` does to pixels, boxes do not follow.
    """
    return _moved(boxes, row["seen_box"], row["valid_box"])


def boxes_to_original(boxes: Any, row: Mapping[str, Any]) -> np.ndarray:
    """Bring boxes from the square back to the image; see `boxes_to_square`.

    Args:
        boxes: Of shape (k, 4), in pixels of the square.
        row: As for `boxes_to_square`.

    Returns:
        float32 of shape (k, 4), in pixels of the upright image, cut at the edges of what is seen.
    """
    return _moved(boxes, row["valid_box"], row["seen_box"])


def _moved(boxes: Any, here: Any, there: Any) -> np.ndarray:
    corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
    first, last = np.asarray(here, np.float64).reshape(2, 2)
    to_first, to_last = np.asarray(there, np.float64).reshape(2, 2)
    extent = np.maximum(last - first, np.finfo(float).tiny)  # of a row without an image it is 0
    shares = np.clip((corners - first) / extent, 0, 1)
    return (to_first + shares * (to_last - to_first)).reshape(-1, 4).astype(np.float32)
