"""The boxes of layers in a row, to be drawn on its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import PIL.Image
import PIL.ImageDraw

from cxr_datasets.columns import plural
from cxr_datasets.layers.boxes import STATE
from cxr_datasets.layers.reading import BOX

Box = tuple[str, list[float]]
"""What is in it, in a word or two; and left, top, right, bottom in pixels of its image."""

_LONGEST = 24
"""Characters of a word or two."""

_COLOURS = ("#ffb000", "#4fc3f7", "#f06292", "#aed581")


def boxes_of_row(row: Mapping[str, Any], images: int, of_studies: bool) -> list[list[Box]]:
    """Find the boxes of all layers in a row.

    Args:
        row: The row, as Python has it.
        images: How many images it has.
        of_studies: Whether columns of images are lists with a value for each.

    Returns:
        The boxes of each image that are in it.
    """
    found: list[list[Box]] = [[] for _ in range(images)]
    for name, value in row.items():
        values = value if of_studies else [value]
        if not isinstance(values, list):
            continue
        if name.endswith(plural(f"_{BOX}") if of_studies else f"_{BOX}"):
            layer = name.rpartition("_")[0]
            for boxes, box in zip(found, values, strict=False):
                boxes += [(layer, box)] if box else []
            continue
        for boxes, rows in zip(found, values, strict=False):
            boxes += list(_listed(rows))
    return found


def _listed(rows: Any) -> Iterator[Box]:
    """The boxes in a list of structs; none of any other value."""
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and {BOX, STATE} <= set(row) and row[BOX]:
            texts = (value for name, value in row.items() if name != STATE)
            short = (text for text in texts if isinstance(text, str) and 0 < len(text) <= _LONGEST)
            yield next(short, ""), row[BOX]


def draw_boxes(image: PIL.Image.Image, boxes: list[Box], size: tuple[int, int]) -> PIL.Image.Image:
    """Draw boxes on a small image.

    Args:
        image: The small image, of mode `L`.
        boxes: The boxes.
        size: (width, height) of the image that they are in.
    """
    if not boxes:
        return image
    drawn = image.convert("RGB")
    draw = PIL.ImageDraw.Draw(drawn)
    across, down = (small / large for small, large in zip(image.size, size, strict=True))
    for number, (word, (left, top, right, bottom)) in enumerate(boxes):
        corners = [left * across, top * down, right * across - 1, bottom * down - 1]
        colour = _COLOURS[number % len(_COLOURS)]
        draw.rectangle([*corners[:2], *map(max, corners[:2], corners[2:])], outline=colour)
        draw.text(
            (corners[0] + 2, corners[1] + 1), word.encode("ascii", "replace").decode(), colour
        )
    return drawn
