"""Boxes of layers follow their image into its square of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cxr_datasets.columns import plural
from cxr_datasets.images.coordinates import clipped, moved
from cxr_datasets.layers.boxes import CLIPPED, OUTSIDE, SLACK, STATE, UNKNOWN
from cxr_datasets.layers.stored import BOX

Batch = dict[str, Any]
Move = Callable[[Any, Any, int], tuple[Any, Any]]
"""From a box, its state, and the number of its image, to the box in the square and its state."""


def boxes_in_squares(
    columns: Batch, seen: np.ndarray, valid: np.ndarray, counts: Sequence[int] | None = None
) -> Batch:
    """Bring the boxes in columns of layers from images into the squares made of them.

    Args:
        columns: Column -> values, as Python has them; others than those of layers stay.
        seen: Part of each image that is in its square, of shape (n, 4).
        valid: Part of each square that is image, of shape (n, 4); without area where there is no
            image.
        counts: How many of the n images each row has, for rows of studies; None: one each.

    Returns:
        The columns, in their order.
    """
    images = _numbers(counts)

    def move(box: Any, state: Any, image: int) -> tuple[Any, Any]:
        return _moved(box, state, seen[image], valid[image])

    changed: Batch = {}
    for name, state in _pairs(columns, counts is not None):
        changed[name], changed[state] = _flat(columns[name], columns[state], images, move)
    for name, values in columns.items():
        if name not in changed and _has_boxes(values, counts is not None):
            changed[name] = _listed(values, images, move)
    return {name: changed.get(name, values) for name, values in columns.items()}


def _numbers(counts: Sequence[int] | None) -> Callable[[int], Any]:
    """Gives of a row the number of its image, or the numbers of its images."""
    if counts is None:
        return lambda row: row
    starts = np.cumsum([0, *counts]).tolist()
    return lambda row: range(starts[row], starts[row + 1])


def _pairs(columns: Mapping[str, Any], of_studies: bool) -> Iterator[tuple[str, str]]:
    """Columns of boxes, each with that of their states, of layers with one row a key."""
    box, state = (plural(BOX), plural(STATE)) if of_studies else (BOX, STATE)
    for name in columns:
        if name.endswith(f"_{box}") and f"{name.removesuffix(box)}{state}" in columns:
            yield name, f"{name.removesuffix(box)}{state}"


def _flat(boxes: Any, states: Any, images: Callable[[int], Any], move: Move) -> tuple[Any, Any]:
    made = []
    for row, (box, state) in enumerate(zip(boxes, states, strict=True)):
        numbers = images(row)
        if isinstance(numbers, range):
            pairs = [move(*each) for each in zip(box or (), state or (), numbers, strict=False)]
            made.append(([one for one, _ in pairs], [one for _, one in pairs]))
        else:
            made.append(move(box, state, numbers))
    return [one for one, _ in made], [one for _, one in made]


def _has_boxes(values: Any, of_studies: bool) -> bool:
    """Whether values are lists of structs with a box each; in rows of studies, lists of these."""
    lists = (value for value in values if isinstance(value, list))
    if of_studies:
        lists = (each for value in lists for each in value if isinstance(each, list))
    first = next((rows[0] for rows in lists if rows), None)
    return isinstance(first, Mapping) and {BOX, STATE} <= set(first)


def _listed(values: Any, images: Callable[[int], Any], move: Move) -> list[Any]:
    def rows_of(rows: Any, image: int) -> Any:
        if rows is None:
            return None
        changed = (zip((BOX, STATE), move(one[BOX], one[STATE], image), strict=True)
                   for one in rows)  # fmt: skip
        return [{**one, **dict(pair)} for one, pair in zip(rows, changed, strict=True)]

    made: list[Any] = []
    for row, value in enumerate(values):
        numbers = images(row)
        if isinstance(numbers, range):
            made.append([rows_of(*each) for each in zip(value or (), numbers, strict=False)])
        else:
            made.append(rows_of(value, numbers))
    return made


def _moved(box: Any, state: Any, seen: np.ndarray, valid: np.ndarray) -> tuple[Any, Any]:
    if box is None:
        return box, state
    if not (valid[2] > valid[0] and valid[3] > valid[1]):  # no image was there
        return None, UNKNOWN
    given = np.asarray(box, np.float64).reshape(1, 4)
    cut = clipped(given, seen)
    if not (cut[0, 2] > cut[0, 0] and cut[0, 3] > cut[0, 1]):
        return None, OUTSIDE
    is_cut = bool((np.abs(cut - given) > SLACK).any())
    return moved(cut, seen, valid)[0].astype(np.float32).tolist(), CLIPPED if is_cut else state
