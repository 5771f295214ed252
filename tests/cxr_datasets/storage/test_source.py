"""A `Source` gives the same of a folder, of a zip archive and of a remote place."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.source import Source, open_place

FILES = {
    "table.csv": b"a,b\n1,2\n",
    "empty": b"",
    "images/one.png": b"one",
    "images/two.png": b"two and more",
    "images/deep/three.png": b"\0\1\2",
}


@pytest.fixture(params=["folder", "zip", "memory"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            for name, content in FILES.items():
                archive.writestr(name, content)
        return open_place(tmp_path / "archive.zip")
    if request.param == "memory":
        root = f"memory://{tmp_path.name}"
        fs = fsspec.filesystem("memory")
        for name, content in FILES.items():
            fs.pipe_file(f"/{tmp_path.name}/{name}", content)
        return open_place(root)
    for name, content in FILES.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(content)
    return open_place(tmp_path / "root")


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_its_size_and_bytes(name: str, source: Source) -> None:
    content = FILES[name]
    assert source.size(name) == len(content)
    assert source.read(name) == content
    with source.arrow_file(name) as file:
        assert file.read() == content
    if content:
        assert source.mapped(name).to_pybytes() == content


def test_what_is_no_file_has_no_size(source: Source) -> None:
    assert source.size("images") is None
    assert source.size("absent") is None
    assert source.size("table.csv/below") is None
    assert source.is_folder("images")
    assert not source.is_folder("table.csv")
    assert not source.is_folder("absent")


def test_sizes_of_many_files_come_in_order(source: Source) -> None:
    names = ["images/two.png", "absent", "empty", "images/one.png", "absent/too"]
    assert source.sizes(names).tolist() == [12, -1, 0, 3, -1]
    assert source.sizes([]).tolist() == []


def test_names_of_a_folder_are_sorted_and_its_own_only(source: Source) -> None:
    assert source.names() == ["empty", "images", "table.csv"]
    assert source.names("images") == ["deep", "one.png", "two.png"]
    assert source.names("absent") == []


def test_the_first_file_that_is_there_and_not_empty_is_found(source: Source) -> None:
    assert source.first_existing(["absent", "empty", "images", "table.csv"]) == "table.csv"
    assert source.first_existing(["absent", "empty"]) is None


def test_an_address_opens_the_file_by_fsspec(source: Source) -> None:
    paths = list(FILES)
    addresses = source.addresses(pa.array([*paths, None])).to_pylist()
    assert addresses == [*(source.address(path) for path in paths), None]
    for address, content in zip(addresses[:-1], FILES.values(), strict=True):
        with fsspec.open(address, "rb") as file:
            assert file.read() == content


def test_a_pickled_source_reads_the_same_and_carries_no_open_file(source: Source) -> None:
    source.names()  # opens it
    pickled = pickle.dumps(source)
    assert len(pickled) < 500
    other = pickle.loads(pickled)
    assert other.root == source.root
    assert other.read("images/one.png") == b"one"


def test_the_stamp_of_a_file_is_its_name_and_size_and_something(source: Source) -> None:
    name, _, changed = source.stamp("table.csv")
    assert name == "table.csv"
    assert changed or source.root.startswith("memory:")
    assert source.stamp("table.csv") == source.stamp("table.csv")


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
