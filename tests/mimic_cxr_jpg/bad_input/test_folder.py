"""A `data_dir` that is no copy of the release is refused with an error that says what to do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from cxr_datasets.errors import ReleaseError
from cxr_datasets.testing import copy_release, load_rows, rewrite
from tests.mimic_cxr_jpg.bad_input.conftest import MARKER, SPLIT, refused
from tests.mimic_cxr_jpg.reports.forms import ZIP


def test_the_marked_release_itself_is_good(root: Path, cache: str) -> None:
    rows = load_rows("mimic_cxr_jpg", root, cache)
    assert {row["procedure"] for row in rows} == {MARKER}
    assert any(MARKER in (row["report"] or "") for row in rows)


@pytest.mark.parametrize("data_dir", [None, ""])
def test_no_data_dir_is_an_error_that_says_what_to_pass(data_dir: str | None, cache: str) -> None:
    refused(
        data_dir, cache, ReleaseError,
        "MIMIC-CXR-JPG", "data_dir=", "https://physionet.org/content/mimic-cxr-jpg/",
    )  # fmt: skip


def test_a_data_dir_that_does_not_exist_is_named(tmp_path: Path, cache: str) -> None:
    absent = tmp_path / "absent" / "folder"
    refused(absent, cache, ReleaseError, str(absent), "does not exist", "https://physionet.org")


def test_an_empty_folder_is_named(tmp_path: Path, cache: str) -> None:
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", cache, ReleaseError, str(tmp_path / "nothing"), "is empty")


@pytest.mark.parametrize("name", [SPLIT, ZIP, "IMAGE_FILENAMES"])
def test_a_file_is_no_data_dir(name: str, root: Path, cache: str) -> None:
    refused(root / name, cache, ReleaseError, str(root / name), "folder")


def test_a_broken_zip_is_no_data_dir(tmp_path: Path, cache: str) -> None:
    rewrite(tmp_path / "mimic.zip", b"PK\x03\x04 and no more")
    refused(tmp_path / "mimic.zip", cache, ReleaseError, "mimic.zip", "no zip archive")


def test_the_indiana_folder_is_not_mimic(indiana_release: Path, cache: str) -> None:
    refused(
        indiana_release, cache, ReleaseError,
        str(indiana_release), "not a copy of MIMIC-CXR-JPG", SPLIT, "indiana_projections.csv",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["cxr-record-list.csv.gz", "cxr-study-list.csv.gz"])
def test_the_dicom_project_is_told_from_the_jpg_project(
    name: str, tmp_path: Path, cache: str
) -> None:
    rewrite(tmp_path / "mimic-cxr" / name, gzip.compress(b"subject_id,study_id\n"))
    refused(
        tmp_path / "mimic-cxr", cache, ReleaseError,
        SPLIT, name, "This is MIMIC-CXR", "reports=", "mimic-cxr-jpg/",
    )  # fmt: skip


@pytest.mark.parametrize("release", ["2.1.0", "2.0.0"])
@pytest.mark.parametrize("up", ["..", "../..", "../../..", "../../../.."])
def test_a_folder_above_the_release_is_an_error_that_names_the_right_one(
    up: str, release: str, marked: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(marked, tmp_path / "physionet.org/files/mimic-cxr-jpg" / release)
    above = Path(os.path.normpath(root / up))
    refused(above, cache, ReleaseError, str(above), SPLIT, f"The tables are in {root}: pass that")


def test_the_folder_of_images_alone_is_an_error_that_names_the_split_table(
    root: Path, cache: str
) -> None:
    refused(root / "files", cache, ReleaseError, str(root / "files"), SPLIT)


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_a_folder_within_the_images_is_an_error_that_names_the_folder_of_the_tables(
    root: Path, cache: str, levels: int
) -> None:
    folder = next((root / "files").glob("/".join(["*"] * (levels - 1)))) if levels > 1 else None
    refused(
        folder or root / "files", cache, ReleaseError,
        f"The folder above it, {root}, holds the tables: pass that.",
    )  # fmt: skip


def test_the_folder_that_holds_the_copy_under_any_name_names_it(
    marked: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(marked, tmp_path / "data" / "my copy")
    refused(root.parent, cache, ReleaseError, f"The tables are in {root}: pass that")


def test_the_folder_of_r2gen_is_named_as_another_release(tmp_path: Path, cache: str) -> None:
    folder = tmp_path / "mimic_cxr"
    rewrite(folder / "annotation.json", b"{}")
    rewrite(folder / "images" / "p10" / "p10000001" / "s50000001" / "x.jpg", b"")
    refused(
        folder, cache, ReleaseError, SPLIT, "another release", "R2Gen", "this folder as images="
    )


def test_many_names_in_a_wrong_folder_are_cut_short(tmp_path: Path, cache: str) -> None:
    for number in range(50):
        rewrite(tmp_path / "wrong" / f"file{number:02}", b"x")
    refused(tmp_path / "wrong", cache, ReleaseError, "file00", "and 42 more")
