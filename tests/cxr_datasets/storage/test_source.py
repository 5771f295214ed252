"""Local folders and archives pass `StoreCase`; here is also what only they can do."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import fsspec
import pytest

from cxr_datasets.storage.archive import Archive
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.source import Source, open_place
from cxr_datasets.testing import StoreCase
from cxr_datasets.testing.store_case import FILES


class LocalPlace:
    """A folder on this machine's disks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.url = str(folder)

    def put(self, path: str, content: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        was = (self.folder / path).stat().st_mtime_ns if (self.folder / path).exists() else 0
        (self.folder / path).write_bytes(content)
        if was:  # clocks of file systems are coarse
            os.utime(self.folder / path, ns=(was + 10**9, was + 10**9))

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()


class ArchivePlace:
    """A folder in an archive on this machine's disks, or all of it."""

    def __init__(self, archive: Path, folder: str = "") -> None:
        self._contents: dict[str, bytes] = {}
        self._archive = LocalPlace(archive.parent)
        self._name = archive.name
        self._folder = folder
        self.url = f"zip://{folder}::{archive}" if folder else str(archive)

    def put(self, path: str, content: bytes) -> None:
        self._contents[f"{self._folder}/{path}".lstrip("/")] = content
        self._write()

    def remove(self, path: str) -> None:
        del self._contents[f"{self._folder}/{path}".lstrip("/")]
        self._write()

    def _write(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in self._contents.items():
                archive.writestr(path, content)
        self._archive.put(self._name, packed.getvalue())


class LocalCase(StoreCase):
    """As `StoreCase`, of what fsspec opens without options."""

    def test_an_address_opens_the_file_by_fsspec(self, source: Source) -> None:
        for path, content in FILES.items():
            with fsspec.open(source.address(path), "rb") as file:
                assert file.read() == content


class TestLocalFolder(LocalCase):
    @pytest.fixture
    def place(self, tmp_path: Path) -> LocalPlace:
        return LocalPlace(tmp_path / "place")

    def test_it_is_a_local_folder(self, source: Source) -> None:
        assert isinstance(source, LocalFolder)


class TestArchive(LocalCase):
    @pytest.fixture
    def place(self, tmp_path: Path) -> ArchivePlace:
        return ArchivePlace(tmp_path / "place" / "archive.zip")

    def test_it_is_an_archive(self, source: Source) -> None:
        assert isinstance(source, Archive)


class TestFolderInAnArchive(LocalCase):
    @pytest.fixture
    def place(self, tmp_path: Path) -> ArchivePlace:
        return ArchivePlace(tmp_path / "place" / "archive.zip", "some/folder")

    def test_it_is_an_archive(self, source: Source) -> None:
        assert isinstance(source, Archive)


# --- local folders --------------------------------------------------------------------------------


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(b"1")
    os.utime(file, ns=(1, 1_000_000_000))
    first = open_place(tmp_path).stamp("table.csv")
    os.utime(file, ns=(1, 2_000_000_000))
    second = open_place(tmp_path).stamp("table.csv")
    file.write_bytes(b"22")
    os.utime(file, ns=(1, 2_000_000_000))
    third = open_place(tmp_path).stamp("table.csv")
    assert len({first, second, third}) == 3
    assert open_place(tmp_path).stamp("absent") == ("absent", 0, "")


def test_files_in_a_changed_archive_have_another_stamp(tmp_path: Path) -> None:
    stamps = set()
    for number in range(2):
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            archive.writestr("table.csv", b"1")
        os.utime(tmp_path / "archive.zip", (number, number))
        stamps.add(open_place(tmp_path / "archive.zip").stamp("table.csv"))
    assert len(stamps) == 2


@pytest.mark.parametrize("given", ["data", "./data", "data/", "x/../data", "~/data"])
def test_a_root_is_an_absolute_path_whatever_was_given(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_place(given).root == str(tmp_path / "data")
    assert open_place(given).address("a/b") == str(tmp_path / "data/a/b")


def test_names_with_what_fsspec_reads_as_a_pattern_are_plain_names(tmp_path: Path) -> None:
    root = tmp_path / "odd [x] *?#:% ü"
    (root / "in[n]er").mkdir(parents=True)
    (root / "in[n]er" / "a*b?.txt").write_bytes(b"odd")
    source = open_place(root)
    assert source.names() == ["in[n]er"]
    assert source.names("in[n]er") == ["a*b?.txt"]
    assert source.size("in[n]er/a*b?.txt") == 3
    assert source.read("in[n]er/a*b?.txt") == b"odd"


def test_a_folder_of_a_source_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    source = open_place(tmp_path / "a")
    assert source.folder("b").names() == ["file"]
    assert source.folder("..").root == str(tmp_path)
    assert source.folder("../../..").root == str(tmp_path.parent.parent)
    assert isinstance(source.folder("b"), LocalFolder)


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"linked")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "file").symlink_to(tmp_path / "real" / "file")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    source = open_place(tmp_path)
    assert source.size("file") == source.size("folder/file") == 6
    assert source.is_folder("folder")
    assert source.sizes(["file", "nowhere"]).tolist() == [6, -1]
    assert source.first_existing(["nowhere", "file"]) == "file"


def test_the_stamp_of_subfolders_changes_when_a_file_is_added_and_not_otherwise(
    tmp_path: Path,
) -> None:
    for patient in ("p10/p10000001", "p10/p10000002", "p11/p11000001"):
        (tmp_path / "files" / patient).mkdir(parents=True)
    (tmp_path / "files" / "index.html").write_bytes(b"<html>")
    (tmp_path / "files" / "p10" / "index.html").write_bytes(b"<html>")
    (tmp_path / "files" / "p10" / "nowhere").symlink_to(tmp_path / "absent")
    source = open_place(tmp_path)
    before = source.subfolder_stamp("files")
    assert source.subfolder_stamp("files") == before
    os.utime(tmp_path / "files", (1, 1))
    assert source.subfolder_stamp("files") == before
    (tmp_path / "files" / "p11/p11000001" / "s50000001.txt").write_bytes(b"x")
    os.utime(tmp_path / "files" / "p11/p11000001", (1, 1))  # clocks of file systems are coarse
    after = source.subfolder_stamp("files")
    assert after != before
    (tmp_path / "files" / "p11/p11000002").mkdir()
    assert source.subfolder_stamp("files") not in (before, after)
    assert source.subfolder_stamp("absent") == open_place(tmp_path / "absent").subfolder_stamp("")


# --- what is not as it should be ------------------------------------------------------------------


def test_a_broken_archive_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    (tmp_path / "folder.zip").mkdir()
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        archive.writestr("a", b"")
    broken = {name: open_place(tmp_path / f"{name}.zip").is_broken
              for name in ("broken", "folder", "whole", "absent")}  # fmt: skip
    assert broken == {"broken": True, "folder": True, "whole": False, "absent": False}


def test_what_is_there_and_open_or_not_there_at_all_is_not_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    for name in ("", "file", "empty", "broken.zip", "absent", "absent.zip", "file/below"):
        assert not open_place(tmp_path / name).is_closed, name


def test_reading_an_absent_file_is_an_error_of_python(tmp_path: Path) -> None:
    source = open_place(tmp_path)
    for read in (source.read, source.arrow_file, source.mapped):
        with pytest.raises(FileNotFoundError):
            read("absent")


def test_options_of_the_file_system_are_not_shown() -> None:
    source = open_place("memory://x", StorageOptions({"password": "hidden"}))
    assert "hidden" not in repr(source)
    assert "hidden" not in source.address("a")
