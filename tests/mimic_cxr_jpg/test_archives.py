"""The readers of archives give what `zipfile` and `tarfile` give, or an error of ours."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import ReportsError
from mimic_cxr_jpg.archives import (
    check_inside,
    read_tar_members,
    read_zip_directory,
    read_zip_member,
)

ADDRESS = "somewhere/mimic-cxr-reports.zip"
Members = list[tuple[str, bytes]]


def some_members(count: int = 40, seed: int = 0) -> Members:
    """Texts of all lengths, of which an empty one, one of a few letters and one of noise."""
    rng = random.Random(seed)
    contents = [b"", b"x", rng.randbytes(3000), b" Clear lungs.\n" * 700]
    contents += [
        b" ".join(rng.choice([b"no", b"small", b"effusion", b"___"]) for _ in range(length))
        for length in rng.sample(range(2000), count - len(contents))
    ]
    names = rng.sample(range(50_000_000, 60_000_000), count)
    return [
        (f"files/p10/p10{name % 1_000_000:06}/s{name}.txt", content)
        for name, content in zip(names, contents, strict=True)
    ]


class Unseekable(io.RawIOBase):
    """A stream like a pipe: `zipfile` then writes sizes and checksums after each member."""

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
    names, places = read_zip_directory(archive, ADDRESS)
    return [
        (name, read_zip_member(archive, address=ADDRESS, **place))
        for name, place in zip(names.to_pylist(), places.to_pylist(), strict=True)
    ]


def by_zipfile(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def tar_bytes(members: Members, form: int, **changes: Any) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, **changes) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mtime = 1_600_000_000
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read_tar(content: bytes) -> Members:
    return list(read_tar_members(io.BytesIO(content), ADDRESS))


def read_tar_gz(content: bytes) -> Members:
    """As the loader reads it: through pyarrow's decompressor."""
    stream = pa.CompressedInputStream(pa.BufferReader(content), "gzip")
    return list(read_tar_members(stream, ADDRESS))


def by_tarfile(content: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            (info.name, archive.extractfile(info).read())  # type: ignore[union-attr]
            for info in archive
            if info.isreg()
        ]


# --- zip ------------------------------------------------------------------------------------------


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
    names, places = read_zip_directory(memoryview(zip_bytes([])), ADDRESS)
    assert len(names) == 0
    assert len(places) == 0


def test_a_zip_of_more_members_than_16_bits_count_reads_whole() -> None:
    names = [f"files/p10/p10{number:06}/s50{number:06}.txt" for number in range(65_600)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name[-12:])
    content = memoryview(stream.getvalue())
    assert content[-22 - 20 : -22 - 16] == b"PK\x06\x07"  # it is a zip64
    found, places = read_zip_directory(content, ADDRESS)
    assert found.to_pylist() == names
    for number in (0, 65_534, 65_535, 65_536, 65_599):
        member = read_zip_member(content, address=ADDRESS, **places[number].as_py())
        assert member == names[number][-12:].encode()


def test_a_zip_written_with_zip64_fields_for_no_need_reads_as_zipfile_reads_it() -> None:
    members = some_members(6)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert read_zip(stream.getvalue()) == members


def test_names_outside_ascii_are_read() -> None:
    assert read_zip(zip_bytes([("files/ü/µ.txt", b"x")])) == [("files/ü/µ.txt", b"x")]


def test_what_precedes_a_zip_is_an_error_and_not_a_wrong_text() -> None:
    with pytest.raises(ReportsError, match=ADDRESS):
        read_zip(b"#!/bin/sh\n" + zip_bytes(some_members()))


def test_other_bytes_in_the_place_of_a_text_are_an_error() -> None:
    name = "files/x.txt"
    content = bytearray(zip_bytes([(name, b"x" * 100)], zipfile.ZIP_STORED))
    start = 30 + len(name)
    content[start : start + 100] = bytes(100)
    with pytest.raises(ReportsError, match="checksum"):
        read_zip(bytes(content))


# --- tar ------------------------------------------------------------------------------------------

LONG = "mimic-cxr-reports/" + "a-folder-of-a-rather-long-name/" * 7


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_reads_as_tarfile_reads_it(form: int) -> None:
    members = [("files/", b""), *some_members()]
    content = tar_bytes(members, form)
    assert read_tar(content) == by_tarfile(content) == members[1:]
    assert read_tar_gz(gzip.compress(content)) == members[1:]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_more_than_a_header_holds_are_read(form: int) -> None:
    members = [(name, text) for path, text in some_members(8) for name in (LONG + path, path)]
    content = tar_bytes(members, form)
    assert read_tar(content) == by_tarfile(content) == members


def test_names_split_over_two_fields_are_read() -> None:
    members = [(LONG[:120] + "/" + path, text) for path, text in some_members(8)]
    content = tar_bytes(members, tarfile.USTAR_FORMAT)
    assert read_tar(content) == by_tarfile(content) == members


