"""What may stand in the place of a file of ours, each put there by a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Link = Callable[[Path, Path], None]
"""Takes the place, and a file of somebody's."""


def symbolic(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def dangling(place: Path, victim: Path) -> None:
    place.symlink_to(victim.with_name("not there yet"))


def hard(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def pipe(place: Path, victim: Path) -> None:
    os.mkfifo(place)


def device(place: Path, victim: Path) -> None:
    try:
        os.mknod(place, 0o666 | 0o020000, os.makedev(1, 3))
    except OSError as error:
        pytest.skip(f"this user may not make devices ({error.strerror})")
