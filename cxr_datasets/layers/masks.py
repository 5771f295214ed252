"""Masks that a layer holds as text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxr_datasets import limits
from cxr_datasets.errors import OptionError


def decode_rle(text: str | None, height: int, width: int) -> NDArray[np.uint8]:
    """Decode a mask that is written as runs: `start length start length ...`.

    Starts count from 1, and pixels row by row, from the upper left corner: as CheXmask writes its
    masks (its notebook "Data Loading"). COCO counts column by column, so this does not fit there.

    Args:
        text: The runs, with spaces between; empty or None: no pixel is in the mask.
        height: Rows of the mask.
        width: Its columns. Both are those of the file that the mask belongs to.

    Returns:
        uint8 array of shape (height, width): 1 in the mask, 0 elsewhere.

    Raises:
        OptionError: The text is no list of such runs, or they go beyond the mask.
    """
    pixels = _pixels(height, width)
    try:
        runs = np.array((text or "").split(), np.int64)
    except (ValueError, OverflowError):
        raise OptionError("the mask holds what is no integer. Give `start length ...`.") from None
    if len(runs) % 2:
        raise OptionError(
            f"the mask has {len(runs)} numbers: expected a start and a length of each run."
        )
    starts, lengths = runs[::2] - 1, runs[1::2]
    if len(runs) and (starts.min() < 0 or lengths.min() < 0 or (starts + lengths).max() > pixels):
        raise OptionError(
            f"the mask has a run outside of its {height} x {width} pixels. Give the height and "
            "the width that the mask was made for; starts count from 1."
        )
    # +1 where a run begins and -1 behind its end: the sum so far is how many runs hold a pixel.
    steps = np.zeros(pixels + 1, np.int32)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + lengths, -1)
    return (np.cumsum(steps[:-1]) > 0).astype(np.uint8).reshape(height, width)


def _pixels(height: int, width: int) -> int:
    sides = (height, width)
    if any(isinstance(side, bool) or not isinstance(side, (int, np.integer)) for side in sides):
        raise OptionError(f"height={height!r}, width={width!r} are no numbers of pixels.")
    if min(sides) < 1 or int(height) * int(width) > limits.MOST_PIXELS:
        raise OptionError(
            f"height={height}, width={width}: expected sides from 1 on, and at most "
            f"{limits.MOST_PIXELS:,} pixels."
        )
    return int(height) * int(width)
