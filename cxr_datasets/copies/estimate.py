"""What a download would take, told by a few files that are really fetched."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from cxr_datasets.copies.bring import strings
from cxr_datasets.copies.checked import look
from cxr_datasets.copies.folder import CopyFolder
from cxr_datasets.copies.results import Estimate
from cxr_datasets.copies.run import Run
from cxr_datasets.tables.index import spread_places
from cxr_datasets.tables.keys import combined

_SAMPLE = 8
"""Images that are fetched: enough to keep all connections busy."""


def estimated(run: Run) -> Estimate:
    """Tell how many files and bytes are lacking, and how long they would take.

    The tables are read in the copy, or fetched to a folder of ours that is gone afterwards. In the
    copy nothing is written.

    Args:
        run: The download, not begun.

    Raises:
        CxrError: As the download would.
    """
    wanted, copy = run.wanted, run.copy
    with tempfile.TemporaryDirectory(prefix="cxr-download-") as folder:
        scratch = CopyFolder(folder, closed=True)
        trial = run.elsewhere(scratch)
        with scratch.locked():
            others = 0
            root = copy.root
            if not _has_tables(run):
                trial.fetch_tables()
                others, root = trial.brought.files, scratch.root
            others += int(run.lacks_reports)
            paths = strings([])
            if wanted.images:
                paths = combined(wanted.wanted_images(root)["path"])
            missing = paths.filter(pa.array(look(copy.root, paths).sizes <= 0))
            sampled, rate, mean = _sample(trial, missing)
    return Estimate(
        dataset=wanted.dataset,
        release=wanted.version,
        out=str(copy.root),
        source=run.fetcher.shown(),
        images=len(paths),
        files=others + len(missing),
        bytes=int(len(missing) * mean) + trial.brought.bytes,
        sampled=sampled,
        bytes_a_second=rate,
        free=copy.free(),
    )


def _has_tables(run: Run) -> bool:
    tables = (table for table in run.wanted.tables if table.required)
    return all(any(run.copy.place(name).is_file() for name in table.files) for table in tables)


def _sample(trial: Run, missing: pa.Array) -> tuple[int, float | None, float]:
    """Fetch a few images; give how many came, bytes a second, and the mean of their sizes."""
    sample = missing.take(pa.array(spread_places(len(missing), _SAMPLE))).to_pylist()
    started = time.monotonic()
    arrivals = trial.fetcher.fetch(sample, trial.copy.parts) if sample else ()
    came = [trial.copy.part(arrival.path) for arrival in arrivals if arrival.fault is None]
    seconds = time.monotonic() - started
    sizes = np.array(list(map(_size, came)), np.int64)
    if not sizes.sum():
        return 0, None, trial.mean_size(missing)
    return len(sizes), float(sizes.sum() / seconds), float(sizes.mean())


def _size(part: Path) -> int:
    return part.stat().st_size
