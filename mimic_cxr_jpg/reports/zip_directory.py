"""The directory of a zip archive: its members, and where each of them lies.

`zipfile` builds an object for each of some 290,000 members, which takes longer than everything
else a build does. Here numpy reads the directory by column. Where an entry is out of the ordinary
(sizes of a zip64, names that are not UTF-8) `zipfile` reads it.

The format is described in PKWARE's APPNOTE, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cxr_datasets import limits
from cxr_datasets.errors import ReportsError
from cxr_datasets.limits import TooLargeError, check_limit
from cxr_datasets.storage.zip_members import Guarded, Joined
from mimic_cxr_jpg.reports.archived import (
    Bytes,
    Numbers,
    check_inside,
    damaged,
    plain_names,
    segments,
)

MEMBER_TYPE = pa.struct(
    {"offset": pa.int64(), "stored": pa.int64(), "method": pa.uint16(), "crc": pa.uint32()}
)
"""Where a member begins, its compressed size in bytes, how it is compressed, and its checksum."""

STORED, DEFLATED = 0, 8
_END_MARK, _END_64_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY_MARK = b"PK\x01\x02"
_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY_SIZE = 46
_LONGEST_COMMENT = 65_535
LONGEST_END = _END_64.size + _END_64_LOCATOR.size + _END.size + _LONGEST_COMMENT
"""Bytes of the longest end of an archive, behind its directory."""

_IN_ZIP_64 = 0xFFFF_FFFF
_UNIX, _KIND_OF_FILE, _LINK = 3, 0xF000, 0xA000

_DAMAGE = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, OSError,
           NotImplementedError)  # fmt: skip
"""What `zipfile` raises on a damaged directory, beyond what it documents."""


class Directory(NamedTuple):
    """The members of a zip archive.

    Attributes:
        names: n strings.
        places: n `MEMBER_TYPE`.
        flags: The n general purpose flags, an array of integers.
        is_link: n booleans: whether a member holds the path of another file, and no text.
    """

    names: pa.Array
    places: pa.StructArray
    flags: Numbers
    is_link: Numbers


class End(NamedTuple):
    """The end of an archive.

    Attributes:
        directory: The first byte of the directory.
        size: Its size in bytes.
        entries: How many it says it has; of more than 65,535 maybe what 65,536 leaves of them.
        before: How many bytes were put before the archive.
        at: The first byte of the end record.
        is_last_part: Whether it says that other parts of the archive are elsewhere.
    """

    directory: int
    size: int
    entries: int
    before: int
    at: int
    is_last_part: bool


def read_directory(archive: memoryview, address: str) -> Directory:
    """Read the central directory of a zip archive.

    Args:
        archive: Its bytes.
        address: Where it is, for the errors.

    Raises:
        ReportsError: It is no zip archive, is truncated, is one part of several, or a member's
            name leads outside it.
        TooLargeError: Its directory is beyond a limit.
    """
    end = _find_end(archive, address)
    found = plain_directory(archive[end.directory : end.directory + end.size], end)
    return found or _directory(_by_zipfile(archive, end, address))


def plain_directory(entries: bytes | memoryview, end: End) -> Directory | None:
    """Read a central directory; None if an entry is out of the ordinary.

    Args:
        entries: Its bytes.
        end: The end record, which tells how many they are.

    Raises:
        TooLargeError: It is beyond a limit.
    """
    check_limit(end.size, limits.LARGEST_DIRECTORY)
    columns = read_entries(entries, end.entries, end.before)
    return None if columns is None else _directory(columns)


def _directory(columns: dict[str, pa.Array]) -> Directory:
    places = [columns[field.name].cast(field.type) for field in MEMBER_TYPE]
    return Directory(
        columns["name"],
        pa.StructArray.from_arrays(places, fields=list(MEMBER_TYPE)),
        columns["flags"].to_numpy(),
        columns["is_link"].to_numpy(zero_copy_only=False),
    )


# --- where it is ----------------------------------------------------------------------------------


def stated_end(archive: memoryview) -> End | None:
    """Read the end of an archive, whose directory is not looked at; None if it has none.

    Args:
        archive: Bytes of the archive, of which the last `LONGEST_END` count.
    """
    end = next((_stated_at(archive, at) for at in _last_marks(archive)), None)
    return None if end is None or not end.size or end.is_last_part else end


def _find_end(archive: memoryview, address: str) -> End:
    """Find the end record whose directory is where it says.

    A comment, or a text that is not compressed, may hold the mark of another one.
    """
    at: int | None = None
    empty: End | None = None
    for at in _last_marks(archive):
        end = _end_at(archive, at, address)
        if end is not None and end.size:
            return end
        empty = empty or end
    if empty is not None:
        return empty
    if at is not None:
        raise damaged(address, "its end is damaged, or its table of members breaks off")
    raise damaged(address, f"it is no zip archive{_what_it_is(archive)}, or its end is missing")


def _last_marks(archive: memoryview) -> Iterator[int]:
    """Give the places of all marks of an end record, the last one first."""
    start = max(0, len(archive) - _END.size - _LONGEST_COMMENT)
    tail = bytes(archive[start:])
    found = len(tail)
    while (found := tail.rfind(_END_MARK, 0, found)) >= 0:
        yield start + found


def _end_at(archive: memoryview, at: int, address: str) -> End | None:
    """Read the end record at a place; None if it is none, or no directory is where it says."""
    end = _stated_at(archive, at)
    if end is None:
        return None
    if end.size and archive[end.directory : end.directory + 4] != _ENTRY_MARK:
        return None
    if end.is_last_part:
        raise ReportsError(
            f"{address} is the last part of an archive in several parts. Put them together (zip -s "
            "0 PART --out WHOLE.zip), or unpack them and pass the folder that holds files/ as "
            "reports=."
        )
    return end


def _stated_at(archive: memoryview, at: int) -> End | None:
    """Read the end record at a place; None if it is none."""
    try:
        _, disk, first_disk, _, count, size, offset, comment = _END.unpack_from(archive, at)
        before_it = at
        found_64 = _end_64_before(archive, at)
        if found_64 is not None:
            before_it, (*_, disk, first_disk, _, count, size, offset) = found_64
    except struct.error:
        return None
    if at + _END.size + comment > len(archive):
        return None
    directory = before_it - size
    if directory < 0 or directory < offset:
        return None
    return End(directory, size, count, directory - offset, at, bool(disk or first_disk))


def _end_64_before(archive: memoryview, at: int) -> tuple[int, tuple[int, ...]] | None:
    """Read the end record of a zip64, if one stands before the other: its place and its fields."""
    locator_at = at - _END_64_LOCATOR.size
    if locator_at < 0 or archive[locator_at : locator_at + 4] != _LOCATOR_MARK:
        return None
    # With bytes before the archive it is not where the locator says.
    stated = _END_64_LOCATOR.unpack_from(archive, locator_at)[2]
    for place in (stated, locator_at - _END_64.size):
        if archive[place : place + 4] == _END_64_MARK and place + _END_64.size <= locator_at:
            return place, _END_64.unpack_from(archive, place)
    raise struct.error


_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7-Zip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
"""First bytes of a file -> what it is, where its name says something else."""


def _what_it_is(archive: memoryview) -> str:
    begins = bytes(archive[:8])
    kind = next((kind for mark, kind in _BEGINNINGS.items() if begins.startswith(mark)), None)
    return f" but a file of {kind} (give it the suffix of one)" if kind else ""


# --- all entries at once --------------------------------------------------------------------------


def read_entries(
    directory: bytes | memoryview, count: int, before: int = 0
) -> dict[str, pa.Array] | None:
    """Read the entries of a central directory, all at once.

    Args:
        directory: Its bytes.
        count: Number of its entries; of more than 65,535 maybe what 65,536 leaves of them.
        before: How many bytes were put before the archive.

    Returns:
        Columns `name`, `offset`, `stored`, `method`, `crc`, `flags` and `is_link`, a row a member;
        None if an entry is out of the ordinary.
    """
    data = np.frombuffer(directory, np.uint8)
    starts = _marks(data)
    check_limit(len(starts), limits.MOST_MEMBERS)
    if _differ(len(starts), count) or len(starts) == 0 or starts[-1] + _ENTRY_SIZE > len(data):
        return None
    name_sizes, *more = (number(data, starts + at, 2) for at in (28, 30, 32))
    ends = starts + _ENTRY_SIZE + name_sizes + sum(more)
    offsets, stored = number(data, starts + 42, 4), number(data, starts + 20, 4)
    if starts[0] or (ends[:-1] != starts[1:]).any() or ends[-1] != len(data):
        return None
    if (np.maximum(offsets, stored) == _IN_ZIP_64).any():
        return None
    names = plain_names(segments(data, starts + _ENTRY_SIZE, name_sizes))
    if names is None:
        return None
    kinds = number(data, starts + 40, 2) & _KIND_OF_FILE
    return {
        "name": names,
        "offset": pa.array(offsets + before),
        "stored": pa.array(stored),
        "method": pa.array(number(data, starts + 10, 2), pa.uint16()),
        "crc": pa.array(number(data, starts + 16, 4), pa.uint32()),
        "flags": pa.array(number(data, starts + 8, 2)),
        "is_link": pa.array((data[starts + 5] == _UNIX) & (kinds == _LINK)),
    }


def _marks(data: Bytes) -> Numbers:
    """Find the places of all marks of an entry."""
    first, *rest = _ENTRY_MARK
    found = np.flatnonzero(data[: max(0, len(data) - len(rest))] == first)
    for at, byte in enumerate(rest, start=1):
        found = found[data[found + at] == byte]
    return found


def _differ(found: int, stated: int) -> bool:
    """Whether a directory has not as many entries as it says. Some writers count to 65,536 only."""
    return found != stated and (stated > 0xFFFF or found % 0x1_0000 != stated)


def number(data: Bytes, at: Numbers, size: int) -> Numbers:
    """Read little-endian numbers of `size` bytes at some places."""
    return sum(
        (data[at + byte].astype(np.int64) << (8 * byte) for byte in range(size)), np.int64(0)
    )


# --- one entry after the other --------------------------------------------------------------------


def _by_zipfile(archive: memoryview, end: End, address: str) -> dict[str, pa.Array]:
    """Read the entries by `zipfile`, into the columns that `read_entries` gives."""
    # Without the comment, in which it would look for the end, and without what follows it.
    record = bytes(archive[end.at : end.at + _END.size - 2]) + bytes(2)
    try:
        with zipfile.ZipFile(Guarded(Joined(archive[: end.at], record))) as file:
            infos = file.infolist()
    except TooLargeError:
        raise
    except _DAMAGE:
        raise damaged(address, "its table of members is damaged") from None
    if _differ(len(infos), end.entries):
        raise damaged(address, "its table of members breaks off")
    for info in infos:
        check_inside(info.filename, address)
    columns = [
        ("name", [info.filename for info in infos], pa.string()),
        ("offset", [info.header_offset for info in infos], pa.int64()),
        ("stored", [info.compress_size for info in infos], pa.int64()),
        ("method", [info.compress_type for info in infos], pa.uint16()),
        ("crc", [info.CRC for info in infos], pa.uint32()),
        ("flags", [info.flag_bits for info in infos], pa.int64()),
        ("is_link", [_is_link(info) for info in infos], pa.bool_()),
    ]
    try:
        return {name: pa.array(values, kind) for name, values, kind in columns}
    except (pa.ArrowInvalid, OverflowError):
        raise damaged(address, "its table of members is damaged") from None


def _is_link(info: zipfile.ZipInfo) -> bool:
    kind = info.external_attr >> 16 & _KIND_OF_FILE
    return info.create_system == _UNIX and kind == _LINK
