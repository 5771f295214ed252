"""What do a second load, `missing="error"` and `missing="skip"` cost on the whole release?

`missing="error"` looks at 256 files before a build. `missing="skip"` looks at all 377,110 on each
load; its rivals are `os.access` for each file in threads, and a walk of the tree. The second load
of a built dataset is measured without the import of `datasets`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import pyarrow as pa
from harness import Ratio, main
from release import folder, full_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.builder import missing
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.index import read_column
from mimic_cxr_jpg.release import open_release

REPORTS = "zip/mimic-cxr-reports.zip"
CACHE = folder() / "cache"

datasets.disable_progress_bars()


def _load() -> None:
    root = full_release()
    datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(root), reports=str(root / REPORTS), cache_dir=str(CACHE)
    )


def second_load() -> float:
    """Load what is built already."""
    start = time.perf_counter()
    _load()
    return time.perf_counter() - start


def _paths() -> pa.Array:
    """Paths of all images, from the index of the build."""
    newest = max(CACHE.rglob("cxr_index/*images*.arrow"), key=os.path.getmtime)
    return read_column(str(newest), "path").combine_chunks()


def probe() -> float:
    """Look at a spread sample, as `missing="error"` does."""
    source, paths = open_place(full_release()), _paths()
    start = time.perf_counter()
    missing.probe(source, paths)
    return time.perf_counter() - start


def skip() -> float:
    """Look for every file, as `missing="skip"` does."""
    source, paths = open_place(full_release()), _paths()
    start = time.perf_counter()
    assert missing.are_present(source.sizes(paths.to_pylist())).all()
    return time.perf_counter() - start


def access_in_threads() -> float:
    """Ask the system for each file, in threads."""
    root = str(full_release())
    paths = [f"{root}/{path}" for path in _paths().to_pylist()]
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        parts = [paths[first::8] for first in range(8)]
        assert all(pool.map(lambda part: all(os.access(path, os.R_OK) for path in part), parts))
    return time.perf_counter() - start


def walk() -> float:
    """List every study's folder."""
    start = time.perf_counter()
    count = 0
    for _, _, names in os.walk(full_release() / "files"):
        count += len(names)
    assert count == 377_110
    return time.perf_counter() - start


def join() -> float:
    """Read and join the tables, for scale."""
    start = time.perf_counter()
    root = full_release()
    open_release(str(root), str(root / REPORTS)).index(tempfile.mkdtemp())
    return time.perf_counter() - start


CONTENDERS: dict[str, Callable[[], float]] = {
    "second load": second_load,
    "missing='error': probe": probe,
    "missing='skip'": skip,
    "os.access in 8 threads": access_in_threads,
    "os.walk": walk,
    "reading the tables": join,
}

if __name__ == "__main__":
    Path(CACHE).mkdir(parents=True, exist_ok=True)
    _load()
    RATIOS = [
        Ratio("skip / os.access in threads", "missing='skip'", "os.access in 8 threads", "<= 1"),
        Ratio("skip / os.walk", "missing='skip'", "os.walk"),
    ]
    print("second load: <= 0.5 s; probe: <= 0.3 s")
    main("second load and missing images", CONTENDERS, RATIOS, rounds=3)
