"""Parts of a large zip archive in a store: enough to find all texts, and to read a few of them.

The first rows of a stream need a thousandth of the archive, and its directory. Whoever reads on
copies all of it: that takes less time than so many requests.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from cxr_datasets import limits
from cxr_datasets.limits import Limit, TooLargeError
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.download import PIECE
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.source import Source
from mimic_cxr_jpg.reports.archived import Numbers
from mimic_cxr_jpg.reports.zip_directory import (
    LONGEST_END,
    Directory,
    plain_directory,
    stated_end,
)

LARGE = PIECE
"""Bytes of an archive beyond which parts of it are read. A smaller one comes by one request."""

_MOST_SPANS = 32
_MOST_BYTES = 2**19
"""Requests, and bytes, for a few texts. More are sooner read from a copy."""

_NEIGHBOURS = 2**16
"""Bytes between two texts that are read with them: that takes less time than to ask twice."""

_HEADER = 30 + 512
"""Bytes before a text in the archive: its header, with its name and what else stands there."""

_ONE_PIECE = Limit(PIECE, "bytes of a part of a file")

_Span = tuple[int, int]
"""A first byte, and the one behind the last."""


def parts_of(source: Source, path: str, size: int) -> ZipParts | None:
    """Open an archive of which parts can be read; None for others, which are copied at once.

    Args:
        source: Where it is.
        path: Its path within the source.
        size: Its size in bytes; 0 if the store does not tell.
    """
    if not isinstance(source, Remote) or not source.sends_parts:
        return None
    return ZipParts(source, path, size) if LARGE < size <= limits.LARGEST_ARCHIVE else None


class ZipParts:
    """A large archive in a store.

    What is fetched lies where it does in the archive, in memory of the same size. The rest of that
    is never touched, and so takes none.
    """

    def __init__(self, source: Remote, path: str, size: int):
        self._source, self._path, self._size = source, path, size

    def directory(self) -> Directory | None:
        """Read the directory. All is fetched twice, for nothing in it tells whether it is right.

        The second time the parts are other ones: what is between here and the store may keep
        answers, and give a damaged one again.

        Returns:
            The directory; None if it is out of the ordinary, or did not come twice alike, or the
            store sends no parts. Then a copy tells.

        Raises:
            StoreError: The store refuses it, or failed again and again.
        """
        tail = (max(0, self._size - LONGEST_END), self._size)
        found = self._fetched([tail])
        archive = self._filled([tail], found) if found else None
        end = stated_end(archive) if archive else None
        if not found or end is None or end.size > limits.LARGEST_DIRECTORY or not end.directory:
            return None
        first, last = end.directory, end.directory + end.size
        twice = self._fetched([(first, last), (first - 1, self._size)])
        if not twice or twice[1][1:] != twice[0] + found[0][last - self._size :]:
            return None
        try:
            return plain_directory(twice[0], end)
        except TooLargeError:
            return None

    def around(self, offsets: Numbers, stored: Numbers) -> memoryview | None:
        """Give the archive with some of its members, and nothing of others.

        Args:
            offsets: Where each of n members begins.
            stored: Their n compressed sizes in bytes.

        Returns:
            Bytes of the archive's size; None if the members are too many, or too far apart, the
            store sends no parts, or there is no memory of that size.

        Raises:
            StoreError: The store refuses it, or failed again and again.
        """
        spans = list(_spans(offsets, np.minimum(offsets + _HEADER + stored, self._size)))
        if len(spans) > _MOST_SPANS or sum(end - first for first, end in spans) > _MOST_BYTES:
            return None
        found = self._fetched(spans)
        return None if found is None else self._filled(spans, found)

    def _fetched(self, spans: Sequence[_Span]) -> list[bytes] | None:
        """Read some spans, side by side; None if the store sends no parts."""
        pieces = [
            (number, at, min(at + PIECE, end))
            for number, (first, end) in enumerate(spans)
            for at in range(first, end, PIECE)
        ]

        def begin(piece: tuple[int, int, int]) -> Future[bytes]:
            _, first, end = piece
            return self._source.begin_read(self._path, first, end, _ONE_PIECE)

        found: list[list[bytes]] = [[] for _ in spans]
        reads = in_order(begin, pieces, self._source.requests.connections)
        for (number, first, end), read in zip(pieces, reads, strict=True):
            try:
                content = read.result()
            except TooLargeError:
                return None
            if len(content) != end - first:
                return None
            found[number].append(content)
        return list(map(b"".join, found))

    def _filled(self, spans: Sequence[_Span], contents: Sequence[bytes]) -> memoryview | None:
        try:
            archive = memoryview(mmap.mmap(-1, self._size))
        except (OSError, MemoryError):  # a system that promises no more memory than it has
            return None
        for (first, end), content in zip(spans, contents, strict=True):
            archive[first:end] = content
        return archive


def _spans(starts: Numbers, ends: Numbers) -> Iterator[_Span]:
    """Put neighbours together."""
    if not len(starts):
        return
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = np.flatnonzero(starts[1:] > ends[:-1] + _NEIGHBOURS)
    firsts = starts[[0, *(apart + 1)]].tolist()
    yield from zip(firsts, ends[[*apart, -1]].tolist(), strict=True)
