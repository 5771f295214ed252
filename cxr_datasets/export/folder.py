"""Where an export is written: a local folder, or any address that fsspec can write to."""

from __future__ import annotations

import os
import posixpath
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from cxr_datasets.errors import CxrError, ExportError, OptionError
from cxr_datasets.export.disk import Disk
from cxr_datasets.export.faults import told
from cxr_datasets.export.sinks import Explaining, LocalSink, Sink, StoreSink
from cxr_datasets.storage import addresses, durable
from cxr_datasets.storage.clocks import time_of_change
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.faults import is_refusal
from cxr_datasets.storage.filesystems import open_files
from cxr_datasets.storage.parents import BUCKETS, missing_above, told_missing
from cxr_datasets.storage.threads import ONE_THREAD_EACH

PRIVATE = ".cxr"
"""Folder in the export for what its readers do not need: manifests, lock, unfinished files."""

UNFINISHED_FOLDER = f"{PRIVATE}/unfinished"


class Folder:
    """The folder that an export is written to; names in it use `/`.

    It is pickled to every worker and opens its file system there.

    Attributes:
        root: Absolute local path, or fsspec address.
        options: Options of its store.
        closed: Whether what is written to a disk is closed to other users of the machine.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        options: StorageOptions | None = None,
        closed: bool = False,
    ):
        """Take an address; nothing is read or written.

        Raises:
            OptionError: It holds a password, or cannot be written to.
        """
        addresses.check_open("out", out)
        self.root = addresses.normalised(os.fspath(out))
        self.options = options or StorageOptions()
        self.closed = closed
        self._held: dict[int, tuple[fsspec.AbstractFileSystem, str]] = {}
        protocol = addresses.protocol(self.root)
        if protocol == "hf":
            raise OptionError(
                f"out={self} is on the Hub, where an export might be public before anybody looks. "
                "Export to a folder on a disk, and send that by `cxr push`, which sends to private "
                "repositories only."
            )
        if addresses.is_chain(self.root) or protocol in addresses.WEB:
            raise OptionError(
                f"out={self} cannot be written to. Give a folder, or the address of one in a store "
                "that can be written to, such as s3://bucket/folder."
            )
        self._in_place = protocol in BUCKETS
        self._is_for_one_thread = protocol in ONE_THREAD_EACH

    def __str__(self) -> str:
        return addresses.shown(self.root)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": {}}

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine, or one that is mounted as such."""
        return "://" not in self.root

    @property
    def files(self) -> fsspec.AbstractFileSystem:
        """The file system of a folder that is not local."""
        return self._opened[0]

    @property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """The file system, and its name for this folder."""
        # Threads of their own write the files, note them and keep the lock.
        thread = threading.get_ident() if self._is_for_one_thread else 0
        if thread not in self._held:
            self._held[thread] = open_files(self.root, self.options, own=True)
        return self._held[thread]

    def address(self, name: str = "") -> str:
        """Return the address of a file, as a person would open it."""
        return addresses.joined(self.root, name) if name else self.root

    def place(self, name: str = "") -> str:
        """Return the name of a file, as its file system takes it."""
        if self.is_local:
            return self.address(name)
        root = self._opened[1].rstrip("/")
        return f"{root}/{name}" if name else root

    def check_above(self) -> None:
        """Require what this folder is in; nothing is made.

        Raises:
            ExportError: The bucket, the container, or the folder above it is not there; or the
                store refuses the login.
        """
        with self.explaining("", "read"):
            missing = missing_above(self.root, lambda: self._opened)
        if missing:
            raise ExportError(told_missing("out", self.root, missing))

    def make(self) -> None:
        """Make this folder, in one that is there. Stores make it with the first file."""
        if self.is_local:
            with self.explaining("", "written"):
                self._disk.make()

    def sizes(self, folder: str = "") -> dict[str, int]:
        """List the files in one folder, without the folders in it.

        Returns:
            Name -> size in bytes; empty if the folder is not there.
        """
        return {name: size for name, size in self.entries(folder) if size >= 0}

    def names(self, folder: str = "") -> list[str]:
        """List all that is in one folder, files or not, sorted."""
        return sorted(name for name, _ in self.entries(folder))

    def changed(self, name: str) -> float | None:
        """When a file was last written, by the clock of the disk or store; None if it is not told.

        Returns:
            Seconds since 1970.
        """
        with self.explaining(name, "looked at"):
            try:
                if self.is_local:
                    return os.lstat(self.place(name)).st_mtime
                self.files.invalidate_cache()
                return time_of_change(self.files, self.place(name))
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        """Read all bytes of a file; None if it is not there."""
        with self.explaining(name, "read"):
            try:
                if self.is_local:
                    with self._disk.opened(self.place(name), "rb") as file:
                        return file.read()
                return self.files.cat_file(self.place(name))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading at any place in it."""
        with self.explaining(name, "read"):
            if self.is_local:
                return self._disk.opened(self.place(name), "rb")
            return self.files.open(self.place(name), "rb")

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        with self.writing(name) as file:
            file.write(content)

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a local file, all or nothing, and wait until it is on the disk."""
        with self.explaining(name, "written"):
            self._disk.append(self.place(name), content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self.explaining(name, "removed"):
            if self.is_local:
                durable.remove(self.place(name))
                return
            with suppress(FileNotFoundError):
                self.files.rm_file(self.place(name))

    def remove_unfinished(self) -> None:
        """Remove the unfinished files that killed exports left."""
        for name in self.sizes(UNFINISHED_FOLDER):
            self.remove(f"{UNFINISHED_FOLDER}/{name}")

    @contextmanager
    def writing(self, name: str) -> Generator[Sink, None, None]:
        """Open a file for writing. It gets its name once the block ends without an error.

        A local one is on the disk then, with its name, and outlives a power cut.

        Raises:
            ExportError: There is no room, or the store refuses the file.
        """
        explaining = partial(self.explaining, name, "written")
        with explaining():
            place = self.place(name if self._in_place else _aside(name))
            sink = self._created(place, explaining)
        try:
            yield sink
            with explaining():
                sink.complete()
                self._name(place, self.place(name))
        except BaseException:
            sink.discard()
            self._forget(place)
            raise
        finally:
            sink.finish()

    def _created(self, place: str, explaining: Explaining) -> Sink:
        if self.is_local:
            self._disk.make_folder_of(place)
            return LocalSink(place, explaining)
        if not self._in_place:  # where it is one, this might make a bucket
            self.files.makedirs(posixpath.dirname(place), exist_ok=True)
        return StoreSink(self.files.open(place, "wb"), explaining)

    def _name(self, place: str, final: str) -> None:
        """Give a complete file its name."""
        if self.is_local:
            self._disk.make_folder_of(final)
            durable.rename(place, final)
        elif place != final:
            self.files.makedirs(posixpath.dirname(final), exist_ok=True)
            self.files.mv(place, final)

    def open_lock(self, name: str) -> BinaryIO:
        """Open a file on a disk that serves as a lock; it is made if it is not there.

        It may have a second name, as in a folder that was copied by links.
        """
        with self.explaining(name, "written"):
            self._disk.make_folder_of(self.place(name))
            return self._disk.opened(self.place(name), "a+b", alone=False)

    def close_to_others(self) -> None:
        """Close what an earlier version or another umask left open, if it is to be closed."""
        if self.is_local:
            self._disk.close_to_others()

    @property
    def _disk(self) -> Disk:
        return Disk(self.root, self.closed)

    def _forget(self, place: str) -> None:
        """Remove an unfinished file; some stores have none."""
        if self.is_local:
            Path(place).unlink(missing_ok=True)
        elif not self._in_place:
            with suppress(Exception):
                self.files.rm_file(place)

    def entries(self, folder: str) -> list[tuple[str, int]]:
        """List what is in a folder, with the sizes of files; -1 for what is none."""
        with self.explaining(folder, "listed"):
            try:
                if self.is_local:
                    return self._disk.entries(self.place(folder))
                self.files.invalidate_cache()
                entries = self.files.ls(self.place(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return [
            (
                posixpath.basename(entry["name"].rstrip("/")),
                entry["size"] if entry["type"] == "file" else -1,
            )
            for entry in entries
        ]

    @contextmanager
    def explaining(self, name: str, done: str) -> Generator[None, None, None]:
        """Turn errors of the file system into `ExportError`.

        Args:
            name: The file.
            done: What is being done to it: `written`, `read`, `listed`.
        """
        try:
            yield
        except CxrError:
            raise
        except OSError as error:
            if isinstance(error, FileNotFoundError) and done == "read":
                raise
            raise ExportError(told(self.root, self.address(name), done, error)) from error
        except Exception as error:
            if not is_refusal(error):  # a bug here or in a library
                raise
            raise ExportError(told(self.root, self.address(name), done, error)) from error


def _aside(name: str) -> str:
    """Give each attempt a name of its own: a worker that was given up may still be writing."""
    return f"{UNFINISHED_FOLDER}/{name.replace('/', '--')}.{uuid.uuid4().hex[:8]}"
