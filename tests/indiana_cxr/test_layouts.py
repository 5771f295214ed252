"""Where the images may be: in either folder, beside the tables, or still in Kaggle's archive."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_dataset, load_from_disk
from PIL import Image

from cxr_datasets.errors import ImageError, MissingImagesError, ReleaseError
from cxr_datasets.testing import copy_release, files_under, rewrite
from indiana_cxr import IndianaCxr
from indiana_cxr.synthetic import write_release

PNGS = "images/images_normalized/"
FOLDERS = {"images_normalized": PNGS, "images": "images/", "flat": ""}


@pytest.fixture(scope="module", params=FOLDERS)
def laid_out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / request.param
    return write_release(out, layout=request.param)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kaggle's archive; it holds the same release as `indiana_release`."""
    return write_release(tmp_path_factory.mktemp("release"), layout="zip") / "archive.zip"


def load(data_dir: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset("indiana_cxr", config, data_dir=str(data_dir), cache_dir=cache, **options)


def rows_without_places(dataset: Dataset) -> list[dict[str, Any]]:
    """Rows without their images, and with the name of a file in place of its path."""
    rows = dataset.with_format("arrow")[:].to_pylist()
    for row in rows:
        row.pop("image", None)
        row.pop("images", None)
        if "path" in row:
            row["path"] = Path(row["path"]).name
        if "paths" in row:
            row["paths"] = [Path(path).name for path in row["paths"]]
    return rows


def with_members(archive: Path, out: Path, change: dict[str, bytes | None]) -> Path:
    """Copy an archive, with other content for some members; None leaves a member out."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            content = change.get(member.filename, old.read(member))
            if content is not None:
                new.writestr(member, content)
    return out


def members(archive: Path) -> Iterator[str]:
    """Names of the listed images in an archive, in the order of the table."""
    with zipfile.ZipFile(archive) as file:
        table = file.read("indiana_projections.csv").decode().splitlines()[1:]
    return (PNGS + line.split(",")[1] for line in table)


# Folders.


@pytest.mark.parametrize("config", ["images", "studies"])
def test_wherever_the_images_are_the_rows_are_the_same(
    laid_out: Path, indiana_release: Path, cache: str, config: str
) -> None:
    expected = rows_without_places(load(indiana_release, cache, config))
    assert rows_without_places(load(laid_out, cache, config)) == expected


def test_paths_are_those_of_the_files_and_open_them(laid_out: Path, cache: str) -> None:
    dataset = load(laid_out, cache)
    folder = FOLDERS[laid_out.name]
    assert all(path == folder + Path(path).name for path in dataset["path"])
    for row in dataset:
        with Image.open(laid_out / row["path"]) as file:
            assert row["image"].size == file.size
            assert row["image"].mode == "L"


def test_the_folder_that_holds_the_images_is_taken_not_an_empty_one(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    flat = write_release(tmp_path / "flat", layout="flat")
    (flat / PNGS).mkdir(parents=True)
    assert "/" not in load(flat, cache)[0]["path"]
    first = load(flat, cache)[0]["path"]
    shutil.copy(flat / first, flat / PNGS)  # one stray copy does not decide
    assert "/" not in load(flat, cache)[0]["path"]


def test_images_moved_to_another_folder_are_found_there(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    assert load(release, cache)[0]["path"].startswith(PNGS)
    (release / PNGS).rename(release / "pngs")
    (release / "images").rmdir()
    (release / "pngs").rename(release / "images")
    row = load(release, cache)[0]
    assert row["path"].startswith("images/")
    assert not row["path"].startswith(PNGS)
    assert row["image"].mode == "L"


# The archive.


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_the_archive_gives_the_rows_of_the_folder(
    archive: Path, indiana_release: Path, cache: str, config: str
) -> None:
    expected = rows_without_places(load(indiana_release, cache, config))
    assert rows_without_places(load(archive, cache, config)) == expected


@pytest.mark.parametrize("streaming", [False, True])
def test_images_in_the_archive_open_with_the_pixels_of_the_folder(
    archive: Path, indiana_release: Path, cache: str, streaming: bool
) -> None:
    for row in load(archive, cache, streaming=streaming).take(20):
        with Image.open(indiana_release / row["path"]) as file:
            np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(file))


def test_nothing_of_the_archive_is_unpacked(
    archive: Path, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    before = files_under(archive.parent)
    rows = list(load(archive, cache)) + list(load(archive, cache, streaming=True))
    assert all(row["image"].mode == "L" for row in rows)
    assert files_under(archive.parent) == before
    assert files_under(tmp_path / "tmp") == []
    written = [file for file in files_under(tmp_path) if file.endswith((".png", ".csv"))]
    assert written == []
    size = sum((tmp_path / file).stat().st_size for file in files_under(tmp_path))
    assert size < archive.stat().st_size / 2


def test_two_processes_read_one_archive(archive: Path, cache: str, tmp_path: Path) -> None:
    expected = rows_without_places(load(archive, cache, "studies"))
    again = load(archive, str(tmp_path / "other"), "studies", num_proc=2)
    assert rows_without_places(again) == expected


def test_a_parquet_file_made_of_the_archive_holds_its_bytes(archive: Path, tmp_path: Path) -> None:
    builder = IndianaCxr(data_dir=str(archive), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    (file,) = (tmp_path / "out").glob("*.parquet")
    stored = pq.read_table(file, columns=["image", "path"]).to_pylist()
    with zipfile.ZipFile(archive) as images:
        assert all(row["image"]["bytes"] == images.read(row["path"]) for row in stored)
    assert [row["path"] for row in stored] == list(members(archive))


def test_a_dataset_of_the_archive_saved_to_disk_still_opens_its_images(
    archive: Path, cache: str, tmp_path: Path
) -> None:
    # By their address in the archive, or by their bytes, whichever the installed `datasets` stores.
    dataset = load(archive, cache).select(range(5))
    dataset.save_to_disk(str(tmp_path / "saved"))
    for row, expected in zip(load_from_disk(str(tmp_path / "saved")), dataset, strict=True):
        np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(expected["image"]))


def test_another_archive_in_its_place_makes_a_new_dataset(
    archive: Path, tmp_path: Path, cache: str
) -> None:
    place = tmp_path / "archive.zip"
    shutil.copy(archive, place)
    assert load(place, cache, "reports").num_rows == 60
    write_release(tmp_path / "other", layout="zip", studies=20, seed=1)
    (tmp_path / "other" / "archive.zip").replace(place)
    assert load(place, cache, "reports").num_rows == 20


def test_an_image_absent_from_the_archive_is_noticed(
    archive: Path, tmp_path: Path, cache: str
) -> None:
    absent = next(members(archive))
    partial = with_members(archive, tmp_path / "partial.zip", {absent: None})
    with pytest.raises(MissingImagesError, match="1 of a sample of 126") as caught:
        load(partial, cache)
    assert f"zip://{absent}::{partial}" in str(caught.value)


@pytest.mark.parametrize("content", [None, b""])
def test_an_image_absent_from_the_archive_is_skipped_or_null_as_asked(
    archive: Path, tmp_path: Path, cache: str, content: bytes | None, caplog: Any
) -> None:
    absent = list(members(archive))[3]
    partial = with_members(archive, tmp_path / "partial.zip", {absent: content})
    with caplog.at_level(logging.WARNING):
        skipped = load(partial, cache, missing="skip")
    assert "left out 1 of 126 images" in caplog.text
    assert list(skipped["path"]) == [path for path in members(archive) if path != absent]
    kept = load(partial, cache, missing="null")
    assert list(kept["path"]) == list(members(archive))
    assert [row["path"] for row in kept if row["image"] is None] == [absent]


def test_a_damaged_image_in_the_archive_is_named(archive: Path, tmp_path: Path, cache: str) -> None:
    first, second = list(members(archive))[:2]
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo(second).header_offset + 30 + len(second) + 200
        half = file.read(first)[:500]
    damaged = with_members(archive, tmp_path / "truncated.zip", {first: half})
    with pytest.raises(ImageError, match=Path(first).name):
        load(damaged, cache)[0]
    content = bytearray(archive.read_bytes())
    content[start] ^= 0xFF  # the member no longer has its checksum
    rewrite(tmp_path / "flipped.zip", bytes(content))
    with pytest.raises(ImageError, match=Path(second).name):
        load(tmp_path / "flipped.zip", cache)[1]


def test_a_folder_that_holds_only_the_archive_points_to_it(archive: Path, cache: str) -> None:
    with pytest.raises(ReleaseError, match=f"data_dir={archive}"):
        load(archive.parent, cache)
