"""The readers by column give what the readers member by member give, or leave it to them."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg import bulk
from mimic_cxr_jpg.archives import read_tar_members, read_zip_directory
from mimic_cxr_jpg.reports import TarredReports

Members = list[tuple[str, bytes]]


def some_members(count: int = 60) -> Members:
    """Texts of many lengths, of which one fills its blocks, and one holds a header's mark."""
    rng = random.Random(0)
    contents = [rng.randbytes(rng.randrange(1, 3_000)) for _ in range(count)]
    contents[3] = b"x" * 1_024
    contents[7] = b"y" * 256 + b"ustar"
    return [
        (f"files/p10/p10{number:06}/s50{number:06}.txt", content)
        for number, content in enumerate(contents)
    ]


def tar_bytes(members: Members, form: int = tarfile.USTAR_FORMAT, mtime: float = 0) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("files/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime  # type: ignore[assignment]
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def in_pieces(content: bytes) -> Members | None:
    members: Members = []
    for piece in bulk.read_tar_pieces(io.BytesIO(content)):
        if piece is None:
            return None
        members += zip(piece[0].to_pylist(), piece[1].to_pylist(), strict=True)
    return members


def through_the_cache(content: bytes, folder: Path) -> Members:
    """What `TarredReports` puts into the cache."""
    folder.mkdir(exist_ok=True)
    (folder / "reports.tar.gz").write_bytes(gzip.compress(content, 1))
    store = TarredReports(open_place(folder), "reports.tar.gz")
    members: Members = []
    for table in store._tables():
        names, texts = (table[name].to_pylist() for name in ("name", "text"))
        members += zip(names, texts, strict=True)
    return members


@pytest.mark.parametrize("piece", [512, 1_024, 5_120, 1 << 24])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_ordinary_tar_is_read_whatever_the_size_of_the_pieces(
    form: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_PIECE", piece)
    members = some_members()
    assert in_pieces(tar_bytes(members, form)) == members


def test_a_text_that_looks_like_a_header_is_left_to_the_other_reader(tmp_path: Path) -> None:
    members = some_members()
    members[5] = (members[5][0], b"a" * 512 + b"b" * 257 + b"ustar" + b"c" * 600)
    content = tar_bytes(members)
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
def test_what_is_out_of_the_ordinary_is_read_all_the_same(
    form: int, mtime: float, name: str, tmp_path: Path
) -> None:
    content = tar_bytes([("files/first.txt", b"one"), (name, b"two")], form, mtime)
    assert in_pieces(content) is None
    assert through_the_cache(content, tmp_path) == [("files/first.txt", "one"), (name, "two")]


def test_members_after_an_odd_one_are_read_once_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_PIECE", 8_192)
    members = [(f"files/{number}.txt", b"%d" % number * 300) for number in range(200)]
    members.insert(150, ("b" * 150 + ".txt", b"odd"))
    content = tar_bytes(members, tarfile.GNU_FORMAT)
    expected = [(name, text.decode()) for name, text in members]
    assert through_the_cache(content, tmp_path) == expected


def test_damage_to_a_tar_gives_an_error_of_ours_or_what_the_other_reader_gives(
    tmp_path: Path,
) -> None:
    content = tar_bytes(some_members(8))
    rng = random.Random(1)
    errors = 0
    for _ in range(300):
        damaged = bytearray(content)
        if rng.random() < 0.5:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            expected = list(read_tar_members(io.BytesIO(damaged), "x"))
        except ReportsError:
            errors += 1
            with pytest.raises(ReportsError):
                through_the_cache(bytes(damaged), tmp_path)
            continue
        found = in_pieces(bytes(damaged))
        assert found is None or found == expected
    assert 0 < errors < 300


def test_the_entries_of_an_ordinary_zip_are_read_by_column() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in some_members():
            archive.writestr(name, content)
        infos = archive.infolist()
    content = memoryview(stream.getvalue())
    columns = bulk.read_zip_entries(content[archive.start_dir :], len(infos))
    assert columns is not None
    expected = {
        "name": [info.filename for info in infos],
        "offset": [info.header_offset for info in infos],
        "stored": [info.compress_size for info in infos],
        "method": [info.compress_type for info in infos],
        "crc": [info.CRC for info in infos],
    }
    assert {name: column.to_pylist() for name, column in columns.items()} == expected


def test_an_entry_whose_comment_looks_like_an_entry_is_left_to_the_other_reader() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("files/a.txt")
        info.comment = b"PK\x01\x02"
        archive.writestr(info, b"text")
    content = memoryview(stream.getvalue())
    assert bulk.read_zip_entries(content[archive.start_dir :], 1) is None
    names, places = read_zip_directory(content, "x")
    assert names == pa.array(["files/a.txt"])
    assert len(places) == 1
