"""What becomes of images that are there and damaged: `damaged` = error, skip or null."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError, MissingImagesError, OptionError, StoreError
from cxr_datasets.testing import copy_release, datasets_under, rewrite
from tests.permissions import closed

Damage = Callable[[bytes], bytes]


def cut(content: bytes) -> bytes:
    return content[: min(5_000, len(content) // 2)]


def without_its_end(content: bytes) -> bytes:
    return content[:-1]


def reserved(content: bytes) -> bytes:
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half)


def a_login_page(content: bytes) -> bytes:
    return b"<!DOCTYPE html><html><title>Log in</title><p>Your session has ended.</html>"


def another_file(content: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


DAMAGES: dict[Damage, str] = {
    cut: "is cut off",
    without_its_end: "cut off",
    reserved: "cut off",
    a_login_page: "is a page of HTML",
    another_file: "is no image",
}
EMBEDDED = [{"embed": True}, {"image_size": 48}]
"""Options that have images read when a dataset is built or streamed."""

embedded = pytest.mark.parametrize("how", EMBEDDED, ids=["whole", "resized"])


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def damage(release: Path, path: str, how: Damage = cut) -> None:
    rewrite(release / path, how((release / path).read_bytes()))


def with_image(rows: Any) -> dict[str, bool]:
    """Path -> whether the row has an image."""
    return {row["path"]: row["image"] is not None for row in rows}


def lines(caplog: pytest.LogCaptureFixture, option: str) -> list[str]:
    said = [record.getMessage() for record in caplog.records]
    return [line for line in said if line.startswith(f"{option}=")]


@pytest.fixture
def paths(package: str, release: Path, cache: str) -> list[str]:
    """The paths of the train split's images."""
    return list(load(package, release, cache)["path"])


# error


@embedded
@pytest.mark.parametrize("damaging", DAMAGES, ids=lambda damaging: damaging.__name__)
def test_what_is_no_whole_image_is_never_embedded(
    package: str, release: Path, cache: str, paths: list[str], how: Any, damaging: Damage
) -> None:
    damage(release, paths[3], damaging)
    elsewhere = f"{cache}-2"
    with pytest.raises(ImageError) as caught:
        load(package, release, elsewhere, **how)
    message = str(caught.value)
    for said in (str(release / paths[3]), DAMAGES[damaging].split()[-1], "damaged='skip'"):
        assert said in message
    assert datasets_under(elsewhere) == []
    stream = iter(load(package, release, elsewhere, streaming=True, **how))
    assert [next(stream)["path"] for _ in range(3)] == paths[:3]
    with pytest.raises(ImageError, match=Path(paths[3]).name):
        next(stream)


@embedded
def test_damaged_is_not_missing(
    package: str, release: Path, cache: str, paths: list[str], how: Any
) -> None:
    damage(release, paths[3])
    for missing in ("skip", "null"):
        with pytest.raises(ImageError, match=Path(paths[3]).name):
            load(package, release, f"{cache}-2", missing=missing, **how)
    (release / paths[3]).unlink()
    for damaged in ("skip", "null"):
        with pytest.raises(MissingImagesError, match=Path(paths[3]).name):
            load(package, release, f"{cache}-2", damaged=damaged, **how)


# skip and null


