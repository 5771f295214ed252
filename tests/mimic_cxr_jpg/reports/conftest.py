"""A release without its reports, and what its rows must be once it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.testing import copy_release, load_rows
from tests.mimic_cxr_jpg.reports.forms import ZIP, Texts, texts_of

JPG_ROOT = "physionet.org/files/mimic-cxr-jpg/2.1.0"


def load(data_dir: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_rows("mimic_cxr_jpg", data_dir, cache, config, **options)


@pytest.fixture(scope="session")
def texts(small_release: Path) -> Texts:
    return texts_of(small_release)


@pytest.fixture(scope="session")
def rows(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of the release with its reports, which must be the same in every place and form."""
    rows = load(small_release, str(tmp_path_factory.mktemp("cache")))
    assert sum(row["report"] is not None for row in rows) > len(rows) / 2
    return rows


@pytest.fixture
def jpg(small_release: Path, tmp_path: Path) -> Path:
    """The release without its reports, in the folder where `wget -r` puts it."""
    root = copy_release(small_release, tmp_path / JPG_ROOT)
    (root / ZIP).unlink()
    return root
