"""Invented releases of several sizes and seeds, and what is read of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.testing import read_table
from mimic_cxr_jpg.synthetic import write_release


def tables(root: Path) -> dict[str, pd.DataFrame]:
    names = ("metadata", "split", "chexpert", "negbio")
    return {name: read_table(root / f"mimic-cxr-2.0.0-{name}.csv.gz") for name in names}


def report_texts(root: Path) -> dict[str, str]:
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {Path(name).stem[1:]: archive.read(name).decode() for name in names}


@pytest.fixture(scope="session", params=[(50, 0), (10, 0), (10, 1), (12, 2), (50, 3)])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    patients, seed = request.param
    out = tmp_path_factory.mktemp("mimic") / "release"
    return write_release(out, patients=patients, seed=seed)


@pytest.fixture(scope="session")
def default_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("mimic") / "release")
