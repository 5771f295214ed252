"""A disk of a few pages: a real one, where this machine lets a test mount it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096


@contextmanager
def small_disk(place: Path, pages: int) -> Iterator[Path]:
    """Mount a disk in memory that has room for so many pages; skip the test where root may not."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a disk, and on Linux only")
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={pages * PAGE}", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted in this container")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=True)


def grow(place: Path, pages: int) -> None:
    """Make a mounted disk larger."""
    subprocess.run(["mount", "-o", f"remount,size={pages * PAGE}", str(place)], check=True)
