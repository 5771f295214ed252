"""A copy of MIMIC-CXR-JPG loads from every folder and form that its users have it in."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.testing import copy_release, edit_table, load_rows, read_table, rewrite

ROOTS = (
    "physionet.org/files/mimic-cxr-jpg/2.1.0",  # wget -r
    "mimic-cxr-jpg-2.1.0.physionet.org",  # gsutil
    "mimic-cxr-jpg/2.1.0",
    "any name, with blanks",
)


@pytest.fixture(scope="module")
def rows(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return load_rows("mimic_cxr_jpg", small_release, str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("root", ROOTS)
def test_every_usual_root_loads(
    root: str, small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    copy = copy_release(small_release, tmp_path / root)
    assert load_rows("mimic_cxr_jpg", copy, cache) == rows
    assert load_rows("mimic_cxr_jpg", f"{copy}/", cache) == rows


def test_a_path_object_a_relative_path_a_home_path_and_a_link_load(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    copy_release(small_release, tmp_path / "home" / "data")
    (tmp_path / "link").symlink_to(tmp_path / "home" / "data")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    for number, data_dir in enumerate(("data", "./data/", "../home/data", "~/data", "../link")):
        cache = str(tmp_path / f"cache{number}")
        assert load_rows("mimic_cxr_jpg", data_dir, cache) == rows, data_dir
    train = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=Path("data"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert train["image_id"][:] == [row["image_id"] for row in rows if row["split"] == "train"]
    monkeypatch.chdir("/")
    assert train[0]["image"].mode == "L"  # the path in the Arrow file is absolute


def test_unpacked_tables_load_instead_of_packed_ones(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    for file in root.glob("*.csv.gz"):
        rewrite(file.with_suffix(""), gzip.decompress(file.read_bytes()))
        file.unlink()
    assert load_rows("mimic_cxr_jpg", root, cache) == rows


def test_packed_tables_are_read_where_unpacked_ones_stand_beside_them(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    for file in root.glob("*.csv.gz"):
        rewrite(file.with_suffix(""), b"left over from an unfinished gunzip")
    assert load_rows("mimic_cxr_jpg", root, cache) == rows


def test_packed_and_unpacked_tables_mix(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    metadata = root / "mimic-cxr-2.0.0-metadata.csv.gz"
    rewrite(metadata.with_suffix(""), gzip.decompress(metadata.read_bytes()))
    metadata.unlink()
    radiologist = root / "mimic-cxr-2.1.0-test-set-labeled.csv"
    rewrite(radiologist.with_suffix(".csv.gz"), gzip.compress(radiologist.read_bytes()))
    radiologist.unlink()
    assert load_rows("mimic_cxr_jpg", root, cache) == rows


def test_what_lies_beside_the_tables_does_not_matter(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    for name in ("IMAGE_FILENAMES", "SHA256SUMS.txt", "README", "LICENSE.txt"):
        (root / name).unlink()
    for folder in ("", "files", "files/p10", "files/p11"):  # `wget -r` leaves these everywhere
        rewrite(root / folder / "index.html", b"<html>")
    rewrite(root / "mimic-cxr-2.0.0-split.csv.gz._gstmp", b"unfinished")
    rewrite(root / "mimic_cxr_sectioned.csv", b"study,impression,findings\n")
    rewrite(root / "train.csv", b"a,b\n1,2\n")
    rewrite(root / "data" / "train.parquet", b"no parquet")
    assert load_rows("mimic_cxr_jpg", root, cache) == rows
    # Now with the reports as a tree, in which those files lie among the texts.
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as reports:
        reports.extractall(root)
    (root / "mimic-cxr-reports.zip").unlink()
    assert load_rows("mimic_cxr_jpg", root, cache) == rows


def test_without_the_radiologists_table_their_labels_are_null(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    (root / "mimic-cxr-2.1.0-test-set-labeled.csv").unlink()
    expected = [{**row, "labels_radiologist": None} for row in rows]
    assert load_rows("mimic_cxr_jpg", root, cache) == expected


def test_a_part_of_the_release_loads_with_a_split_table_cut_to_it(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    split = root / "mimic-cxr-2.0.0-split.csv.gz"
    patients = sorted(set(read_table(split).subject_id))[:4]
    edit_table(split, lambda table: table[table.subject_id.isin(patients)])
    expected = [row for row in rows if str(row["subject_id"]) in patients]
    assert load_rows("mimic_cxr_jpg", root, cache) == expected


def test_only_one_split_may_be_there(small_release: Path, tmp_path: Path, cache: str) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    edit_table(
        root / "mimic-cxr-2.0.0-split.csv.gz", lambda table: table[table.split == "validate"]
    )
    assert {row["split"] for row in load_rows("mimic_cxr_jpg", root, cache)} == {"validation"}


def test_the_folder_may_be_read_only(
    small_release: Path, tmp_path: Path, cache: str, rows: list[dict[str, Any]]
) -> None:
    # Permissions do not stop root: that nothing was written shows by the times of the folders.
    root = copy_release(small_release, tmp_path / "copy")
    folders = [root, *(folder for folder in root.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = [(folder, folder.stat().st_mtime_ns) for folder in folders]
    try:
        assert load_rows("mimic_cxr_jpg", root, cache) == rows
        assert [(folder, folder.stat().st_mtime_ns) for folder in folders] == before
    finally:
        for folder in folders:
            folder.chmod(0o755)
