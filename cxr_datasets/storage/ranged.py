"""A file of which only parts are read, such as some columns of a Parquet file in a store."""

from __future__ import annotations

import io

import pyarrow as pa

from cxr_datasets.limits import Limit
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.source import Source

_ANY_SIZE = Limit(2**62, "bytes of a file of which parts are read")


def open_ranged(source: Source, path: str) -> pa.NativeFile:
    """Open a file for pyarrow, to read parts of it. The caller closes it.

    Args:
        source: Where it is. A remote store is asked for the parts only; a member of an archive is
            unpacked as a whole.
        path: The file.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: The store refuses it, or failed again and again.
    """
    if isinstance(source, LocalFolder):
        return source.arrow_file(path, _ANY_SIZE)
    if not isinstance(source, Remote):
        return source.arrow_file(path)
    size = source.size(path)
    if size is None:
        raise FileNotFoundError(path)
    return pa.PythonFile(_Ranged(source, path, size), mode="r")


class _Ranged(io.RawIOBase):
    """A remote file that is read from where it is sought."""

    def __init__(self, source: Remote, path: str, size: int):
        super().__init__()
        self._source, self._path, self._size, self._at = source, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        content = self._source.begin_read(self._path, self._at, end).result()
        if len(content) > end - self._at:  # from a server that cannot send a part
            content = content[self._at : end]
        self._at = end
        return content
