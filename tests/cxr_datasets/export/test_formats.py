"""Whole rows of an export pass every formatter of `datasets`, loaded and streamed."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

import indiana_cxr.synthetic
import mimic_cxr_jpg.synthetic
from cxr_datasets.export import export
from cxr_datasets.testing import stored
from cxr_datasets.testing.formats import FORMATS, assert_passes, need_format
from tests.cxr_datasets.export.conftest import CONFIGS

Rows = tuple[datasets.Dataset, datasets.IterableDataset]


@pytest.fixture(scope="module", params=["mimic-cxr-jpg", "indiana-cxr"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of all configs with a handful of rows."""
    folder = tmp_path_factory.mktemp("formats")
    if request.param == "mimic-cxr-jpg":
        release = mimic_cxr_jpg.synthetic.write_release(folder / "release", patients=5)
    else:
        release = indiana_cxr.synthetic.write_release(folder / "release", studies=6)
    for config in CONFIGS:
        export(request.param, release, folder / "out", config=config, progress=False,
               cache_dir=str(folder / "cache"))  # fmt: skip
    return folder / "out"


@pytest.fixture(scope="module", params=CONFIGS)
def rows_and_stream(
    exported: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Rows:
    options = {"split": "train", "cache_dir": str(tmp_path_factory.mktemp("cache"))}
    rows = datasets.load_dataset(str(exported), request.param, **options)
    return rows, datasets.load_dataset(str(exported), request.param, streaming=True, **options)


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_rows_of_an_export_pass_loaded_and_streamed(kind: str, rows_and_stream: Rows) -> None:
    need_format(kind)
    rows, stream = rows_and_stream
    assert_passes(rows, kind, stored(rows))
    # To its end: pyarrow's threads may end a process that leaves a stream half read.
    assert_passes(stream, kind, stored(rows))
