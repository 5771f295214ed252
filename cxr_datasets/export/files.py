"""What reading an export needs of the place that it is in."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from cxr_datasets.storage.credentials import StorageOptions


class Files(Protocol):
    """The files of an export, which are only read; a `Folder` is one.

    Attributes:
        root: The folder, or its address.
        options: Options of its store.
    """

    root: str
    options: StorageOptions

    @property
    def is_local(self) -> bool:
        """Whether they are on a disk of this machine."""

    def entries(self, folder: str) -> list[tuple[str, int]]:
        """List what is in a folder, with the sizes of files; -1 for what is none."""

    def names(self, folder: str = "") -> list[str]:
        """List all that is in one folder, sorted."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading at any place in it."""

    def read(self, name: str) -> bytes | None:
        """Read all bytes of a file; None if it is not there."""
