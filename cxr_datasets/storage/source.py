"""One door to all files: a folder, an archive or a store, behind one contract.

Builders and tables never touch `open`, `os.path` or `glob`; they ask a `Source`. Paths given to a
source are relative to its root and use `/`.
"""

from __future__ import annotations

import os
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.storage import addresses
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.sessions import sessions

EMPTY = 0
"""Size in bytes at which a file counts as an unfinished download."""

_ANY_PATH = "\x1a"

_VERSION_KEYS = ("ETag", "etag", "blob_id", "oid", "md5Hash", "CRC", "mtime", "LastModified",
                 "Last-Modified", "updated", "created")  # fmt: skip
"""Keys of `info()` that identify a version of a file, best first."""

Info = dict[str, Any]
"""What fsspec's `info()` tells of a file or folder."""

Problem = Literal["closed", "broken", "file", "absent", "empty"]
"""Why a place holds no release: it may not be read, is no whole archive, is a file, or has none."""

_R = TypeVar("_R")
_S = TypeVar("_S", bound="type[Source]")


class Stamp(NamedTuple):
    """What changes when a file does.

    Attributes:
        path: The file.
        size: In bytes; 0 if it is not there.
        version: ETag, checksum or time of last change, whichever its store has; may be empty.
    """

    path: str
    size: int
    version: str


