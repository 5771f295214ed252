"""Kaggle's archive, packed again by another program: read, or an error that says what it is."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import StoreError
from cxr_datasets.testing import datasets_under, load_rows
from indiana_cxr.synthetic import write_release

Members = list[tuple[str, bytes]]

REPORTS = "indiana_reports.csv"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    root = write_release(tmp_path_factory.mktemp("release"), studies=8, layout="zip")
    with zipfile.ZipFile(root / "archive.zip") as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


@pytest.fixture(scope="module")
def expected(members: Members, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "archive.zip").write_bytes(packed(members))
    return loaded(folder / "archive.zip", str(folder / "cache"))


def packed(members: Members) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of `zipfile`, for a name that stands twice
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def loaded(archive: Path, cache: str) -> list[dict[str, Any]]:
    rows = load_rows("indiana_cxr", archive, cache)
    return [{**row, "path": Path(row["path"]).name} for row in rows]


def renamed(change: Callable[[str], str]) -> Callable[[Members], bytes]:
    return lambda members: packed([(change(name), content) for name, content in members])


FORMS: dict[str, Callable[[Members], bytes]] = {
    "bytes before it": lambda members: b"#!/bin/sh\nexit\n" + packed(members),
    "a folder around all": renamed(lambda name: f"chest-xrays/{name}"),
    "two folders around all": renamed(lambda name: f"archive/chest-xrays/{name}"),
    "back-slashes": renamed(lambda name: name.replace("/", "\\")),
    "what macOS adds": lambda members: packed(
        [(f"top/{name}", content) for name, content in members] + [("__MACOSX/._top", b"x")]
    ),
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_an_archive_of_another_program_is_read(
    make: Callable[[Members], bytes], members: Members, expected: Any, tmp_path: Path, cache: str
) -> None:
    (tmp_path / "archive.zip").write_bytes(make(members))
    assert loaded(tmp_path / "archive.zip", cache) == expected


@pytest.mark.parametrize("name", ["archive.ZIP", "Archive.Zip"])
def test_the_suffix_may_be_in_capitals(
    name: str, members: Members, expected: Any, tmp_path: Path, cache: str
) -> None:
    (tmp_path / name).write_bytes(packed(members))
    assert loaded(tmp_path / name, cache) == expected


def test_of_two_members_of_one_name_the_last_counts_and_one_line_counts_them(
    members: Members, expected: Any, tmp_path: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    twice = [(name, b"before") for name, _ in members if name == REPORTS or name.endswith(".png")]
    archive = tmp_path / "archive.zip"
    archive.write_bytes(packed(twice + members))
    assert loaded(archive, cache) == expected
    (line,) = [r.getMessage() for r in caplog.records if "later one" in r.getMessage()]
    assert line.startswith(f"{len(twice)} of {len(twice) + len(members)} members of {archive}")


def patched(content: bytes, local: int, central: int, value: int) -> bytes:
    """Set a field of two bytes in every header of a zip, and in every entry of its directory."""
    changed = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos, at = archive.infolist(), archive.start_dir
    for info in infos:
        for start in (info.header_offset + local, at + central):
            changed[start : start + 2] = struct.pack("<H", value)
        at += 46 + len(info.filename.encode()) + len(info.extra) + len(info.comment)
    return bytes(changed)


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (98, "PPMd")])
def test_an_archive_compressed_in_another_way_is_called_so_and_not_damaged(
    method: int, name: str, members: Members, tmp_path: Path, cache: str
) -> None:
    (tmp_path / "archive.zip").write_bytes(patched(packed(members), 8, 10, method))
    with pytest.raises(StoreError, match=rf"archive\.zip is compressed by {name}.*7-Zip.*pass"):
        loaded(tmp_path / "archive.zip", cache)
    assert datasets_under(cache) == []


def test_an_encrypted_archive_is_called_so(members: Members, tmp_path: Path, cache: str) -> None:
    (tmp_path / "archive.zip").write_bytes(patched(packed(members), 6, 8, 1))
    with pytest.raises(StoreError, match=r"archive\.zip is encrypted\. Unpack it.*pass"):
        loaded(tmp_path / "archive.zip", cache)
    assert datasets_under(cache) == []