def test_pax_names_outside_ascii_and_global_headers_are_read() -> None:
    members = [("files/ü/µ.txt", b"x"), ("files/" + "ü" * 90 + ".txt", b"y"), ("files/z", b"z")]
    content = tar_bytes(members, tarfile.PAX_FORMAT, pax_headers={"comment": "all", "path": "no"})
    assert [text for _, text in read_tar(content)] == [b"x", b"y", b"z"]
    content = tar_bytes(members, tarfile.PAX_FORMAT, pax_headers={"comment": "all"})
    assert read_tar(content) == by_tarfile(content) == members


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_links_and_folders_are_passed_over(form: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("files/" + "x" * 50)
            info.type, info.linkname = kind, "../" * (60 if form == tarfile.GNU_FORMAT else 10)
            archive.addfile(info)
        info = tarfile.TarInfo("files/s.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert read_tar(stream.getvalue()) == [("files/s.txt", b"abc")]


def test_a_tar_packed_in_several_pieces_reads_whole() -> None:
    members = some_members()
    content = tar_bytes(members, tarfile.USTAR_FORMAT)
    pieces = (content[:5000], content[5000:9000], content[9000:])
    assert read_tar_gz(b"".join(map(gzip.compress, pieces))) == members


def test_a_tar_of_old_v7_form_is_read() -> None:
    content = bytearray(tar_bytes([("files/s.txt", b"abc")], tarfile.USTAR_FORMAT))
    content[257:265] = bytes(8)  # no mark of ustar
    content[156:157] = b"\0"  # and the file's type as it was then
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert read_tar(bytes(content)) == by_tarfile(bytes(content)) == [("files/s.txt", b"abc")]


def test_an_empty_tar_has_no_members() -> None:
    assert read_tar(tar_bytes([], tarfile.USTAR_FORMAT)) == []


def test_a_size_written_in_another_base_is_an_error_and_takes_no_memory() -> None:
    content = bytearray(tar_bytes([("files/s.txt", b"abc")], tarfile.USTAR_FORMAT))
    for size in (b"\x80" + bytes(3) + b"\x7f" + bytes(7), b"-0000000003\0", b"77777777777\0"):
        content[124:136] = size
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
        for read in (read_tar, lambda content: read_tar_gz(gzip.compress(content))):
            with pytest.raises(ReportsError, match=ADDRESS):
                read(bytes(content))


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "..", "a/..", "a/../b", "/a", "//a", "\\a", "..\\x", "a\\..\\b", "a/..\\b"),
        *("C:\\x", "c:x", "C:/x"),
    ],
)
def test_a_name_that_leads_outside_is_refused(name: str) -> None:
    with pytest.raises(ReportsError, match="outside the archive"):
        check_inside(name, ADDRESS)


@pytest.mark.parametrize(
    "name", ["a", "a/b", "..a", "a..", "a/..b/c", ".", "./a", "...", "ab:c", ""]
)
def test_a_name_that_stays_inside_is_not(name: str) -> None:
    check_inside(name, ADDRESS)


# --- damage ---------------------------------------------------------------------------------------


def damages(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Cut the content, turn bits of it, or put other bytes in it, anywhere and at its end."""
    rng = random.Random(seed)
    for number in range(count):
        near_end = number % 3 == 0
        place = rng.randrange(max(0, len(content) - 150) if near_end else 0, len(content))
        kind = number % 4
        if kind == 0:
            yield content[:place]
        elif kind == 1:
            other = bytearray(content)
            other[place] ^= 1 << rng.randrange(8)
            yield bytes(other)
        elif kind == 2:
            yield content[:place] + rng.randbytes(rng.randrange(1, 9)) + content[place + 4 :]
        else:
            run = rng.choice([b"\xff", b"\0"]) * rng.randrange(1, 17)
            yield content[:place] + run + content[place + len(run) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_gives_an_error_of_ours_or_the_right_texts(method: int) -> None:
    members = dict(some_members(12, seed=3))
    content = zip_bytes(list(members.items()), method)
    errors = 0
    for damaged in damages(content, 3000, seed=1):
        archive = memoryview(damaged)
        try:
            names, places = read_zip_directory(archive, ADDRESS)
        except ReportsError:
            errors += 1
            continue
        for name, place in zip(names.to_pylist(), places.to_pylist(), strict=True):
            try:
                text = read_zip_member(archive, address=ADDRESS, **place)
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


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_damaged_tar_gz_gives_an_error_of_ours_or_the_right_texts(form: int) -> None:
    members = some_members(8, seed=5)
    content = gzip.compress(tar_bytes([(LONG[:40] + n, t) for n, t in members], form), mtime=0)
    expected = read_tar_gz(content)
    errors = 0
    for damaged in damages(content, 1500, seed=3):
        try:
            assert read_tar_gz(damaged) == expected
        except ReportsError:
            errors += 1
    assert errors > 1000


def test_a_damaged_tar_without_gzip_gives_an_error_of_ours_or_some_texts() -> None:
    content = tar_bytes(some_members(8, seed=6), tarfile.PAX_FORMAT)
    errors = 0
    for damaged in damages(content, 1500, seed=4):
        try:
            read_tar(damaged)
        except ReportsError:
            errors += 1
    assert errors > 300
