"""What runs that were killed left behind: told from what others are writing now, and removed.

Whoever writes a file holds a lock on it. The system lets it go when the process ends, in whatever
way. On some disks of clusters a lock holds on one machine alone, so the name of a file tells on
which machine it is written; what another machine left is removed when nothing was written to it for
an hour.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from cxr_datasets.digests import short_digest
from cxr_datasets.storage import own

try:
    import fcntl
except ImportError:  # Windows, where what a process has open cannot be removed
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".incomplete"
_QUIET = 60 * 60
"""Seconds after which nobody goes on with a file that others may write to without a lock."""


def unfinished_name(path: str) -> str:
    """Name a file that is to become another one. The name is used once.

    Args:
        path: The other file.
    """
    return f"{path}.{uuid.uuid4().hex}.{_machine()}{SUFFIX}"


def hold(descriptor: int) -> None:
    """Mark a file as one that is being written, as long as it is open."""
    if fcntl is not None:
        with suppress(OSError):  # a disk without locks: what is left on it stays
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Remove the files in a folder that nobody goes on writing, and that have a name from here.

    Args:
        folder: Where they are. What cannot be removed stays.
    """
    for path in Path(folder).glob(f"*.*.*{SUFFIX}"):
        *_, unique, machine, _ = path.name.split(".")
        if len(unique) != len(uuid.uuid4().hex):
            continue
        with suppress(OSError):
            _remove_unheld(path, is_ours=machine == _machine())


def is_quiet(path: Path) -> bool:
    """Whether nothing was written for an hour to a file, or to all files of a folder.

    Raises:
        OSError: It is not there, or the disk refuses to tell.
    """
    files = [path, *(path.rglob("*") if path.is_dir() else ())]
    return time.time() - max(file.lstat().st_mtime for file in files) >= _QUIET


def empty(folder: str | os.PathLike[str]) -> None:
    """Remove what is in a folder. What cannot be removed stays."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):
                os.unlink(entry.path)


def _remove_unheld(path: Path, is_ours: bool) -> None:
    if not is_ours and not is_quiet(path):
        return
    if fcntl is None:
        path.unlink()
        return
    # Some disks give such a lock only on a file that is open for writing.
    descriptor = own.open_file(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _machine() -> str:
    return short_digest(platform.node().encode(), 8)
