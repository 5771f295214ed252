"""Parts of a zip in a store give what the whole zip gives: the same texts, or an error of ours."""

from __future__ import annotations

import errno
import io
import random
import re
import zipfile
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from cxr_datasets.errors import CxrError
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg.reports import zip_parts
from mimic_cxr_jpg.reports.zipped import ZippedReports
from tests.mimic_cxr_jpg.reports.archives import Members, damages, some_members
from tests.mimic_cxr_jpg.reports.test_zipped import zip64_end, zip_bytes

Texts = list[str | None] | str


@pytest.fixture(autouse=True)
def is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_parts, "LARGE", 100)
    monkeypatch.setattr(zip_parts, "PIECE", 300)
    monkeypatch.setattr(zip_parts, "_NEIGHBOURS", 50)


def studies(members: Members) -> tuple[pa.Array, pa.Array]:
    ids = [re.findall(r"[ps](\d{8})", name) for name, _ in members]
    return tuple(pa.array([int(one[n]) for one in ids], pa.int64()) for n in (0, 1))  # type: ignore


def read(reports: ZippedReports, cache: Path, members: Members, few: int) -> Texts:
    """The texts of some studies, a few at a time; or what is wrong."""
    try:
        reports.prepare_to_locate(str(cache))
        places = reports.locate(*studies(members))
        order = list(range(len(places)))
        random.Random(few).shuffle(order)
        texts: list[str | None] = [None] * len(order)
        for first in range(0, len(order), few):
            some = order[first : first + few]
            for row, text in zip(some, reports.read(places.take(pa.array(some))), strict=True):
                texts[row] = text.as_py()
    except CxrError as error:
        return type(error).__name__
    return texts


def both(content: bytes, folder: Path, members: Members, few: int = 4) -> tuple[Texts, Texts]:
    """What parts of a zip in a store give, and what the same zip on a disk gives."""
    fsspec.filesystem("memory").pipe_file("/parts/reports.zip", content)
    (folder / "reports.zip").write_bytes(content)
    places = (open_place("memory://parts"), open_place(folder))
    in_store, on_disk = (ZippedReports(place, "reports.zip") for place in places)
    return read(in_store, folder / "cache", members, few), read(on_disk, folder, members, few)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_gives_what_it_gives_on_a_disk(method: int, tmp_path: Path) -> None:
    members = some_members(12, seed=5)
    content = zip_bytes(members, method)
    errors = 0
    for number, damaged in enumerate(damages(content, 80, seed=6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        in_store, on_disk = both(damaged, folder, members)
        assert in_store == on_disk
        errors += isinstance(on_disk, str)
    assert 20 < errors < 75


@pytest.mark.parametrize("few", [1, 3, 40])
def test_a_zip64_is_read_in_parts(few: int, tmp_path: Path) -> None:
    members = some_members(12, seed=7)
    in_store, on_disk = both(zip64_end(zip_bytes(members)), tmp_path, members, few)
    assert in_store == on_disk
    assert isinstance(on_disk, list)


def test_a_few_texts_of_a_zip_in_a_store_make_no_copy(tmp_path: Path) -> None:
    members = some_members(20, seed=8)
    fsspec.filesystem("memory").pipe_file("/parts/reports.zip", zip_bytes(members))
    reports = ZippedReports(open_place("memory://parts"), "reports.zip")
    assert read(reports, tmp_path, members[4:7], few=3) == [
        content.decode() for _, content in members[4:7]
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [zip_bytes([]), zip_bytes([], comment=b"x" * 200)])
def test_a_zip_without_members_is_told(content: bytes, tmp_path: Path) -> None:
    assert both(content, tmp_path, some_members(5)) == ("ReportsError", "ReportsError")


def damage_and_keep(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the way damage the answer to one range, and give the same each time it is asked again."""
    begin_read = Remote.begin_read
    kept: dict[tuple[int | None, int | None], Future[bytes]] = {}

    def begin(
        remote: Remote, path: str, start: int | None = None, end: int | None = None, *more: Any
    ) -> Future[bytes]:
        read = begin_read(remote, path, start, end, *more)
        if not kept and start is not None and end is not None and start <= place < end:
            answer = bytearray(read.result())
            answer[place - start] ^= 2
            kept[start, end] = Future()
            kept[start, end].set_result(bytes(answer))
        return kept.get((start, end), read)

    monkeypatch.setattr(Remote, "begin_read", begin)


@pytest.mark.parametrize("what", ["name", "sum", "place"])
def test_an_answer_that_was_damaged_and_kept_on_the_way_gives_no_wrong_text(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_parts, "LONGEST_END", 50)
    members = [
        (f"files/p10/p10000001/s{study}.txt", f"of {study}".encode())
        for study in (50000003, 50000002, 50000001)
    ]
    content = zip_bytes(members)
    entry = content.rindex(members[2][0].encode()) - 46
    place = {"name": entry + 46 + 27, "sum": entry + 16, "place": entry + 42}[what]
    fsspec.filesystem("memory").pipe_file("/parts/reports.zip", content)
    damage_and_keep(place, monkeypatch)
    reports = ZippedReports(open_place("memory://parts"), "reports.zip")
    assert read(reports, tmp_path, members, few=3) == [text.decode() for _, text in members]


def test_an_archive_that_is_replaced_while_its_links_are_read_gives_no_wrong_text(
    tmp_path: Path,
) -> None:
    def content(studies: Sequence[int]) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for number in range(40):  # more links than are read in parts
                link = zipfile.ZipInfo(f"links/{number:03}.txt")
                link.create_system, link.external_attr = 3, 0o120777 << 16
                archive.writestr(link, "s50000009.txt")
                archive.writestr(f"between/{number:03}", bytes(700))
            for study in studies:
                archive.writestr(f"files/p10/p10000001/s{study}.txt", f"of {study}")
        return stream.getvalue()

    studies = [50000001, 50000002, 50000003]
    files = fsspec.filesystem("memory")
    files.pipe_file("/parts/reports.zip", content(studies))
    reports = ZippedReports(open_place("memory://parts"), "reports.zip")
    reports.prepare_to_locate(str(tmp_path))
    files.pipe_file("/parts/reports.zip", content(studies[::-1]))
    ids = pa.array([10000001] * 3, pa.int64()), pa.array(studies, pa.int64())
    assert reports.read(reports.locate(*ids)).to_pylist() == [f"of {study}" for study in studies]


def test_a_system_without_memory_of_that_size_has_the_zip_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(zip_parts, "mmap", SimpleNamespace(mmap=refuse))
    members = some_members(8, seed=9)
    in_store, on_disk = both(zip_bytes(members), tmp_path, members)
    assert in_store == on_disk
    assert isinstance(on_disk, list)
