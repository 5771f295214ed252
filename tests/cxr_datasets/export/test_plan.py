"""How many files an export has: by the size of the release's images, or by a number of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.export import plan
from cxr_datasets.export.forms import Form
from cxr_datasets.export.plan import FILE_BYTES, PlannedFile, plan_files, usual_bytes
from cxr_datasets.packages import builder_class


@pytest.fixture
def planned(small_release: Path, export_cache: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plans an export of the small release, as if its images were of some size."""

    def made(mean: int, rows: int | None = None, **options: Any) -> tuple[list[PlannedFile], int]:
        kind = builder_class("mimic-cxr-jpg")
        monkeypatch.setattr(kind, "MEAN_IMAGE_BYTES", mean)
        builder = kind(data_dir=str(small_release), cache_dir=export_cache, **options)
        index, splits = builder.write_index()
        files = plan_files(index, splits, builder, Form(), rows)
        return [file for file in files if file.split == "train"], usual_bytes(
            files, builder, Form()
        )

    return made


def test_the_size_of_a_file_follows_from_the_mean_size_that_the_dataset_declares(
    planned: Any,
) -> None:
    few, size = planned(1_000_000)
    many, larger = planned(30_000_000)
    assert len(few) == 1
    assert len(many) > 1
    images = sum(file.images for file in many)
    assert images == few[0].images
    assert max(file.images for file in many) * 30_000_000 < 1.5 * FILE_BYTES
    assert size > images * 1_000_000
    assert larger - size > images * 28_000_000


def test_a_split_of_few_bytes_is_shared_by_the_workers_that_stream_it(
    planned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = planned(1_000)
    rows = whole[0].rows
    assert len(whole) == 1  # too few rows to be shared
    monkeypatch.setattr(plan, "ROWS_OF_SMALL_SPLITS", rows // 2)
    two, _ = planned(1_000)
    assert len(two) == 2
    monkeypatch.setattr(plan, "ROWS_OF_SMALL_SPLITS", 1)
    many, _ = planned(1_000)
    blocks = range(many[0].first, many[-1].end)
    assert len(many) == len(blocks) > 2  # as many as there can be, up to eight
    monkeypatch.setattr(plan, "FILES_OF_SMALL_SPLITS", 2)
    assert planned(1_000)[0] == two
    assert sum(file.rows for file in two) == sum(file.rows for file in many) == rows


def test_images_made_smaller_are_planned_with_their_own_size(planned: Any) -> None:
    files, size = planned(30_000_000, image_size=512)
    assert len(files) == 1
    assert size < 44 * 200_000


def test_images_that_are_small_already_are_not_taken_to_grow(planned: Any) -> None:
    assert planned(10_000, image_size=4096)[1] < 44 * 20_000


def test_a_number_of_rows_is_kept_as_far_as_blocks_allow(planned: Any) -> None:
    files, _ = planned(1_000_000, rows=16)
    assert max(file.rows for file in files) <= 16
    assert [file.first for file in files[1:]] == [file.end for file in files[:-1]]
    assert [file.name for file in files] == [
        f"images/train-{number:05d}-of-{len(files):05d}.parquet" for number in range(len(files))
    ]
