"""An archive on this machine's disks, read in place."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from zipfile import BadZipFile

import fsspec
import numpy as np

from cxr_datasets import limits, wording
from cxr_datasets.limits import Limit
from cxr_datasets.storage import addresses
from cxr_datasets.storage.filesystems import (
    MEMBER_DAMAGE,
    DamagedMember,
    damaged_member,
    open_files,
    place_in,
)
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.source import Info, Source, kind_of_source
from cxr_datasets.storage.zip_members import count_repeats, read_member

_NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)

_DAMAGE = (
    *MEMBER_DAMAGE, struct.error, EOFError, OverflowError, UnicodeDecodeError, ValueError,
    RuntimeError,  # of a password or a method that `zipfile` does not know, or a bit says so
)  # fmt: skip
"""What `zipfile` raises where an archive is cut or has changed bytes."""


@kind_of_source
class Archive(Source):
    """A zip archive on a disk, or a folder in one."""

    @classmethod
    def holds(cls, root: str) -> bool:
        """See `Source.holds`."""
        return not addresses.is_remote(root) and addresses.is_chain(addresses.inside(root))

    @property
    def _files(self) -> fsspec.AbstractFileSystem:
        return self._opened[0]

    @property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        def opened() -> tuple[fsspec.AbstractFileSystem, str]:
            try:
                return open_files(self._inside, self.options)
            except _DAMAGE as error:
                raise BadZipFile(wording.said(error)) from error

        return sessions.own(self, opened)

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

    def found(self) -> dict[str, Info]:
        """`info` of every file in it, by path."""
        files, root = self._opened
        start = len(place_in(root, "x")) - 1
        return {place[start:]: info for place, info in files.find(root, detail=True).items()}

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

    def repeats(self) -> tuple[int, int]:
        """See `Source.repeats`."""
        return count_repeats(self._files.zip)

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

    def read(self, path: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
        """See `Source.read`.

        Raises:
            OSError: The member is damaged.
        """
        with _told_damage():
            try:
                return read_member(self._files, self._place(path), limit)
            except KeyError:  # what older versions of fsspec raise
                raise FileNotFoundError(self.address(path)) from None


@contextmanager
def _told_damage() -> Iterator[None]:
    """Turn what `zipfile` raises on a damaged member into an `OSError`."""
    try:
        yield
    except RuntimeError as error:  # or a bit of a damaged one says so
        raise DamagedMember(
            "a member of the archive is encrypted, or compressed in a way not read here"
        ) from error
    except _DAMAGE as error:
        raise damaged_member(error) from error