class Source(ABC):
    """A place that holds files. `open_place` opens one from its address.

    It is pickled to every worker, and then holds its address only: whatever is open stays here.

    Attributes:
        is_remote: Whether its bytes come over a network, or from any store but this machine's
            disks, so that each look at a file takes time.
        PROBES: How many files may be looked at before a user has to wait.
        root: Absolute local path, or fsspec address, of the folder or archive.
        options: Options of its file system; they never enter a cache key or a message.
        connections: Most requests at once to a remote store; None: what its protocol bears.
    """

    is_remote: ClassVar[bool] = False
    PROBES: ClassVar[int] = 256

    def __init__(
        self, root: str, options: StorageOptions | None = None, connections: int | None = None
    ):
        self.root = root
        self.options = options or StorageOptions()
        self.connections = connections
        self._inside = addresses.inside(root)
        self._before, self._after = addresses.joined(self._inside, _ANY_PATH).split(_ANY_PATH)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self.options, self.connections)

    @classmethod
    @abstractmethod
    def holds(cls, root: str) -> bool:
        """Whether a normalised address is of a place of this kind."""

    # Names and addresses.

    def address(self, path: str = "") -> str:
        """Where a file is, as a person or `datasets` would open it: a path or a chained URL."""
        return addresses.joined(self._inside, path) if path else self.root

    def shown(self, path: str = "") -> str:
        """`address` as it may stand in a message: without user, password and signature."""
        return addresses.shown(self.address(path))

    def addresses(self, paths: pa.Array) -> pa.Array:
        """`address` of a whole column of paths; nulls stay null."""
        return pc.binary_join_element_wise(self._before, paths, self._after, "")

    def path_of(self, address: str) -> str | None:
        """The path that an address has within this source; None if it is outside."""
        inside = address.startswith(self._before) and address.endswith(self._after)
        return address[len(self._before) : len(address) - len(self._after)] if inside else None

    def folder(self, path: str) -> Source:
        """The source of a folder: inside this one, or above it (`..`)."""
        start = self.root if path.startswith("..") else self._inside
        return open_place(addresses.joined(start, path), self.options, self.connections)

    def archives(self) -> list[Source]:
        """The zip archives at the top of a folder, each as a source; an archive has none."""
        if self._inside != self.root:
            return []
        return [self.folder(name) for name in self.names() if name.endswith(addresses.ARCHIVE)]

    # What is there.

    @abstractmethod
    def names(self, path: str = "") -> list[str]:
        """Sorted names in one folder; empty if it is not there or closed to us.

        Never for a folder of images.
        """

    @abstractmethod
    def info(self, path: str = "") -> Info | None:
        """What fsspec tells of a file or folder; None if it is not there or closed to us."""

    def infos(self, paths: Sequence[str]) -> list[Info | None]:
        """`info` of a few files; of remote ones all at once."""
        return list(map(self.info, paths))

    @abstractmethod
    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """Sizes in bytes of many files: int64 array, in order; -1 where a file is not there.

        Raises:
            StoreError: A remote store refuses one, or failed again and again.
        """

    def size(self, path: str = "") -> int | None:
        """Size of a file in bytes; None if it is a folder, not there, or closed to us."""
        return file_size(self.info(path))

    def few_sizes(self, paths: Sequence[str]) -> list[int | None]:
        """`size` of a few files; of remote ones all at once."""
        return list(map(file_size, self.infos(paths)))

    def first_existing(self, paths: Sequence[str]) -> str | None:
        """The first of several files that is there and not empty; None if none is."""
        sizes = self.few_sizes(paths)
        return next((path for path, size in zip(paths, sizes, strict=True) if size), None)

    def is_folder(self, path: str = "") -> bool:
        """Whether a folder of this name is there and may be looked at."""
        info = self.info(path)
        return info is not None and info["type"] == "directory"

    def stamp(self, path: str = "") -> Stamp:
        """What changes when a file does; of a file in an archive: what changes with the archive."""
        return self.stamps([path])[0]

    def stamps(self, paths: Sequence[str]) -> list[Stamp]:
        """`stamp` of several files; of remote ones all at once."""
        if self._inside != self.root:
            above, name = self.folder(".."), posixpath.basename(self.root)
            return [_stamp(path, above.info(name)) for path in paths]
        return [_stamp(path, info) for path, info in zip(paths, self.infos(paths), strict=True)]

    def subfolder_stamp(self, path: str) -> str:
        """What changes when a file is added to or removed from a folder two levels down.

        Only folders are looked at. Empty where folders have no time of change (object stores).
        """
        return ""

    # What is wrong.

    def problem(self) -> Problem | None:
        """Why this place cannot hold a release; None if it may."""
        if self.is_closed:
            return "closed"
        if self.is_broken:
            return "broken"
        if self.size() is not None:
            return "file"
        if not self.is_folder():
            return "absent"
        return None if self.names() else "empty"

    @property
    def is_broken(self) -> bool:
        """Whether the files are in an archive that is there and cannot be opened."""
        return False

    @property
    def is_closed(self) -> bool:
        """Whether the root is there but this user may not look into it; of local ones only."""
        return False

    def check_permitted(self, path: str = "") -> None:  # noqa: B027  (a disk says it when asked)
        """Find out why a remote file has no size: whether it is not there, or closed to us.

        Raises:
            StoreError: The store refuses it.
        """

    # Bytes.

    @abstractmethod
    def read(self, path: str) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: It is not there.
            StoreError: A remote store refuses it, or failed again and again.
        """

    @property
    def reads_ahead(self) -> int:
        """How many reads are to be under way, so that the store does not stand idle."""
        return 1

    def begin(
        self, path: str, pool: Executor, use: Callable[[Callable[[], bytes]], _R]
    ) -> Future[_R]:
        """Begin to read a file, and to use its bytes in a thread.

        Args:
            path: The file.
            pool: Its threads call `use`.
            use: Is given a function that returns the bytes, or raises what `read` raises.

        Returns:
            What `use` returns or raises.
        """
        return pool.submit(use, partial(self.read, path))

    def each(self, paths: Iterable[str]) -> Iterator[Callable[[], bytes]]:
        """For each file in order, a function that returns its bytes, or raises as `read` does.

        Remote files are read ahead of their use.
        """
        return (partial(self.read, path) for path in paths)

    def pieces(self, path: str, start: int, size: int, piece: int) -> Iterator[tuple[int, bytes]]:
        """The bytes of a file from `start` on, in pieces, each with its place in the file.

        A store that cannot give a part of a file gives all of it: one piece at place 0.

        Args:
            path: The file.
            start: First byte that is wanted.
            size: Of the file in bytes; 0: not known.
            piece: Bytes of one piece; the last one may have fewer.

        Raises:
            FileNotFoundError: It is not there.
            StoreError: A remote store refuses it, or failed again and again.
        """
        yield 0, self.read(path)

    def arrow_file(self, path: str = "") -> pa.NativeFile:
        """Open a file for reading by pyarrow; the caller closes it."""
        return pa.BufferReader(self.read(path))

    def mapped(self, path: str = "") -> pa.Buffer:
        """All bytes of a large file, mapped into memory where it is local."""
        return pa.py_buffer(self.read(path))


_KINDS: list[type[Source]] = []


def kind_of_source(kind: _S) -> _S:
    """Let `open_place` open the places that a class `holds` as such."""
    _KINDS.append(kind)
    return kind


def open_place(
    root: str | os.PathLike[str],
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> Source:
    """Open a place by its address; nothing is looked at yet.

    Args:
        root: A folder or a zip archive: a local path, or an address of fsspec.
        options: Options of its file system.
        connections: Most requests at once to a remote store; None: what its protocol bears.
    """
    address = addresses.normalised(os.fspath(root))
    kind = next(kind for kind in _KINDS if kind.holds(address))
    return kind(address, options, connections)


def remember(source: Source) -> None:
    """Let `read_address` use a source that is open, with the options it was opened with."""
    sessions.add_source(source)


def read_address(address: str) -> bytes:
    """All bytes of a file that is remote or in an archive, by its address alone.

    Files of a release that this process, or the one that forked it, has loaded are read with the
    options it was loaded with; others with what the store's own default chain finds.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: The store refuses it, or failed again and again.
    """
    found = sessions.loaded(address)
    if found:
        source, path = found
        return source.read(path)
    link, chain, rest = address.partition("::")
    if link.startswith("zip://") and addresses.is_archive(rest):
        archive = sessions.same_source(open_place(rest))  # its directory is to be read once
        return archive.read(link.removeprefix("zip://"))
    folder, _, name = link.rpartition("/")
    return open_place(f"{folder}{chain}{rest}").read(name)


def file_size(info: Info | None) -> int | None:
    """Size of what `info` tells of; None if that is nothing, or no file."""
    if not info or info["type"] != "file":
        return None
    return 1 if info["size"] is None else info["size"]  # 1 where a server does not say


def _stamp(path: str, info: Info | None) -> Stamp:
    info = info or {}
    version = next((info[name] for name in _VERSION_KEYS if info.get(name)), "")
    return Stamp(path, info.get("size") or 0, str(version))
