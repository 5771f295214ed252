"""How long do the figures of the whole release take, against the join of its tables?

`join` opens the release and joins its tables, as a build does first, and no more. `stats` opens it,
joins its tables and counts all figures, with the lengths of 10,000 reports, as `cxr stats` does.
`stats, all reports` reads and parses every report instead of a sample of them.
"""

from __future__ import annotations

import tempfile
import time

from harness import Ratio, main
from release import full_release
from rival import REPORTS

from cxr_datasets.packages import builder_class
from cxr_datasets.preview.reading import REPORTS as USUAL
from cxr_datasets.preview.summary import stats

DATASET = "mimic-cxr-jpg"


def join() -> float:
    """Seconds to open the release and to join its tables, with an empty cache."""
    root = full_release()
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        builder = builder_class(DATASET)(
            config_name="reports", data_dir=str(root), reports=str(root / REPORTS), cache_dir=cache
        )
        builder.release.index(cache)
        return time.perf_counter() - start


def count(reports: int | None) -> float:
    """Seconds to count all figures."""
    root = full_release()
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        stats(root, cache_dir=cache, reports=reports, options={"reports": str(root / REPORTS)})
        return time.perf_counter() - start


CONTENDERS = {
    "join": join,
    "stats": lambda: count(USUAL),
    "stats, all reports": lambda: count(None),
}
RATIOS = [
    Ratio("stats / join", "stats", "join", "<= 2.0"),
    Ratio("stats, all reports / join", "stats, all reports", "join"),
]

if __name__ == "__main__":
    full_release()
    main("figures of the whole release", CONTENDERS, RATIOS)
