"""Reading members of the reports archive where it lies, without unpacking it.

`zipfile` and `tarfile` build an object for each of some 290,000 members, which takes longer than
everything else a build does. These readers take from the archive's own tables what is needed to
find a text, and decompress only what is asked for. Formats: PKWARE's APPNOTE (sections 4.3.7 to
4.3.16) and POSIX ustar with GNU and pax long names.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from cxr_datasets.errors import ReportsError
from mimic_cxr_jpg.bulk import DEFLATED, OUTSIDE, inflate_members, read_zip_entries

MEMBER_TYPE = pa.struct(
    {"offset": pa.int64(), "stored": pa.int64(), "method": pa.uint16(), "crc": pa.uint32()}
)
"""Where a member of a zip archive lies, its size there in bytes, and how it is stored."""

_STORED = 0

_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6xH4x3L3H8xL")
_LOCAL = struct.Struct("<4s2xH6xL8x2H")
_CHECKSUM_FOLLOWS = 1 << 3
_LONGEST_COMMENT = 65_535
_IN_ZIP_64 = 0xFFFF_FFFF

_TAR_BLOCK = 512
_TAR_FILES = (b"0", b"\0")
_PIECE = 1 << 20


def read_zip_directory(archive: memoryview, address: str) -> tuple[pa.Array, pa.StructArray]:
    """Read the central directory of a zip archive.

    Args:
        archive: Its bytes.
        address: Where it is, for the errors.

    Returns:
        The members' names, strings, and an array of `MEMBER_TYPE` as long.

    Raises:
        ReportsError: It is no zip archive, is truncated, or a member's name leads outside it.
    """
    position, count = _find_directory(archive, address)
    columns = read_zip_entries(archive[position:], count)
    if columns is None:
        columns = _read_entries(archive, position, count, address)
    places = [columns[field.name].cast(field.type) for field in MEMBER_TYPE]
    return columns["name"], pa.StructArray.from_arrays(places, fields=list(MEMBER_TYPE))


def _read_entries(
    archive: memoryview, position: int, count: int, address: str
) -> dict[str, pa.Array]:
    """Read the entries one by one: columns `name` and those of `MEMBER_TYPE`."""
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


def _find_directory(archive: memoryview, address: str) -> tuple[int, int]:
    """Where the central directory begins, and how many members it lists."""
    tail_start = max(0, len(archive) - _END.size - _LONGEST_COMMENT)
    found = bytes(archive[tail_start:]).rfind(b"PK\x05\x06")
    if found < 0:
        raise _damaged(address, "it is no zip archive, or its end is missing")
    try:
        end = _END.unpack_from(archive, tail_start + found)
        locator_at = tail_start + found - _END_64_LOCATOR.size
        if locator_at >= 0 and archive[locator_at : locator_at + 4] == b"PK\x06\x07":
            end_64 = _END_64.unpack_from(
                archive, _END_64_LOCATOR.unpack_from(archive, locator_at)[2]
            )
            return end_64[9], end_64[7]
    except (struct.error, OverflowError):
        raise _damaged(address, "its end is damaged") from None
    return end[6], end[4]


def _read_entry(
    archive: memoryview, position: int, address: str
) -> tuple[str, tuple[int, int, int, int], int]:
    """One entry of the central directory, and where the next one begins."""
    try:
        entry = _ENTRY.unpack_from(archive, position)
    except (struct.error, OverflowError):
        raise _damaged(address, "its table of members breaks off") from None
    mark, method, crc, stored, _, name_size, extra_size, comment_size, offset = entry
    if mark != b"PK\x01\x02" or offset == _IN_ZIP_64:
        raise _damaged(address, "its table of members is not that of the reports' release")
    name_at = position + _ENTRY.size
    name = str(archive[name_at : name_at + name_size], "utf-8", "replace")
    following = name_at + name_size + extra_size + comment_size
    return name, (offset, stored, method, crc), following


def read_zip_members(archive: memoryview, places: pa.StructArray, address: str) -> list[bytes]:
    """Decompress some members.

    Args:
        archive: The archive's bytes.
        places: Array of `MEMBER_TYPE`, without nulls.
        address: Where the archive is, for the errors.

    Raises:
        ReportsError: A member is damaged, or stored in a way this does not read.
    """
    offset, stored, method, crc = (column.to_numpy() for column in places.flatten())
    contents = None
    if (method == DEFLATED).all():
        contents = inflate_members(archive, offset, stored, crc)
    if contents is None:  # one is out of the ordinary; of this reader the error says which
        members = places.to_pylist()
        contents = [read_zip_member(archive, address=address, **member) for member in members]
    return contents


def read_zip_member(
    archive: memoryview, offset: int, stored: int, method: int, crc: int, address: str
) -> bytes:
    """Decompress one member, given its fields of `MEMBER_TYPE`.

    Raises:
        ReportsError: The member is damaged, or stored in a way this does not read.
    """
    try:
        mark, flags, local_crc, name_size, extra_size = _LOCAL.unpack_from(archive, offset)
        start = offset + _LOCAL.size + name_size + extra_size
        data = archive[start : start + stored]
        if method == DEFLATED:
            content = zlib.decompress(data, -zlib.MAX_WBITS)
        elif method == _STORED:
            content = bytes(data)
        else:
            raise _damaged(address, f"a member is stored by method {method}; 0 and 8 are read")
    except (struct.error, zlib.error):
        raise _damaged(address, f"the member at byte {offset} does not decompress") from None
    # Zeros over a member's entry say that it is empty, and match the checksum of nothing.
    agree = flags & _CHECKSUM_FOLLOWS or local_crc == crc
    if mark != b"PK\x03\x04" or not agree or zlib.crc32(content) != crc:
        raise _damaged(address, f"the member at byte {offset} does not match its checksum")
    return content


def read_tar_members(stream: BinaryIO, address: str) -> Iterator[tuple[str, bytes]]:
    """Read a tar archive from its beginning to its end.

    Args:
        stream: Its bytes, already decompressed.
        address: Where it is, for the errors.

    Yields:
        Name and content of each file; folders and links are passed over.

    Raises:
        ReportsError: It is no tar archive, is truncated, or a member's name leads outside it.
    """
    long_name = ""
    while header := _read_exactly(stream, _TAR_BLOCK, address):
        if not header.strip(b"\0"):
            # The checksum of what is compressed comes last, and is seen by who reads so far.
            while _read_up_to(stream, _PIECE, address):
                pass
            return
        name, size, kind = _read_tar_header(header, address)
        content = _read_exactly(stream, size, address)
        _read_exactly(stream, -size % _TAR_BLOCK, address)
        if kind == b"L":
            long_name = content.rstrip(b"\0").decode("utf-8", "replace")
            continue
        if kind == b"x":
            long_name = _pax_path(content) or long_name
            continue
        if kind in _TAR_FILES:
            check_inside(long_name or name, address)
            yield long_name or name, content
        long_name = ""
    raise _damaged(address, "it breaks off")


def _read_tar_header(header: bytes, address: str) -> tuple[str, int, bytes]:
    try:
        checksum = int(header[148:156].rstrip(b" \0"), 8)
        size = int(header[124:136].rstrip(b" \0") or b"0", 8)
    except ValueError:
        raise _damaged(address, "it is no tar archive") from None
    if size < 0 or checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
        raise _damaged(address, "it is no tar archive, or a header in it is damaged")
    name = header[:100].rstrip(b"\0")
    if header[257:262] == b"ustar" and header[345:500].strip(b"\0") and header[262:263] == b"\0":
        name = header[345:500].rstrip(b"\0") + b"/" + name
    return name.decode("utf-8", "replace"), size, header[156:157]


def _pax_path(records: bytes) -> str:
    for record in records.split(b"\n"):
        key, _, value = record.partition(b" ")[2].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "replace")
    return ""


def _read_exactly(stream: BinaryIO, size: int, address: str) -> bytes:
    content = b""
    # In pieces: a damaged header can ask for gigabytes.
    while len(content) < size:
        piece = _read_up_to(stream, min(size - len(content), _PIECE), address)
        if not piece:
            raise _damaged(address, "it breaks off")
        content += piece
    return content


def _read_up_to(stream: BinaryIO, size: int, address: str) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error):
        raise _damaged(address, "it does not decompress to its end") from None


def check_inside(name: str, address: str) -> None:
    """Refuse an archive with a member that would be written outside the folder it is unpacked to.

    Raises:
        ReportsError: The name is absolute or climbs out.
    """
    if re.search(OUTSIDE, name):
        raise ReportsError(
            f"{address}: member {name[:80]!r} leads outside the archive. This is not the release's "
            "own file; do not unpack it, and fetch mimic-cxr-reports.zip from PhysioNet again."
        )


def _damaged(address: str, what: str) -> ReportsError:
    return ReportsError(
        f"{address}: {what}. Fetch the reports again and compare them with the release's checksums."
    )
