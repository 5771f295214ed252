"""Reports in a zip archive, read where it lies, without unpacking it.

The archive has some 290,000 members. `zipfile` builds an object for each, which takes longer than
everything else a build does. Here numpy reads the directory by column, and only the texts that are
asked for are decompressed. The functions that work on many members at once return None where one
is out of the ordinary; those that take one after the other then read it, or say what is wrong.

`zipfile` cannot replace those. It takes an entry overwritten by zeros for an empty file, does not
notice that a directory lacks entries, and accepts bytes before the archive.

The format is described in PKWARE's APPNOTE, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mimic_cxr_jpg.reports.archived import (
    ArchivedReports,
    Bytes,
    Numbers,
    check_inside,
    damaged,
    plain_names,
    segments,
)
from mimic_cxr_jpg.reports.store import decoded, permitted

MEMBER_TYPE = pa.struct(
    {"offset": pa.int64(), "stored": pa.int64(), "method": pa.uint16(), "crc": pa.uint32()}
)
"""Where a member begins, its compressed size in bytes, how it is compressed, and its checksum."""

_STORED, _DEFLATED = 0, 8

_END_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x07"
_ENTRY_MARK, _LOCAL_MARK = b"PK\x01\x02", b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6xH4x3L3H8xL")
_LOCAL = struct.Struct("<4s2xH6xL8x2H")
_CHECKSUM_FOLLOWS = 1 << 3
_LONGEST_COMMENT = 65_535
_IN_ZIP_64 = 0xFFFF_FFFF


class ZippedReports(ArchivedReports):
    """Reports in a zip archive. A remote one is copied into the cache first.

    To read it over a network would take its directory, a seventh of it, and as many requests as
    there are shards, again in every epoch.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def prepare(self, cache: str) -> None:
        """Copy a remote archive into the cache, unless it is there.

        Raises:
            StoreError: It cannot be read.
        """
        self._hold(cache)

    @property
    def _archive(self) -> memoryview:
        if not hasattr(self, "_mapped"):
            with permitted(self.address):
                self._mapped = memoryview(self.held.mapped(self.held_path))
        return self._mapped

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`."""
        names, places = read_directory(self._archive, self.address)
        return places.take(self._find_members(names, subject_ids, study_ids))

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        present = places.is_valid()
        contents = read_members(self._archive, places.filter(present), self.address)
        absent = pa.nulls(len(places), pa.string())
        return pc.replace_with_mask(absent, present, decoded(contents))


# --- the directory --------------------------------------------------------------------------------


def read_directory(archive: memoryview, address: str) -> tuple[pa.Array, pa.StructArray]:
    """Read the central directory of a zip archive.

    Args:
        archive: Its bytes.
        address: Where it is, for the errors.

    Returns:
        The names of its n members, strings, and an array of n `MEMBER_TYPE`.

    Raises:
        ReportsError: It is no zip archive, is truncated, or a member's name leads outside it.
    """
    position, count = _find_directory(archive, address)
    columns = read_entries(archive[position:], count)
    if columns is None:
        columns = _read_entries_singly(archive, position, count, address)
    places = [columns[field.name].cast(field.type) for field in MEMBER_TYPE]
    return columns["name"], pa.StructArray.from_arrays(places, fields=list(MEMBER_TYPE))


def _find_directory(archive: memoryview, address: str) -> tuple[int, int]:
    """Say where the central directory begins, and how many members it lists."""
    tail_start = max(0, len(archive) - _END.size - _LONGEST_COMMENT)
    found = bytes(archive[tail_start:]).rfind(_END_MARK)
    if found < 0:
        raise damaged(address, "it is no zip archive, or its end is missing")
    try:
        end = _END.unpack_from(archive, tail_start + found)
        locator_at = tail_start + found - _END_64_LOCATOR.size
        if locator_at >= 0 and archive[locator_at : locator_at + 4] == _LOCATOR_MARK:
            end_64_at = _END_64_LOCATOR.unpack_from(archive, locator_at)[2]
            end_64 = _END_64.unpack_from(archive, end_64_at)
            return end_64[9], end_64[7]
    except (struct.error, OverflowError):
        raise damaged(address, "its end is damaged") from None
    return end[6], end[4]


def read_entries(directory: memoryview, count: int) -> dict[str, pa.Array] | None:
    """Read the entries of a central directory, all at once.

    Args:
        directory: Its bytes, from the first entry on.
        count: Number of its entries.

    Returns:
        Columns `name`, `offset`, `stored`, `method` and `crc`, a row a member; None if an entry is
        out of the ordinary.
    """
    found = (match.start() for match in re.finditer(re.escape(_ENTRY_MARK), directory))
    starts = np.fromiter(found, np.int64)
    data = np.frombuffer(directory, np.uint8)
    if len(starts) != count or count == 0 or starts[-1] + _ENTRY.size > len(data):
        return None
    name_sizes, *more = (_number(data, starts + at, 2) for at in (28, 30, 32))
    ends = starts + _ENTRY.size + name_sizes + sum(more)
    offsets = _number(data, starts + 42, 4)
    if starts[0] or (ends[:-1] != starts[1:]).any() or ends[-1] > len(data):
        return None
    if (offsets == _IN_ZIP_64).any():
        return None
    names = plain_names(segments(data, starts + _ENTRY.size, name_sizes))
    if names is None:
        return None
    return {
        "name": names,
        "offset": pa.array(offsets),
        "stored": pa.array(_number(data, starts + 20, 4)),
        "method": pa.array(_number(data, starts + 10, 2), pa.uint16()),
        "crc": pa.array(_number(data, starts + 16, 4), pa.uint32()),
    }


def _read_entries_singly(
    archive: memoryview, position: int, count: int, address: str
) -> dict[str, pa.Array]:
    """Read the entries one after the other, into the columns that `read_entries` gives."""
    names, entries = [], []
    for _ in range(count):
        name, entry, position = _read_entry(archive, position, address)
        names.append(name)
        entries.append(entry)
    for name in names:
        check_inside(name, address)
    columns = {
        field.name: pa.array([entry[place] for entry in entries], field.type)
        for place, field in enumerate(MEMBER_TYPE)
    }
    return {"name": pa.array(names, pa.string()), **columns}


def _read_entry(
    archive: memoryview, position: int, address: str
) -> tuple[str, tuple[int, int, int, int], int]:
    """Read one entry: its name, its fields of `MEMBER_TYPE`, and where the next one begins."""
    try:
        entry = _ENTRY.unpack_from(archive, position)
    except (struct.error, OverflowError):
        raise damaged(address, "its table of members breaks off") from None
    mark, method, crc, stored, _, name_size, extra_size, comment_size, offset = entry
    if mark != _ENTRY_MARK or offset == _IN_ZIP_64:
        raise damaged(address, "its table of members is damaged, or is not that of the release")
    name_at = position + _ENTRY.size
    name = str(archive[name_at : name_at + name_size], "utf-8", "replace")
    following = name_at + name_size + extra_size + comment_size
    return name, (offset, stored, method, crc), following


# --- the members ----------------------------------------------------------------------------------


def read_members(archive: memoryview, places: pa.StructArray, address: str) -> list[bytes]:
    """Decompress some members.

    Args:
        archive: The archive's bytes.
        places: n `MEMBER_TYPE`, none of them null.
        address: Where the archive is, for the errors.

    Returns:
        Their n contents.

    Raises:
        ReportsError: A member is damaged, or compressed by a method that is not read here.
    """
    offset, stored, method, crc = (column.to_numpy() for column in places.flatten())
    contents = None
    if (method == _DEFLATED).all():
        contents = _inflate(archive, offset, stored, crc)
    if contents is None:
        members = places.to_pylist()
        contents = [read_member(archive, address=address, **member) for member in members]
    return contents


def _inflate(
    archive: memoryview, offsets: Numbers, stored: Numbers, crcs: Numbers
) -> list[bytes] | None:
    """Decompress deflated members; None if one does not decompress or its checksum differs."""
    data = np.frombuffer(archive, np.uint8)
    if len(offsets) and offsets.max() + _LOCAL.size > len(data):
        return None
    starts = offsets + _LOCAL.size + _number(data, offsets + 26, 2) + _number(data, offsets + 28, 2)
    ends = starts + stored
    marked = _number(data, offsets, 4) == int.from_bytes(_LOCAL_MARK, "little")
    agree = (_number(data, offsets + 6, 2) & _CHECKSUM_FOLLOWS != 0) | (
        _number(data, offsets + 14, 4) == crcs
    )
    if not (marked & agree & (ends <= len(data))).all():
        return None
    inflate = zlib.decompress
    try:
        contents = [
            inflate(archive[start:end], -zlib.MAX_WBITS)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    except zlib.error:
        return None
    return contents if list(map(zlib.crc32, contents)) == crcs.tolist() else None


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
        if method == _DEFLATED:
            content = zlib.decompress(data, -zlib.MAX_WBITS)
        elif method == _STORED:
            content = bytes(data)
        else:
            raise damaged(address, f"a member is compressed by method {method}, not by 0 or 8")
    except (struct.error, zlib.error):
        raise damaged(address, f"the member at byte {offset} does not decompress") from None
    # Both checksums count. Zeros over an entry make it one of an empty file, whose checksum is 0.
    # Some writers leave the checksum in the member's own header out, and say so by a flag.
    agree = flags & _CHECKSUM_FOLLOWS or local_crc == crc
    if mark != _LOCAL_MARK or not agree or zlib.crc32(content) != crc:
        raise damaged(address, f"the member at byte {offset} does not match its checksum")
    return content


def _number(data: Bytes, at: Numbers, size: int) -> Numbers:
    """Read little-endian numbers of `size` bytes at some places."""
    return sum(
        (data[at + byte].astype(np.int64) << (8 * byte) for byte in range(size)), np.int64(0)
    )
