"""Both datasets as one: their core columns have the same names, order and types."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import (
    Dataset,
    concatenate_datasets,
    interleave_datasets,
    load_dataset,
    load_from_disk,
)
from datasets.table import embed_table_storage

import indiana_cxr
import mimic_cxr_jpg
from cxr_datasets.columns import CORE, plural
from cxr_datasets.testing import copy_release

OF_STUDIES = [plural(name) if name in ("image", "image_id", "view") else name for name in CORE]
OF_REPORTS = [name for name in CORE if name not in ("image", "image_id", "view")]
COLUMNS = {"images": list(CORE), "studies": OF_STUDIES, "reports": OF_REPORTS}


@pytest.fixture
def releases(indiana_release: Path, small_release: Path, tmp_path: Path) -> dict[str, Path]:
    return {
        "mimic_cxr_jpg": copy_release(small_release, tmp_path / "mimic"),
        "indiana_cxr": copy_release(indiana_release, tmp_path / "indiana"),
    }


def load_both(releases: dict[str, Path], cache: str, config: str, **options: Any) -> list[Any]:
    return [
        load_dataset(
            package, config, data_dir=str(release), cache_dir=cache, split="train", **options
        ).select_columns(COLUMNS[config])
        for package, release in releases.items()
    ]


def stored(dataset: Dataset) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = dataset.with_format("arrow")[:].to_pylist()
    return rows


def without_images(dataset: Dataset) -> list[dict[str, Any]]:
    return stored(dataset.remove_columns("image"))


def test_the_core_columns_are_the_documented_ones() -> None:
    assert list(CORE) == [
        "image", "image_id", "study_id", "subject_id", "view", "report", "indication",
        "comparison", "findings", "impression", "labels",
    ]  # fmt: skip


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_both_concatenate_as_they_are(releases: dict[str, Path], cache: str, config: str) -> None:
    mimic, indiana = load_both(releases, cache, config)
    both = concatenate_datasets([mimic, indiana])
    assert both.features == mimic.features == indiana.features
    assert stored(both) == stored(mimic) + stored(indiana)


def test_images_of_both_open_after_concatenation(releases: dict[str, Path], cache: str) -> None:
    both = concatenate_datasets(load_both(releases, cache, "images"))
    assert {row["image"].format for row in both} == {"JPEG", "PNG"}
    assert {row["image"].mode for row in both} == {"L"}


@pytest.mark.parametrize("embed", ["builder", "map"])
def test_both_written_to_parquet_and_read_back_are_the_same(
    releases: dict[str, Path], cache: str, tmp_path: Path, embed: str
) -> None:
    both = concatenate_datasets(load_both(releases, cache, "images"))
    pixels = [np.asarray(row["image"]) for row in both]
    columns, features = without_images(both), both.features
    if embed == "map":
        embedded = both.with_format("arrow").map(embed_table_storage, batched=True)
        embedded.with_format(None).to_parquet(str(tmp_path / "both.parquet"))
    else:
        parts = [
            embedded_by_builder(
                builder, releases[builder.__module__.split(".")[0]], cache, tmp_path
            )
            for builder in (mimic_cxr_jpg.MimicCxrJpg, indiana_cxr.IndianaCxr)
        ]
        concatenate_datasets(parts).to_parquet(str(tmp_path / "both.parquet"))
    for release in releases.values():
        shutil.rmtree(release)
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "both.parquet"), cache_dir=cache, split="train"
    )
    assert loaded.features == features
    assert without_images(loaded) == columns
    for row, expected in zip(loaded, pixels, strict=True):
        np.testing.assert_array_equal(np.asarray(row["image"]), expected)


def embedded_by_builder(builder_class: Any, release: Path, cache: str, tmp_path: Path) -> Dataset:
    builder = builder_class(data_dir=str(release), cache_dir=cache)
    out = tmp_path / f"parquet-{builder.name}"
    builder.download_and_prepare(str(out), file_format="parquet")
    files = [str(file) for file in out.glob("*-train.parquet")]
    rows = load_dataset("parquet", data_files=files, cache_dir=cache, split="train")
    return rows.select_columns(list(CORE))


def test_both_saved_to_disk_together_hold_their_images(
    releases: dict[str, Path], cache: str, tmp_path: Path
) -> None:
    both = concatenate_datasets(load_both(releases, cache, "images"))
    columns = without_images(both)
    both.save_to_disk(str(tmp_path / "both"))
    for release in releases.values():
        shutil.rmtree(release)
    loaded = load_from_disk(str(tmp_path / "both"))
    assert without_images(loaded) == columns
    assert {row["image"].mode for row in loaded} == {"L"}


def test_both_stream_as_one(releases: dict[str, Path], cache: str) -> None:
    built = concatenate_datasets(load_both(releases, cache, "images"))
    streams = load_both(releases, cache, "images", streaming=True)
    ids = [row["image_id"] for row in concatenate_datasets(streams).select_columns(["image_id"])]
    assert ids == list(built["image_id"])
    mixed = interleave_datasets(streams, stopping_strategy="all_exhausted")
    formats = [row["image"].format for row in mixed.take(6)]
    assert formats == ["JPEG", "PNG"] * 3


def test_labels_of_both_are_read_alike(releases: dict[str, Path], cache: str) -> None:
    both = concatenate_datasets(load_both(releases, cache, "reports"))
    table = both.flatten().to_pandas()
    labels = table[[name for name in table.columns if name.startswith("labels.")]]
    assert labels.shape == (both.num_rows, 14)
    assert set(labels.stack().dropna()) <= {1.0, 0.0, -1.0}
    assert isinstance(both.features["labels"]["Edema"], datasets.Value)
