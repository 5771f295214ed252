"""Copying a large remote file into the cache once. A copy that broke off is continued."""

from __future__ import annotations

import hashlib
import os
import posixpath
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.source import Source

PIECE = 8 * 2**20
"""Bytes of one request, and so the most that is lost when a copy breaks off."""


def fetched(source: Source, path: str, folder: str) -> Path:
    """Copy a file into a folder, unless this version of the file is already there.

    A copy that broke off is continued. Two processes that want the same file make one copy.

    Args:
        source: Where the file is.
        path: Its path within the source.
        folder: Local folder. It is made if it does not exist.

    Returns:
        The copy. It has the file's name after a key of its address and version.

    Raises:
        FileNotFoundError: The file is not there.
        StoreError: The store refuses it, failed again and again, or sent another size than it said.
    """
    stamp = source.stamp(path)
    key = hashlib.sha256(repr((source.root, tuple(stamp))).encode()).hexdigest()[:16]
    copy = Path(folder) / f"{key}-{posixpath.basename(path)}"
    if copy.exists():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{copy}.lock"):
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.incomplete")
            _complete(source, path, stamp.size, unfinished)
            os.replace(unfinished, copy)
    return copy


def _complete(source: Source, path: str, size: int, unfinished: Path) -> None:
    """Read what an unfinished copy lacks."""
    with unfinished.open("ab") as file:
        for piece in source.pieces(path, file.tell(), size, PIECE):
            _append(file, piece)
        os.fsync(file.fileno())
        found = file.tell()
    if size and found != size:
        unfinished.unlink()  # the next try cannot use it either
        raise StoreError(
            f"{source.shown(path)} came with {found} bytes; the store says it has {size}. "
            "The file changed meanwhile, or something on the way cuts it: start again."
        )


def _append(file: BinaryIO, piece: tuple[int, bytes]) -> None:
    start, content = piece
    file.seek(start)
    file.truncate()
    file.write(content)
    file.flush()  # so that it is kept, however this process ends
