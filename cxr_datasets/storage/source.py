"""One door to all files: a release's folder or archive, wherever fsspec can reach it.

Builders and tables never touch `open`, `os.path` or `glob`; they ask a `Source`. Paths given to a
source are relative to its root and use `/`.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from typing import Any
from zipfile import BadZipFile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import LocalFileSystem as LocalFiles

from cxr_datasets.errors import StoreError
from cxr_datasets.storage import addresses
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.store import Store, open_files

UNFINISHED = 0
"""Size in bytes at which a file counts as an unfinished download."""

_WAITING_THREADS = 8
"""Of looking for files, which on a cold disk is waiting."""

_PATHS_AT_ONCE = 4_096
_QUESTIONS_AHEAD = 1_024

_ANY_PATH = "\x1a"

_CHANGES = ("ETag", "etag", "blob_id", "oid", "md5Hash", "CRC", "mtime", "LastModified",
            "Last-Modified", "updated", "created")  # fmt: skip
"""What file systems call that which changes with a file's content, best first."""


class Source:
    """A folder of files, or a zip archive read in place, behind one set of calls.

    Attributes:
        root: Absolute local path, or fsspec address, of the folder or archive.
        options: Options of its file system; they never enter a cache key or a message.
        connections: Most requests at once to a remote store; None: what its protocol bears.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: StorageOptions | None = None,
        connections: int | None = None,
    ):
        self.root = addresses.normalised(os.fspath(root))
        self.options = options or StorageOptions()
        self.connections = connections
        self._process = 0
        self._infos: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Source({addresses.shown(self.root)!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Carry the address only; a worker opens its own file system."""
        kept = ("root", "options", "connections")
        return {**{name: self.__dict__[name] for name in kept}, "_process": 0, "_infos": {}}

    @property
    def is_remote(self) -> bool:
        """Whether its bytes come over a network, or from any store but this machine's disks."""
        return addresses.is_remote(self.root)

    @property
    def is_archive(self) -> bool:
        """Whether the root is a zip archive whose members are the files."""
        return self.root.endswith(".zip") and "::" not in self.root

    @property
    def is_local_folder(self) -> bool:
        """Whether files can be opened by a plain local path."""
        return "://" not in self.root and not self.is_archive

    @property
    def is_broken(self) -> bool:
        """Whether the root is an archive that cannot be opened, though it is there."""
        try:
            return self._files is None
        except (BadZipFile, IsADirectoryError):
            return True
        except FileNotFoundError:
            return False

    @property
    def is_closed(self) -> bool:
        """Whether the root is there but this user may not look into it; of local ones only."""
        try:
            fs, place = self._files, self._place("")
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
    def store(self) -> Store:
        """What all requests of a remote source go through."""
        if self._process != os.getpid():  # a forked process must not share what is open
            self._store = Store(self._chain(), self.options, self.connections)
            self._process = os.getpid()
        return self._store

    @property
    def _files(self) -> fsspec.AbstractFileSystem:
        return self._opened[0]

    @property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        if self.is_remote:
            return self.store.files, self.store.root
        if self._process != os.getpid():
            self._local = open_files(self._chain(), self.options)
            self._process = os.getpid()
        return self._local

    def _chain(self) -> str:
        return f"zip://::{self.root}" if self.is_archive else self.root

    def _place(self, path: str) -> str:
        prefix = (self.root if self.is_local_folder else self._opened[1]).rstrip("/")
        return f"{prefix}/{path}" if prefix and path else prefix or path or "/"

    def address(self, path: str = "") -> str:
        """Where a file is, as a person or `datasets` would open it: a path or a chained URL."""
        return addresses.joined(self._chain(), path) if path else self.root

    def addresses(self, paths: pa.Array) -> pa.Array:
        """`address` of a whole column of paths; nulls stay null."""
        before, after = self._around()
        return pc.binary_join_element_wise(before, paths, after, "")

    def path_of(self, address: str) -> str | None:
        """The path that an address has within this source; None if it is outside."""
        before, after = self._around()
        inside = address.startswith(before) and address.endswith(after)
        return address[len(before) : len(address) - len(after)] if inside else None

    def _around(self) -> tuple[str, str]:
        before, after = self.address(_ANY_PATH).split(_ANY_PATH)
        return before, after

    def folder(self, path: str) -> Source:
        """The source of a folder: inside this one, or above it (`..`)."""
        return Source(addresses.joined(self.root, path), self.options, self.connections)

    def size(self, path: str = "") -> int | None:
        """Size of a file in bytes; None if it is a folder, not there, or closed to us."""
        return _file_size(self._info(path))

    def check_permitted(self, path: str = "") -> None:
        """Find out why a remote file has no size: whether it is not there, or closed to us.

        Raises:
            StoreError: The store refuses it.
        """
        if self.is_remote:
            with suppress(FileNotFoundError, NotADirectoryError):
                self.store.info(self._place(path)).result()

    def is_folder(self, path: str = "") -> bool:
        """Whether a folder of this name is there and may be looked at."""
        try:
            info = self._info(path)
        except StoreError:  # a web server that lists no folders refuses them
            return False
        return bool(info) and info["type"] == "directory"

    def first_existing(self, paths: Sequence[str]) -> str | None:
        """The first of several files that is there and not empty; None if none is."""
        sizes = self.few_sizes(paths)
        return next((path for path, size in zip(paths, sizes, strict=True) if size), None)

    def few_sizes(self, paths: Sequence[str]) -> list[int | None]:
        """`size` of a few files; of remote ones all at once."""
        return [_file_size(info) for info in self._several_infos(paths)]

    def _several_infos(self, paths: Sequence[str]) -> list[Any]:
        if not self.is_remote:
            return list(map(self._info, paths))
        self._files  # noqa: B018  (opened here, and not by every thread)
        with ThreadPoolExecutor(_WAITING_THREADS) as pool:
            return list(pool.map(self._info, paths))

    def _info(self, path: str) -> Any:
        if not self.is_remote:
            return self._info_now(path)
        if path not in self._infos:  # over a network each look takes time
            self._infos[path] = self._info_now(path)
        return self._infos[path]

    def _info_now(self, path: str) -> Any:
        try:
            if self.is_remote:
                return self.store.info(self._place(path)).result()
            return self._files.info(self._place(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except StoreError as error:
            # Where a user may not list, S3 refuses what is not there too.
            if error.refused:
                return None
            raise

    def stamp(self, path: str = "") -> tuple[str, int, str]:
        """What changes when a file does: its name, size, and ETag or time of last change.

        Of a file in an archive: the archive's.
        """
        return self.stamps([path])[0]

    def stamps(self, paths: Sequence[str]) -> list[tuple[str, int, str]]:
        """`stamp` of several files; of remote ones all at once."""
        if self.is_archive:
            above, name = posixpath.split(self.root)
            infos = [Source(above, self.options)._info(name)] * len(paths)
        else:
            infos = self._several_infos(paths)
        return [_stamp(path, info or {}) for path, info in zip(paths, infos, strict=True)]

    def names(self, path: str = "") -> list[str]:
        """Sorted names in one folder; empty if it is not there or closed to us.

        Never for a folder of images.
        """
        try:
            if self.is_remote:
                entries = self.store.names(self._place(path)).result()
            else:
                entries = self._files.ls(self._place(path), detail=False)
        except (FileNotFoundError, NotADirectoryError, PermissionError, StoreError):
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
        if self.is_remote:
            return pa.BufferReader(self.read(path))
        return pa.PythonFile(self._files.open(self._place(path), "rb"), mode="r")

    def mapped(self, path: str = "") -> pa.Buffer:
        """All bytes of a large file, mapped into memory where it is local."""
        if self.is_local_folder:
            with pa.memory_map(self._place(path)) as file:
                return file.read_buffer()
        return pa.py_buffer(self.read(path))

    def read(self, path: str) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: It is not there.
            StoreError: A remote store refuses it, or failed again and again.
        """
        if self.is_local_folder:
            # A quarter of fsspec's time a file, and reports in a tree are 227,835 files.
            with FileIO(self._place(path)) as file:
                return file.readall()
        if self.is_remote:
            return self.begin_read(path).result()
        return self._files.cat_file(self._place(path))

    def begin_read(
        self, path: str, start: int | None = None, end: int | None = None
    ) -> Future[bytes]:
        """Begin to read a file of a remote source, or some of its bytes; see `Store.read`."""
        return self.store.read(self._place(path), start, end)

    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """Sizes in bytes of many files, in order; -1 where a file is not there."""
        if self.is_remote:
            found = in_order(self._ask_for_size, paths, _QUESTIONS_AHEAD)
            return np.array([_size_found(answer) for answer in found], np.int64)
        measure = self._local_sizes if self.is_local_folder else self._other_sizes
        parts = [
            paths[first : first + _PATHS_AT_ONCE] for first in range(0, len(paths), _PATHS_AT_ONCE)
        ]
        with ThreadPoolExecutor(_WAITING_THREADS) as pool:
            sizes = list(pool.map(measure, parts))
        return np.array([size for part in sizes for size in part], np.int64)

    def _ask_for_size(self, path: str) -> Future[dict[str, Any]]:
        return self.store.info(self._place(path))

    def _local_sizes(self, paths: Sequence[str]) -> list[int]:
        # pyarrow looks without Python's lock: half the time of os.stat, or os.access, in threads.
        root = self._place("")
        found = LocalFiles().get_file_info([f"{root}/{path}" for path in paths])
        return [-1 if info.size is None else info.size for info in found]

    def _other_sizes(self, paths: Sequence[str]) -> list[int]:
        sizes = map(self.size, paths)
        return [-1 if size is None else size for size in sizes]


_in_use: dict[str, Source] = {}


def remember(source: Source) -> None:
    """Let `read_address` use a source that is open, with the options it was opened with."""
    if not source.is_local_folder:
        _in_use[source.root] = source


def read_address(address: str) -> bytes:
    """All bytes of a file that is remote or in an archive, by its address alone.

    Files of a release that this process, or the one that forked it, has loaded are read with the
    options it was loaded with; others with what the store's own default chain finds.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: The store refuses it, or failed again and again.
    """
    for source in reversed(_in_use.values()):
        path = source.path_of(address)
        if path is not None:
            return source.read(path)
    link, chain, rest = address.partition("::")
    archive = Source(rest)
    if link.startswith("zip://") and archive.is_archive:
        remember(archive)  # its directory is to be read once
        return archive.read(link.removeprefix("zip://"))
    folder, _, name = link.rpartition("/")
    return Source(f"{folder}{chain}{rest}").read(name)


def _stamp(path: str, info: dict[str, Any]) -> tuple[str, int, str]:
    changed = next((info[name] for name in _CHANGES if info.get(name)), "")
    return path, info.get("size") or 0, str(changed)


def _file_size(info: Any) -> int | None:
    """Size of what a store told of; None if that is nothing, or no file."""
    return _size(info) if info and info["type"] == "file" else None


def _size(info: dict[str, Any]) -> int:
    """Size of a file that is there; 1 where the server does not say."""
    return 1 if info["size"] is None else info["size"]


def _size_found(answer: Future[dict[str, Any]]) -> int:
    try:
        info = answer.result()
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return _size(info) if info["type"] == "file" else -1


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere
        return 0
