"""Both datasets as users load them, of their small invented releases."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401


@pytest.fixture(scope="module")
def mimic(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.DatasetDict:
    """Config `images` of MIMIC-CXR-JPG."""
    cache = tmp_path_factory.mktemp("cache")
    return datasets.load_dataset("mimic_cxr_jpg", data_dir=str(small_release), cache_dir=str(cache))


@pytest.fixture(scope="module")
def studies(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.DatasetDict:
    """Config `studies` of MIMIC-CXR-JPG."""
    cache = tmp_path_factory.mktemp("cache")
    return datasets.load_dataset(
        "mimic_cxr_jpg", "studies", data_dir=str(small_release), cache_dir=str(cache)
    )


@pytest.fixture(scope="module")
def indiana(indiana_release: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """Config `images` of Indiana, which is one split."""
    cache = tmp_path_factory.mktemp("cache")
    return datasets.load_dataset(
        "indiana_cxr", data_dir=str(indiana_release), cache_dir=str(cache), split="train"
    )
