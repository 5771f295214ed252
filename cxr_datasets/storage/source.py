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

from cxr_datasets import limits
from cxr_datasets.limits import Limit
from cxr_datasets.storage import addresses
from cxr_datasets.storage.credentials import StorageOptions

EMPTY = 0
"""Size in bytes at which a file counts as an unfinished download."""

MOST_NAMES = 100
"""Names of one folder that are read to tell what is in it."""

_NAMES_TOLD = 8

_ANY_PATH = "\x1a"

_VERSION_KEYS = ("ETag", "etag", "blob_id", "oid", "md5Hash", "CRC", "mtime", "LastModified",
                 "Last-Modified", "updated", "created")  # fmt: skip
"""Keys of `info()` that identify a version of a file, best first."""

Info = dict[str, Any]
"""What fsspec's `info()` returns for a file or folder."""

Problem = Literal["closed", "broken", "file", "absent", "empty"]
"""Why a place holds no release: `closed` may not be read, `broken` is no whole archive."""

_R = TypeVar("_R")
_S = TypeVar("_S", bound="type[Source]")


class Stamp(NamedTuple):
    """What changes when a file does.

    Attributes:
        path: The file.
        size: In bytes; 0 if it is not there.
        version: ETag, checksum or time of last change, depending on the store; may be empty.
    """

    path: str
    size: int
    version: str


