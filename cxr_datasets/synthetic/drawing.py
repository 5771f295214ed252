"""Seeded random streams, and what is drawn from them."""

from __future__ import annotations

import random


def random_stream(seed: int, *purpose: object) -> random.Random:
    """Open the random stream that `seed` gives for one purpose, such as `("image", image_id)`.

    Streams of their own keep what is drawn for one purpose from shifting what another gets.
    """
    return random.Random("/".join(map(str, (seed, *purpose))))


def hex_id(rng: random.Random) -> str:
    """Draw an id of five groups of 8 lower-case hex digits, joined by `-`."""
    return "-".join(f"{rng.getrandbits(32):08x}" for _ in range(5))


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Scale a (height, width) in pixels, rounded to whole pixels."""
    return round(size[0] * scale), round(size[1] * scale)
