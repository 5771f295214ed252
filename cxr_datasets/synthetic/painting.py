"""Painted radiographs.

What is true to a radiograph: 8-bit greyscale, dark lungs beside a bright mediastinum and heart,
ribs, a lateral view that looks unlike a frontal one, and fine noise, which gives files two thirds
the size of real ones. A few findings (`SIGNS`) can be seen, so that a model has something to learn.
What is not: anatomy, contrast and noise are far simpler than in any real image.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_datasets.synthetic.options import check_choice

SIGNS = ("cardiomegaly", "effusion", "opacity", "nodule", "device")
"""The findings that `paint_radiograph` can show."""

PAINTED_VIEWS = ("frontal", "lateral", "oblique")
"""The views that `paint_radiograph` can show."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_ENLARGED = 1.45
"""How much wider an enlarged heart is."""

_Canvas = NDArray[np.floating[Any]]

# The anatomy is smooth, so it is painted no larger than this (pixels on the long side) and then
# enlarged; only the noise is drawn at full size.
_CANVAS_SIDE = 256


@dataclass(frozen=True)
class Build:
    """What differs from one chest to the next. Lengths are shares of the image's sides.

    Attributes:
        shift: How far the chest lies to the left and above its usual place.
        size: Width of the heart over its usual one.
        side: 1 or -1: at which side there is fluid, if there is any.
        patch: Where a hazy patch is, and just above it a nodule.
        turn: How far the spine is aside.
    """

    shift: tuple[float, float]
    size: float
    side: int
    patch: tuple[float, float]
    turn: float

    def in_pixels(self, box: Box, height: int, width: int) -> Box:
        """Where a part of the usual chest is in an image of a size."""
        (left, top, right, bottom), (across, down) = box, self.shift
        return (
            (left - across) * width,
            (top - down) * height,
            (right - across) * width,
            (bottom - down) * height,
        )


def draw_build(view: str, rng: random.Random) -> Build:
    """Draw what differs from one chest to the next, as `paint_radiograph` does first."""
    down, across = rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)
    size = rng.uniform(0.92, 1.08)
    if view == "lateral":
        patch = rng.uniform(0.4, 0.6), rng.uniform(0.3, 0.55)
        return Build((across, down), size, 1, patch, 0.0)
    side = rng.choice((-1, 1))
    patch = 0.5 - side * rng.uniform(0.17, 0.24), rng.uniform(0.3, 0.6)
    return Build((across, down), size, side, patch, 0.1 if view == "oblique" else 0.0)


def frontal_parts(build: Build, signs: Collection[str] = ()) -> dict[str, Box]:
    """Say where the parts of a chest from the front are, and the findings that it shows.

    Args:
        build: What `draw_build` drew for it.
        signs: Any of `SIGNS`.

    Returns:
        Name -> box, in shares of the sides: `right lung` (at the left edge of the image), `left
        lung`, `heart`, `trachea`; and each sign.
    """
    across = 0.14 * build.size * (_ENLARGED if "cardiomegaly" in signs else 1.0)
    down = (0.14 * across) ** 0.5
    middle = 0.55 + 0.5 * build.turn
    heart = (middle - across, 0.62 - down, middle + across, 0.62 + down)
    (x, y), fluid = build.patch, 0.5 + 0.21 * build.side
    parts: dict[str, Box] = {
        "right lung": (0.12, 0.09, 0.46, 0.80),
        "left lung": (0.54, 0.09, 0.88, 0.80),
        "heart": heart,
        "trachea": (0.45 - build.turn, 0.0, 0.55 - build.turn, 0.35),
    }
    found: dict[str, Box] = {
        "cardiomegaly": heart,
        "effusion": (fluid - 0.17, 0.58, fluid + 0.17, 0.80),
        "opacity": (x - 0.12, y - 0.12, x + 0.12, y + 0.12),
        "nodule": (x - 0.03, y - 0.08, x + 0.03, y - 0.02),
        "device": (0.36, 0.0, 0.46, 0.57),
    }
    return parts | {sign: found[sign] for sign in SIGNS if sign in signs}


def paint_radiograph(
    height: int,
    width: int,
    *,
    view: str = "frontal",
    rng: random.Random,
    signs: Collection[str] = (),
    noise: float = 1.0,
) -> NDArray[np.uint8]:
    """Paint an image that looks like a chest radiograph.

    Args:
        height: Rows, in pixels.
        width: Columns, in pixels.
        view: One of `PAINTED_VIEWS`.
        rng: Where the patient's build, the side of a finding and the noise come from.
        signs: Any of `SIGNS`: an enlarged heart, fluid at one lung's base, a hazy patch, a nodule,
            a line from the neck to the heart.
        noise: Standard deviation of the noise, in grey levels.

    Returns:
        A uint8 array of shape (height, width): 0 is black (air), 255 white (bone, metal).

    Raises:
        OptionError: `view` or one of `signs` is unknown.
    """
    check_choice("view", view, PAINTED_VIEWS)
    for sign in signs:
        check_choice("sign", sign, SIGNS)
    build = draw_build(view, rng)
    shrink = max(1.0, max(height, width) / _CANVAS_SIDE)
    rows, columns = max(1, round(height / shrink)), max(1, round(width / shrink))
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None] + build.shift[1]
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns)[None, :] + build.shift[0]
    if view == "lateral":
        canvas = _lateral_chest(x, y, build, signs)
    else:
        canvas = _frontal_chest(x, y, build, signs)
    return _with_noise(canvas, height, width, rng, noise)


