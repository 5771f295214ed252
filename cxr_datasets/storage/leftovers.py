"""What runs that were killed left behind: told from what others are writing now, and removed.

Whoever writes a file holds a lock on it. The system lets it go when the process ends, in whatever
way. On some disks of clusters a lock holds on one machine alone, so the name of a file tells on
which machine it is written; what another machine left is removed when nothing was written to it for
an hour.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cxr_datasets.storage import own
from cxr_datasets.storage.machine import this_machine

try:
    import fcntl
except ImportError:  # Windows, where what a process has open cannot be removed
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".incomplete"
_QUIET = 60 * 60
"""Seconds after which nobody goes on with a file that others may write to without a lock."""


@contextmanager
def unfinished_file(path: str) -> Iterator[str]:
    """Make a file that is to become another one. What is left of it at the end is removed.

    Args:
        path: The other file.

    Yields:
        The path of the new file, which is empty.
    """
    name, descriptor = _new_file(path)
    if fcntl is None:
        os.close(descriptor)  # an open file could not be renamed
    try:
        yield name
    finally:
        with suppress(OSError):
            os.unlink(name)
        if fcntl is not None:
            os.close(descriptor)


def _new_file(path: str) -> tuple[str, int]:
    while True:
        name = f"{path}.{uuid.uuid4().hex}.{this_machine()}{SUFFIX}"
        descriptor = own.new_file(name)
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks: what is left on it stays
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink or fcntl is None:
            return name, descriptor
        os.close(descriptor)  # another process took it for a left-over before it was locked


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
            _remove_unheld(path, is_ours=machine == this_machine())


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
