"""None of the images is there: what was looked for, what lies there, which option would do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import CxrError, MissingImagesError, OptionError
from cxr_datasets.storage.source import MOST_NAMES
from cxr_datasets.testing import copy_release, datasets_under
from cxr_datasets.testing.guards import watch_file_access

TOP = {"mimic_cxr_jpg": "files", "indiana_cxr": "images"}
"""Folder of each release that holds its images."""


def error_of(
    package: str,
    release: Path,
    cache: str,
    kind: type[CxrError] = MissingImagesError,
    **options: Any,
) -> str:
    """Load, built and streamed, with each choice of `missing` that fails; give the one error."""
    found = set()
    for streaming, missing in ((False, "error"), (True, "error"), (False, "skip")):
        with pytest.raises(kind) as caught:
            load_dataset(
                package, data_dir=str(release), cache_dir=cache, streaming=streaming,
                **{"missing": missing, **options},
            )  # fmt: skip
        assert datasets_under(cache) == []
        found.add(str(caught.value).replace("a sample of", "the"))
    (message,) = found
    assert "  " not in message
    return message


def first_path(package: str, release: Path, cache: str) -> str:
    return load_dataset(package, data_dir=str(release), cache_dir=f"{cache}-whole")["train"][
        "path"
    ][0]


def test_a_renamed_folder_is_found_and_named_as_the_option_that_would_do(
    package: str, release: Path, cache: str
) -> None:
    other = release / f"{TOP[package]}_512"
    (release / TOP[package]).rename(other)
    message = error_of(package, release, cache)
    assert f"Looked for {release / TOP[package]}/" in message
    assert f"What lies in {release}: " in message
    assert f"{TOP[package]}_512" in message
    assert f"pass images={str(other)!r}" in message
    assert "skip" not in message
    found = load_dataset(package, data_dir=str(release), cache_dir=cache, images=str(other))
    assert found["train"][0]["image"].mode == "L"


@pytest.mark.parametrize("suffix", [".zip", ".ZIP"])
def test_an_archive_beside_the_tables_is_named_as_the_option_that_would_do(
    package: str, release: Path, cache: str, suffix: str
) -> None:
    packed = shutil.make_archive(str(release / "small"), "zip", release, TOP[package])
    archive = Path(packed).rename(release / f"small{suffix}")
    shutil.rmtree(release / TOP[package])
    assert f"pass images={str(archive)!r}" in error_of(package, release, cache)


def test_where_nothing_near_has_them_the_options_are_named(
    package: str, release: Path, cache: str
) -> None:
    shutil.rmtree(release / TOP[package])
    message = error_of(package, release, cache)
    for mention in ("images=", "data_dir", "config 'reports'", f"What lies in {release}: "):
        assert mention in message
    assert "skip" not in message
    with pytest.raises(MissingImagesError) as caught:
        load_dataset(package, data_dir=str(release), cache_dir=cache)
    assert "None of a sample of" in str(caught.value)


def test_of_files_that_are_empty_it_says_so(package: str, release: Path, cache: str) -> None:
    for file in (release / TOP[package]).rglob("*.*"):
        file.unlink()
        file.touch()
    assert "or all are empty" in error_of(package, release, cache)


def test_what_lies_in_the_deepest_folder_on_the_way_is_told(
    package: str, release: Path, cache: str
) -> None:
    path = first_path(package, release, cache)
    for file in (release / TOP[package]).rglob("*.*"):
        file.rename(file.with_suffix(".tiff"))
    message = error_of(package, release, cache)
    sample = message.partition("Looked for ")[2].partition(",")[0]
    folder = os.path.dirname(sample)
    assert f"What lies in {folder}: " in message
    assert ".tiff" in message
    assert os.path.dirname(path).count("/") == os.path.dirname(
        os.path.relpath(sample, release)
    ).count("/")


def test_a_given_place_without_the_images_is_told_from_the_copy(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    (tmp_path / "other" / "notes").mkdir(parents=True)
    message = error_of(package, release, cache, images=str(tmp_path / "other"))
    assert f"What lies in {tmp_path / 'other'}: notes" in message
    assert "Pass as images= the folder" in message
    assert "skip" not in message


def test_one_folder_is_listed_of_its_first_names_only(
    package: str, release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(release / TOP[package])
    for number in range(MOST_NAMES + 50):
        (release / f"note{number}").touch()
    seen = watch_file_access(monkeypatch)
    message = error_of(package, release, cache)
    assert f" and at least {MOST_NAMES - 8} more" in message
    listed = {folder for folder in seen if Path(folder).is_dir() and Path(folder) != release}
    assert not [folder for folder in listed if str(release) + "/" in folder]


def test_a_part_that_is_there_still_gets_the_advice_to_finish_or_skip(
    package: str, release: Path, cache: str
) -> None:
    path = first_path(package, release, cache)
    for file in (release / TOP[package]).rglob("*.*"):
        if file != release / path:
            file.unlink()
    with pytest.raises(MissingImagesError) as caught:
        load_dataset(package, data_dir=str(release), cache_dir=cache)
    assert "of a sample of" in str(caught.value)
    assert "missing='skip'" in str(caught.value)


# Other releases, as places of images.


def test_dicom_files_are_named(small_release: Path, tmp_path: Path, cache: str) -> None:
    release = copy_release(small_release, tmp_path / "release")
    for file in (release / "files").rglob("*.jpg"):
        file.rename(file.with_suffix(".dcm"))
    message = error_of("mimic_cxr_jpg", release, cache)
    assert "These are the DICOM files of MIMIC-CXR" in message


@pytest.mark.parametrize("name", ["CXR{uid}_IM-0001-1001.png", "NLMCXR_png.tgz"])
def test_the_images_of_open_i_are_named(
    name: str, indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    shutil.rmtree(release / "images")
    (tmp_path / "NLMCXR_png").mkdir()
    for uid in range(20):
        (tmp_path / "NLMCXR_png" / name.format(uid=uid)).touch()
    message = error_of("indiana_cxr", release, cache, images=str(tmp_path / "NLMCXR_png"))
    assert "NLMCXR, that of Open-i" in message


def test_an_option_of_another_name_lists_images(package: str, release: Path, cache: str) -> None:
    message = error_of(package, release, cache, OptionError, image_dir="here")
    assert "'images'" in message
