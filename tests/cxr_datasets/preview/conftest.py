"""One Chromium, one page and its rows, for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
import pandas as pd
import pytest

from cxr_datasets.cli import main
from tests.browser import Browser, browsing, chromium

SAMPLES = 9


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with browsing(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="session")
def page(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "preview.html"
    words = ["preview", str(small_release), "--out", str(out), "--studies", str(SAMPLES)]
    assert main(words) == 0
    return out


@pytest.fixture(scope="session")
def rows(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A row per image, as `load_dataset` and pandas have them, and no picture."""
    cache = str(tmp_path_factory.mktemp("cache"))
    splits = datasets.load_dataset("mimic_cxr_jpg", data_dir=str(small_release), cache_dir=cache)
    parts = [
        part.remove_columns("image").to_pandas().assign(split=name) for name, part in splits.items()
    ]
    return pd.concat(parts, ignore_index=True)
