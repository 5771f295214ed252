"""A place in a store that is reached over a network."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, TimeoutError
from contextlib import suppress
from functools import partial
from typing import ClassVar, TypeVar
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from cxr_datasets import limits
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import Limit
from cxr_datasets.storage import addresses
from cxr_datasets.storage.ahead import after, in_order
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.filesystems import place_in
from cxr_datasets.storage.requests import Requests
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.source import (
    MOST_NAMES,
    Info,
    Problem,
    Source,
    Stamp,
    file_size,
    kind_of_source,
    stamp_of,
)
from cxr_datasets.storage.zip_members import count_repeats

_LOOKING_THREADS = 8
_QUESTIONS_AHEAD = 1_024
_READS_AHEAD = 64
_LONGEST_LISTING = 10.0
"""Seconds for a list of names that only a message needs: of a bucket, it may take minutes."""

_R = TypeVar("_R")


@kind_of_source
class Remote(Source):
    """A folder or archive in a store: on a network, or in whatever else only fsspec reaches."""

    is_remote: ClassVar[bool] = True
    PROBES: ClassVar[int] = 8

    def __init__(
        self, root: str, options: StorageOptions | None = None, connections: int | None = None
    ):
        super().__init__(root, options, connections)
        self._infos: dict[str, Info | None] = {}
        self._absent: set[str] = set()

    @classmethod
    def holds(cls, root: str) -> bool:
        """See `Source.holds`."""
        return addresses.is_remote(root)

    @property
    def requests(self) -> Requests:
        """The requests to the store. Several are under way at once."""
        return sessions.own(self, lambda: Requests(self._inside, self.options, self.connections))

    def _place(self, path: str) -> str:
        return place_in(self.requests.root, path)

    # What is there.

    def names(self, path: str = "") -> list[str]:
        """See `Source.names`."""
        return self._names(path)

    def some_names(self, path: str = "") -> list[str]:
        """See `Source.some_names`."""
        return self._names(path, _LONGEST_LISTING)[:MOST_NAMES]

    def _names(self, path: str, seconds: float | None = None) -> list[str]:
        """List a folder; nothing if that takes longer than so many seconds."""
        try:
            place = self._place(path)
            listing = self.requests.names(place)
            entries = listing.result(seconds)
        except (FileNotFoundError, NotADirectoryError, PermissionError, StoreError):
            return []
        except TimeoutError:
            listing.cancel()
            return []
        inside = (entry.rstrip("/") for entry in entries)
        # Some stores list a file as its own content, or the empty file that marks a folder.
        return sorted(posixpath.basename(entry) for entry in inside if entry != place)

    def found(self) -> dict[str, Info]:
        """`info` of every file below, by path, where a store lists them all at once.

        Raises:
            FileNotFoundError: Nothing is there.
            StoreError: The store refuses, or failed again and again.
        """
        start = len(self._place("x")) - 1
        found = self.requests.found(self._place("")).result()
        return {place[start:]: info for place, info in found.items() if len(place) > start}

    def begin_list(self, path: str) -> Future[list[Info]]:
        """Begin to list one folder; see `listed`."""
        return self.requests.entries(self._place(path))

    def listed(self, path: str, entries: Iterable[Info]) -> dict[str, Info]:
        """Give what lies in a folder by its path, as `begin_list` brought it."""
        place = self._place(path)
        names = ((entry["name"].rstrip("/"), entry) for entry in entries)
        return {
            f"{path}/{posixpath.basename(name)}" if path else posixpath.basename(name): entry
            for name, entry in names
            if name != place.rstrip("/")
        }

    def info(self, path: str = "") -> Info | None:
        """See `Source.info`. It is kept, as each look takes time."""
        if path not in self._infos:
            self._infos[path] = self._info_now(path)
        return self._infos[path]

    def _info_now(self, path: str) -> Info | None:
        try:
            return self.requests.info(self._place(path)).result()
        except PermissionError:
            return None
        except (FileNotFoundError, NotADirectoryError):
            self._absent.add(path)
            return None
        except StoreError as error:
            # S3 refuses what is not there, too, if the user may not list the bucket.
            if error.refused:
                return None
            raise

    def seen(self) -> dict[str, Stamp]:
        """Give the stamps of the files that were looked at so far, by path. Nothing is asked."""
        looked = self._infos.copy()
        return {
            path: stamp_of(path, info)
            for path, info in looked.items()
            if info is not None and info["type"] == "file"
        }

    def infos(self, paths: Sequence[str]) -> list[Info | None]:
        """See `Source.infos`."""
        try:
            self.requests  # noqa: B018  (so that a fault is met once, not in every thread)
        except FileNotFoundError:  # an archive that is not there
            return [None] * len(paths)
        with ThreadPoolExecutor(_LOOKING_THREADS) as pool:
            return list(pool.map(self.info, paths))

    def sizes(self, paths: Sequence[str]) -> np.ndarray:
        """See `Source.sizes`."""
        found = in_order(self._begin_info, paths, _QUESTIONS_AHEAD)
        return np.array([_size_found(answer) for answer in found], np.int64)

    def _begin_info(self, path: str) -> Future[Info]:
        return self.requests.info(self._place(path))

    def repeats(self) -> tuple[int, int]:
        """See `Source.repeats`."""
        if not addresses.is_chain(self._inside):
            return 0, 0
        try:
            return count_repeats(self.requests.files.zip)
        except FileNotFoundError:  # an archive that is not there
            return 0, 0

    def is_folder(self, path: str = "") -> bool:
        """See `Source.is_folder`."""
        try:
            return super().is_folder(path)
        except StoreError:  # web servers that list no folders refuse them
            return False

    # What is wrong.

    def problem(self) -> Problem | None:
        """See `Source.problem`. Only archives are looked at: many stores have no folders."""
        return "broken" if self.is_broken else None

    @property
    def is_broken(self) -> bool:
        """See `Source.is_broken`."""
        if not addresses.is_chain(self._inside):
            return False
        try:
            self.requests  # noqa: B018  (opens the archive)
        except (BadZipFile, IsADirectoryError):
            return True
        except FileNotFoundError:
            return False
        return False

    def check_permitted(self, path: str = "") -> None:
        """See `Source.check_permitted`."""
        if path in self._absent:
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            self._begin_info(path).result()

    # Bytes.

    def read(self, path: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
        """See `Source.read`."""
        return self.begin_read(path, limit=limit).result()

    @property
    def sends_parts(self) -> bool:
        """Whether a file can be asked for in parts. A member of an archive is unpacked as a whole.

        A server may still send the whole file.
        """
        return not addresses.is_chain(self._inside)

    def begin_read(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        limit: Limit = limits.LARGEST_ANSWER,
    ) -> Future[bytes]:
        """Begin to read a file, or some of its bytes; see `Requests.read`."""
        return self.requests.read(self._place(path), start, end, limit)

    @property
    def reads_ahead(self) -> int:
        """See `Source.reads_ahead`."""
        return 2 * self.requests.connections

    def begin(
        self,
        path: str,
        pool: Executor,
        use: Callable[[Callable[[], bytes]], _R],
        limit: Limit = limits.LARGEST_ANSWER,
    ) -> Future[_R]:
        """See `Source.begin`."""
        return after(self.begin_read(path, limit=limit), pool, lambda read: use(read.result))

    def each(
        self, paths: Iterable[str], limit: Limit = limits.LARGEST_ANSWER
    ) -> Iterator[Callable[[], bytes]]:
        """See `Source.each`."""
        begin = partial(self.begin_read, limit=limit)
        return (read.result for read in in_order(begin, paths, _READS_AHEAD))

    def start(self, path: str, size: int, limit: Limit = limits.LARGEST_ANSWER) -> pa.Buffer:
        """See `Source.start`."""
        if not self.sends_parts:
            return pa.py_buffer(self.read(path, limit))
        return pa.py_buffer(self.requests.start(self._place(path), size, limit).result())

    def pieces(self, path: str, start: int, size: int, piece: int) -> Iterator[tuple[int, bytes]]:
        """See `Source.pieces`. Several are under way at once."""
        if not size or not self.sends_parts:
            yield 0, self.read(path)
            return
        if start >= size:
            return

        def begin(at: int) -> Future[bytes]:
            return self.begin_read(path, at, min(at + piece, size))

        first = begin(start).result()
        if len(first) == size:  # this server always sends whole files
            yield 0, first
            return
        yield start, first
        rest = range(start + piece, size, piece)
        for at, read in zip(rest, in_order(begin, rest, self.requests.connections), strict=True):
            content = read.result()
            # The whole file may come for once: behind an address are several machines.
            yield at, content[at : at + piece] if len(content) == size else content


def _size_found(answer: Future[Info]) -> int:
    try:
        size = file_size(answer.result())
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return -1 if size is None else size
