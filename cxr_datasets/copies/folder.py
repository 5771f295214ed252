"""The folder that a copy is fetched into: its files, what is unfinished, and one run at a time.

A file has its name only when it is whole. What is on its way lies in a folder of our own in the
copy, under the same path, so that the next run goes on with it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from cxr_datasets import wording
from cxr_datasets.errors import CxrError, DownloadError
from cxr_datasets.storage import durable, own
from cxr_datasets.storage.cache import NO_ROOM
from cxr_datasets.storage.source import Source

NOTE = ".cxr-download"
"""Our own folder in a copy."""

WHOLE = "whole"
"""A file in it that is there where the whole release was asked for, and not a part."""

_LOCK = "lock"
_ASKED = "asked"


def asked_images(source: Source) -> pa.Array | None:
    """Give the images that downloads into a copy were to fetch; None: that was not noted.

    Args:
        source: The copy, wherever it is.
    """
    try:
        noted = source.read(f"{NOTE}/{_ASKED}").decode("utf-8")
    except (FileNotFoundError, PermissionError, UnicodeDecodeError):
        return None
    return pa.array(noted.splitlines(), pa.string())


class CopyFolder:
    """A folder on this machine's disks that becomes a copy, or a part of one.

    Attributes:
        root: Its absolute path.
        closed: Whether nobody else on the machine may read what is in it.
        note: Our own folder in it.
        parts: The folder of what is unfinished.
        asked: A list of the images that runs were to fetch, a path a line.
    """

    def __init__(self, root: str | os.PathLike[str], closed: bool):
        """Name it; nothing is made yet."""
        self.root = Path(os.path.abspath(os.path.expanduser(os.fspath(root))))
        self.closed = closed
        self.note = self.root / NOTE
        self.parts = self.note / "parts"
        self.asked = self.note / _ASKED
        if closed:
            own.keep_closed(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other downloads out of it for as long as the block lasts.

        Raises:
            DownloadError: Another one is writing into it, or the disk refuses it.
        """
        file = self.note / _LOCK
        with self.on_disk(file):
            durable.make_folder(self.root, closed=self.closed or None)
            durable.make_folder(self.note, closed=True)
            durable.make_folder(self.parts, closed=True)
            # Made and looked at before `filelock` opens it, which follows links and cuts it off.
            os.close(own.open_file(file, os.O_RDWR | os.O_CREAT))
            # It would set permissions of its own.
            lock = FileLock(file, mode=stat.S_IMODE(os.stat(file).st_mode))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise DownloadError(
                    f"Another download is writing into {self.root}. Wait for it to end, or stop "
                    "it, or choose another folder; what came whole is not fetched again."
                ) from None
        try:
            yield
        finally:
            lock.release()

    def place(self, path: str) -> Path:
        """Where a file of the release belongs."""
        return self.root / path

    def part(self, path: str) -> Path:
        """Where it lies until it is whole."""
        return self.parts / path

    def give_name(self, path: str) -> os.stat_result:
        """Give a whole file its name, durably.

        Returns:
            What the system says of it.

        Raises:
            OSError: The disk failed, or something else stands in its place.
        """
        part, place = self.part(path), self.place(path)
        descriptor = own.open_file(part, os.O_RDWR)
        try:
            durable.sync(descriptor)
        finally:
            os.close(descriptor)
        if self.closed:
            own.close(part)
        self.make_folder_of(place)
        durable.rename(part, place)
        return os.stat(place)

    def make_folder_of(self, place: Path) -> None:
        """Make the folder that a file is to be in."""
        durable.make_folder(place.parent, closed=self.closed or None)

    def write(self, place: Path, content: bytes) -> None:
        """Write a small file of our own, in the place of an older one.

        Raises:
            DownloadError: The disk refuses it.
        """
        beside = self.parts / f"{place.name}.new"
        with self.on_disk(place):
            with open(beside, "wb", opener=own.open_file) as file:
                file.write(content)
                file.flush()
                durable.sync(file.fileno())
            durable.rename(beside, place)

    def clear(self) -> None:
        """Remove the folders of what is unfinished, once nothing is."""
        with self.on_disk(self.parts):
            shutil.rmtree(self.parts)

    @contextmanager
    def on_disk(self, place: Path) -> Iterator[None]:
        """Turn a fault of the disk into an error that says what to do.

        Raises:
            DownloadError: The disk is full, or refuses a file.
        """
        try:
            yield
        except CxrError:
            raise
        except OSError as error:
            raise self.fault(place, error) from error

    def fault(self, place: Path, error: OSError) -> DownloadError:
        """Build the error for a file that the disk refuses."""
        reason = wording.said(error)
        if error.errno in NO_ROOM:
            return self.no_room(f"{place}: {reason}.")
        step = "Check the permissions of the folder, and what stands in the way there"
        return DownloadError(f"{place} cannot be written: {reason}. {step}, and start again.")

    def no_room(self, found: str) -> DownloadError:
        """Build the error for a disk that is full, or would be."""
        return DownloadError(
            f"There is no room on the disk of {self.root}: {found} Make room, or choose another "
            "disk, and start again: what came whole is not fetched again."
        )

    def free(self) -> int:
        """Bytes that are free on its disk."""
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free
