"""Invented tables of CheXmask: masks of the lungs and the heart, as runs, and their outlines."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic.frontal import Box, Frontal

# Points of CheXmask: the part -> how many there are on its outline, in the order of the file.
_LANDMARKS = {"right lung": 44, "left lung": 50, "heart": 26}
_PREPROCESSED = 1024
"""Side of the squares in which CheXmask's other file has its masks."""


def chexmask(frontals: Sequence[Frontal], seed: int) -> Iterator[tuple[str, bytes]]:
    """Give both files: masks in the pixels of the images, and in those of squares.

    Args:
        frontals: The images.
        seed: Gives what is drawn.
    """
    yield "OriginalResolution/MIMIC-CXR-JPG.csv", _masks(frontals, seed)
    yield "Preprocessed/MIMIC-CXR-JPG.csv", _masks(map(_in_a_square, frontals), seed)


def _masks(frontals: Iterable[Frontal], seed: int) -> bytes:
    header = ("dicom_id", "Dice RCA (Max)", "Dice RCA (Mean)", "Landmarks", "Left Lung",
              "Right Lung", "Heart", "Height", "Width")  # fmt: skip
    rng = synthetic.random_stream(seed, "CheXmask")
    rows = []
    for one in frontals:
        height, width = one.image.size
        masks = [_runs(one.parts[part], height, width) for part in ("left lung", "right lung",
                                                                   "heart")]  # fmt: skip
        points = [point for part, count in _LANDMARKS.items()
                  for point in _outline(one.parts[part], count)]  # fmt: skip
        rows.append((one.image.dicom_id, *_quality(rng), json.dumps(points), *masks, height,
                     width))  # fmt: skip
    return synthetic.csv_bytes(header, rows)


def _outline(box: Box, count: int) -> Iterator[list[int]]:
    """Points on the ellipse in a box."""
    left, top, right, bottom = box
    for turn in np.arange(count) * 2 * np.pi / count:
        yield [
            round((left + right + (right - left) * np.cos(turn)) / 2),
            round((top + bottom + (bottom - top) * np.sin(turn)) / 2),
        ]


def _in_a_square(one: Frontal) -> Frontal:
    """An image and its parts as CheXmask's other file has them.

    Black around it makes it a square. No black edge is cut, as painted images have none.
    """
    height, width = one.image.size
    side = max(height, width)
    factor = _PREPROCESSED / side
    across, down = (side - width) // 2, (side - height) // 2
    parts = {
        name: ((left + across) * factor, (top + down) * factor,
               (right + across) * factor, (bottom + down) * factor)
        for name, (left, top, right, bottom) in one.parts.items()
    }  # fmt: skip
    image = replace(one.image, size=(_PREPROCESSED, _PREPROCESSED))
    return Frontal(one.study, image, parts)


def _quality(rng: random.Random) -> tuple[float, float]:
    best = rng.uniform(0.6, 0.99)
    return round(best, 6), round(best - 0.05, 6)


def _runs(box: Box, height: int, width: int) -> str:
    """The ellipse in a box, as runs row by row, which count from 1."""
    left, top, right, bottom = box
    runs = []
    for row in range(max(0, int(top)), min(height, int(bottom) + 1)):
        off = (2 * (row + 0.5) - top - bottom) / (bottom - top)
        if abs(off) >= 1:
            continue
        half = (1 - off * off) ** 0.5 * (right - left) / 2
        first = max(0, int(np.ceil((left + right) / 2 - half)))
        last = min(width, int(np.floor((left + right) / 2 + half)))
        if last > first:
            runs.append(f"{row * width + first + 1} {last - first}")
    return " ".join(runs)
