"""What happens to files: bits flip, downloads break off, disks fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

UNREADABLE = Path("/proc/self/mem")
"""A file that is there; whoever reads its first byte gets an input/output error."""


def _flip(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _clear(content: bytearray, rng: random.Random) -> None:
    content.clear()


def _zero(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at : at + 4_096] = bytes(len(content[at : at + 4_096]))


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 100)))


def _lose(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 100))]


def _replace(content: bytearray, rng: random.Random) -> None:
    content[:] = rng.choice((b"<html>Please log in.</html>\n", b"{}", b"\n", b"\0" * 1_000))


_CHANGES = {
    "flipped": _flip, "cut": _cut, "empty": _clear, "zeroed": _zero, "longer": _insert,
    "shorter": _lose, "replaced": _replace,
}  # fmt: skip
_WEIGHTS = (6, 3, 1, 2, 1, 1, 1)


def changed(file: Path, rng: random.Random) -> str:
    """Change the bytes of a file, which becomes a new one; say how."""
    content = bytearray(file.read_bytes())
    (how,) = rng.choices(list(_CHANGES), _WEIGHTS) if content else ("longer",)
    _CHANGES[how](content, rng)
    file.unlink()
    file.write_bytes(content)
    return how


def cut(file: Path, rng: random.Random) -> str:
    """Cut a file; say so."""
    content = bytearray(file.read_bytes())
    _cut(content, rng)
    file.unlink()
    file.write_bytes(content)
    return "cut"


def _to_nothing(file: Path) -> None:
    file.symlink_to(file.with_name("nowhere"))


def _to_itself(file: Path) -> None:
    file.symlink_to(file)


def _to_a_failing_disk(file: Path) -> None:
    file.symlink_to(UNREADABLE)


_LOCKS: tuple[Callable[[Path], None], ...] = (
    Path.mkdir, _to_nothing, _to_itself, _to_a_failing_disk,
)  # fmt: skip


def locked(file: Path, rng: random.Random) -> str:
    """Put something in the place of a file that cannot be read; say what.

    Not a file without permissions: those who run tests as root may read it.
    """
    lock = rng.choice(_LOCKS)
    file.unlink()
    lock(file)
    return lock.__name__
