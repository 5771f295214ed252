"""What do targets and a data frame of all labels of the release cost, against the usual ways?

Targets: both make the targets of U-Ones and their mask, (377,110, 14), of labels as a built
dataset holds them. The loop is the usual one: a row at a time, a label at a time.

A data frame: `Dataset.to_pandas` leaves each row's labels a dict. pyarrow alone is what `frame`
cannot go below: it flattens the labels and takes NumPy's types, so that a null becomes a NaN.
"""

from __future__ import annotations

from functools import cache

import datasets
import numpy as np
import pyarrow as pa
from harness import Ratio, clock, main

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import U_ONES, compare, frame, to_targets

IMAGES = 377_110
NOT_MENTIONED = 0.75
"""About the share of blank cells in the release's table."""


@cache
def rows() -> datasets.Dataset:
    """Invented labels of as many rows as the release has images, and a text for each."""
    rng = np.random.default_rng(0)
    columns = [
        pa.array(
            rng.integers(-1, 2, IMAGES).astype(np.int8), mask=rng.random(IMAGES) < NOT_MENTIONED
        )
        for _ in LABELS
    ]
    labels = pa.StructArray.from_arrays(columns, LABELS)
    text = pa.array([f"No acute process in study {number}." * 8 for number in range(IMAGES)])
    studies = pa.array(np.arange(IMAGES) // 2)
    return datasets.Dataset(
        pa.table({"study_id": studies, "report": text, "labels": labels, "labels_negbio": labels})
    )


def timed(work: object) -> float:
    """Seconds of the work alone, without the making of rows."""
    split = rows()
    start = clock()
    work(split)  # type: ignore[operator]
    return clock() - start


def loop(split: datasets.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The same targets, cell by cell."""
    values = np.zeros((len(split), len(LABELS)), np.float32)
    mask = np.ones((len(split), len(LABELS)), bool)
    for row, labels in enumerate(split.select_columns("labels")):
        for place, name in enumerate(LABELS):
            value = (labels["labels"] or {}).get(name)
            values[row, place] = value in (1, -1)
    return values, mask


def by_pyarrow(split: datasets.Dataset) -> object:
    """The same columns by pyarrow alone."""
    return split.with_format("arrow")[:].flatten().to_pandas()


CONTENDERS = {
    "to_targets": lambda: timed(lambda split: to_targets(split, **U_ONES)),
    "to_targets, hierarchy": lambda: timed(
        lambda split: to_targets(split, hierarchy=True, **U_ONES)
    ),
    "a loop": lambda: timed(loop),
    "frame": lambda: timed(frame),
    "Dataset.to_pandas": lambda: timed(lambda split: split.to_pandas()),
    "pyarrow's to_pandas": lambda: timed(by_pyarrow),
    "compare": lambda: timed(lambda split: compare(split, "labels", "labels_negbio")),
}
RATIOS = [
    Ratio("a loop / to_targets", "a loop", "to_targets", ">= 20"),
    Ratio("Dataset.to_pandas / frame", "Dataset.to_pandas", "frame"),
    Ratio("frame / pyarrow's to_pandas", "frame", "pyarrow's to_pandas", "<= 2"),
]

if __name__ == "__main__":
    main("labels of 377,110 rows to targets and a data frame", CONTENDERS, RATIOS)
