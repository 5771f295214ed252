"""Where an export is written: a local folder, or any address that fsspec can write to."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa

from cxr_datasets.errors import CxrError, ExportError, OptionError
from cxr_datasets.storage import addresses
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.retry import is_refusal
from cxr_datasets.storage.store import open_files
from cxr_datasets.storage.threads import ONE_THREAD_EACH

PRIVATE = ".cxr"
"""Folder in the export for what its readers do not need: manifests, lock, unfinished files."""

UNFINISHED = f"{PRIVATE}/unfinished"

_WHOLE_OR_NOT_AT_ALL = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "r2"}
)
"""Stores where a file is not there until its last byte is."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_PIECES_AHEAD = 4

_READ_AT_ONCE = 1 << 20

Explaining = Callable[[], AbstractContextManager[None]]
"""Turns errors of a file system into `ExportError`."""


class Sink:
    """A file being written by pyarrow; its bytes are counted and hashed in a thread beside it.

    Attributes:
        stream: What pyarrow writes to.
        bytes: How many were written.
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
        """Say that much was written, to be hashed while more is."""

    def complete(self) -> None:
        """See to it that all bytes are where they belong, and close the file."""
        raise NotImplementedError

    def discard(self) -> None:
        """Close the file, which nobody wants."""
        raise NotImplementedError

    def finish(self) -> str:
        """Wait for the hash; gives it in hexadecimal digits."""
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
                self._error = error  # who writes must not wait for a thread that is gone

    def _take(self, piece: Any) -> None:
        self._hash.update(piece)


class LocalSink(Sink):
    """A file on a disk, written without Python, and hashed from what the system still holds of it.

    It is not seen onto the disk, which takes longer than to write it: see `Folder.settle`.
    """

    def __init__(self, place: str, explaining: Explaining):
        self._file = pa.OSFile(place, "wb")
        self._descriptor = os.open(place, os.O_RDONLY)
        self._hashed = 0
        self._part = memoryview(bytearray(_READ_AT_ONCE))
        super().__init__(explaining)
        self.stream = self._file

    def write(self, piece: Any) -> int:
        """Write some bytes."""
        with self._explaining():
            return self._file.write(piece)

    def advance(self) -> None:
        """Say that much was written, to be hashed while more is."""
        if not self._file.closed:
            self.bytes = self._file.tell()
        self._pieces.put(self.bytes)

    def complete(self) -> None:
        """Close the file."""
        self.finish()
        self._file.close()
        self._release()
        if self._error:
            raise self._error

    def discard(self) -> None:
        """Close the file, which nobody wants."""
        with suppress(OSError):  # what is still to be written may not fit
            self._file.close()
        self.finish()
        self._release()

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, piece: Any) -> None:
        while self._hashed < piece:
            part = self._part[: piece - self._hashed]
            read = os.preadv(self._descriptor, [part], self._hashed)
            if not read:  # cut off by somebody else; its size will tell
                return
            self._hash.update(part[:read])
            self._hashed += read


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
        """Give the file up: closing it would store what there is, under its name."""
        with suppress(Exception):
            self._file.discard()
        self._file.closed = True

    def flush(self) -> None:
        """Nothing to do: the file is stored when it is complete."""

    def close(self) -> None:
        """Nothing to do: pyarrow closes what it was given."""

    def tell(self) -> int:
        """Place in the file."""
        return self.bytes

    def readable(self) -> bool:
        """It is not."""
        return False

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is not."""
        return False


