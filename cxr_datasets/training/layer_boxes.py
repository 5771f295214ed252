"""Boxes of layers follow their image into its square of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from cxr_datasets.columns import plural
from cxr_datasets.images.coordinates import clipped, moved
from cxr_datasets.layers.boxes import CLIPPED, OUTSIDE, SLACK, STATE, UNKNOWN
from cxr_datasets.layers.reading import BOX

Batch = dict[str, Any]

Place = tuple[np.ndarray, np.ndarray]
"""Of an image, the part that is in its square; and of the square, the part that is image."""


def boxes_in_squares(columns: Batch, seen: Any, valid: Any, of_studies: bool) -> Batch:
    """Bring the boxes in columns of layers from images into the squares made of them.

    Args:
        columns: Column -> values, as Python has them; others than those of layers stay.
        seen: Of each row the part of its image that is in its square, (4,); of studies, of each
            of their images, (k, 4).
        valid: Likewise the part of the square that is image; without area where there is no image.
        of_studies: Whether the rows are studies.

    Returns:
        The columns, in their order.
    """
    places = list(zip(seen, valid, strict=True))
    changed: Batch = {}
    for name, state in _pairs(columns, of_studies):
        move = _each(_of_pair) if of_studies else _of_pair
        given = zip(_zipped(columns[name], columns[state], of_studies), places, strict=True)
        moved_pairs = [move(pair, place) for pair, place in given]
        changed[name], changed[state] = _unzipped(moved_pairs, of_studies)
    for name, values in columns.items():
        if name not in changed and _has_boxes(values, of_studies):
            move = _each(_of_rows) if of_studies else _of_rows
            changed[name] = [move(*each) for each in zip(values, places, strict=True)]
    return {name: changed.get(name, values) for name, values in columns.items()}


def _pairs(columns: Mapping[str, Any], of_studies: bool) -> Iterator[tuple[str, str]]:
    """Columns of boxes, each with that of their states, of layers with one row a key."""
    box, state = (plural(BOX), plural(STATE)) if of_studies else (BOX, STATE)
    for name in columns:
        if name.endswith(f"_{box}") and f"{name.removesuffix(box)}{state}" in columns:
            yield name, f"{name.removesuffix(box)}{state}"


def _zipped(boxes: Any, states: Any, of_studies: bool) -> Iterator[Any]:
    """Box and state of each row; of studies, lists of these."""
    for box, state in zip(boxes, states, strict=True):
        yield list(zip(box or (), state or (), strict=True)) if of_studies else (box, state)


def _unzipped(pairs: list[Any], of_studies: bool) -> tuple[list[Any], list[Any]]:
    if not of_studies:
        return [box for box, _ in pairs], [state for _, state in pairs]
    return [[box for box, _ in row] for row in pairs], [
        [state for _, state in row] for row in pairs
    ]


def _each(move: Callable[[Any, Place], Any]) -> Callable[[Any, Place], Any]:
    """The same for each image of a study."""
    return lambda values, places: [
        move(*each) for each in zip(values or (), zip(*places, strict=True), strict=False)
    ]


def _has_boxes(values: Any, of_studies: bool) -> bool:
    """Whether values are lists of structs with a box each; in rows of studies, lists of these."""
    lists = (value for value in values if isinstance(value, list))
    if of_studies:
        lists = (each for value in lists for each in value if isinstance(each, list))
    first = next((rows[0] for rows in lists if rows), None)
    return isinstance(first, Mapping) and {BOX, STATE} <= set(first)


def _of_rows(rows: Any, place: Place) -> Any:
    if rows is None:
        return None
    moved_pairs = (_of_pair((row[BOX], row[STATE]), place) for row in rows)
    return [
        {**row, BOX: box, STATE: state} for row, (box, state) in zip(rows, moved_pairs, strict=True)
    ]


def _of_pair(pair: tuple[Any, Any], place: Place) -> tuple[Any, Any]:
    """Bring a box into the square, and say what became of it."""
    (box, state), (seen, valid) = pair, place
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
