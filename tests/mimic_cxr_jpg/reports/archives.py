"""Members of archives, and archives damaged in every way."""

from __future__ import annotations

import random
from collections.abc import Iterator

Members = list[tuple[str, bytes]]


def some_members(count: int = 40, seed: int = 0) -> Members:
    """Texts of all lengths. One is empty, one has a single letter, one is noise."""
    rng = random.Random(seed)
    contents = [b"", b"x", rng.randbytes(3000), b" Clear lungs.\n" * 700]
    contents += [
        b" ".join(rng.choice([b"no", b"small", b"effusion", b"___"]) for _ in range(length))
        for length in rng.sample(range(2000), count - len(contents))
    ]
    names = rng.sample(range(50_000_000, 60_000_000), count)
    return [
        (f"files/p10/p10{name % 1_000_000:06}/s{name}.txt", content)
        for name, content in zip(names, contents, strict=True)
    ]


def damages(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Cut the content, flip a bit of it, or put other bytes into it, anywhere or near its end."""
    rng = random.Random(seed)
    for number in range(count):
        near_end = number % 3 == 0
        place = rng.randrange(max(0, len(content) - 150) if near_end else 0, len(content))
        kind = number % 4
        if kind == 0:
            yield content[:place]
        elif kind == 1:
            other = bytearray(content)
            other[place] ^= 1 << rng.randrange(8)
            yield bytes(other)
        elif kind == 2:
            yield content[:place] + rng.randbytes(rng.randrange(1, 9)) + content[place + 4 :]
        else:
            run = rng.choice([b"\xff", b"\0"]) * rng.randrange(1, 17)
            yield content[:place] + run + content[place + len(run) :]
