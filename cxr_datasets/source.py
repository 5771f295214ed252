"""One door to all files: a release's folder or archive, wherever fsspec can reach it.

Builders and tables never touch `open`, `os.path` or `glob`; they ask a `Source`. Paths given to a
source are relative to its root and use `/`.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import LocalFileSystem as LocalFiles

UNFINISHED = 0
"""Size in bytes at which a file counts as an unfinished download."""

THREADS = os.cpu_count() or 1
"""Of reading and re-encoding images."""

_WAITING_THREADS = 8
"""Of looking for files, which on a cold disk is waiting."""

_PATHS_AT_ONCE = 4_096


class Source:
    """A folder of files, or a zip archive read in place, behind one set of calls.

    Attributes:
        root: Absolute local path, or fsspec address, of the folder or archive.
        storage_options: Options of its file system; they never enter a cache key or a message.
    """

    def __init__(self, root: str | os.PathLike[str], storage_options: dict[str, Any] | None = None):
        root = os.fspath(root)
        if "://" not in root:
            root = str(Path(root).expanduser().absolute())
            root = os.path.normpath(root)
        self.root = root
        self.storage_options = storage_options or {}

    def __repr__(self) -> str:
        return f"Source({self.root!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Carry the address only; a worker opens its own file system."""
        return {"root": self.root, "storage_options": self.storage_options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def is_archive(self) -> bool:
        """Whether the root is a zip archive whose members are the files."""
        return self.root.endswith(".zip")

    @property
    def is_broken(self) -> bool:
        """Whether the root is an archive that cannot be opened, though it is there."""
        try:
            return self._opened is None
        except (BadZipFile, IsADirectoryError):
            return True
        except FileNotFoundError:
            return False

    @property
    def is_closed(self) -> bool:
        """Whether the root is there but this user may not look into it."""
        try:
            fs, place = self._opened
            if fs.info(place)["type"] == "directory":
                names = fs.ls(place, detail=False)
                for name in names[:1]:  # a folder may be listed and yet not be entered
                    fs.info(name)
        except PermissionError:
            return True
        except (OSError, BadZipFile):
            return False  # not there, or broken
        return False

    @property
    def is_local_folder(self) -> bool:
        """Whether files can be opened by a plain local path."""
        return isinstance(self._opened[0], LocalFileSystem)

    @cached_property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        if self.is_archive:
            return fsspec.filesystem("zip", fo=self.root, target_options=self.storage_options), ""
        return url_to_fs(self.root, **self.storage_options)

    def _place(self, path: str) -> str:
        prefix = self._opened[1].rstrip("/")
        return f"{prefix}/{path}" if prefix and path else prefix or path or "/"

    def address(self, path: str = "") -> str:
        """Where a file is, as a person or `datasets` would open it: a path or a chained URL."""
        if self.is_archive:
            return f"zip://{path}::{self.root}" if path else self.root
        return posixpath.join(self.root, path) if path else self.root

    def addresses(self, paths: pa.Array) -> pa.Array:
        """`address` of a whole column of paths; nulls stay null."""
        before, after = self.address("\0").split("\0")
        return pc.binary_join_element_wise(before, paths, after, "")

    def folder(self, path: str) -> Source:
        """The source of a folder: inside this one, or above it (`..`)."""
        return Source(os.path.normpath(f"{self.root}/{path}"), self.storage_options)

    def size(self, path: str = "") -> int | None:
        """Size of a file in bytes; None if it is a folder, not there, or closed to us."""
        info = self._info(path)
        return info["size"] if info and info["type"] == "file" else None

    def is_folder(self, path: str = "") -> bool:
        """Whether a folder of this name is there."""
        info = self._info(path)
        return bool(info) and info["type"] == "directory"

    def first_existing(self, paths: Sequence[str]) -> str | None:
        """The first of several files that is there and not empty; None if none is."""
        return next((path for path in paths if self.size(path)), None)

    def _info(self, path: str) -> Any:
        try:
            return self._opened[0].info(self._place(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None

    def stamp(self, path: str = "") -> tuple[str, int, str]:
        """What changes when a file does: its name, size, and ETag or time of last change.

        Of a file in an archive: the archive's.
        """
        if self.is_archive:
            fs, place = url_to_fs(self.root, **self.storage_options)
            info = fs.info(place)
        else:
            info = self._info(path) or {}
        changed = info.get("ETag") or info.get("mtime") or ""
        return path, info.get("size") or 0, str(changed)

    def names(self, path: str = "") -> list[str]:
        """Sorted names in one folder; empty if it is not there or closed to us.

        Never for a folder of images.
        """
        fs = self._opened[0]
        try:
            entries = fs.ls(self._place(path), detail=False)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []
        return sorted(posixpath.basename(entry.rstrip("/")) for entry in entries)

    def subfolder_stamp(self, path: str) -> str:
        """What changes when a file is added to or removed from a folder two levels down.

        Only folders are looked at. Empty where folders have no time of change (object stores).
        """
        if not self.is_local_folder:
            return ""
        digest = hashlib.sha256()
        for group in self.names(path):
            try:
                with os.scandir(self._place(f"{path}/{group}")) as folders:
                    stamps = sorted((folder.name, _changed(folder)) for folder in folders)
            except (NotADirectoryError, PermissionError):
                continue  # such as the index.html that a download by wget leaves
            digest.update(repr(stamps).encode())
        return digest.hexdigest()[:16]

    def arrow_file(self, path: str = "") -> pa.NativeFile:
        """Open a file for reading by pyarrow; the caller closes it."""
        if self.is_local_folder:
            return pa.OSFile(self._place(path))
        return pa.PythonFile(self._opened[0].open(self._place(path), "rb"), mode="r")

    def mapped(self, path: str = "") -> pa.Buffer:
        """All bytes of a large file, mapped into memory where it is local."""
        if self.is_local_folder:
            with pa.memory_map(self._place(path)) as file:
                return file.read_buffer()
        return pa.py_buffer(self.read(path))

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        if self.is_local_folder:
            # A quarter of fsspec's time a file, and reports in a tree are 227,835 files.
            with FileIO(self._place(path)) as file:
                return file.readall()
        return self._opened[0].cat_file(self._place(path))

    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """Sizes in bytes of many files, in order; -1 where a file is not there."""
        measure = self._local_sizes if self.is_local_folder else self._other_sizes
        parts = [
            paths[first : first + _PATHS_AT_ONCE] for first in range(0, len(paths), _PATHS_AT_ONCE)
        ]
        with ThreadPoolExecutor(_WAITING_THREADS) as pool:
            found = list(pool.map(measure, parts))
        return np.array([size for part in found for size in part], np.int64)

    def _local_sizes(self, paths: Sequence[str]) -> list[int]:
        # pyarrow looks without Python's lock: half the time of os.stat, or os.access, in threads.
        root = self._place("")
        found = LocalFiles().get_file_info([f"{root}/{path}" for path in paths])
        return [-1 if info.size is None else info.size for info in found]

    def _other_sizes(self, paths: Sequence[str]) -> list[int]:
        sizes = map(self.size, paths)
        return [-1 if size is None else size for size in sizes]


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere
        return 0
