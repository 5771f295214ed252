"""The real tables, loaded by `load_dataset`, if `CXR_INDIANA_DIR` names a folder that has them.

The folder holds both tables, five of the images, the split of most papers, and the list of files
that no table lists. Only counts are compared, so that a failure shows no text, code or id.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Dataset, DatasetDict, load_dataset
from PIL import Image

import indiana_cxr  # noqa: F401
from cxr_datasets.errors import MissingImagesError

REAL_DIR = os.environ.get("CXR_INDIANA_DIR", "")

pytestmark = pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")

IMAGES, STUDIES, FILES = 7466, 3851, 5
FRONTAL, LATERAL = 3818, 3648

# A report is null where all four sections are, as in the 25 without findings and impression.
NULLS = {"indication": 86, "comparison": 599, "findings": 514, "impression": 31, "report": 25}
NOT_INDEXED = 92

# Label -> positive studies and images, by the default rules; the card has all 14.
POSITIVE = {
    "Cardiomegaly": (364, 693),
    "Lung Opacity": (797, 1553),
    "No Finding": (2622, 5094),
    "Support Devices": (218, 389),
}
# By the rules of the public labels.
BY_TRANSCHEX = {
    "Cardiomegaly": (345, 655),
    "Lung Opacity": (726, 1418),
    "No Finding": (2582, 5031),
    "Support Devices": (199, 354),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for all tests of this file."""
    return str(tmp_path_factory.mktemp("cache"))


def load(cache: str, config: str, **options: Any) -> DatasetDict:
    return load_dataset("indiana_cxr", config, data_dir=REAL_DIR, cache_dir=cache, **options)


@pytest.fixture(scope="module")
def reports(cache: str) -> Dataset:
    return load(cache, "reports")["train"]


@pytest.fixture(scope="module")
def images(cache: str) -> Dataset:
    return load(cache, "images", missing="null")["train"]


def frame(dataset: Dataset, *columns: str) -> pd.DataFrame:
    return dataset.with_format("arrow").select_columns(list(columns))[:].to_pandas()


def frame_of_labels(dataset: Dataset) -> pd.DataFrame:
    return pd.DataFrame(list(frame(dataset, "labels").labels))


def positive_in(dataset: Dataset, *labels: str) -> dict[str, int]:
    counts = (frame_of_labels(dataset) == 1).sum()
    return {label: int(counts[label]) for label in labels or counts.index}


def test_row_counts_are_those_of_the_release(cache: str, reports: Dataset, images: Dataset) -> None:
    assert images.num_rows == IMAGES
    assert load(cache, "studies", missing="null")["train"].num_rows == STUDIES
    assert reports.num_rows == STUDIES


def test_null_counts_are_those_of_the_release(reports: Dataset) -> None:
    found = {name: int(count) for name, count in frame(reports, *NULLS).isna().sum().items()}
    assert found == NULLS


def test_the_word_none_stands_where_the_release_has_it(reports: Dataset) -> None:
    found = int((frame(reports, "comparison").comparison == "None").sum())
    assert found == 567


def test_positive_studies_and_images_are_those_of_the_rules_asked_for(
    cache: str, reports: Dataset, images: Dataset
) -> None:
    other = {"mesh_rules": "transchex"}
    for expected, rows in (
        (POSITIVE, (reports, images)),
        (BY_TRANSCHEX, (load(cache, "reports", **other)["train"],
                        load(cache, "images", missing="null", **other)["train"])),
    ):  # fmt: skip
        found = [positive_in(dataset, *expected) for dataset in rows]
        assert {name: tuple(one[name] for one in found) for name in expected} == expected


def test_the_studies_without_indexing_have_no_label_and_all_others_have_all(
    reports: Dataset,
) -> None:
    nulls = frame_of_labels(reports).isna().sum(axis=1).value_counts().to_dict()
    assert nulls == {0: STUDIES - NOT_INDEXED, 14: NOT_INDEXED}


