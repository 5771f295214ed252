"""Are small tables read sooner by one thread than by several?

The tables of releases of some patients are read and joined, and their index is written: ours, where
one thread does it up to `workers.SMALL_FILES`, against threads for tables of any size. No image is
looked for, and no report is read.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from functools import partial

import datasets
from harness import Ratio, main
from release import full_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.builder import rows
from cxr_datasets.tables import workers

PATIENTS = (50, 500, 2_000, 6_000)
OF_ALL = 65_379
TIMES = 15


def _index(root: str) -> float:
    """Seconds from the tables to the index file."""
    with tempfile.TemporaryDirectory() as cache:
        begun = time.perf_counter()
        builder = datasets.load_dataset_builder(
            "mimic_cxr_jpg", "images", data_dir=root, cache_dir=cache, missing="null"
        )
        builder.write_index()
        return time.perf_counter() - begun


def read(patients: int, by_one: bool) -> float:
    """The median of several times in one process, without the first."""
    logging.disable()
    workers.SMALL_FILES, rows.SMALL_TABLE = (2**40, 2**40) if by_one else (-1, -1)
    root = str(full_release(patients / OF_ALL))
    return statistics.median([_index(root) for _ in range(1 + TIMES)][1:])


if __name__ == "__main__":
    CONTENDERS = {
        f"{patients:,} patients: {who}": partial(read, patients, who == "one thread")
        for patients in PATIENTS
        for who in ("one thread", "threads")
    }
    RATIOS = [
        Ratio(
            f"threads / one thread, {patients:,} patients",
            f"{patients:,} patients: threads",
            f"{patients:,} patients: one thread",
        )
        for patients in PATIENTS
    ]
    main("tables of a few patients", CONTENDERS, RATIOS, rounds=3)
