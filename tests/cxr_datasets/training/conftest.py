"""Splits of one small release, each loaded once; and torch on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest

import mimic_cxr_jpg  # noqa: F401
from tests.helpers import load


@pytest.fixture(scope="package")
def built_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def images(small_release: Path, built_cache: Path) -> datasets.Dataset:
    """Images that are stored as paths."""
    return load(small_release, built_cache)


@pytest.fixture(scope="package")
def embedded(small_release: Path, built_cache: Path) -> datasets.Dataset:
    return load(small_release, built_cache, embed=True)


@pytest.fixture(scope="package")
def studies(small_release: Path, built_cache: Path) -> datasets.Dataset:
    return load(small_release, built_cache, "studies")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as long as a test takes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
