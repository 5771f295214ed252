"""Copying a large remote file into the cache once. A copy that broke off is continued."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock

from cxr_datasets import limits
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import CxrError, StoreError
from cxr_datasets.limits import Limit, check_limit
from cxr_datasets.storage import own
from cxr_datasets.storage.cache import in_cache, sum_of
from cxr_datasets.storage.leftovers import SUFFIX
from cxr_datasets.storage.source import Source, Stamp

PIECE = 8 * 2**20
"""Bytes of one request, and so the most that is lost when a copy breaks off."""

_AGAIN = b" fetched again"
"""Follows the sum of a copy that came twice: the store has it so."""


def fetched(
    source: Source,
    path: str,
    folder: str,
    agrees: Callable[[Path], bool] = lambda copy: True,
    limit: Limit = limits.LARGEST_ARCHIVE,
    stamp: Stamp | None = None,
) -> Path:
    """Copy a file into a folder, unless this version of the file is already there.

    A copy that broke off is continued, and one that was changed since is made anew. Two processes
    that want the same file make one copy. What is left of a copy of another version is removed.

    Args:
        source: Where the file is.
        path: Its path within the source.
        folder: Local folder. It is made if it does not exist.
        agrees: Says whether a copy that was just made agrees with the checksums in it. If it does
            not, the way from the store may have changed it, and the file is copied once more.
            What comes then is kept: the store has it so. What is too slow to check at once is
            checked where it is read; see `fetch_again`.
        limit: How many bytes it may have.
        stamp: The file's stamp, if it is known. Another process may be answered otherwise.

    Returns:
        The copy. It has the file's name after a key of its address and version.

    Raises:
        CacheError: There is no room for it, or the disk refuses it.
        FileNotFoundError: The file is not there.
        TooLargeError: It has more bytes than the limit.
        StoreError: The store refuses it, failed again and again, or sent another size than it said.
    """
    stamp = stamp or source.stamp(path)
    check_limit(stamp.size, limit)
    copy = _copy_in(folder, source, path, stamp)
    if _is_whole(copy):
        return copy
    with _locked(copy):
        if not _is_whole(copy):
            unfinished = _unfinished(copy)
            _complete(source, path, stamp.size, unfinished)
            came_again = not agrees(unfinished)
            if came_again:
                unfinished.unlink()
                _complete(source, path, stamp.size, unfinished)
            _finish(copy, came_again)
            _remove_other_versions(copy, _place(source, path))
    return copy


def find_copy(source: Source, path: str, folder: str) -> Path | None:
    """Find the copy of a file that `fetched` made; None if there is none of this version.

    Args:
        source: Where the file is.
        path: Its path within the source.
        folder: As for `fetched`.

    Raises:
        CacheError: The disk refuses it.
        StoreError: The store refuses to tell the version, or failed again and again.
    """
    copy = _copy_in(folder, source, path, source.stamp(path))
    return copy if _is_whole(copy) else None


def fetch_again(source: Source, path: str, copy: Path) -> None:
    """Copy a file once more: where its copy was read, it did not agree with the checksums in it.

    A copy that came twice is left as it is, for the store has it so; and so is one of another
    version than the store has now.

    Args:
        source: Where the file is.
        path: Its path within the source.
        copy: What `fetched` gave. Who has it open must open it again.

    Raises:
        CxrError: As `fetched`.
    """
    stamp = source.stamp(path)
    if copy != _copy_in(str(copy.parent), source, path, stamp):
        return
    with _locked(copy):
        if not _came_again(copy):
            _complete(source, path, stamp.size, _unfinished(copy))
            _finish(copy, came_again=True)


def forget(copy: Path) -> None:
    """Remove a copy that is not needed any more."""
    for file in (copy, _seal_of(copy)):
        file.unlink(missing_ok=True)  # another process may have been faster


def _copy_in(folder: str, source: Source, path: str, stamp: Stamp) -> Path:
    name = f"{_place(source, path)}{_short(tuple(stamp))}-{posixpath.basename(path)}"
    return Path(folder) / name


def _place(source: Source, path: str) -> str:
    return _short((source.root, path))


def _short(key: object) -> str:
    return short_digest(repr(key).encode(), 8)


def _unfinished(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}{SUFFIX}")


def _finish(copy: Path, came_again: bool) -> None:
    """Give an unfinished copy its name."""
    unfinished = _unfinished(copy)
    with in_cache(copy):
        with open(_seal_of(copy), "wb", opener=own.open_file) as file:
            file.write(_seal(unfinished) + _AGAIN * came_again)
        os.replace(unfinished, copy)


def _remove_other_versions(copy: Path, place: str) -> None:
    """Remove what killed runs left of other versions of a file, which nobody goes on with."""
    for left in copy.parent.glob(f"{place}*-*{SUFFIX}"):
        other = Path(str(left).removesuffix(SUFFIX))
        with suppress(OSError, CxrError), _locked(other, wait=False):
            left.unlink()


@contextmanager
def _locked(copy: Path, wait: bool = True) -> Iterator[None]:
    """Let nobody else make a copy meanwhile.

    Raises:
        CacheError: The disk refuses it; or somebody does, and this should not wait.
    """
    file = f"{copy}.lock"
    with in_cache(copy):
        own.make_folder(copy.parent)
        # Made and looked at before `filelock` opens it, which follows links and cuts it off.
        os.close(own.open_file(file, os.O_RDWR | os.O_CREAT))
        own.close_as_folder(file)
        # It would set permissions of its own.
        lock = FileLock(file, mode=stat.S_IMODE(os.stat(file).st_mode))
        lock.acquire(timeout=-1 if wait else 0)
    try:
        yield
    finally:
        lock.release()


def _seal_of(copy: Path) -> Path:
    """The file that says what the bytes of a copy add up to."""
    return copy.with_name(f"{copy.name}.sum")


def _seal(file: Path) -> bytes:
    content = np.memmap(file, np.uint8, "r") if file.stat().st_size else b""
    return f"{len(content)} {sum_of(content)}".encode()


def _is_whole(copy: Path) -> bool:
    """Whether a copy is there, and no byte of it is missing or changed."""
    with in_cache(copy):
        for file in (copy, _seal_of(copy)):
            own.check_file(file)
            if not file.is_file():
                return False
        return _seal_of(copy).read_bytes().removesuffix(_AGAIN) == _seal(copy)


def _came_again(copy: Path) -> bool:
    with in_cache(copy):
        return _seal_of(copy).read_bytes().endswith(_AGAIN)


def _complete(source: Source, path: str, size: int, unfinished: Path) -> None:
    """Read what an unfinished copy lacks."""
    with ExitStack() as opened:
        with in_cache(unfinished):
            file = opened.enter_context(open(unfinished, "ab", opener=own.open_file))
        for piece in source.pieces(path, file.tell(), size, PIECE):
            with in_cache(unfinished):
                _append(file, piece)
            if size and file.tell() > size:
                break  # more comes than there is
        with in_cache(unfinished):
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
