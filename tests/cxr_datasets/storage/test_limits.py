"""A release in an archive that unpacks to gigabytes is an error within 2 GB of memory."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_datasets import limits
from cxr_datasets.testing import files_under
from tests.bounded import MIB, Bounded, assert_told, bounded, sparse

TABLE = "indiana_reports.csv"
ENTRY = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with bounded(tmp_path_factory.mktemp("bounded")) as process:
        yield process


def image_in(release: Path) -> str:
    return next(name for name in files_under(release) if name.endswith(".png"))


def packed(file: Path, release: Path, other: str, size: int, method: int) -> None:
    """Write an archive of a release, one of whose members unpacks to so many bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in files_under(release):
            if name != other:
                archive.write(release / name, name)
        info = zipfile.ZipInfo(other)
        info.compress_type = method
        info._compresslevel = 1  # type: ignore[attr-defined]
        with archive.open(info, "w", force_zip64=True) as member:
            member.write((release / other).read_bytes())
            for _ in range(size // MIB):
                member.write(b"\n" * MIB)


METHODS = {
    "Deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "LZMA": zipfile.ZIP_LZMA,
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_image_that_unpacks_to_more_than_the_limit_is_told(
    method: int, child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    name = image_in(indiana_release)
    size = 600 * MIB if method == zipfile.ZIP_DEFLATED else 40 * MIB
    packed(tmp_path / "archive.zip", indiana_release, name, size, method)
    found = child.load("indiana_cxr", tmp_path / "archive.zip", "images", decode=True)
    assert_told(found, "ImageError", Path(name).name, "LARGEST_IMAGE")


def test_a_size_that_the_archive_states_is_not_believed(
    child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    name, file = image_in(indiana_release), tmp_path / "archive.zip"
    packed(file, indiana_release, name, 300 * MIB, zipfile.ZIP_DEFLATED)
    content = file.read_bytes()
    size = (300 * MIB + (indiana_release / name).stat().st_size).to_bytes(4, "little")
    at = content.rindex(size)  # in the table of members, of which `zipfile` takes the size
    file.write_bytes(content[:at] + (100).to_bytes(4, "little") + content[at + 4 :])
    found = child.load("indiana_cxr", file, "images", decode=True)
    assert found.error == "ImageError"
    assert Path(name).name in found.text


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_table_that_unpacks_to_more_than_the_limit_is_told(
    method: int, child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    packed(tmp_path / "archive.zip", indiana_release, TABLE, 40 * MIB, method)
    few = {"LARGEST_TABLE": 20 * MIB}  # it takes time to write more
    found = child.load("indiana_cxr", tmp_path / "archive.zip", limits=few)
    assert_told(found, "TableError", TABLE, "LARGEST_TABLE")


def a_huge_directory(file: Path) -> None:
    size = limits.LARGEST_DIRECTORY + 1
    sparse(file, size, b"PK\1\2", END.pack(b"PK\5\6", 0, 0, 1, 1, size, 0, 0))


def more_members(file: Path) -> None:
    entry = ENTRY.pack(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * (limits.MOST_MEMBERS_IN_PLACE + 1)
    end = END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    file.write_bytes(directory + end)


@pytest.mark.parametrize(
    ("write", "limit"),
    [(a_huge_directory, "LARGEST_DIRECTORY"), (more_members, "MOST_MEMBERS_IN_PLACE")],
)
def test_a_table_of_members_beyond_a_limit_is_told(
    write: Callable[[Path], None], limit: str, child: Bounded, tmp_path: Path
) -> None:
    write(tmp_path / "archive.zip")
    found = child.load("indiana_cxr", tmp_path / "archive.zip")
    assert_told(found, "StoreError", "archive.zip", limit)


@pytest.mark.thorough
def test_a_folder_with_such_an_archive_beside_it_is_no_release(
    child: Bounded, tmp_path: Path
) -> None:
    a_huge_directory(tmp_path / "archive.zip")
    found = child.load("indiana_cxr", tmp_path)
    assert found.error in ("ReleaseError", "StoreError")
    assert found.text
