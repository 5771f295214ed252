"""Absent and damaged images: what is written, and the list of what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxr_datasets.export import ExportSummary, export
from cxr_datasets.testing import copy_release, rewrite
from tests.cxr_datasets.export.conftest import contents, finished

SKIP: dict[str, Any] = {"missing": "skip", "damaged": "skip"}


@pytest.fixture
def partial(mimic_release: Path, tmp_path: Path) -> Path:
    """A release with two absent images, an empty one and two damaged ones."""
    release = copy_release(mimic_release, tmp_path / "partial")
    images = sorted(release.glob("files/*/*/*/*.jpg"))
    for image in images[3:5]:
        image.unlink()
    rewrite(images[40], b"")
    for image in images[60:62]:
        rewrite(image, image.read_bytes()[:-400])
    return release


@pytest.fixture
def absent(mimic_release: Path) -> set[str]:
    images = sorted(mimic_release.glob("files/*/*/*/*.jpg"))
    return {images[number].stem for number in (3, 4, 40)}


@pytest.fixture
def broken(mimic_release: Path) -> set[str]:
    images = sorted(mimic_release.glob("files/*/*/*/*.jpg"))
    return {image.stem for image in images[60:62]}


def written(release: Path, out: Path, cache: str, **options: Any) -> ExportSummary:
    return export("mimic-cxr-jpg", release, out, progress=False, rows_per_file=40,
                  cache_dir=cache, **options)  # fmt: skip


def ids(out: Path, config: str = "images") -> list[str]:
    tables = map(pq.read_table, sorted((out / config).glob("*.parquet")))
    if config == "images":
        return [id for table in tables for id in table["image_id"].to_pylist()]
    return [id for table in tables for some in table["image_ids"].to_pylist() for id in some]


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("size", [None, 32])
def test_skipped_images_are_listed_and_no_others(
    config: str, size: int | None, partial: Path, mimic_release: Path, absent: set[str],
    broken: set[str], export_cache: str, tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    summary = written(partial, out, export_cache, config=config, image_size=size, **SKIP)
    listed = (out / f"skipped-{config}.txt").read_text().splitlines()
    assert listed == sorted(absent | broken)
    everything = {image.stem for image in mimic_release.glob("files/*/*/*/*.jpg")}
    assert sorted(ids(out, config)) == sorted(everything - set(listed))
    assert summary.skipped == len(listed)
    assert f"{len(listed)} images are left out of `{config}`" in (out / "README.md").read_text()
    assert f"{len(listed)} images skipped" in str(summary)


def test_the_list_is_of_the_splits_that_are_written(
    partial: Path, absent: set[str], broken: set[str], export_cache: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    listed = []
    for split in ("test", "validation", "train"):
        written(partial, out, export_cache, split=split, **SKIP)
        listed.append((out / "skipped-images.txt").read_text().split())
    assert set(listed[0]) <= set(listed[1]) <= set(listed[2]) == absent | broken
    assert len(listed[0]) < len(absent | broken)


def test_the_list_and_the_counts_survive_a_stop(
    partial: Path, export_cache: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    options = {"image_size": 32, **SKIP}
    written(partial, whole, export_cache, **options)
    written(partial, out, export_cache, **options)
    for name in ("README.md", "skipped-images.txt", finished(out)[-1]):
        (out / name).unlink()
    # And a file that was finished, but not noted.
    manifest = out / ".cxr" / "images.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:2]))
    caplog.clear()
    assert written(partial, out, export_cache, **options).written == 1
    assert contents(out) == contents(whole)
    (line,) = (text for text in caplog.messages if text.startswith("damaged="))
    assert "left out 2 of " in line


def test_nothing_is_listed_where_nothing_may_be_skipped(
    mimic_release: Path, export_cache: str, tmp_path: Path
) -> None:
    written(mimic_release, tmp_path / "out", export_cache)
    assert not list((tmp_path / "out").glob("skipped*"))
    written(mimic_release, tmp_path / "none", export_cache, missing="skip")
    assert (tmp_path / "none" / "skipped-images.txt").read_text() == ""


@pytest.mark.parametrize("size", [None, 32])
def test_absent_and_damaged_images_are_null_if_so_wished_and_counted(
    size: int | None, partial: Path, absent: set[str], broken: set[str], export_cache: str,
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    options = {"missing": "null", "damaged": "null", "image_size": size}
    with caplog.at_level("WARNING"):
        summary = written(partial, out, export_cache, **options)
    (about_absent,) = (text for text in caplog.messages if text.startswith("missing="))
    (about_damaged,) = (text for text in caplog.messages if text.startswith("damaged="))
    assert f"3 of {summary.rows} images are null" in about_absent
    assert f"2 of {summary.rows} images are null" in about_damaged
    tables = list(map(pq.read_table, sorted((out / "images").glob("*.parquet"))))
    null = {
        id
        for table in tables
        for id, image in zip(
            table["image_id"].to_pylist(), table["image"].is_null().to_pylist(), strict=True
        )
        if image
    }
    assert null == absent | broken
    assert summary.skipped == 0
