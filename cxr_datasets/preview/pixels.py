"""Mean and standard deviation of the pixels of some images, by view, for normalising."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import ImageError
from cxr_datasets.images import decode
from cxr_datasets.preview.figures import ALL
from cxr_datasets.preview.material import Sampled

_WHITE = 255
_NO_VIEW = "null"
_LEVELS = np.arange(_WHITE + 1)

Moments = tuple[float, float]
"""Mean of an image's pixels, and mean of their squares, of values 0 to 255."""


def measure_pixels(sampled: Iterable[Sampled], count: int, progress: bool = False) -> pd.DataFrame:
    """Decode images in full and describe their pixels, by view.

    Args:
        sampled: View and stored image of each.
        count: How many they are, for the progress bar.
        progress: Whether to show it, on stderr, if that is a terminal.

    Returns:
        Columns `view`, `images` (those decoded), `unread` (absent or damaged ones, or null),
        `mean`, `std` (of values 0 to 1), `mean_255`, `std_255` (of values 0 to 255). Images are
        8-bit grey, by the rule of `cxr_datasets.images.grey`. Each counts alike, however many
        pixels it has, as after resizing to one size: `mean` is the mean of all pixels then, `std`
        their standard deviation.

    Raises:
        StoreError: A store refuses an image, or failed again and again.
    """
    found: dict[str, list[Moments | None]] = defaultdict(list)
    with tqdm(
        total=count, unit=" images", desc="pixels", disable=None if progress else True
    ) as bar:
        for view, moments in _measured(sampled):
            found[view].append(moments)
            bar.update()
    rows = [(view, *_together(found[view])) for view in (*VIEWS, _NO_VIEW) if view in found]
    rows.append((ALL, *_together([one for some in found.values() for one in some])))
    columns = ["view", "images", "unread", "mean", "std", "mean_255", "std_255"]
    return pd.DataFrame(rows, columns=columns)


def _measured(sampled: Iterable[Sampled]) -> Iterator[tuple[str, Moments | None]]:
    """Decode with all cores, a few images at a time: in full they are large."""
    threads = os.cpu_count() or 1
    images = iter(sampled)
    with ThreadPoolExecutor(threads, thread_name_prefix="cxr-pixels") as pool:
        while some := list(islice(images, 2 * threads)):
            views = (_name(view) for view, _ in some)
            yield from zip(views, pool.map(_moments, [image for _, image in some]), strict=True)


def _name(view: int | None) -> str:
    return VIEWS[view] if view is not None and 0 <= view < len(VIEWS) else _NO_VIEW


def _moments(image: Any) -> Moments | None:
    """Measure an image; None if it is absent, damaged or null."""
    if image is None:
        return None
    try:
        pixels = decode(image)
    except ImageError:
        return None
    counts = np.bincount(pixels.ravel(), minlength=len(_LEVELS))
    return (counts @ _LEVELS) / pixels.size, (counts @ _LEVELS**2) / pixels.size


def _together(found: list[Moments | None]) -> tuple[int, int, float, float, float, float]:
    read = np.array([one for one in found if one is not None], float).reshape(-1, 2)
    unread = len(found) - len(read)
    if not len(read):
        return 0, unread, np.nan, np.nan, np.nan, np.nan
    mean, squares = read.mean(axis=0).tolist()
    std = float(np.sqrt(max(0.0, squares - mean**2)))
    return len(read), unread, mean / _WHITE, std / _WHITE, mean, std
