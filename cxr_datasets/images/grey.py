"""8-bit grey of whatever Pillow opens.

The rule, for every place that makes pixels of a file (`decode`, `decode_batch`, `image_size`):

- `L` is kept. 1 bit becomes 0 and 255.
- Colours, also those of a palette, become luminance: 0.299 R + 0.587 G + 0.114 B, as Pillow has it
  (ITU-R 601-2). Of CIELAB it is the channel L*. Opacity is left out.
- 16 and 32 bits and floats are scaled over the range of the image's own values, the lowest to 0 and
  the highest to 255, as JPEGs of radiographs are made from DICOM. A file of 16 bits does not say
  how many of them are used: 12-bit radiographs, scaled over the range of the type, would be nearly
  black.
  An image of one value becomes 0. NaN counts as the lowest number; infinity is out of the range.
"""

from __future__ import annotations

import numpy as np
import PIL.Image

_DIRECT = {"La": "LA", "RGBa": "RGBA", "HSV": "RGB"}
"""Modes that Pillow turns into grey by way of another one only."""

_STRIP = 256
"""Lines that are scaled at once: as floats an image takes eight times the memory."""


def to_grey(image: PIL.Image.Image) -> PIL.Image.Image:
    """Give an image in mode `L`: one byte a pixel, 0 black to 255 white.

    Args:
        image: A loaded image of any mode.

    Returns:
        The image itself if its mode is `L`, else a new one of the same size.
    """
    if image.mode == "L":
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(image)
    if image.mode == "LAB":
        return image.getchannel(0)
    if image.mode in _DIRECT:
        image = image.convert(_DIRECT[image.mode])
    return image.convert("L")


def _scaled(image: PIL.Image.Image) -> PIL.Image.Image:
    values = np.asarray(image)
    strips = [values[row : row + _STRIP] for row in range(0, len(values), _STRIP)]
    ranges = [_range(strip) for strip in strips]
    low = min((low for low, _ in ranges), default=np.inf)
    high = max((high for _, high in ranges), default=-np.inf)
    if low > high:  # no value is a number
        low, high = 0.0, 0.0
    factor = 255 / (high - low) if high > low else 0.0
    scaled = np.empty(values.shape, np.uint8)
    for number, strip in enumerate(strips):
        numbers = np.nan_to_num(np.clip(strip.astype(np.float64), low, high), nan=low)
        scaled[number * _STRIP :][:_STRIP] = ((numbers - low) * factor).round()
    grey = PIL.Image.fromarray(scaled)
    grey.info = image.info.copy()  # with the orientation
    return grey


def _range(values: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest of some values that are finite; (inf, -inf) if none is."""
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    return (finite.min(), finite.max()) if finite.size else (np.inf, -np.inf)
