"""An export's folder on a disk of this machine: its files are opened here, and no link in it.

The folder itself may be a link, as to a larger disk. What is in it was made by an export, so that
nothing in it may lead elsewhere: neither the folders nor the files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

from cxr_datasets.storage import durable, own


@dataclass(frozen=True)
class Disk:
    """The folder of an export on a disk.

    Attributes:
        root: Its absolute path.
        closed: Whether what is made in it is closed to other users of the machine.
    """

    root: str
    closed: bool = False

    def opened(self, place: str, mode: str, alone: bool = True) -> BinaryIO:
        """Open a file, unless something else is in its place.

        Args:
            place: Its absolute path.
            mode: As for the built-in `open`, with `b`.
            alone: Whether a file that is written to must have no second name.

        Raises:
            NotOurs: A link, a pipe or another user's file is there. It was not changed.
        """
        self._check_folders(os.path.dirname(place))
        return cast(BinaryIO, open(place, mode, opener=partial(own.open_file, alone=alone)))

    def append(self, place: str, content: bytes) -> None:
        """Add to the end of a file, all of it or nothing; see `durable.append`."""
        self._check_folders(os.path.dirname(place))
        durable.append(place, content)

    def make(self) -> None:
        """Make the folder of the export, in a folder that is there.

        Raises:
            FileNotFoundError: That one is not there.
        """
        os.stat(os.path.dirname(self.root))
        durable.make_folder(self.root, closed=self.closed or None)

    def make_folder_of(self, place: str) -> None:
        """Make the folder that a file is to be in, below that of the export, which is there.

        Raises:
            FileNotFoundError: It is not, as on a machine that does not share it.
            NotOurs: A link is in the place of one.
        """
        os.stat(self.root)
        folder = os.path.dirname(place)
        self._check_folders(folder)
        durable.make_folder(folder, closed=self.closed or None)

    def entries(self, folder: str) -> list[tuple[str, int]]:
        """List what is in a folder, with the sizes of files.

        Args:
            folder: Its absolute path.

        Returns:
            Name and size; -1 for what is no file, such as a folder, or a link wherever it leads.

        Raises:
            NotOurs: The folder is a link.
        """
        self._check_folders(folder)
        with os.scandir(folder) as found:
            return [(entry.name, _size(entry)) for entry in found]

    def close_to_others(self) -> None:
        """Close what an earlier version or another umask left open, if it is to be closed."""
        if self.closed:
            own.close_tree(self.root, only_if_open=True)

    def _check_folders(self, folder: str) -> None:
        """Require that neither a folder nor one above it is a link, up to the export's own."""
        while len(folder) > len(self.root):
            own.check_folder(folder, may_be_link=False, must_be_own=self.closed)
            folder = os.path.dirname(folder)


def _size(entry: os.DirEntry[str]) -> int:
    if entry.is_file(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    return -1
