"""Both readers of tars give what `tarfile` gives, or an error of ours."""

from __future__ import annotations

import gzip
import io
import random
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets import limits
from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.metered import Metered
from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg.reports import TarredReports, tar_members
from mimic_cxr_jpg.reports.tar_members import read_members
from tests.mimic_cxr_jpg.reports.archives import Members, damages, some_members

ADDRESS = "somewhere/mimic-cxr-reports.tar.gz"
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
FOLDER = ("files/", b"")
LONG = "mimic-cxr-reports/" + "a-folder-of-a-rather-long-name/" * 7


def tar_bytes(
    members: Members, form: int = tarfile.USTAR_FORMAT, mtime: float = 1_600_000_000, **changes: Any
) -> bytes:
    """Write a tar; a name that ends with `/` is a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, **changes) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime  # type: ignore[assignment]
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def files_in(stream: Any) -> Members:
    members = read_members(Metered(stream, limits.LARGEST_UNPACKED), ADDRESS)
    return [(name, content) for name, content, link in members if link is None]


def read_tar(content: bytes) -> Members:
    return files_in(io.BytesIO(content))


def read_tar_gz(content: bytes) -> Members:
    """Read as the loader does, through pyarrow's decompressor."""
    stream = pa.CompressedInputStream(pa.BufferReader(content), "gzip")
    return files_in(stream)


def by_tarfile(content: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            (info.name, archive.extractfile(info).read())  # type: ignore[union-attr]
            for info in archive
            if info.isreg()
        ]


# --- one member after the other -------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_tar_reads_as_tarfile_reads_it(form: int) -> None:
    members = [FOLDER, *some_members()]
    content = tar_bytes(members, form)
    assert read_tar(content) == by_tarfile(content) == members[1:]
    assert read_tar_gz(gzip.compress(content)) == members[1:]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_too_long_for_a_header_are_read(form: int) -> None:
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


@pytest.mark.parametrize("form", FORMATS)
def test_links_folders_and_pipes_are_no_files(form: int) -> None:
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


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tarfile of 3.10 cannot stream this one")
def test_an_empty_tar_has_no_members() -> None:
    assert read_tar(tar_bytes([], tarfile.USTAR_FORMAT)) == []


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE])
@pytest.mark.parametrize(
    "size",
    [b"\x80" + bytes(3) + b"\x7f" + bytes(7), b"\xff" * 12, b"-0000000003\0", b"77777777777\0"],
    ids=["2^63", "-1", "-3", "8 GiB"],
)
def test_an_impossible_size_is_an_error_and_takes_neither_memory_nor_time(
    size: bytes, kind: bytes
) -> None:
    for text in (b"abc", b""):
        content = bytearray(tar_bytes([("files/s.txt", text)]))
        content[124:136] = size
        content[156:157] = kind
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
        for read in (read_tar, lambda content: read_tar_gz(gzip.compress(content))):
            with pytest.raises(ReportsError, match=ADDRESS):
                read(bytes(content))


# --- many members at once -------------------------------------------------------------------------


def members_in_blocks(count: int = 60) -> Members:
    """Texts of many lengths. One fills its blocks to the end, one holds the mark of a header."""
    rng = random.Random(0)
    contents = [rng.randbytes(rng.randrange(1, 3_000)) for _ in range(count)]
    contents[3] = b"x" * 1_024
    contents[7] = b"y" * 256 + b"ustar"
    return [
        (f"files/p10/p10{number:06}/s50{number:06}.txt", content)
        for number, content in enumerate(contents)
    ]


def in_pieces(content: bytes) -> Members | None:
    members: Members = []
    for piece in tar_members.read_pieces(Metered(io.BytesIO(content), limits.LARGEST_UNPACKED)):
        if piece is None:
            return None
        members += zip(piece[0].to_pylist(), piece[1].to_pylist(), strict=True)
    return members


