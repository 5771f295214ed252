"""A function that loads the small release with layers, and a cache that all tests here share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from tests.cxr_datasets.layers.material import Ids, images_of


@pytest.fixture(scope="session")
def layers_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("layers-cache"))


@pytest.fixture(scope="session")
def images(small_release: Path) -> list[Ids]:
    """The ids of the images of the small release."""
    return images_of(small_release)


@pytest.fixture
def load(small_release: Path, layers_cache: str) -> Callable[..., Any]:
    """Loads the small release with layers; all rows of a config, or of one split."""

    def load_one(layers: Any, config: str = "images", **options: Any) -> Any:
        options = {"split": "train+validation+test", **options}
        return load_dataset(
            "mimic_cxr_jpg", config, data_dir=str(small_release), cache_dir=layers_cache,
            layers=layers, **options,
        )  # fmt: skip

    return load_one