def _frontal_chest(x: _Canvas, y: _Canvas, build: Build, signs: Collection[str]) -> _Canvas:
    """Paint a chest from the front; an oblique view has the spine aside."""
    turn, side = build.turn, build.side
    spine_x = 0.5 - turn
    size = build.size * (_ENLARGED if "cardiomegaly" in signs else 1.0)
    aside = np.abs(x - 0.5)
    body = _blob(x, y, 0.5, 0.68, 0.56, 0.72, soft=0.4)
    heart = _blob(x, y, 0.55 + 0.5 * turn, 0.62, 0.14 * size, 0.14 * size**0.5)
    diaphragm = 0.72 + 2.0 * (aside - 0.21) ** 2
    lungs = _blob(x, y, 0.29, 0.45, 0.17, 0.36) + _blob(x, y, 0.71, 0.45, 0.17, 0.36)
    lungs = lungs * np.clip((diaphragm - y) / 0.03, 0, 1) * (1 - 0.75 * heart)
    image = 0.06 + (0.44 + 0.10 * y) * body - 0.36 * lungs + 0.12 * heart
    image += 0.05 * lungs * np.sin(70 * (y + 1.6 * (aside - 0.3) ** 2))
    image += 0.20 * body * _ridge(x - spine_x, 0.075)
    image += 0.03 * _ridge(x - spine_x, 0.04) * np.sign(np.sin(90 * y))
    image += 0.10 * _ridge(y - 0.15 - 0.25 * (0.35 - aside) ** 2, 0.02) * (aside < 0.36)
    if "effusion" in signs:
        one_lung = lungs * (np.sign(x - 0.5) == side)
        image += 0.42 * one_lung * np.clip((y - 0.60 + 0.3 * (aside - 0.2)) / 0.06, 0, 1)
    return _with_patches(image, x, y, signs, *build.patch)


def _lateral_chest(x: _Canvas, y: _Canvas, build: Build, signs: Collection[str]) -> _Canvas:
    """Paint a chest from the side: the breastbone at the left edge, the spine at the right."""
    size = build.size * (1.35 if "cardiomegaly" in signs else 1.0)
    body = _blob(x, y, 0.5, 0.6, 0.46, 0.7, soft=0.4)
    heart = _blob(x, y, 0.36, 0.62, 0.15 * size, 0.15 * size)
    spine_x = 0.76 + 0.10 * np.sin(3.0 * (y - 0.1))
    diaphragm = 0.74 + 0.5 * (x - 0.38) ** 2 + 0.12 * (x - 0.4)
    lung = _blob(x - 0.10 * (y - 0.5), y, 0.48, 0.47, 0.30, 0.38)
    lung = lung * np.clip((diaphragm - y) / 0.03, 0, 1) * (1 - 0.7 * heart)
    image = 0.06 + (0.42 + 0.16 * y) * body - 0.34 * lung + 0.06 * heart
    image += (0.20 + 0.04 * np.sign(np.sin(75 * y))) * body * _ridge(x - spine_x, 0.06)
    image += 0.18 * body * _ridge(x - 0.15 - 0.1 * (y - 0.4), 0.02)
    image += 0.04 * lung * np.sin(60 * (y - 0.5 * x))
    if "effusion" in signs:
        image += 0.38 * lung * np.clip((y - 0.62 + 0.2 * (0.6 - x)) / 0.05, 0, 1)
    return _with_patches(image, x, y, signs, *build.patch)


def _with_patches(
    image: _Canvas, x: _Canvas, y: _Canvas, signs: Collection[str], patch_x: float, patch_y: float
) -> _Canvas:
    """Add the signs that look alike from the front and from the side."""
    if "opacity" in signs:
        image += 0.24 * _ridge(np.hypot(x - patch_x, y - patch_y), 0.07)
    if "nodule" in signs:
        image += 0.34 * _ridge(np.hypot(x - patch_x, y - patch_y + 0.05), 0.018)
    if "device" in signs:
        image += 0.45 * _ridge(x - 0.38 - 0.2 * y**2, 0.006) * (y < 0.55)
    return image


def _blob(
    x: _Canvas, y: _Canvas, cx: float, cy: float, rx: float, ry: float, soft: float = 0.15
) -> _Canvas:
    """Fill an ellipse: 1 inside, 0 outside, with an edge that takes `soft` of its radius."""
    distance = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
    return np.clip((1 - distance) / (2 * soft) + 0.5, 0, 1)


def _ridge(distance: _Canvas, width: float) -> _Canvas:
    """Draw a soft line: 1 where `distance` is 0, falling off over `width`."""
    line: _Canvas = np.exp(-((distance / width) ** 2))
    return line


def _with_noise(
    canvas: _Canvas, height: int, width: int, rng: random.Random, noise: float
) -> NDArray[np.uint8]:
    smooth = Image.fromarray(np.ascontiguousarray(canvas, dtype=np.float32) * 255)
    pixels = np.asarray(smooth.resize((width, height), Image.Resampling.BICUBIC))
    grains = np.random.default_rng(rng.getrandbits(64))
    grain = grains.standard_normal((height, width), dtype=np.float32)
    grey: NDArray[np.uint8] = np.clip(pixels + noise * grain, 0, 255).astype(np.uint8)
    return grey
