"""What is on a disk for good: it outlives a power cut, and a full disk leaves no half of it.

The system keeps written bytes, and names of files, in memory for a while. After a power cut a file
may have its new name and none of its bytes. So a file is written under another name and synced, is
renamed, and then the folder is synced that holds the name.

Where a file system has nothing to sync, or refuses it, this does without.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

from cxr_datasets.storage import own

_CANNOT = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM}
)
"""What file systems say that cannot sync a file or a folder. Faults of a disk are others."""


def sync(descriptor: int) -> None:
    """Wait until the bytes of an open file are on the disk.

    Args:
        descriptor: The file, open for writing.

    Raises:
        OSError: The disk failed, or has no room for them.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Wait until the names in a folder are on the disk.

    Raises:
        OSError: The disk failed.
    """
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # one that may be written to and not listed
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: str | os.PathLike[str], closed: bool | None = None) -> None:
    """Make a folder, and those above it that are not there, as `own.make_folder` does."""
    if os.path.isdir(path):
        return
    for folder in own.make_folder(path, closed):
        sync_folder(Path(folder).parent)


def rename(path: str | os.PathLike[str], name: str | os.PathLike[str]) -> None:
    """Give a file that is synced its name, in the place of what has it now.

    Args:
        path: The file.
        name: Its path from now on, on the same disk.
    """
    os.replace(path, name)
    sync_folder(Path(name).parent)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(Path(path).parent)


def append(path: str | os.PathLike[str], content: bytes) -> None:
    """Add to the end of a file, all of it or nothing.

    Raises:
        OSError: There is no room, the disk failed, or the file is none of ours (`own.NotOurs`). It
            is as it was.
    """
    # A second name does no harm: whoever appends has made the file anew before.
    with open(path, "ab", buffering=0, opener=partial(own.open_file, alone=False)) as file:
        before = file.tell()
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            sync(file.fileno())
        except BaseException:
            with suppress(OSError):
                file.truncate(before)
                sync(file.fileno())
            raise
