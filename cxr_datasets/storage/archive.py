"""An archive on this machine's disks, read in place."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any
from zipfile import BadZipFile

import fsspec
import numpy as np
import pyarrow as pa

from cxr_datasets.storage import addresses
from cxr_datasets.storage.filesystems import open_files, place_in
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.source import Info, Source, kind_of_source

_NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)


@kind_of_source
class Archive(Source):
    """A zip archive on a disk, or a folder in one."""

    @classmethod
    def holds(cls, root: str) -> bool:
        """See `Source.holds`."""
        return not addresses.is_remote(root) and "::" in addresses.inside(root)

    @property
    def _files(self) -> fsspec.AbstractFileSystem:
        return self._opened[0]

    @property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        return sessions.own(self, lambda: open_files(self._inside, self.options))

    def _place(self, path: str) -> str:
        return place_in(self._opened[1], path)

    def names(self, path: str = "") -> list[str]:
        """See `Source.names`."""
        try:
            place = self._place(path)
            entries = self._files.ls(place, detail=False)
        except _NOT_THERE:
            return []
        return sorted(posixpath.basename(entry.rstrip("/")) for entry in entries if entry != place)

    def info(self, path: str = "") -> Info | None:
        """See `Source.info`."""
        try:
            return self._files.info(self._place(path))
        except _NOT_THERE:
            return None

    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """See `Source.sizes`."""
        sizes = map(self.size, paths)
        return np.array([-1 if size is None else size for size in sizes], np.int64)

    @property
    def is_broken(self) -> bool:
        """See `Source.is_broken`."""
        try:
            return self._files is None
        except (BadZipFile, IsADirectoryError):
            return True
        except OSError:
            return False  # not there, or closed to us

    @property
    def is_closed(self) -> bool:
        """See `Source.is_closed`."""
        try:
            return self._files is None
        except PermissionError:
            return True
        except (OSError, BadZipFile):
            return False  # not there, or broken

    def read(self, path: str) -> bytes:
        """See `Source.read`."""
        with self._open(path) as file:
            return file.read()

    def arrow_file(self, path: str = "") -> pa.NativeFile:
        """See `Source.arrow_file`."""
        return pa.PythonFile(self._open(path), mode="r")

    def _open(self, path: str) -> Any:
        try:
            return self._files.open(self._place(path), "rb")
        except KeyError:  # what older versions of fsspec raise
            raise FileNotFoundError(self.address(path)) from None