def test_studies_split_as_in_the_literature_are_those_of_its_lists(cache: str) -> None:
    splits = load(cache, "reports", split_by="r2gen")
    counts = {name: split.num_rows for name, split in splits.items()}
    assert counts == {"train": 2069, "validation": 296, "test": 590}
    lists = pd.read_csv(Path(REAL_DIR) / "r2gen_split_by_uid.csv", index_col="uid").split
    elsewhere = {
        name: int((lists[list(split["study_id"])].replace("val", "validation") != name).sum())
        for name, split in splits.items()
    }
    assert elsewhere == {"train": 0, "validation": 0, "test": 0}


@pytest.mark.parametrize("config", ["images", "studies"])
def test_pairs_are_two_images_of_each_study_of_the_lists_by_name(cache: str, config: str) -> None:
    splits = load(cache, config, split_by="r2gen_pairs", missing="null")
    column = "path" if config == "images" else "paths"
    whole = {
        name: frame(split, column)[column].explode().map(lambda path: Path(path).name)
        for name, split in splits.items()
    }
    counts = {name: len(files) for name, files in whole.items()}
    assert counts == {"train": 2 * 2069, "validation": 2 * 296, "test": 2 * 590}
    files = pd.concat(whole.values(), ignore_index=True)
    firsts, seconds = files[::2].tolist(), files[1::2].tolist()
    uids = [[name.split("_")[0] for name in names] for names in (firsts, seconds)]
    assert uids[0] == uids[1]
    assert sum(first > second for first, second in zip(firsts, seconds, strict=True)) == 0


def test_studies_split_by_hash_are_all_there_in_their_shares(cache: str) -> None:
    splits = load(cache, "reports", split_by="hash")
    counts = {name: split.num_rows / STUDIES for name, split in splits.items()}
    assert sum(counts.values()) == 1
    assert counts == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.02)


def test_views_are_those_of_the_release(images: Dataset) -> None:
    found = frame(images, "view").view.value_counts().to_dict()
    assert found == {0: FRONTAL, 1: LATERAL}


def test_frontal_images_come_first_in_every_study(cache: str) -> None:
    views = frame(load(cache, "studies", missing="null")["train"], "views").views
    out_of_order = sum(list(study) != sorted(study) for study in views)
    sizes = views.map(len).value_counts().to_dict()
    assert out_of_order == 0
    assert sizes == {1: 446, 2: 3210, 3: 181, 4: 13, 5: 1}


def test_the_unlisted_files_never_appear(images: Dataset) -> None:
    unlisted = (Path(REAL_DIR) / "unlisted_images.txt").read_text().split()
    found = sum(Path(path).name in unlisted for path in images["path"])
    counts = len(unlisted), found
    assert counts == (4, 0)


def test_the_images_that_are_there_decode_in_their_real_sizes(cache: str) -> None:
    found = load(cache, "images", missing="skip")["train"]
    assert found.num_rows == FILES
    for row in found:
        with Image.open(Path(REAL_DIR) / row["path"]) as file:
            expected = file.mode, file.size
        image = row["image"].mode, row["image"].size
        assert image == expected
        assert image[0] == "L"
        assert min(image[1]) <= 2048


def test_streaming_gives_the_same_images(cache: str) -> None:
    streamed = load(cache, "images", missing="skip", streaming=True)["train"]
    modes = [row["image"].mode for row in streamed]
    assert modes == ["L"] * FILES


def test_skipped_images_are_counted_in_one_line(
    cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(cache, "images", missing="skip")
    # Where the few images lie is a line of its own.
    said = [record for record in caplog.records if not record.name.endswith(".places")]
    (line,) = [record.getMessage() for record in said]
    assert f"left out {IMAGES - FILES} of {IMAGES} images" in line


def test_null_keeps_every_row(images: Dataset) -> None:
    nulls = images.with_format("arrow")[:]["image"].combine_chunks().null_count
    assert nulls == IMAGES - FILES


def test_an_unfinished_download_is_refused_with_how_many_of_the_sample_are_absent(
    cache: str,
) -> None:
    with pytest.raises(MissingImagesError, match=r"2\d\d of a sample of 256 image files") as error:
        load(cache, "images")
    assert "missing='skip'" in str(error.value)
    assert "missing='null'" in str(error.value)
