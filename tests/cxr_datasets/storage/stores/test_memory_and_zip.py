"""Releases in memory, and in zip archives wherever these are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.zip import ZipFileSystem

from cxr_datasets.errors import MissingImagesError, ReleaseError, StoreError
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import StoreCase
from tests.cxr_datasets.storage.stores.load_case import LoadCase, Release, load_local, rows_of
from tests.fakes.s3 import S3


class MemoryPlace:
    """A folder in memory."""

    def __init__(self, name: str, log: list[str], release: Path | None = None) -> None:
        self.url = f"memory://{name}"
        self._files = MemoryFileSystem()
        self._log = log
        for path, content in contents(release).items() if release else ():
            self.put(path, content)

    def put(self, path: str, content: bytes) -> None:
        self._files.pipe_file(f"{self.url}/{path}", content)

    def remove(self, path: str) -> None:
        self._files.rm_file(f"{self.url}/{path}")

    def reads(self) -> list[str]:
        return list(self._log)


class ZipPlace:
    """A folder in an archive in memory, or all of it."""

    def __init__(
        self, name: str, log: list[str], release: Path | None = None, folder: str = "some/folder/"
    ) -> None:
        self._outside = MemoryPlace(name, log)
        self._contents = contents(release) if release else {}
        self._folder = folder
        archive = f"{self._outside.url}/archive.zip"
        self.url = f"zip://{folder.rstrip('/')}::{archive}" if folder else archive
        self._write()

    def put(self, path: str, content: bytes) -> None:
        self._contents[path] = content
        self._write()

    def remove(self, path: str) -> None:
        del self._contents[path]
        self._write()

    def reads(self) -> list[str]:
        return self._outside.reads()

    def _write(self) -> None:
        self._outside.put("archive.zip", zipped(self._contents, self._folder))


def contents(release: Path) -> dict[str, bytes]:
    """All files of a release."""
    files = (file for file in sorted(release.rglob("*")) if file.is_file())
    return {file.relative_to(release).as_posix(): file.read_bytes() for file in files}


def zipped(files: dict[str, bytes], folder: str = "") -> bytes:
    """An archive of files, in a folder."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for path, content in files.items():
            writer.writestr(f"{folder}{path}", content)
    return archive.getvalue()


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths of the files that are opened to be read, in memory or an archive."""
    paths: list[str] = []

    def logged(original: Any) -> Any:
        @wraps(original)
        def _open(self: Any, path: str, mode: str = "rb", **kwargs: Any) -> Any:
            if mode == "rb":
                paths.append(path)
            return original(self, path, mode, **kwargs)

        return _open

    for kind in (MemoryFileSystem, ZipFileSystem):
        monkeypatch.setattr(kind, "_open", logged(kind._open))
    yield paths
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


class TestMemoryPlace(StoreCase):
    @pytest.fixture
    def place(self, log: list[str], tmp_path: Path) -> MemoryPlace:
        return MemoryPlace(f"{tmp_path.name}/place", log)


class TestZipPlace(StoreCase):
    @pytest.fixture
    def place(self, log: list[str], tmp_path: Path) -> ZipPlace:
        return ZipPlace(tmp_path.name, log)


class TestWholeZipPlace(StoreCase):
    @pytest.fixture
    def place(self, log: list[str], tmp_path: Path) -> ZipPlace:
        return ZipPlace(tmp_path.name, log, folder="")


class TestMemory(LoadCase):
    @pytest.fixture
    def remote(self, release: Path, log: list[str], tmp_path: Path) -> Release:
        return Release(MemoryPlace(f"{tmp_path.name}/release", log, release))


class TestZip(LoadCase):
    @pytest.fixture
    def remote(self, release: Path, log: list[str], tmp_path: Path) -> Release:
        return Release(ZipPlace(tmp_path.name, log, release))

    @pytest.mark.parametrize("package", ["indiana_cxr"])
    def test_an_image_that_is_gone_is_missing_when_it_is_read(
        self, package: str, remote: Release, cache: str
    ) -> None:
        # An open archive keeps the list of its members, so it is written before.
        rows = remote.load(package, cache, streaming=True)["train"].select_columns("path")
        paths = [row["path"] for row in rows]
        gone = paths[1]
        remote.place.remove(gone)
        left = {
            missing: remote.load(package, cache, missing=missing, streaming=True)["train"]
            for missing in ("skip", "null")
        }
        assert [row["path"] for row in left["skip"]] == [path for path in paths if path != gone]
        assert [row["path"] for row in left["null"] if row["image"] is None] == [gone]
        with pytest.raises(MissingImagesError, match=gone.rpartition("/")[2]):
            list(remote.load(package, cache, streaming=True)["train"])


# --- archives, and ways to name them --------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as s3:
        yield s3


@pytest.fixture
def indiana(tiny_releases: dict[str, Path]) -> Path:
    return tiny_releases["indiana_cxr"]


@pytest.fixture
def expected(indiana: Path, cache: str) -> list[dict[str, Any]]:
    return rows_of(load_local("indiana_cxr", indiana, f"{cache}-local"))


def rows(url: str, cache: str, log: list[str], **options: Any) -> list[dict[str, Any]]:
    remote = Release(MemoryPlace("unused", log), url=url)
    return rows_of(remote.load("indiana_cxr", cache, streaming=True, **options))


def test_an_archive_in_a_bucket_is_read_in_place(
    s3: S3, indiana: Path, expected: list[dict[str, Any]], cache: str, log: list[str]
) -> None:
    place = s3.place("releases", "kaggle")
    place.put("archive.zip", zipped(contents(indiana)))
    place.put("inner.zip", zipped(contents(indiana), "some/folder/"))
    reader = {**s3.user("reader", read=["releases"]), "endpoint_url": s3.url}
    for url in (
        f"{place.url}/archive.zip",
        f"zip://::{place.url}/archive.zip",
        f"zip://some/folder::{place.url}/inner.zip",
    ):
        for options in (reader, {"s3": reader}):
            assert rows(url, cache, log, storage_options=options) == expected, url


def test_a_refused_archive_is_explained(s3: S3, indiana: Path, cache: str, log: list[str]) -> None:
    place = s3.place("closed", "kaggle")
    place.put("archive.zip", zipped(contents(indiana)))
    wrong = {"key": "AKIAINVENTED", "secret": "not-the-secret", "endpoint_url": s3.url}
    for url in (f"{place.url}/archive.zip", f"zip://::{place.url}/archive.zip"):
        with pytest.raises(StoreError, match=r"archive.zip may not be read") as caught:
            rows(url, cache, log, storage_options=wrong)
        assert "not-the-secret" not in str(caught.value)


def test_an_archive_written_anew_is_noticed(
    indiana: Path, expected: list[dict[str, Any]], cache: str, log: list[str]
) -> None:
    place = MemoryPlace("kaggle", log)
    files = contents(indiana)
    place.put("archive.zip", zipped(files))
    assert rows(f"{place.url}/archive.zip", cache, log) == expected
    files["indiana_reports.csv"] = files["indiana_reports.csv"].replace(b" the ", b" THE ")
    place.put("archive.zip", zipped(files))
    assert rows(f"{place.url}/archive.zip", cache, log) != expected


def test_a_folder_that_holds_the_archive_says_so(indiana: Path, cache: str, log: list[str]) -> None:
    place = MemoryPlace("kaggle", log)
    place.put("archive.zip", zipped(contents(indiana)))
    with pytest.raises(ReleaseError, match=r"Its archive.zip is Kaggle's archive: pass that"):
        rows(place.url, cache, log)


def test_what_is_no_archive_or_not_there_is_explained(cache: str, log: list[str]) -> None:
    place = MemoryPlace("kaggle", log)
    place.put("broken.zip", b"this is no archive")
    with pytest.raises(ReleaseError, match=r"broken.zip is no zip archive"):
        rows(f"{place.url}/broken.zip", cache, log)
    with pytest.raises(ReleaseError, match=r"absent.zip is not a copy"):
        rows(f"{place.url}/absent.zip", cache, log)
    with pytest.raises(ReleaseError, match=r"absent.zip is not a copy"):
        rows(f"zip://::{place.url}/absent.zip", cache, log)


@pytest.mark.parametrize("scheme", ["{folder}", "file://{folder}", "local://{folder}", "."])
def test_a_chain_may_end_on_this_machine(
    indiana: Path, expected: list[dict[str, Any]], cache: str, log: list[str], tmp_path: Path,
    scheme: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "inner.zip").write_bytes(zipped(contents(indiana), "some/folder/"))
    monkeypatch.chdir(tmp_path)
    url = f"zip://some/folder::{scheme.format(folder=tmp_path)}/inner.zip"
    assert rows(url, cache, log, embed=True) == expected
    kept = Release(MemoryPlace("unused", log), url=url).load("indiana_cxr", cache)["train"]
    stored = kept.with_format("arrow")[:]["image"].to_pylist()
    assert {image["bytes"] for image in stored} == {None}
    assert [image.size for image in kept["image"]]


def test_threads_that_ask_an_archive_first_see_all_of_it(log: list[str]) -> None:
    place = MemoryPlace("large", log)
    names = [f"{number % 50}/{number}" for number in range(20_000)]
    place.put("archive.zip", zipped(dict.fromkeys(names, b"x")))
    for _ in range(3):
        source = open_place(f"zip://::{place.url}/archive.zip")
        assert source.few_sizes(names[-16:]) == [1] * 16


def test_an_unknown_protocol_is_explained(cache: str, log: list[str]) -> None:
    for url in ("s4://releases/indiana", "zip://::s4://releases/archive.zip", "zap://::/a.zip"):
        with pytest.raises(StoreError, match="of no protocol that fsspec knows") as caught:
            rows(url, cache, log)
        assert url in str(caught.value)


def test_memory_is_what_fsspec_says_it_is(log: list[str]) -> None:
    place = MemoryPlace("a/b", log)
    place.put("c", b"x")
    with fsspec.open(open_place(place.url).address("c"), "rb") as file:
        assert file.read() == b"x"
    assert open_place(place.url).folder("..").names() == ["b"]
