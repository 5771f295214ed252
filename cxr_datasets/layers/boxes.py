"""Boxes of a layer, brought into the pixels of the image that is handed out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.images.coordinates import clipped, moved, square_parts, whole_of
from cxr_datasets.layers.layer import ORIGINAL, square_of
from cxr_datasets.layers.reading import BOX, STATE

WHOLE, CLIPPED, OUTSIDE, EMPTY, UNKNOWN = "whole", "clipped", "outside", "empty", "unknown"
STATES = (WHOLE, CLIPPED, OUTSIDE, EMPTY, UNKNOWN)
"""What becomes of a box: it is all in the image; it was cut at the image's edge; it is all outside;
it has no area; or it cannot be told where it is, as the size of the image is not known or is not
that of the release's file made smaller. The last three are null."""

BOX_TYPE = pa.list_(pa.float32())
"""Left, top, right, bottom, in pixels of the image that is handed out."""

SLACK = 0.01
"""Pixels that a box may be beyond an edge and count as whole: what rounding of floats does."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sizes:
    """Sizes of n images, each (width, height) in pixels; NaN where one is not known.

    Attributes:
        original: Those of the release's own files, upright; of shape (n, 2).
        handed_out: Those of the images in the rows.
    """

    original: Array
    handed_out: Array

    def take(self, images: Array) -> Sizes:
        """Those of some images, by their numbers."""
        return Sizes(self.original[images], self.handed_out[images])


def box_columns(stored: pa.Array, space: Any, sizes: Sizes) -> tuple[pa.Array, pa.Array]:
    """Make the two columns of boxes.

    Args:
        stored: n boxes as `stored` has them: NaN where there is none, infinite where nobody can
            tell where it is, or null.
        space: See `Layer.space`.
        sizes: Those of the image of each box.

    Returns:
        The boxes, as `BOX_TYPE`, and the state of each, one of `STATES`; both null where there is
        no box.
    """
    given = _given(stored)
    there = ~np.isnan(given).any(axis=1)
    boxes = _placed(np.where(np.isinf(given), np.nan, given), space, sizes)
    known = _are_known(boxes)
    filled = np.where(known[:, None], boxes, 0)
    edges = np.where(np.isfinite(sizes.handed_out), sizes.handed_out, 0)
    cut = clipped(filled, whole_of(edges)).astype(np.float32)
    has_area = _has_area(filled)
    states = np.select(
        [~known, ~has_area, ~_has_area(cut), (np.abs(cut - filled) > SLACK).any(axis=1)],
        [UNKNOWN, EMPTY, OUTSIDE, CLIPPED],
        WHOLE,
    )
    shown = there & known & has_area & _has_area(cut)
    return _lists(cut, shown), pa.array(states, pa.string(), mask=~there)


def _are_known(boxes: Array) -> Array:
    """Mark the boxes of which all four numbers are known."""
    return np.asarray(np.isfinite(boxes).all(axis=1))


def _given(stored: pa.Array) -> Array:
    """Boxes as an array of shape (n, 4); NaN where there is none."""
    given = np.full((len(stored), 4), np.nan)
    valid = stored.is_valid().to_numpy(zero_copy_only=False)
    given[valid] = stored.filter(stored.is_valid()).flatten().to_numpy().reshape(-1, 4)
    return given


def _placed(boxes: Array, space: Any, sizes: Sizes) -> Array:
    """Bring boxes from their space to the image that is handed out, not cut at its edges."""
    original, handed_out = whole_of(sizes.original), whole_of(sizes.handed_out)
    square = square_of(space)
    if square:
        valid, seen = square_parts(sizes.original, *square)
        return moved(moved(boxes, valid, seen), original, handed_out)
    if space == ORIGINAL:
        return moved(boxes, original, handed_out)
    return moved(boxes, (0, 0, 1, 1), handed_out)


def _has_area(boxes: Array) -> Array:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def _lists(boxes: Array, shown: Array) -> pa.ListArray:
    """Boxes as lists; null where one is not shown."""
    ends = np.cumsum(np.where(shown, 4, 0))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32(), mask=np.append(~shown, False))
    return pa.ListArray.from_arrays(offsets, pa.array(boxes[shown].ravel(), pa.float32()))


def with_boxes(rows: pa.Array, space: Any, sizes: Sizes) -> pa.ListArray:
    """Bring the boxes in lists of structs into the pixels of the images.

    Args:
        rows: n lists of structs as `stored` has them, one list for each image.
        space: See `Layer.space`.
        sizes: Those of the n images.
    """
    structs, valid = rows.flatten(), rows.is_valid()
    counts = pc.fill_null(pc.list_value_length(rows), 0).to_numpy()
    of_each = sizes.take(np.repeat(np.arange(len(rows)), counts))
    fields = {field.name: pc.struct_field(structs, field.name) for field in structs.type}
    fields[BOX], fields[STATE] = box_columns(fields[BOX], space, of_each)
    made = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    starts = np.concatenate([[0], np.cumsum(counts)])
    mask = np.append(~valid.to_numpy(zero_copy_only=False), False)
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32(), mask=mask), made)
