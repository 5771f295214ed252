"""Rows that were loaded, to compare them, and the files that loading left in the cache."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from cxr_datasets.columns import PIXELS


def load_rows(
    package: str, data_dir: str | Path, cache: str, config: str = "images", **options: Any
) -> list[dict[str, Any]]:
    """Load a dataset by `load_dataset` and give the rows of all its splits as they are stored.

    Args:
        package: The dataset's package, such as `my_cxr`. It is imported first.
        data_dir: The release.
        cache: Folder for the cache of `datasets`, such as `str(tmp_path / "cache")`.
        config: One of `images`, `studies` and `reports`.
        **options: Further options of `load_dataset`.

    Returns:
        The rows. Each has one more key, `split`. Columns of images are left out, for they hold the
        file's absolute path, which differs between two copies of a release.
    """
    importlib.import_module(package)
    splits = datasets.load_dataset(
        package, config, data_dir=str(data_dir), cache_dir=cache, **options
    )
    return [
        {"split": name, **{k: v for k, v in row.items() if k not in PIXELS}}
        for name, split in splits.items()
        for row in stored(split).to_pylist()
    ]


def stored(split: datasets.Dataset) -> pa.Table:
    """Give the rows of a split as they are stored: images are path and bytes, not decoded."""
    return split.with_format("arrow")[:]


def assert_same(found: datasets.DatasetDict, expected: datasets.DatasetDict) -> None:
    """Assert that two datasets have the same splits, features and rows, in the same order."""
    assert list(found) == list(expected)
    for name, split in expected.items():
        assert found[name].features == split.features
        assert stored(found[name]).to_pylist() == stored(split).to_pylist()


def files_under(folder: str | Path) -> list[str]:
    """Paths of all files in a folder and below, relative to it; none if it is not there."""
    root = Path(folder)
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def contents_under(folder: str | Path) -> dict[str, bytes]:
    """Path, relative to the folder, and content of all files in a folder and below."""
    return {file: (Path(folder) / file).read_bytes() for file in files_under(folder)}


def datasets_under(cache: str | Path) -> list[str]:
    """Files of built datasets in a cache, finished or not; the index files do not count.

    A builder that refuses a broken release must leave none: an error comes before any output.
    """
    return [
        file
        for file in files_under(cache)
        if "cxr_index" not in Path(file).parts and not file.endswith(".lock")
    ]


def arrow_files(cache: str | Path) -> list[tuple[str, int, int]]:
    """Path, inode and time of change of every Arrow file of a built dataset in a cache.

    They stay the same while `load_dataset` answers from the cache.
    """
    files = sorted(file for file in Path(cache).rglob("*.arrow") if "cxr_index" not in file.parts)
    return [(str(file), file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