@pytest.mark.parametrize(
    ("how", "missing", "damaged", "streaming"),
    [
        (EMBEDDED[0], "skip", "null", False), (EMBEDDED[0], "null", "skip", True),
        (EMBEDDED[1], "null", "skip", False), (EMBEDDED[1], "skip", "null", True),
    ],
    ids=["whole, built", "whole, streamed", "resized, built", "resized, streamed"],
)  # fmt: skip
def test_each_option_has_its_own_images_and_its_own_line(
    package: str, release: Path, cache: str, paths: list[str], how: Any, missing: str,
    damaged: str, streaming: bool, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    gone, broken = paths[1:3], [paths[4], paths[6], paths[-1]]
    for path in gone:
        (release / path).unlink()
    for path, damaging in zip(broken, (cut, a_login_page, reserved), strict=True):
        damage(release, path, damaging)
    options = {"missing": missing, "damaged": damaged, "streaming": streaming, **how}
    with caplog.at_level(logging.WARNING):
        found = with_image(load(package, release, f"{cache}-2", split="train", **options))
    skipped, null = (gone, broken) if missing == "skip" else (broken, gone)
    assert list(found) == [path for path in paths if path not in skipped]
    assert [path for path in found if not found[path]] == null
    (about_missing,) = lines(caplog, "missing")
    (about_damaged,) = lines(caplog, "damaged")
    assert "2 of " in about_missing
    assert "3 of " in about_damaged
    assert any(path in about_damaged for path in broken)
    assert ("left out" in about_missing, "left out" in about_damaged) == (
        missing == "skip", damaged == "skip",
    )  # fmt: skip


@pytest.mark.parametrize("damaged", ["skip", "null"])
def test_two_processes_do_the_same_and_count_together(
    package: str, release: Path, cache: str, paths: list[str], damaged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    broken = paths[::5]
    for path in broken:
        damage(release, path)
    images = sum(map(len, load(package, release, cache, split=None).values()))
    expected = {path: path not in broken for path in paths if damaged == "null" or
                path not in broken}  # fmt: skip
    for processes in (None, 2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = load(package, release, f"{cache}-{processes}", embed=True, damaged=damaged,
                         num_proc=processes)  # fmt: skip
        assert with_image(found) == expected
        (line,) = lines(caplog, "damaged")
        assert f"{len(broken)} of {images} images" in line


@pytest.mark.parametrize(
    ("how", "damaged", "streaming"),
    [(EMBEDDED[0], "skip", False), (EMBEDDED[1], "skip", True), (EMBEDDED[0], "null", True)],
    ids=["skip, built", "skip, streamed", "null"],
)
def test_studies_lose_the_image_or_its_pixels_and_stay_in_step(
    package: str, release: Path, cache: str, how: Any, damaged: str, streaming: bool
) -> None:
    studies = load(package, release, cache, "studies").with_format("arrow")[:].to_pylist()
    large = next(row for row in studies if len(row["paths"]) > 1)
    single = next(row for row in studies if len(row["paths"]) == 1)
    damage(release, large["paths"][0])
    damage(release, single["paths"][0])
    broken = {large["paths"][0], single["paths"][0]}
    rows = load(package, release, f"{cache}-2", "studies", damaged=damaged, streaming=streaming,
                **how)  # fmt: skip
    found = {row["study_id"]: row for row in rows}
    listed = [row["study_id"] for row in studies]
    if damaged == "skip":
        listed.remove(single["study_id"])
    assert list(found) == listed
    for row in found.values():
        assert len({len(row[name]) for name in ("images", "image_ids", "views", "paths")}) == 1
        for image, path in zip(row["images"], row["paths"], strict=True):
            assert (image is None) == (path in broken)
    paths = large["paths"][1:] if damaged == "skip" else large["paths"]
    assert found[large["study_id"]]["paths"] == paths


@embedded
def test_nothing_is_said_when_nothing_is_damaged(
    package: str, release: Path, cache: str, paths: list[str], how: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with caplog.at_level(logging.WARNING):
        found = load(package, release, cache, damaged="skip", **how)
    assert with_image(found) == dict.fromkeys(paths, True)
    assert lines(caplog, "damaged") == []


# Where none is left.


@pytest.mark.parametrize(
    ("option", "streaming"),
    [("skip", False), ("null", True)],
    ids=["skip, built", "null, streamed"],
)
def test_where_every_image_is_damaged_both_choices_are_an_error(
    package: str, release: Path, cache: str, option: str, streaming: bool
) -> None:
    for split in load(package, release, cache, split=None).values():
        for path in split["path"]:
            damage(release, path, a_login_page)
    with pytest.raises(ImageError, match=r"All \d+ image files .* are damaged.*HTML") as caught:
        list(load(package, release, f"{cache}-2", embed=True, damaged=option, streaming=streaming))
    assert str(release) in str(caught.value)
    assert datasets_under(f"{cache}-2") == []


def test_where_some_are_absent_and_all_others_damaged_the_error_counts_both(
    release: Path, package: str, cache: str
) -> None:
    splits = load(package, release, cache, split=None)
    listed = [path for split in splits.values() for path in split["path"]]
    for path in listed[2:]:
        damage(release, path)
    for path in listed[:2]:
        (release / path).unlink()
    with pytest.raises(ImageError, match=f"All {len(listed) - 2} image files"):
        load(package, release, f"{cache}-2", embed=True, missing="skip", damaged="null")


def test_a_split_that_skip_leaves_without_rows_is_left_out(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    for path in load("mimic_cxr_jpg", release, cache, split="test")["path"]:
        damage(release, path)
    options = {"split": None, "embed": True}
    found = load("mimic_cxr_jpg", release, cache, damaged="skip", **options)
    assert list(found) == ["train", "validation"]
    again = load("mimic_cxr_jpg", release, cache, damaged="skip", **options)
    assert list(again) == ["train", "validation"]
    kept = load("mimic_cxr_jpg", release, cache, damaged="null", **options)
    assert list(kept) == ["train", "validation", "test"]


# Later.


@pytest.mark.parametrize(
    ("how", "damaged"), [(EMBEDDED[0], "skip"), (EMBEDDED[1], "null")], ids=["skip", "null"]
)
def test_a_damaged_file_that_is_fetched_again_is_there_at_the_next_load(
    package: str, release: Path, cache: str, paths: list[str], how: Any, damaged: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    shutil.copyfile(release / paths[3], tmp_path / "whole")
    damage(release, paths[3])
    before = load(package, release, cache, damaged=damaged, **how)
    assert not with_image(before).get(paths[3])
    rewrite(release / paths[3], (tmp_path / "whole").read_bytes())
    assert with_image(load(package, release, cache, damaged=damaged, **how))[paths[3]]


# Where images are not read, and where they cannot be.


@pytest.mark.parametrize("streaming", [False, True], ids=["built", "streamed"])
def test_images_stored_as_addresses_are_not_read_and_one_line_says_so(
    package: str, release: Path, cache: str, paths: list[str], streaming: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    damage(release, paths[0])
    with caplog.at_level(logging.WARNING):
        found = load(package, release, cache, damaged="skip", streaming=streaming)
    (line,) = lines(caplog, "damaged")
    assert "embed=True" in line
    with pytest.raises(ImageError, match=Path(paths[0]).name):
        next(iter(found))


@pytest.mark.parametrize("damaged", ["skip", "null"])
def test_a_file_that_may_not_be_read_is_neither_absent_nor_damaged(
    small_release: Path, tmp_path: Path, cache: str, damaged: str
) -> None:
    release = tmp_path / "release"
    shutil.copytree(small_release, release)  # a hard link shares its permissions
    path = load("mimic_cxr_jpg", release, cache)["path"][2]
    options = {"missing": damaged, "damaged": damaged, "embed": True}
    with closed(release / path):
        for streaming in (False, True):
            with pytest.raises(StoreError, match=r"could not be read: Permission denied") as caught:
                list(load("mimic_cxr_jpg", release, cache, streaming=streaming, **options))
            assert path in str(caught.value)


def test_an_unknown_choice_lists_the_known_ones(package: str, release: Path, cache: str) -> None:
    with pytest.raises(OptionError, match=r"damaged='drop'.*'error', 'skip', 'null'"):
        load(package, release, cache, damaged="drop")