def through_the_cache(content: bytes, folder: Path) -> Members:
    """Give what `TarredReports` puts into the cache."""
    folder.mkdir(exist_ok=True)
    (folder / "reports.tar.gz").write_bytes(gzip.compress(content, 1))
    store = TarredReports(open_place(folder), "reports.tar.gz")
    members: Members = []
    for table in store._tables():
        names, texts = (table[name].to_pylist() for name in ("name", "text"))
        members += zip(names, texts, strict=True)
    return members


@pytest.mark.parametrize("piece", [512, 1_024, 5_120, 1 << 24])
@pytest.mark.parametrize("form", FORMATS)
def test_an_ordinary_tar_is_read_whatever_the_size_of_the_pieces(
    form: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_members, "PIECE", piece)
    members = members_in_blocks()
    assert in_pieces(tar_bytes([FOLDER, *members], form)) == members


def test_a_text_that_looks_like_a_header_is_left_to_the_other_reader(tmp_path: Path) -> None:
    members = members_in_blocks()
    members[5] = (members[5][0], b"a" * 512 + b"b" * 257 + b"ustar" + b"c" * 600)
    content = tar_bytes([FOLDER, *members])
    assert in_pieces(content) is None
    expected = [(name, text.decode("latin-1")) for name, text in members[4:6]]
    assert through_the_cache(content, tmp_path)[4:6] == expected


@pytest.mark.parametrize(
    ("form", "mtime", "name"),
    [
        (tarfile.PAX_FORMAT, 1.5, "files/p10/p10000001/s50000001.txt"),
        (tarfile.GNU_FORMAT, 0, "a" * 120 + "/files/p10/p10000001/s50000001.txt"),
        (tarfile.USTAR_FORMAT, 0, "a" * 90 + "/files/p10/p10000001/s50000001.txt"),
    ],
)
def test_a_tar_with_an_unusual_member_is_read_too(
    form: int, mtime: float, name: str, tmp_path: Path
) -> None:
    content = tar_bytes([FOLDER, ("files/first.txt", b"one"), (name, b"two")], form, mtime)
    assert in_pieces(content) is None
    assert through_the_cache(content, tmp_path) == [("files/first.txt", "one"), (name, "two")]


def test_members_after_an_odd_one_are_read_once_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_members, "PIECE", 8_192)
    members = [(f"files/{number}.txt", b"%d" % number * 300) for number in range(200)]
    members.insert(150, ("b" * 150 + ".txt", b"odd"))
    content = tar_bytes([FOLDER, *members], tarfile.GNU_FORMAT)
    expected = [(name, text.decode()) for name, text in members]
    assert through_the_cache(content, tmp_path) == expected


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
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


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_header_is_an_error_and_not_the_end_of_the_archive(form: int) -> None:
    name = "files/the-third.txt"
    members = [*some_members(8), (name, b"three"), *some_members(4, seed=1)]
    content = tar_bytes(members, form)
    damaged = content.replace(name.encode(), name.encode().upper())
    assert len(by_tarfile(damaged)) == 8
    for read in (read_tar, lambda damaged: read_tar_gz(gzip.compress(damaged))):
        with pytest.raises(ReportsError, match=f"{ADDRESS}.*header is damaged"):
            read(damaged)


def test_a_tar_that_ends_after_a_member_is_an_error() -> None:
    content = tar_bytes([("files/s.txt", b"x" * 512)])
    assert by_tarfile(content[:1024]) == [("files/s.txt", b"x" * 512)]
    assert read_tar(content[: 1024 + 512]) == [("files/s.txt", b"x" * 512)]
    with pytest.raises(ReportsError, match="breaks off"):
        read_tar(content[:1024])


def test_damage_to_a_tar_gives_an_error_of_ours_or_what_the_other_reader_gives(
    tmp_path: Path,
) -> None:
    content = tar_bytes([FOLDER, *members_in_blocks(8)])
    rng = random.Random(1)
    errors = 0
    for _ in range(300):
        damaged = bytearray(content)
        if rng.random() < 0.5:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            expected = files_in(io.BytesIO(damaged))
        except ReportsError:
            errors += 1
            with pytest.raises(ReportsError):
                through_the_cache(bytes(damaged), tmp_path)
            continue
        found = in_pieces(bytes(damaged))
        assert found is None or found == expected
    assert 0 < errors < 300
