"""Which images are sampled: the same ones each time."""

from __future__ import annotations

import numpy as np


def chosen(images: int, count: int, seed: int) -> np.ndarray:
    """Draw images at random, each of them as likely as any other and none twice.

    Args:
        images: How many there are.
        count: How many to draw; all if there are fewer.
        seed: The same one gives the same images.

    Returns:
        Their numbers, from 0 on, in order.
    """
    drawn = np.random.default_rng(seed).choice(images, min(count, images), replace=False)
    return np.sort(drawn).astype(np.int64)
