"""The ways in which a user comes to rows: built, streamed, exported. They give plain Python."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq

from cxr_datasets.export import export
from tests.differential.reading import SPLITS, Row

Splits = dict[str, list[Row]]


def built(package: str, config: str, scratch: Path, **options: Any) -> Splits:
    """Load the rows from the cache that `load_dataset` builds."""
    importlib.import_module(package)
    loaded = datasets.load_dataset(package, config, cache_dir=str(scratch / "cache"), **options)
    return {name: rows.with_format("arrow")[:].to_pylist() for name, rows in loaded.items()}


def streamed(package: str, config: str, scratch: Path, **options: Any) -> Splits:
    """Stream the rows."""
    importlib.import_module(package)
    loaded = datasets.load_dataset(
        package, config, cache_dir=str(scratch / "cache"), streaming=True, **options
    )
    return {
        name: [row for some in rows.with_format("arrow").iter(64) for row in some.to_pylist()]
        for name, rows in loaded.items()
    }


def exported(package: str, config: str, scratch: Path, **options: Any) -> Splits:
    """Read the rows from the Parquet files of an export."""
    scratch.mkdir(exist_ok=True)
    out = scratch / "export"
    data_dir = options.pop("data_dir")
    options.pop("embed", None)  # an export always holds the images
    export(
        package, data_dir, out, config=config, cache_dir=str(scratch / "cache"), progress=False,
        **options,
    )  # fmt: skip
    files = sorted((out / config).glob("*.parquet"))
    return {
        split: [row for file in files if file.name.startswith(f"{split}-")
                for row in pq.read_table(file).to_pylist()]
        for split in SPLITS
        if any(file.name.startswith(f"{split}-") for file in files)
    }  # fmt: skip
