"""The reader of zips gives what `zipfile` gives, or an error of ours."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import ReportsError
from mimic_cxr_jpg.reports.zip_directory import read_directory, read_entries
from mimic_cxr_jpg.reports.zipped import read_member
from tests.mimic_cxr_jpg.reports.archives import Members, damages, some_members

ADDRESS = "somewhere/mimic-cxr-reports.zip"


class Unseekable(io.RawIOBase):
    """A stream like a pipe, for which `zipfile` writes sizes and checksums after each member."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self.written.write(data)


def zip_bytes(members: Members, method: int = zipfile.ZIP_DEFLATED, **changes: Any) -> bytes:
    stream = Unseekable() if changes.get("descriptors") else io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:  # type: ignore[arg-type]
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.extra = changes.get("extra", b"")
            info.comment = changes.get("member_comment", b"")
            archive.writestr(info, content, method)
        archive.comment = changes.get("comment", b"")
    return stream.written.getvalue() if isinstance(stream, Unseekable) else stream.getvalue()


def read_zip(content: bytes) -> Members:
    archive = memoryview(content)
    names, places, *_ = read_directory(archive, ADDRESS)
    return [
        (name, read_member(archive, address=ADDRESS, **place))
        for name, place in zip(names.to_pylist(), places.to_pylist(), strict=True)
    ]


def by_zipfile(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"comment": b"all reports"},
        {"comment": b"x" * 65_535},
        {"descriptors": True},
        {"extra": struct.pack("<HHQ", 0x9999, 8, 1)},
        {"member_comment": b"a text"},
    ],
    ids=["plain", "comment", "longest comment", "descriptors", "extra fields", "member comments"],
)
def test_a_zip_reads_as_zipfile_reads_it(changes: dict[str, Any], method: int) -> None:
    members = some_members()
    content = zip_bytes(members, method, **changes)
    assert read_zip(content) == by_zipfile(content) == members


def test_folders_of_a_zip_are_members_without_content() -> None:
    members = [("files/", b""), ("files/p10/", b""), *some_members(5)]
    assert read_zip(zip_bytes(members)) == members


def test_a_zip_without_members_has_none() -> None:
    names, places, *_ = read_directory(memoryview(zip_bytes([])), ADDRESS)
    assert len(names) == 0
    assert len(places) == 0


def test_a_zip_of_more_than_65535_members_reads_whole() -> None:
    names = [f"files/p10/p10{number:06}/s50{number:06}.txt" for number in range(65_600)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name[-12:])
    content = memoryview(stream.getvalue())
    assert content[-22 - 20 : -22 - 16] == b"PK\x06\x07"  # it is a zip64
    found, places, *_ = read_directory(content, ADDRESS)
    assert found.to_pylist() == names
    for number in (0, 65_534, 65_535, 65_536, 65_599):
        member = read_member(content, address=ADDRESS, **places[number].as_py())
        assert member == names[number][-12:].encode()


def test_a_small_zip_with_zip64_fields_reads_as_zipfile_reads_it() -> None:
    members = some_members(6)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert read_zip(stream.getvalue()) == members


def test_names_outside_ascii_are_read() -> None:
    assert read_zip(zip_bytes([("files/ü/µ.txt", b"x")])) == [("files/ü/µ.txt", b"x")]


def test_a_zip_with_bytes_before_it_reads_as_zipfile_reads_it() -> None:
    members = some_members()
    content = b"#!/bin/sh\n" + zip_bytes(members)
    assert read_zip(content) == by_zipfile(content) == members


def test_bytes_lost_before_a_zip_are_an_error() -> None:
    with pytest.raises(ReportsError, match=ADDRESS):
        read_zip(zip_bytes(some_members())[1:])


def test_other_bytes_in_the_place_of_a_text_are_an_error() -> None:
    name = "files/x.txt"
    content = bytearray(zip_bytes([(name, b"x" * 100)], zipfile.ZIP_STORED))
    start = 30 + len(name)
    content[start : start + 100] = bytes(100)
    with pytest.raises(ReportsError, match="checksum"):
        read_zip(bytes(content))


# --- many entries at once -------------------------------------------------------------------------


def test_the_entries_of_an_ordinary_zip_are_read_by_column() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in some_members():
            archive.writestr(name, content)
        infos = archive.infolist()
    content = memoryview(stream.getvalue())
    columns = read_entries(content[archive.start_dir : -22], len(infos))
    assert columns is not None
    expected = {
        "name": [info.filename for info in infos],
        "offset": [info.header_offset for info in infos],
        "stored": [info.compress_size for info in infos],
        "method": [info.compress_type for info in infos],
        "crc": [info.CRC for info in infos],
        "flags": [info.flag_bits for info in infos],
        "is_link": [False] * len(infos),
    }
    assert {name: column.to_pylist() for name, column in columns.items()} == expected


def test_an_entry_whose_comment_looks_like_an_entry_is_left_to_the_other_reader() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("files/a.txt")
        info.comment = b"PK\x01\x02"
        archive.writestr(info, b"text")
    content = memoryview(stream.getvalue())
    assert read_entries(content[archive.start_dir : -22], 1) is None
    names, places, *_ = read_directory(content, "x")
    assert names == pa.array(["files/a.txt"])
    assert len(places) == 1


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_gives_an_error_of_ours_or_the_right_texts(method: int) -> None:
    members = dict(some_members(12, seed=3))
    content = zip_bytes(list(members.items()), method)
    errors = 0
    for damaged in damages(content, 3000, seed=1):
        archive = memoryview(damaged)
        try:
            names, places, *_ = read_directory(archive, ADDRESS)
        except ReportsError:
            errors += 1
            continue
        for name, place in zip(names.to_pylist(), places.to_pylist(), strict=True):
            try:
                text = read_member(archive, address=ADDRESS, **place)
            except ReportsError:
                errors += 1
                continue
            assert text == members.get(name, text)
    assert errors > 1000


def test_a_damaged_zip64_gives_an_error_of_ours_or_the_right_names() -> None:
    members = some_members(4, seed=4)
    content = zip64_end(zip_bytes(members, zipfile.ZIP_STORED))
    assert read_zip(content) == by_zipfile(content) == members
    end = len(content) - 22 - 20 - 56
    errors = 0
    for damaged in damages(content[end:], 3000, seed=2):
        try:
            found = read_zip(content[:end] + damaged)
        except ReportsError:
            errors += 1
        else:
            assert set(found) <= set(members)
    assert errors > 1000


def zip64_end(content: bytes) -> bytes:
    """Give a small zip the end records of a zip64."""
    *_, count, size, offset, _ = struct.unpack("<4s4H2LH", content[-22:])
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, size, 0xFFFFFFFF, 0)
    return content[:-22] + end_64 + locator + end
