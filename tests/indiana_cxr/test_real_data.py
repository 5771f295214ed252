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

# Label -> positive studies and images, by the rules of the public labels. Pleural Effusion and No
# Finding are not here: two corrections leave fewer images than the 294 and 5,203 of those labels.
POSITIVE = {
    "Atelectasis": (315, 616),
    "Cardiomegaly": (345, 655),
    "Consolidation": (59, 110),
    "Edema": (42, 87),
    "Enlarged Cardiomediastinum": (364, 693),
    "Fracture": (83, 163),
    "Lung Lesion": (119, 239),
    "Lung Opacity": (726, 1418),
    "Pleural Other": (54, 101),
    "Pneumonia": (40, 77),
    "Pneumothorax": (26, 54),
    "Support Devices": (199, 354),
}
POSITIVE_STUDIES = {
    **{label: studies for label, (studies, _) in POSITIVE.items()},
    "Pleural Effusion": 149,
    "No Finding": 2582,
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


def test_positive_studies_are_those_known_but_for_the_two_corrections(reports: Dataset) -> None:
    assert positive_in(reports) == POSITIVE_STUDIES


def test_the_studies_without_indexing_have_no_label_and_all_others_have_all(
    reports: Dataset,
) -> None:
    nulls = frame_of_labels(reports).isna().sum(axis=1).value_counts().to_dict()
    assert nulls == {0: STUDIES - NOT_INDEXED, 14: NOT_INDEXED}


def test_positive_images_are_those_known(images: Dataset) -> None:
    expected = {label: count for label, (_, count) in POSITIVE.items()}
    assert positive_in(images, *expected) == expected


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
