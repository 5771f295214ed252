"""Seeded random streams, and what is drawn from them."""

from __future__ import annotations

import random


def random_stream(seed: int, *purpose: object) -> random.Random:
    """Open a random stream that depends on the seed and a purpose, and on nothing else.

    Each purpose has its own stream, so that one draw more for one changes nothing of another.

    Args:
        seed: The seed of the release.
        *purpose: Words, numbers or ids that name the purpose, such as `"image", image_id`.
    """
    return random.Random("/".join(map(str, (seed, *purpose))))


def hex_id(rng: random.Random) -> str:
    """Draw an id of five groups of 8 lower-case hex digits, joined by `-`."""
    return "-".join(f"{rng.getrandbits(32):08x}" for _ in range(5))


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Scale a (height, width) in pixels; the result is rounded to whole pixels."""
    return round(size[0] * scale), round(size[1] * scale)
