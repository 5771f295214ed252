"""A folder on this machine's disks."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice

import fsspec
import numpy as np
import pyarrow as pa
from pyarrow.fs import LocalFileSystem as ArrowFiles

from cxr_datasets import limits, wording
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import Limit, TooLargeError, check_limit, joined
from cxr_datasets.storage import addresses
from cxr_datasets.storage.source import MOST_NAMES, Info, Source, kind_of_source

_THREADS = 8
"""Threads that look for files. On a cold disk each look is a wait."""

_PATHS_AT_ONCE = 4_096

_PART = 2**20

_READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in place of a file is not waited for
)

_NOT_THERE = (errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)

_FILES = fsspec.filesystem("file")


@kind_of_source
class LocalFolder(Source):
    """A folder on a disk, or mounted like one. Its files open by a plain path."""

    @classmethod
    def holds(cls, root: str) -> bool:
        """See `Source.holds`."""
        return "://" not in root and not addresses.is_archive(root)

    def names(self, path: str = "") -> list[str]:
        """See `Source.names`."""
        try:
            with self._asked(path):
                return sorted(os.listdir(self._place(path)))
        except (FileNotFoundError, PermissionError):
            return []

    def some_names(self, path: str = "") -> list[str]:
        """See `Source.some_names`."""
        try:
            with self._asked(path), os.scandir(self._place(path)) as found:
                return sorted(entry.name for entry in islice(found, MOST_NAMES))
        except (FileNotFoundError, PermissionError):
            return []

    def info(self, path: str = "") -> Info | None:
        """See `Source.info`."""
        try:
            with self._asked(path):
                return _FILES.info(self._place(path))
        except (FileNotFoundError, PermissionError):
            return None

    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """See `Source.sizes`."""
        parts = [
            paths[first : first + _PATHS_AT_ONCE] for first in range(0, len(paths), _PATHS_AT_ONCE)
        ]
        with self._asked(), ThreadPoolExecutor(_THREADS) as pool:
            sizes = list(pool.map(self._sizes, parts))
        return np.array([size for part in sizes for size in part], np.int64)

    def _sizes(self, paths: Sequence[str]) -> list[int]:
        # pyarrow looks without Python's lock: in threads it takes half the time of os.stat.
        before = self._before
        try:
            found = ArrowFiles().get_file_info([before + path for path in paths])
        except OSError as error:
            if len(paths) > 1:  # one may be at fault, and the others be there
                return [size for path in paths for size in self._sizes([path])]
            if error.errno not in _NOT_THERE:
                raise
            return [-1]
        return [-1 if info.size is None else info.size for info in found]

    def subfolder_stamp(self, path: str) -> str:
        """See `Source.subfolder_stamp`."""
        digest = hashlib.sha256(usedforsecurity=False)
        for group in self.names(path):
            below = f"{path}/{group}"
            try:
                with self._asked(below), os.scandir(self._place(below)) as folders:
                    stamps = sorted((folder.name, _changed(folder)) for folder in folders)
            except (FileNotFoundError, PermissionError):
                continue  # such as the index.html that a download by wget leaves
            digest.update(repr(stamps).encode())
        return digest.hexdigest()[:16]

    @property
    def is_closed(self) -> bool:
        """See `Source.is_closed`."""
        try:
            with os.scandir(self._place("")) as found:
                for entry in found:  # some folders may be listed but not entered
                    entry.stat()
                    break
        except PermissionError:
            return True
        except OSError:
            return False  # not there, or a file
        return False

    def read(self, path: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
        """See `Source.read`."""
        # It takes a quarter of fsspec's time, and a tree of reports has 227,835 files.
        try:
            return _contents(self._place(path), limit)
        except (FileNotFoundError, PermissionError, TooLargeError):
            raise
        except OSError as error:  # not by `_asked`, which costs a tenth of the time
            raise self._meant(path, error) from error

    def arrow_file(self, path: str = "", limit: Limit = limits.LARGEST_ANSWER) -> pa.NativeFile:
        """See `Source.arrow_file`."""
        self._check_size(path, limit)
        with self._asked(path):
            return pa.OSFile(self._place(path))

    def mapped(self, path: str = "", limit: Limit = limits.LARGEST_ANSWER) -> pa.Buffer:
        """See `Source.mapped`."""
        self._check_size(path, limit)
        with self._asked(path), pa.memory_map(self._place(path)) as file:
            return file.read_buffer()

    def _check_size(self, path: str, limit: Limit) -> None:
        with self._asked(path):
            size = _size(os.stat(self._place(path)), self._place(path))
        check_limit(size, limit)

    @contextmanager
    def _asked(self, path: str = "") -> Iterator[None]:
        """Tell what is not there from a disk that does not answer.

        Raises:
            FileNotFoundError: There is no such file or folder, or the other of the two.
            PermissionError: This user may not read it.
            StoreError: The disk failed.
        """
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except OSError as error:
            raise self._meant(path, error) from error

    def _meant(self, path: str, error: OSError) -> Exception:
        """Build the error that `_asked` raises for one of the system."""
        is_folder = error.errno is None and os.path.isdir(self._place(path))  # as pyarrow says it
        if is_folder or error.errno in _NOT_THERE:
            return FileNotFoundError(self.address(path))
        return StoreError(
            f"{self.shown(path)} could not be read: {wording.said(error)}. Check the disk, or "
            "the network that it is reached over, and start again."
        )

    def _place(self, path: str) -> str:
        """The path of a file as the system takes it."""
        return self._before + path if path else self.root


def _contents(path: str, limit: Limit) -> bytes:
    """Read a file whole: by one call of the system where it says how large it is."""
    opened = os.open(path, _READ_ONLY)
    try:
        size = _size(os.fstat(opened), path)
        check_limit(size, limit)
        content = os.read(opened, size + 1)
        if len(content) == size:
            return content
        # It changed, or a network sends it in parts.
        return joined(chain([content], iter(partial(os.read, opened, _PART), b"")), limit)
    finally:
        os.close(opened)


def _size(found: os.stat_result, path: str) -> int:
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, and a device never ends
        raise FileNotFoundError(path)
    return found.st_size


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere
        return 0
