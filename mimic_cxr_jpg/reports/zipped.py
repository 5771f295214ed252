"""Reports in a zip archive, read where it lies, without unpacking it.

Only the texts that are asked for are decompressed, many at once. `_inflate` returns None where one
of them is out of the ordinary; `read_member` then reads it, or says what is wrong.

`zipfile` does not read the members: it takes an entry overwritten by zeros for an empty file.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits
from cxr_datasets.errors import ReportsError
from cxr_datasets.limits import TooLargeError, check_limit, too_large
from cxr_datasets.storage.source import Stamp
from cxr_datasets.storage.zip_members import ENCRYPTED, method_name
from mimic_cxr_jpg.reports.archived import (
    ArchivedReports,
    Bytes,
    Numbers,
    damaged,
    plain_names,
    segments,
)
from mimic_cxr_jpg.reports.decoding import decoded
from mimic_cxr_jpg.reports.members import Link, Links
from mimic_cxr_jpg.reports.store import still_there, too_large_reports
from mimic_cxr_jpg.reports.zip_directory import (
    DEFLATED,
    STORED,
    Directory,
    number,
    read_directory,
)
from mimic_cxr_jpg.reports.zip_parts import ZipParts, parts_of

_LOCAL_MARK = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s2xH6xL8x2H")
_CHECKSUM_FOLLOWS = 1 << 3
_MOST_INFLATED = 1_032
"""How many times as large as itself what is deflated can become."""
_MOST_TO_COMPARE = 2**31 - 1
"""Bytes of the largest archive whose names are compared with those in its directory."""

_MOST_READS = 4
"""How often a process reads parts of an archive before it copies all of it."""

_LARGEST_EMPTY = 2
"""Bytes that no byte takes when it is compressed."""

_UNPACK = "and pass the folder that holds files/ as reports=; or fetch the release's own zip again."


class ZippedReports(ArchivedReports):
    """Reports in a zip archive. A remote one is copied into the cache.

    Of a large one that is not there yet, the first few texts are read where it lies, so that nobody
    waits for a copy who looks at some rows. To read all so would take as many requests as there are
    shards, again in every epoch.
    """

    _OPEN = ("_mapped", "_directory", "_reads_of_parts")

    _directory: Directory
    _cache: str | None = None
    """The folder for the copy, as long as there is none and parts are read."""

    _stamp: Stamp | None = None
    """The archive's stamp then: a worker that asks for it may be answered otherwise."""

    _reads_of_parts = 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._OPEN}

    def prepare(self, cache: str) -> None:
        """Copy a remote archive into the cache, unless it is there, or large.

        Raises:
            StoreError: It cannot be read.
        """
        self._cache = None
        self._stamp = self.source.stamp(self.path) if self.source.is_remote else None
        if self._parts() is None:
            self._hold(cache)
        elif not self._hold_found(cache):
            self._cache = cache

    def prepare_to_locate(self, cache: str) -> None:
        """See `ReportStore.prepare_to_locate`."""
        self.prepare(cache)
        if self._cache is not None:
            self._read_directory()

    def _agrees(self, copy: Path) -> bool:
        """See `ArchivedReports._agrees`. To decompress all takes longer than to begin with rows."""
        with pa.memory_map(str(copy)) as file:
            archive = memoryview(file.read_buffer())
            try:
                directory = read_directory(archive, self.address)
            except ReportsError:
                return False
            if not have_headers(archive, directory):
                return False
        self._directory = directory
        return True

    @property
    def _archive(self) -> memoryview:
        if not hasattr(self, "_mapped"):
            with still_there(self.address):
                mapped = self.held.mapped(self.held_path, limits.LARGEST_ARCHIVE)
                self._mapped = memoryview(mapped)
        return self._mapped

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`."""
        places = super().locate(subject_ids, study_ids)
        del self._directory  # it is large, and not needed again
        return places

    def _parts(self) -> ZipParts | None:
        return parts_of(self.source, self.path, self._stamp.size) if self._stamp else None

    def _copy(self) -> None:
        """Copy an archive of which parts were read."""
        cache = self._cache  # which another thread may take away
        if cache is not None:
            self._hold(cache, self._stamp)
            self._cache = None

    def _read_directory(self) -> Directory:
        if hasattr(self, "_directory"):
            return self._directory
        with still_there(self.address):
            parts = self._parts() if self._cache is not None else None
            found = parts.directory() if parts else None
            if found is None:
                self._copy()  # which sets it, too, if the copy is new
                found = getattr(self, "_directory", None)
            self._directory = found or read_directory(self._archive, self.address)
        return self._directory

    def _listing(self) -> tuple[pa.Array, Links]:
        directory = self._read_directory()
        names, places, _, is_link = directory
        links = np.flatnonzero(is_link)
        targets = self._contents(places.take(pa.array(links)))
        if self._directory is not directory:  # a copy was made for them, maybe of a newer archive
            return self._listing()
        return names, {
            row: Link(target.decode("utf-8", "replace"))
            for row, target in zip(links.tolist(), targets, strict=True)
        }

    def _places(self, rows: pa.Array) -> pa.Array:
        places = self._directory.places.take(rows)
        flags = self._directory.flags[rows.drop_null().to_numpy()]
        if (flags & ENCRYPTED).any():
            raise encrypted(self.address)
        methods = pc.unique(places.field("method").filter(places.is_valid())).to_pylist()
        for method in sorted(set(methods) - {STORED, DEFLATED}):
            raise not_read(self.address, method)
        return places

    def lacks(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.lacks`."""
        crc, stored = (pc.struct_field(places, name) for name in ("crc", "stored"))
        empty = pc.and_(pc.equal(crc, 0), pc.less_equal(stored, _LARGEST_EMPTY))
        return pc.or_(places.is_null(), pc.fill_null(empty, True))

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        present = places.is_valid()
        try:
            contents = self._contents(places.filter(present))
        finally:
            self.__dict__.pop("_directory", None)  # of a copy that was made for this: it is large
        absent = pa.nulls(len(places), pa.string())
        return pc.replace_with_mask(absent, present, decoded(contents))

    def _contents(self, places: pa.StructArray) -> list[bytes]:
        """Decompress members; if one is damaged in a copy, have the archive copied once more."""
        if not len(places):
            return []
        if self._cache is not None:
            contents = self._few_contents(places)
            if contents is not None:
                return contents
            self._copy()
        try:
            return read_members(self._archive, places, self.address)
        except ReportsError:
            if not self.source.is_remote:
                raise
            self._hold_again()
            self.__dict__.pop("_mapped", None)  # another thread may have found the same
            return read_members(self._archive, places, self.address)

    def _few_contents(self, places: pa.StructArray) -> list[bytes] | None:
        """Decompress members of an archive that is not copied; None if it had better be."""
        parts = self._parts() if self._reads_of_parts < _MOST_READS else None
        if parts is None:
            return None
        self._reads_of_parts += 1
        offsets, stored, *_ = (column.to_numpy() for column in places.flatten())
        with still_there(self.address):
            archive = parts.around(offsets, stored)
        try:
            return None if archive is None else read_members(archive, places, self.address)
        except ReportsError:
            return None  # a copy tells whether the archive is damaged, or was on its way


def encrypted(address: str) -> ReportsError:
    """Build the error for an archive that needs a password."""
    return ReportsError(
        f"{address} is encrypted. Unpack it by its password, with 7-Zip for example, {_UNPACK}"
    )


def not_read(address: str, method: int) -> ReportsError:
    """Build the error for an archive whose texts are compressed in another way than by Deflate."""
    return ReportsError(
        f"{address} is compressed by {method_name(method)}, which is not read here: expected "
        f"Deflate (method 8). Unpack it, with 7-Zip for example, {_UNPACK}"
    )


def read_members(archive: memoryview, places: pa.StructArray, address: str) -> list[bytes]:
    """Decompress some members.

    Args:
        archive: The archive's bytes.
        places: n `MEMBER_TYPE`, none of them null.
        address: Where the archive is, for the errors.

    Returns:
        Their n contents.

    Raises:
        ReportsError: A member is damaged, compressed by a method that is not read here, or larger
            than a report may be.
    """
    offset, stored, method, crc = (column.to_numpy() for column in places.flatten())
    contents = None
    if (method == DEFLATED).all():
        contents = _inflate(archive, offset, stored, crc)
    if contents is None:
        contents, left = [], int(limits.LARGEST_REPORTS)
        for member in places.to_pylist():
            contents.append(read_member(archive, address=address, **member))
            left -= len(contents[-1])
            if left < 0:
                raise too_large_reports(address, too_large(limits.LARGEST_REPORTS))
    return contents


def _inflate(
    archive: memoryview, offsets: Numbers, stored: Numbers, crcs: Numbers
) -> list[bytes] | None:
    """Decompress deflated members; None if one does not decompress or its checksum differs."""
    spans = _spans(np.frombuffer(archive, np.uint8), offsets, stored, crcs)
    if spans is None:
        return None
    contents: list[bytes] = []
    left = int(limits.LARGEST_REPORTS)
    try:
        for start, end in zip(*(bound.tolist() for bound in spans), strict=True):
            content = inflated(archive[start:end])
            left -= len(content)
            if left < 0:
                raise too_large(limits.LARGEST_REPORTS)
            contents.append(content)
    except zlib.error:
        return None
    except TooLargeError:
        return None  # and then it is said which
    return contents if list(map(zlib.crc32, contents)) == crcs.tolist() else None


def _spans(
    data: Bytes, offsets: Numbers, stored: Numbers, crcs: Numbers
) -> tuple[Numbers, Numbers] | None:
    """Find where members begin and end; None if a header is not as the directory says."""
    if len(offsets) and offsets.max() + _LOCAL.size > len(data):
        return None
    starts = offsets + _LOCAL.size + number(data, offsets + 26, 2) + number(data, offsets + 28, 2)
    ends = starts + stored
    marked = number(data, offsets, 4) == int.from_bytes(_LOCAL_MARK, "little")
    flags = number(data, offsets + 6, 2)
    agree = (flags & _CHECKSUM_FOLLOWS != 0) | (number(data, offsets + 14, 4) == crcs)
    whole = marked & agree & (ends <= len(data)) & (flags & ENCRYPTED == 0)
    return (starts, ends) if whole.all() else None


def inflated(data: memoryview) -> bytes:
    """Decompress a deflated report.

    Raises:
        TooLargeError: It is larger than a report may be.
        zlib.error: It does not decompress.
    """
    if len(data) * _MOST_INFLATED <= limits.LARGEST_REPORT:  # as nearly all
        return zlib.decompress(data, -zlib.MAX_WBITS)
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflating.decompress(data, limits.LARGEST_REPORT + 1)
    if len(content) > limits.LARGEST_REPORT:
        raise too_large(limits.LARGEST_REPORT)
    if not inflating.eof:
        raise zlib.error("incomplete")
    return content


def have_headers(archive: memoryview, directory: Directory) -> bool:
    """Whether each member that is read here has its header, and its name in it, where it should.

    Args:
        archive: The archive's bytes.
        directory: What its directory says.
    """
    data = np.frombuffer(archive, np.uint8)
    method = pc.struct_field(directory.places, "method")
    ours = pc.is_in(method, pa.array([STORED, DEFLATED], pa.uint16()))
    places, names = (column.filter(ours) for column in (directory.places, directory.names))
    offset, stored, _, crc = (column.to_numpy() for column in places.flatten())
    if _spans(data, offset, stored, crc) is None:
        return False
    order = np.argsort(offset, kind="stable")
    starts, sizes = offset[order] + _LOCAL.size, number(data, offset[order] + 26, 2)
    if len(data) > _MOST_TO_COMPARE or (starts[1:] < (starts + sizes)[:-1]).any():
        return True
    found = plain_names(segments(data, starts, sizes))
    return found is None or found.equals(names.take(pa.array(order)))


def read_member(
    archive: memoryview, offset: int, stored: int, method: int, crc: int, address: str
) -> bytes:
    """Decompress one member, given its fields of `MEMBER_TYPE`.

    Raises:
        ReportsError: The member is damaged, or compressed by a method that is not read here.
    """
    try:
        mark, flags, local_crc, name_size, extra_size = _LOCAL.unpack_from(archive, offset)
        start = offset + _LOCAL.size + name_size + extra_size
        data = archive[start : start + stored]
        if mark == _LOCAL_MARK and flags & ENCRYPTED:
            raise encrypted(address)
        if method == DEFLATED:
            content = inflated(data)
        elif method == STORED:
            check_limit(stored, limits.LARGEST_REPORT)
            content = bytes(data)
        else:
            raise not_read(address, method)
    except TooLargeError as error:
        raise too_large_reports(f"{address}: the member at byte {offset}", error) from error
    except (struct.error, zlib.error):
        raise damaged(address, f"the member at byte {offset} does not decompress") from None
    # Both checksums count. Zeros over an entry make it one of an empty file, whose checksum is 0.
    # Some writers leave the checksum in the member's own header out, and say so by a flag.
    agree = flags & _CHECKSUM_FOLLOWS or local_crc == crc
    if mark != _LOCAL_MARK or not agree or zlib.crc32(content) != crc:
        raise damaged(address, f"the member at byte {offset} does not match its checksum")
    return content
