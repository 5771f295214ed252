"""A file being written by pyarrow, on a disk or in a store: its bytes are counted and hashed."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import pyarrow as pa

from cxr_datasets.storage import own
from cxr_datasets.storage.durable import sync

_PIECES_AHEAD = 4

_READ_AT_ONCE = 1 << 20

_SYNC_AT_ONCE = 32 << 20

Explaining = Callable[[], AbstractContextManager[None]]
"""Gives a context that turns errors of a file system into `ExportError`."""


class Sink:
    """A file being written; a thread beside the writer hashes its bytes.

    Attributes:
        stream: The object that pyarrow writes to.
        bytes: How many bytes were written.
    """

    def __init__(self, explaining: Explaining):
        self.bytes = 0
        self.stream: Any = self
        self._explaining = explaining
        self._error: OSError | None = None
        self._hash = hashlib.sha256()
        self._pieces: queue.Queue[Any] = queue.Queue(_PIECES_AHEAD)
        self._thread = threading.Thread(target=self._hash_all, daemon=True, name="cxr-hash")
        self._thread.start()

    def write(self, piece: Any) -> int:
        """Write some bytes."""
        raise NotImplementedError

    def advance(self) -> None:
        """Hash what was written so far, while more is written."""

    def complete(self) -> None:
        """Put all bytes where they belong, and close the file."""
        raise NotImplementedError

    def discard(self) -> None:
        """Close the file without keeping it."""
        raise NotImplementedError

    def finish(self) -> str:
        """Wait for the hash.

        Returns:
            The sha256 in hexadecimal digits.
        """
        if self._thread.is_alive():
            self.advance()
            self._pieces.put(None)
            self._thread.join()
        return self._hash.hexdigest()

    def _hash_all(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                self._take(piece)
            except OSError as error:
                self._error = error  # and go on: the writer must not wait for a thread that ended

    def _take(self, piece: Any) -> None:
        self._hash.update(piece)


class LocalSink(Sink):
    """A file on a disk. pyarrow writes it without Python; the thread reads it back to hash it.

    The thread also syncs it, a part at a time, so that little is left to wait for in the end: a
    complete file is on the disk.
    """

    def __init__(self, place: str, explaining: Explaining):
        # Made with its permissions first, and only if nothing has this name; pyarrow then opens it.
        self._written = open(place, "x+b", buffering=0, opener=own.open_file)  # noqa: SIM115
        try:
            self._file = pa.OSFile(place, "wb")
        except BaseException:
            self._written.close()
            raise
        self._hashed = self._synced = 0
        self._part = memoryview(bytearray(_READ_AT_ONCE))
        super().__init__(explaining)
        self.stream = self._file

    def write(self, piece: Any) -> int:
        """Write some bytes."""
        with self._explaining():
            return self._file.write(piece)

    def advance(self) -> None:
        """Hash what was written so far, while more is written."""
        if not self._file.closed:
            self.bytes = self._file.tell()
        self._pieces.put(self.bytes)

    def complete(self) -> None:
        """Close the file, once all of it is on the disk."""
        self.finish()
        self._file.close()
        try:
            if self._error:
                raise self._error
            sync(self._written.fileno())
        finally:
            self._written.close()

    def discard(self) -> None:
        """Close the file without keeping it."""
        with suppress(OSError):  # there may be no room for the last bytes
            self._file.close()
        self.finish()
        self._written.close()

    def _take(self, piece: Any) -> None:
        while self._hashed < piece:
            read = self._written.readinto(self._part[: piece - self._hashed])
            if not read:  # somebody else cut the file off; its size will show it
                return
            self._hash.update(self._part[:read])
            self._hashed += read
        if self._hashed - self._synced >= _SYNC_AT_ONCE:
            sync(self._written.fileno())
            self._synced = self._hashed


class StoreSink(Sink):
    """A file in a store, written piece by piece as its file system takes it."""

    closed = False

    def __init__(self, file: Any, explaining: Explaining):
        self._file = file
        super().__init__(explaining)

    def write(self, piece: Any) -> int:
        """Write some bytes."""
        self._pieces.put(piece)
        with self._explaining():
            self._file.write(piece)
        self.bytes += len(piece)
        return len(piece)

    def complete(self) -> None:
        """Store the file."""
        self._file.close()

    def discard(self) -> None:
        """Give the file up: to close it would store what there is, under its name."""
        with suppress(Exception):
            self._file.discard()
        with suppress(AttributeError):  # some, such as those in memory, cannot be marked
            self._file.closed = True

    def flush(self) -> None:
        """Do nothing: the file is stored when it is complete."""

    def close(self) -> None:
        """Do nothing: pyarrow closes what it was given."""

    def tell(self) -> int:
        """Return the place in the file, in bytes."""
        return self.bytes

    def readable(self) -> bool:
        """Whether it can be read: no."""
        return False

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True

    def seekable(self) -> bool:
        """Whether the place in it can be changed: no."""
        return False
