"""Faults of the cache: of the disk that it is on, and of files in it that were changed since."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cxr_datasets import wording
from cxr_datasets.errors import CacheError, CxrError
from cxr_datasets.storage import own
from cxr_datasets.storage.addresses import shown

_WORD = 8
_PIECE = _WORD * 2**17
"""Bytes of a file that are in memory at once while it is added up."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_ELSEWHERE = "choose another place for the cache, by cache_dir= or the variable HF_DATASETS_CACHE"


@contextmanager
def in_cache(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a fault of the disk, met while something is read or written, into a `CacheError`.

    Args:
        path: The file or folder, for the message.
    """
    try:
        yield
    except CxrError:
        raise
    except OSError as error:
        raise cache_fault(path, error) from error


def cache_fault(path: str | os.PathLike[str], error: OSError) -> CacheError:
    """Build the error for a file of the cache that cannot be read or written.

    Args:
        path: The file or folder.
        error: What the system says.
    """
    where = shown(os.fspath(error.filename or path) if _is_name(error.filename) else str(path))
    reason = wording.said(error)
    if error.errno in NO_ROOM or "disk space" in reason:
        step = f"Make room, or {_ELSEWHERE}, and start again."
    elif error.errno in _REFUSED:
        step = f"Check the permissions of the folder and of its disk, or {_ELSEWHERE}."
    else:
        step = f"Remove what stands in the way there, or {_ELSEWHERE}, and start again."
    return CacheError(f"The cache cannot be used: {where}: {reason}. {step}")


def _is_name(name: object) -> bool:
    return isinstance(name, (str, bytes, os.PathLike))


def damaged_in_cache(path: str | os.PathLike[str], what: str) -> CacheError:
    """Build the error for a dataset in the cache that is not as it was built.

    Args:
        path: Its folder.
        what: What is wrong with it, as a clause.
    """
    return CacheError(
        f"The dataset in the cache is damaged: {shown(os.fspath(path))}: {what}. "
        "Remove that folder and start again: the dataset is built anew."
    )


def sum_of(content: Any) -> int:
    """Add some bytes up, taken as numbers of 8 bytes, to tell a changed file from a whole one.

    A sum costs a tenth of a hash, and any file that a bad disk, a full one or a broken copy changed
    has another.

    Args:
        content: A buffer.
    """
    view = memoryview(content)
    words = len(view) // _WORD
    total = int(np.frombuffer(view, np.uint64, words).sum(dtype=np.uint64))
    return (total + int.from_bytes(view[words * _WORD :], "little")) % 2**64


def sum_of_file(path: str, size: int) -> int:
    """Add up the first bytes of a file, as `sum_of` does, without mapping it.

    Mapped, the whole of it would count as memory of this process.

    Args:
        path: A local file.
        size: How many bytes.
    """
    with open(path, "rb", opener=own.open_file) as file:
        pieces = (file.read(min(_PIECE, size - at)) for at in range(0, size, _PIECE))
        return sum(map(sum_of, pieces)) % 2**64
