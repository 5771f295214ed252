"""What becomes of images that are not there: `missing` = error, skip or null."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Dataset, load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError, MissingImagesError, OptionError
from cxr_datasets.testing import copy_release, files_under
from indiana_cxr import IndianaCxr

Remove = Callable[[Path], None]


def never_fetched(file: Path) -> None:
    file.unlink()


def begun(file: Path) -> None:
    file.unlink()
    file.touch()


def under_a_temporary_name(file: Path) -> None:
    file.rename(f"{file}._gstmp")


CALLS = [(never_fetched, False), (begun, True), (under_a_temporary_name, False)]
"""How an image is absent, and whether the dataset is streamed."""


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def stored(dataset: Dataset) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = dataset.with_format("arrow")[:].to_pylist()
    return rows


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "missing" in record.getMessage()]


# error


@pytest.mark.parametrize(("remove", "streaming"), CALLS)
@pytest.mark.parametrize("config", ["images", "studies"])
def test_an_absent_image_is_an_error_before_anything_is_built(
    package: str, release: Path, cache: str, config: str, streaming: bool, remove: Remove
) -> None:
    splits = load(package, release, cache, split=None)
    absent = [splits["train"]["path"][number] for number in (4, 1)]
    images = sum(map(len, splits.values()))
    for path in absent:
        remove(release / path)
    elsewhere = f"{cache}-2"
    with pytest.raises(MissingImagesError) as caught:
        load(package, release, elsewhere, config, streaming=streaming)
    message = str(caught.value)
    assert f"2 of a sample of {images} image files" in message
    assert any(str(release / path) in message for path in absent)
    assert "missing='skip'" in message
    assert "missing='null'" in message
    assert [file for file in files_under(elsewhere) if not file.endswith(".lock")] == []


def test_an_absent_image_is_an_error_before_earlier_studies_are_kept(
    mimic_release: Path, cache: str
) -> None:
    copy = copy_release(mimic_release, Path(cache).parent / "copy")
    for image in copy.rglob("*.jpg"):
        image.unlink()
    with pytest.raises(MissingImagesError):
        load("mimic_cxr_jpg", copy, cache, priors=1)
    assert [file for file in files_under(cache) if not file.endswith(".lock")] == []


def test_error_is_what_happens_unasked(package: str, release: Path, cache: str) -> None:
    path = load(package, release, cache)["path"][0]
    (release / path).unlink()
    for options in ({}, {"missing": "error"}):
        with pytest.raises(MissingImagesError, match=re.escape(path)):
            load(package, release, f"{cache}-2", **options)


@pytest.mark.parametrize("missing", ["error", "skip", "null"])
def test_config_reports_asks_for_no_image(
    package: str, release: Path, cache: str, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = stored(load(package, release, cache, "reports"))
    for row in load(package, release, cache):
        (release / row["path"]).unlink()
    with caplog.at_level(logging.WARNING):
        found = load(package, release, f"{cache}-2", "reports", missing=missing)
    assert stored(found) == expected
    assert warnings(caplog) == []


# skip


@pytest.mark.parametrize(("remove", "streaming"), CALLS)
def test_skip_leaves_out_the_rows_and_says_how_many(
    package: str,
    release: Path,
    cache: str,
    streaming: bool,
    remove: Remove,
    caplog: pytest.LogCaptureFixture,
) -> None:
    splits = load(package, release, cache, split=None)
    images = sum(map(len, splits.values()))
    paths = list(splits["train"]["path"])
    for path in (paths[0], paths[3], paths[-1]):
        remove(release / path)
    with caplog.at_level(logging.WARNING):
        rows = load(package, release, cache, missing="skip", streaming=streaming)
    assert warnings(caplog) == [
        f"missing='skip': left out 3 of {images} images whose file is not there"
    ]
    found = [(row["path"], row["image"].mode) for row in rows]
    assert found == [(path, "L") for path in [*paths[1:3], *paths[4:-1]]]


def test_skip_takes_images_out_of_their_studies_and_leaves_no_empty_study(
    package: str, release: Path, cache: str
) -> None:
    studies = stored(load(package, release, cache, "studies"))
    large = next(row for row in studies if len(row["paths"]) > 1)
    other = next(row for row in studies if row is not large)
    for path in [large["paths"][0], *other["paths"]]:
        (release / path).unlink()
    found = stored(load(package, release, cache, "studies", missing="skip"))
    expected = [row["study_id"] for row in studies if row is not other]
    assert [row["study_id"] for row in found] == expected
    rest = next(row for row in found if row["study_id"] == large["study_id"])
    for name, values in large.items():
        per_image = name in ("images", "image_ids", "views", "paths") or (
            isinstance(values, list) and name not in ("mesh", "problems")
        )
        assert rest[name] == (values[1:] if per_image else values)


def test_a_split_that_skip_leaves_without_rows_is_left_out(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    for path in load("mimic_cxr_jpg", release, cache, split="test")["path"]:
        (release / path).unlink()
    found = load("mimic_cxr_jpg", release, cache, split=None, missing="skip")
    assert list(found) == ["train", "validation"]
    found = load("mimic_cxr_jpg", release, cache, split=None, missing="null")
    assert list(found) == ["train", "validation", "test"]


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_nothing_is_said_when_nothing_is_absent(
    package: str, release: Path, cache: str, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = stored(load(package, release, cache))
    with caplog.at_level(logging.WARNING):
        found = load(package, release, cache, missing=missing)
    assert stored(found) == expected
    assert warnings(caplog) == []


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_with_no_image_at_all_both_choices_are_an_error_with_the_likely_cause(
    package: str, release: Path, cache: str, missing: str
) -> None:
    for split in load(package, release, cache, split=None).values():
        for path in split["path"]:
            (release / path).unlink()
    for config, streaming in (("images", False), ("studies", False), ("images", True)):
        with pytest.raises(MissingImagesError) as caught:
            load(package, release, f"{cache}-2", config, missing=missing, streaming=streaming)
        for mention in (str(release), "data_dir", "'reports'"):
            assert mention in str(caught.value)


# null


@pytest.mark.parametrize(("remove", "streaming"), CALLS)
def test_null_keeps_every_row_and_all_else_in_it_and_says_how_many(
    package: str,
    release: Path,
    cache: str,
    streaming: bool,
    remove: Remove,
    caplog: pytest.LogCaptureFixture,
) -> None:
    splits = load(package, release, cache, split=None)
    images = sum(map(len, splits.values()))
    expected = stored(splits["train"])
    absent = [expected[number]["path"] for number in (0, 3)]
    for path in absent:
        remove(release / path)
    with caplog.at_level(logging.WARNING):
        rows = list(load(package, release, cache, missing="null", streaming=streaming))
    assert warnings(caplog) == [
        f"missing='null': 2 of {images} images are null, as their file is not there"
    ]
    assert [row["path"] for row in rows if row["image"] is None] == absent
    assert [row["path"] for row in rows] == [row["path"] for row in expected]
    assert rows[0]["labels"] == expected[0]["labels"]
    assert rows[0]["report"] == expected[0]["report"]


@pytest.mark.parametrize("streaming", [False, True])
def test_null_keeps_the_place_of_an_image_in_its_study(
    package: str, release: Path, cache: str, streaming: bool
) -> None:
    studies = stored(load(package, release, cache, "studies"))
    number, large = next((n, row) for n, row in enumerate(studies) if len(row["paths"]) > 1)
    (release / large["paths"][1]).unlink()
    rows = list(load(package, release, cache, "studies", missing="null", streaming=streaming))
    found = rows[number]
    assert [image is None for image in found["images"]] == [
        path == large["paths"][1] for path in large["paths"]
    ]
    for name in ("image_ids", "views", "paths", "study_id", "report"):
        assert found[name] == large[name]
    assert sum(image is None for row in rows for image in row["images"]) == 1


# All of it in other circumstances.


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("missing", ["skip", "null"])
def test_two_processes_do_the_same_with_what_is_absent(
    package: str, release: Path, cache: str, config: str, missing: str
) -> None:
    paths = list(load(package, release, cache)["path"])
    for path in paths[::7]:
        (release / path).unlink()
    one = stored(load(package, release, f"{cache}-1", config, missing=missing))
    two = stored(load(package, release, f"{cache}-2", config, missing=missing, num_proc=2))
    assert one == two


def test_views_and_missing_work_together(package: str, release: Path, cache: str) -> None:
    """Only images of the wanted views are looked for."""
    images = stored(load(package, release, cache, split=None, config="images")["train"])
    for row in images:
        if row["view"] != 0:
            (release / row["path"]).unlink()
    frontal = [row["path"] for row in images if row["view"] == 0]
    options = {"views": ["frontal"]} if package == "indiana_cxr" else {"views": ["PA", "AP"]}
    found = load(package, release, cache, **options)
    assert set(found["path"]) <= set(frontal)
    assert found.num_rows > 0
    (release / found["path"][0]).unlink()
    skipped = load(package, release, cache, missing="skip", **options)
    assert list(skipped["path"]) == list(found["path"])[1:]


def test_an_unknown_choice_lists_the_known_ones(package: str, release: Path, cache: str) -> None:
    with pytest.raises(OptionError, match="'error', 'skip', 'null'"):
        load(package, release, cache, missing="drop")


# Beyond what the sample sees.

LISTED, PRESENT = 1000, 500


@pytest.fixture(scope="module")
def half_fetched(tmp_path_factory: pytest.TempPathFactory, indiana_release: Path) -> Path:
    """1,000 listed images of which the first 500 are there."""
    release = tmp_path_factory.mktemp("half")
    uids = range(1, LISTED + 1)
    names = [f"{uid}_IM-0001-1001.dcm.png" for uid in uids]
    images = pd.DataFrame({"uid": uids, "filename": names, "projection": "Frontal"})
    images.to_csv(release / "indiana_projections.csv", index=False)
    reports = pd.DataFrame({"uid": uids, "MeSH": "normal", "Problems": "normal", "image": "Chest"})
    for section in ("indication", "comparison", "findings", "impression"):
        reports[section] = "XXXX"
    reports.to_csv(release / "indiana_reports.csv", index=False)
    image = min((indiana_release / "images/images_normalized").iterdir())
    for name in names[:PRESENT]:
        os.link(image, release / name)
    return release


def test_the_sample_is_spread_over_the_whole_release(half_fetched: Path, cache: str) -> None:
    with pytest.raises(MissingImagesError) as caught:
        load("indiana_cxr", half_fetched, cache)
    found = re.search(r"(\d+) of a sample of 256 .* first \S*/(\d+)_IM", str(caught.value))
    assert found
    assert int(found[1]) == pytest.approx(128, abs=2)
    assert PRESENT < int(found[2]) <= PRESENT + 5


def test_an_absent_image_that_the_sample_did_not_hit_is_named_when_it_is_read(
    half_fetched: Path, cache: str, tmp_path: Path
) -> None:
    release = copy_release(half_fetched, tmp_path / "release")
    names = pd.read_csv(release / "indiana_projections.csv").filename
    for name in names[PRESENT:]:
        os.link(release / names[0], release / name)
    (release / names[1]).unlink()  # every fourth is in the sample
    rows = load("indiana_cxr", release, cache)
    assert rows.num_rows == LISTED
    with pytest.raises(ImageError, match=re.escape(f"{release / names[1]} is not there")):
        rows[1]
    builder = IndianaCxr(data_dir=str(release), cache_dir=cache)
    with pytest.raises(MissingImagesError, match=re.escape(f"{release / names[1]} is not there")):
        builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    assert files_under(tmp_path / "out") == []