class Folder:
    """The folder an export is written to; names in it use `/`.

    It is pickled to every worker, and opens its file system there.

    Attributes:
        root: Absolute local path, or fsspec address.
    """

    def __init__(self, out: str | os.PathLike[str], options: StorageOptions | None = None):
        """Take an address; nothing is read or written.

        Raises:
            OptionError: It holds a password, or cannot be written to.
        """
        addresses.check_open("out", out)
        self.root = addresses.normalised(os.fspath(out))
        self.options = options or StorageOptions()
        self._held: dict[int, tuple[fsspec.AbstractFileSystem, str]] = {}
        protocol = addresses.protocol(self.root)
        if "::" in self.root or protocol in addresses.WEB:
            raise OptionError(
                f"out={self} cannot be written to. Give a folder, or the address of one in a store "
                "that can be written to, such as s3://bucket/folder."
            )
        self._in_place = protocol in _WHOLE_OR_NOT_AT_ALL
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
        """The file system, and the name that it has for this folder."""
        # Files are written, noted and watched over in threads of their own.
        thread = threading.get_ident() if self._is_for_one_thread else 0
        if thread not in self._held:
            self._held[thread] = open_files(self.root, self.options, own=True)
        return self._held[thread]

    def address(self, name: str = "") -> str:
        """Where a file is, as a person would open it."""
        return addresses.joined(self.root, name) if name else self.root

    def place(self, name: str = "") -> str:
        """Where a file is, as its file system takes it."""
        if self.is_local:
            return self.address(name)
        root = self._opened[1].rstrip("/")
        return f"{root}/{name}" if name else root

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Names and sizes in bytes of the files in one folder; empty if it is not there.

        Folders in it are left out.
        """
        return {name: size for name, size in self._entries(folder) if size >= 0}

    def names(self) -> list[str]:
        """Names of all files and folders at the top, sorted."""
        return sorted(name for name, _ in self._entries(""))

    def read(self, name: str) -> bytes | None:
        """All bytes of a file; None if it is not there."""
        with self.explaining(name, "read"):
            try:
                if self.is_local:
                    return Path(self.place(name)).read_bytes()
                return self.files.cat_file(self.place(name))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading, anywhere in it."""
        with self.explaining(name, "read"):
            if self.is_local:
                return Path(self.place(name)).open("rb")
            return self.files.open(self.place(name), "rb")

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        with self.writing(name) as file:
            file.write(content)

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a local file, and see it onto the disk."""
        with self.explaining(name, "written"), Path(self.place(name)).open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def settle(self, name: str) -> None:
        """Wait until a file would outlive a power cut."""
        if self.is_local:
            with self.explaining(name, "written"):
                descriptor = os.open(self.place(name), os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def may_be_cut_off(self, name: str) -> bool:
        """Whether a file that nobody settled may lack bytes that its size promises."""
        if not self.is_local or not hasattr(time, "CLOCK_BOOTTIME"):
            return False
        started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return Path(self.place(name)).stat().st_mtime < started

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            if self.is_local:
                Path(self.place(name)).unlink()
            else:
                self.files.rm_file(self.place(name))

    def remove_unfinished(self) -> None:
        """Remove what killed exports left."""
        for name in self.sizes(UNFINISHED):
            self.remove(f"{UNFINISHED}/{name}")

    @contextmanager
    def writing(self, name: str) -> Generator[Sink, None, None]:
        """Open a file that is there, under its name, once the block ends without an error.

        Raises:
            ExportError: There is no room, or the store refuses it.
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
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            return LocalSink(place, explaining)
        self.files.makedirs(posixpath.dirname(place), exist_ok=True)
        return StoreSink(self.files.open(place, "wb"), explaining)

    def _name(self, place: str, final: str) -> None:
        """Give a complete file the name it is to have."""
        if self.is_local:
            Path(final).parent.mkdir(parents=True, exist_ok=True)
            Path(place).replace(final)
        elif place != final:
            self.files.makedirs(posixpath.dirname(final), exist_ok=True)
            self.files.mv(place, final)

    def _forget(self, place: str) -> None:
        """Remove an unfinished file; in some stores there is none."""
        if self.is_local:
            Path(place).unlink(missing_ok=True)
        elif not self._in_place:
            with suppress(Exception):
                self.files.rm_file(place)

    def _entries(self, folder: str) -> list[tuple[str, int]]:
        """Names in a folder with the sizes of files; -1 for folders."""
        with self.explaining(folder, "listed"):
            try:
                if self.is_local:
                    with os.scandir(self.place(folder)) as found:
                        return [(e.name, e.stat().st_size if e.is_file() else -1) for e in found]
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
            raise ExportError(self._explanation(name, done, error)) from error
        except Exception as error:
            if not is_refusal(error):  # a mistake of ours, or of a library's
                raise
            raise ExportError(self._explanation(name, done, error)) from error

    def _explanation(self, name: str, done: str, error: Exception) -> str:
        where = addresses.shown(self.address(name))
        number = error.errno if isinstance(error, OSError) else None
        if number in _NO_ROOM:
            return (
                f"{where} could not be {done}: {os.strerror(number or 0)}. Make room and give "
                "the same command again: it goes on with the files that are not there yet."
            )
        if is_refusal(error):
            return (
                f"{where} may not be {done}: permission denied. Check the permissions, or the "
                "credentials: out_options=, or the store's own default chain."
            )
        # The text of a store's error may quote a signed address.
        reason = getattr(error, "strerror", None)
        text = f": {reason}" if self.is_local and reason else ""
        return f"{where} could not be {done}: {type(error).__name__}{text}. Give the command again."


def _aside(name: str) -> str:
    """A name of its own for each attempt: two may be under way when a worker was given up."""
    return f"{UNFINISHED}/{name.replace('/', '--')}.{uuid.uuid4().hex[:8]}"
