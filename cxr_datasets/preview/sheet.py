"""The contact sheet: pairs of a frontal and a lateral image, with their positive labels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
from PIL import Image, ImageDraw, ImageFont, ImageOps

from cxr_datasets.columns import VIEWS
from cxr_datasets.preview.picking import column_table, with_value

_TILE = 230
_GAP = 6
_MARGIN = 28
_PAIRS_IN_A_ROW = 3
_ROWS = 2
_TITLE_HEIGHT = 46
_CAPTION_HEIGHT = 62
_PAIR_WIDTH = 2 * _TILE + _GAP
_BLACK, _DARK, _GREY, _WHITE = 0, 24, 150, 235


@dataclass(frozen=True)
class Pair:
    """A frontal and a lateral image of one study, and what to write beneath them."""

    frontal: Image.Image
    lateral: Image.Image
    caption: str


def pick_pairs(studies: datasets.DatasetDict) -> Iterator[Pair]:
    """Choose studies with a frontal and a lateral image that show many different labels.

    Args:
        studies: Splits of a config `studies`.

    Yields:
        A pair of each study, at most as many as the sheet has room for.
    """
    split = next(iter(studies.values()))
    rows = column_table(split, "views", "labels").to_pylist()
    wanted = {VIEWS.index("frontal"), VIEWS.index("lateral")}
    positive = {
        number: set(with_value(row["labels"], 1))
        for number, row in enumerate(rows)
        if wanted <= set(row["views"])
    }
    shown: set[str] = set()
    for _ in range(min(_PAIRS_IN_A_ROW * _ROWS, len(positive))):
        best = max(positive, key=lambda number: len(positive[number] - shown))
        shown |= positive.pop(best)
        yield _pair(split[best])


def _pair(study: dict[str, Any]) -> Pair:
    first = {
        view: study["images"][study["views"].index(VIEWS.index(view))]
        for view in ("frontal", "lateral")
    }
    positive = ", ".join(with_value(study["labels"], 1))
    return Pair(**first, caption=positive or "no label is positive")


def contact_sheet(sections: Sequence[tuple[str, Sequence[Pair]]]) -> Image.Image:
    """Lay out pairs of images on one sheet.

    Args:
        sections: Title and pairs of each dataset.

    Returns:
        Greyscale image.
    """
    section_height = _TITLE_HEIGHT + _ROWS * (_TILE + _CAPTION_HEIGHT)
    width = 2 * _MARGIN + _PAIRS_IN_A_ROW * (_PAIR_WIDTH + _MARGIN) - _MARGIN
    sheet = Image.new("L", (width, _MARGIN + len(sections) * section_height), _DARK)
    draw = ImageDraw.Draw(sheet)
    for number, (title, pairs) in enumerate(sections):
        top = _MARGIN + number * section_height
        draw.text((_MARGIN, top), title, _WHITE, ImageFont.load_default(24))
        note = "invented images, nobody's data"
        draw.text((width - _MARGIN, top + 6), note, _GREY, ImageFont.load_default(16), anchor="ra")
        for place, pair in enumerate(pairs):
            row, column = divmod(place, _PAIRS_IN_A_ROW)
            left = _MARGIN + column * (_PAIR_WIDTH + _MARGIN)
            above = top + _TITLE_HEIGHT + row * (_TILE + _CAPTION_HEIGHT)
            _draw_pair(sheet, draw, pair, left, above)
    return sheet


def _draw_pair(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, pair: Pair, left: int, top: int
) -> None:
    font = ImageFont.load_default(15)
    for place, view in enumerate(("frontal", "lateral")):
        corner = left + place * (_TILE + _GAP)
        tile = ImageOps.pad(getattr(pair, view), (_TILE, _TILE), color=_BLACK)
        sheet.paste(tile, (corner, top))
        draw.text((corner, top + _TILE + 5), view, _GREY, font)
    caption = _wrapped(pair.caption, font)
    draw.text((left, top + _TILE + 24), caption, _WHITE, font, spacing=3)


def _wrapped(caption: str, font: Any) -> str:
    """Break a caption into at most two lines that are no wider than a pair of images."""
    letters, lines = len(caption), [caption]
    while max(map(font.getlength, lines)) > _PAIR_WIDTH:
        letters -= 1
        lines = textwrap.wrap(caption, letters, max_lines=2, placeholder=" ...")
    return "\n".join(lines)
