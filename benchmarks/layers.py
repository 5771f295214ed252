"""What does a layer add to a build of the whole release, beside reading its table with pyarrow?

The build is that of build.py. The layer is a CSV of 1.4 million boxes of 240,000 images, which it
reads into its cache, joins, and brings into pixels; each build begins without a cache.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from build import build
from harness import Ratio, main
from pyarrow import csv
from release import folder, full_release, made

from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.join import TableReads, read_index

IMAGES, BOXES = 240_000, 1_400_000
SEED = 23
NAMES = ["right lung", "left lung", "cardiac silhouette", "trachea", "carina", "spine"]


def table() -> Path:
    """The layer; made if it is not there."""
    return made(folder() / "layer", _write) / "boxes.csv"


def _write(root: Path) -> None:
    rng = np.random.default_rng(SEED)
    source = open_place(str(full_release()))
    index = read_index(TableReads(source, tables.find_tables(source)), None, str(folder()))
    ids = index["image_id"].take(pa.array(rng.permutation(index.num_rows)[:IMAGES]))
    corners = rng.integers(0, 2_000, (2, BOXES))
    columns = {
        "dicom_id": ids.take(pa.array(rng.integers(0, IMAGES, BOXES))),
        "bbox_name": rng.choice(NAMES, BOXES),
        **dict(zip(("x1", "y1"), corners, strict=True)),
        **dict(zip(("x2", "y2"), corners + rng.integers(1, 900, (2, BOXES)), strict=True)),
    }
    root.mkdir(parents=True, exist_ok=True)
    csv.write_csv(pa.table(columns), root / "boxes.csv", csv.WriteOptions(quoting_style="none"))


def bare() -> float:
    """Read the table with pyarrow."""
    path = table()
    start = time.perf_counter()
    csv.read_csv(path)
    return time.perf_counter() - start


def layer() -> dict[str, object]:
    """The value of the option."""
    return {"regions": {"address": str(table()), "boxes": ["x1", "y1", "x2", "y2"]}}


CONTENDERS = {
    "pyarrow reads the layer": bare,
    "images": lambda: build("images"),
    "images, layer": lambda: build("images", layers=layer()),
    "studies": lambda: build("studies"),
    "studies, layer": lambda: build("studies", layers=layer()),
}
RATIOS = [
    Ratio(f"{config}: with a layer of 1.4 million boxes / without", f"{config}, layer", config)
    for config in ("images", "studies")
]

if __name__ == "__main__":
    table()
    main("a layer in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
