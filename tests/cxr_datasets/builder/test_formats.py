"""Whole rows pass every formatter of `datasets`, built and streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import CONFIGS
from cxr_datasets.testing import copy_release, stored
from cxr_datasets.testing.formats import FORMATS, assert_passes, need_format

ROWS = 6


def load(package: str, config: str, release: Path, cache: Path, **options: Any) -> Any:
    return datasets.load_dataset(
        package, config, data_dir=str(release), cache_dir=str(cache), split="train", **options
    )


@pytest.fixture(scope="module", params=["mimic_cxr_jpg", "indiana_cxr"])
def package(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=CONFIGS)
def rows_and_stream(
    package: str,
    request: pytest.FixtureRequest,
    small_release: Path,
    indiana_release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[datasets.Dataset, datasets.IterableDataset]:
    release = small_release if package == "mimic_cxr_jpg" else indiana_release
    cache = tmp_path_factory.mktemp("cache")
    rows = load(package, request.param, release, cache).select(range(ROWS))
    return rows, load(package, request.param, release, cache, streaming=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_rows_pass_built_and_streamed(
    kind: str, rows_and_stream: tuple[datasets.Dataset, datasets.IterableDataset]
) -> None:
    need_format(kind)
    rows, stream = rows_and_stream
    assert_passes(rows, kind, stored(rows))
    assert_passes(stream, kind, stored(rows))


@pytest.fixture(scope="module", params=["images", "studies"])
def rows_without_some_images(
    request: pytest.FixtureRequest, small_release: Path, tmp_path_factory: pytest.TempPathFactory
) -> datasets.Dataset:
    """The first row has no image at all, another one less than it should."""
    folder = tmp_path_factory.mktemp("without")
    root = copy_release(small_release, folder / "release")
    whole = load("mimic_cxr_jpg", "studies", root, folder / "whole")["paths"]
    for path in (*whole[0], whole[3][-1]):
        (root / path).unlink()
    rows = load("mimic_cxr_jpg", request.param, root, folder / "cache", missing="null")
    return rows.select(range(ROWS))


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_without_an_image_pass_too(
    kind: str, rows_without_some_images: datasets.Dataset
) -> None:
    need_format(kind)
    assert_passes(rows_without_some_images, kind, stored(rows_without_some_images))
