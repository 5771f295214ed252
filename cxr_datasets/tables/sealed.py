"""Arrow files in the cache: written whole or not at all, and checked when they are opened again.

After the Arrow file comes a seal: a mark, how many bytes are before it, and their sum. Arrow itself
would take a changed byte for a changed row, or read beyond the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from cxr_datasets.errors import CacheError
from cxr_datasets.storage import own
from cxr_datasets.storage.cache import in_cache, sum_of_file
from cxr_datasets.storage.leftovers import remove_unfinished, unfinished_file

_BUFFER = 2**20
_SEAL = struct.Struct("<8sQQ")
_MARK = b"CXRSEAL1"

_whole: set[tuple[str, int, int, int]] = set()
"""The versions of files that this process has checked."""


class Writer:
    """Writes tables to a file that is not sealed yet."""

    def __init__(self, path: str, unfinished: str, schema: pa.Schema):
        self._path = path
        # Each column of each block is a few small pieces. Unbuffered, each would be a system call.
        self._file = pa.output_stream(unfinished, compression=None, buffer_size=_BUFFER)
        self._writer = pa.ipc.new_file(self._file, schema)

    def write_table(self, table: pa.Table, max_chunksize: int | None = None) -> None:
        """Write a table, in blocks of at most so many rows."""
        with in_cache(self._path):
            self._writer.write_table(table, max_chunksize=max_chunksize)

    def close(self) -> None:
        """Write what is left in memory."""
        self._writer.close()
        self._file.close()


@contextmanager
def replacing(path: str, schema: pa.Schema) -> Iterator[Writer]:
    """Write a sealed file under a temporary name; it replaces `path` once it is complete.

    Raises:
        CacheError: There is no room, or the disk refuses it.
    """
    with ExitStack() as opened_files:
        with in_cache(path):
            own.make_folder(Path(path).parent)
            remove_unfinished(Path(path).parent)
            unfinished = opened_files.enter_context(unfinished_file(path))
            writer = Writer(path, unfinished, schema)
        try:
            yield writer
        except BaseException:
            with suppress(OSError, pa.ArrowException):  # the error that ended it matters more
                writer.close()
            raise
        with in_cache(path):
            writer.close()
            _seal(unfinished)
            os.replace(unfinished, path)


def is_whole(path: str) -> bool:
    """Whether a sealed file is there, and no byte of it is missing or changed.

    A process looks at the bytes of each version of a file once.

    Raises:
        CacheError: The disk refuses to tell.
    """
    with in_cache(path):
        if not os.path.lexists(path):
            return False
        own.check_file(path)
        found = Path(path).stat()
        version = (path, found.st_ino, found.st_size, found.st_mtime_ns)
        size = found.st_size - _SEAL.size
        if size > 0 and version not in _whole:
            with open(path, "rb", opener=own.open_file) as file:
                file.seek(size)
                seal = file.read()
            if seal == _SEAL.pack(_MARK, size, sum_of_file(path, size)):
                _whole.add(version)
        return version in _whole


@contextmanager
def opened(path: str) -> Iterator[pa.RecordBatchFileReader]:
    """Map a sealed file that `is_whole` has checked.

    Raises:
        CacheError: It was changed or removed since.
    """
    # Bound here: a stream that is left open ends with the interpreter, when `pa` is gone.
    faults = (OSError, pa.ArrowException)
    try:
        own.check_file(path)
        with pa.memory_map(path) as file:
            yield pa.ipc.open_file(file, footer_offset=file.size() - _SEAL.size)
    except faults as error:
        raise CacheError(
            f"The cache was changed while it was used: {path} cannot be read "
            f"({type(error).__name__}). Start again: the file is made anew."
        ) from error


def _seal(path: str) -> None:
    size = Path(path).stat().st_size
    total = sum_of_file(path, size)
    with open(path, "ab", opener=own.open_file) as file:
        file.write(_SEAL.pack(_MARK, size, total))