class Source(ABC):
    """A place that holds files. `open_place` opens one by its address.

    It is pickled to every worker. A pickle holds the address, and nothing that is open.

    Attributes:
        is_remote: Whether its bytes come from anywhere but this machine's disks. Then each look at
            a file takes time.
        PROBES: How many files can be looked at without keeping a user waiting.
        root: Absolute local path, or fsspec address, of the folder or archive.
        options: Options of its file system. They never enter a cache key or a message.
        connections: Most requests at once to a remote store; None: the usual number for its
            protocol.
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
        """Whether this class opens a normalised address."""

    # Names and addresses.

    def address(self, path: str = "") -> str:
        """The address of a file: a path, or a URL that fsspec and `datasets` open."""
        return addresses.joined(self._inside, path) if path else self.root

    def shown(self, path: str = "") -> str:
        """`address` as it may stand in a message: without user, password and signature."""
        return addresses.shown(self.address(path))

    def addresses(self, paths: pa.Array) -> pa.Array:
        """`address` for a whole column of paths. Nulls stay null."""
        return pc.binary_join_element_wise(self._before, paths, self._after, "")

    def path_of(self, address: str) -> str | None:
        """The path of an address in this source; None if it is outside."""
        inside = address.startswith(self._before) and address.endswith(self._after)
        return address[len(self._before) : len(address) - len(self._after)] if inside else None

    def folder(self, path: str) -> Source:
        """Open a folder in this place, or above it (`..`)."""
        start = self.root if path.startswith("..") else self._inside
        return open_place(addresses.joined(start, path), self.options, self.connections)

    def archives(self) -> list[Source]:
        """Open the zip archives at the top of this folder. An archive has none."""
        if self._inside != self.root:
            return []
        return [self.folder(name) for name in self.names() if addresses.is_archive(name)]

    # What is there.

    @abstractmethod
    def names(self, path: str = "") -> list[str]:
        """Sorted names in one folder; empty if it is not there or closed to us.

        Do not call it for a folder of images: it would list them all.
        """

    def some_names(self, path: str = "") -> list[str]:
        """As `names`, but of a large folder only the first `MOST_NAMES` that are met.

        For messages. It is empty, too, where a remote store does not answer within seconds.
        """
        return self.names(path)[:MOST_NAMES]

    @abstractmethod
    def info(self, path: str = "") -> Info | None:
        """What fsspec tells of a file or folder; None if it is not there or closed to us."""

    def infos(self, paths: Sequence[str]) -> list[Info | None]:
        """`info` of a few files. Remote ones are asked for at once."""
        return list(map(self.info, paths))

    @abstractmethod
    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """Sizes of many files.

        Returns:
            int64 array as long as `paths`, in bytes; -1 where a file is not there.

        Raises:
            StoreError: A remote store refuses a file, or failed again and again.
        """

    def size(self, path: str = "") -> int | None:
        """Size of a file in bytes; None if it is a folder, not there, or closed to us."""
        return file_size(self.info(path))

    def few_sizes(self, paths: Sequence[str]) -> list[int | None]:
        """`size` of a few files. Remote ones are asked for at once."""
        return list(map(file_size, self.infos(paths)))

    def first_existing(self, paths: Sequence[str]) -> str | None:
        """The first of several files that is there and not empty; None if none is."""
        sizes = self.few_sizes(paths)
        return next((path for path, size in zip(paths, sizes, strict=True) if size), None)

    def repeats(self) -> tuple[int, int]:
        """How many members of an archive have the name of a later one, and how many it has."""
        return 0, 0

    def is_folder(self, path: str = "") -> bool:
        """Whether a folder of this name is there and may be looked at."""
        info = self.info(path)
        return info is not None and info["type"] == "directory"

    def stamp(self, path: str = "") -> Stamp:
        """What changes when a file changes. Files in an archive change with the archive."""
        return self.stamps([path])[0]

    def stamps(self, paths: Sequence[str]) -> list[Stamp]:
        """`stamp` of several files. Remote ones are asked for at once."""
        if self._inside != self.root:
            above, name = self.folder(".."), posixpath.basename(self.root)
            return [stamp_of(path, above.info(name)) for path in paths]
        return [stamp_of(path, info) for path, info in zip(paths, self.infos(paths), strict=True)]

    def subfolder_stamp(self, path: str) -> str:
        """A text that changes when a file is added or removed two folders below a folder.

        Only folders are looked at. Empty where folders have no time of change, as in buckets.
        """
        return ""

    # What is wrong.

    def problem(self) -> Problem | None:
        """Why this place holds no release; None if nothing speaks against it."""
        if self.is_closed:
            return "closed"
        if self.is_broken:
            return "broken"
        if self.size() is not None:
            return "file"
        if not self.is_folder():
            return "absent"
        return None if self.some_names() else "empty"

    @property
    def is_broken(self) -> bool:
        """Whether this is an archive that is there but cannot be opened."""
        return False

    @property
    def is_closed(self) -> bool:
        """Whether this user may not look into a local folder or archive that is there."""
        return False

    def check_permitted(self, path: str = "") -> None:  # noqa: B027  (a disk says it when asked)
        """Raise an error if a remote file has no size because the store refuses it.

        Raises:
            StoreError: The store refuses it.
        """

    # Bytes.

    @abstractmethod
    def read(self, path: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
        """All bytes of a file.

        Args:
            path: The file.
            limit: How many bytes it may have.

        Raises:
            FileNotFoundError: It is not there.
            TooLargeError: It has more bytes.
            StoreError: A remote store refuses it, or failed again and again.
        """

    @property
    def reads_ahead(self) -> int:
        """How many reads should be under way to keep the store busy."""
        return 1

    def begin(
        self,
        path: str,
        pool: Executor,
        use: Callable[[Callable[[], bytes]], _R],
        limit: Limit = limits.LARGEST_ANSWER,
    ) -> Future[_R]:
        """Begin to read a file and to use its bytes.

        Args:
            path: The file.
            pool: Calls `use` in one of its threads.
            use: Gets a function that returns the bytes, or raises what `read` raises.
            limit: How many bytes it may have.

        Returns:
            The work; its result is what `use` returns or raises.
        """
        return pool.submit(use, partial(self.read, path, limit))

    def each(
        self, paths: Iterable[str], limit: Limit = limits.LARGEST_ANSWER
    ) -> Iterator[Callable[[], bytes]]:
        """Read several files in order; remote ones ahead of their use.

        Args:
            paths: The files.
            limit: How many bytes each may have.

        Yields:
            For each file a function that returns its bytes, or raises what `read` raises.
        """
        return (partial(self.read, path, limit) for path in paths)

    def pieces(self, path: str, start: int, size: int, piece: int) -> Iterator[tuple[int, bytes]]:
        """Read the rest of a file, piece by piece.

        A store that cannot send a part of a file sends all of it, as one piece at place 0.

        Args:
            path: The file.
            start: The first byte that is wanted.
            size: Size of the file in bytes; 0: not known.
            piece: Bytes of one piece.

        Yields:
            The place of each piece in the file, and its bytes.

        Raises:
            FileNotFoundError: It is not there.
            StoreError: A remote store refuses it, or failed again and again.
        """
        yield 0, self.read(path)

    def arrow_file(self, path: str = "", limit: Limit = limits.LARGEST_ANSWER) -> pa.NativeFile:
        """Open a file for pyarrow to read. The caller closes it.

        Raises:
            TooLargeError: It has more bytes than the limit.
        """
        return pa.BufferReader(self.read(path, limit))

    def start(self, path: str, size: int, limit: Limit = limits.LARGEST_ANSWER) -> pa.Buffer:
        """The first bytes of a file, or all of a shorter one.

        Args:
            path: The file.
            size: How many bytes are wanted. A store that cannot send a part may give more.
            limit: How many bytes may come.

        Raises:
            FileNotFoundError: It is not there.
            StoreError: A remote store refuses it, or failed again and again.
        """
        return self.mapped(path, limit)[:size]

    def mapped(self, path: str = "", limit: Limit = limits.LARGEST_ANSWER) -> pa.Buffer:
        """All bytes of a large file. A local file is mapped, not copied.

        Raises:
            TooLargeError: It has more bytes than the limit.
        """
        return pa.py_buffer(self.read(path, limit))


_KINDS: list[type[Source]] = []


def kind_of_source(kind: _S) -> _S:
    """Let `open_place` use a class for the addresses that it `holds`."""
    _KINDS.append(kind)
    return kind


def open_place(
    root: str | os.PathLike[str],
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> Source:
    """Open a place by its address. Nothing in it is looked at yet.

    Args:
        root: A folder or a zip archive: a local path, or an address of fsspec.
        options: Options of its file system.
        connections: Most requests at once to a remote store; None: the usual number.
    """
    address = addresses.normalised(os.fspath(root))
    kind = next(kind for kind in _KINDS if kind.holds(address))
    return kind(address, options, connections)


def told_names(names: Sequence[str]) -> str:
    """Write some names of a folder, as `some_names` gives them, for a message."""
    told = [name if name.isprintable() else repr(name) for name in names[:_NAMES_TOLD]]
    more = len(names) - len(told)
    if not told:
        return "nothing (it does not exist, is empty, or may not be listed)"
    if not more:
        return ", ".join(told)
    at_least = "at least " if len(names) == MOST_NAMES else ""
    return f"{', '.join(told)} and {at_least}{more} more"


def file_size(info: Info | None) -> int | None:
    """Size of a file from its `info`; None if there is nothing, or a folder."""
    if not info or info["type"] != "file":
        return None
    return 1 if info["size"] is None else info["size"]  # a server that does not tell


def version_in(info: Info) -> str:
    """The version of a file that its `info` tells; empty if it tells none."""
    return str(next((info[name] for name in _VERSION_KEYS if info.get(name)), ""))


def stamp_of(path: str, info: Info | None) -> Stamp:
    """The stamp of a file from its `info`."""
    info = info or {}
    return Stamp(path, info.get("size") or 0, version_in(info))
