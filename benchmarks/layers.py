"""What does a layer add to a build of the whole release, beside reading its table with pyarrow?

The build is that of build.py. The layer is a CSV of 1.4 million boxes of 240,000 images, which it
reads into its cache, joins, and brings into pixels; each build begins without a cache. The files of
release.py are tiny, unlike what its tables tell: once they are taken for the real ones, of which a
few are compared, and once for a copy of smaller images, where the start of each file is read.
CXR_BENCH_PART=0.333333 takes a third of the release.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from build import build
from harness import Ratio, clock, main
from pyarrow import csv
from release import folder, full_release, made, scale

from cxr_datasets.builder import layered
from cxr_datasets.layers import Layer
from cxr_datasets.layers.files import find_file
from cxr_datasets.layers.reading import Reading
from cxr_datasets.layers.writing import write_layer
from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.ids import ID_FORMS
from mimic_cxr_jpg.join import TableReads, read_index

IMAGES, BOXES = int(240_000 * scale()), int(1_400_000 * scale())
SEED = 23
NAMES = ["right lung", "left lung", "cardiac silhouette", "trachea", "carina", "spine"]


def table() -> Path:
    """The layer; made if it is not there."""
    return made(folder() / f"layer-{scale():g}", _write) / "boxes.csv"


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
    start = clock()
    csv.read_csv(path)
    return clock() - start


def stored() -> float:
    """Read, check and store it, as each first build with it does."""
    place = table()
    layer = Layer(str(place), boxes=("x1", "y1", "x2", "y2"))
    file = find_file("layers", str(place), None, None)
    with tempfile.TemporaryDirectory() as cache:
        start = clock()
        write_layer(f"{cache}/layer.arrow", Reading("layers", layer, file, ID_FORMS))
        return clock() - start


def with_boxes(config: str, are_smaller: bool = False) -> float:
    """Build with the layer."""
    if not are_smaller:
        layered._are_as_told = lambda *given: True
    boxes = {"address": str(table()), "boxes": ["x1", "y1", "x2", "y2"]}
    return build(config, layers={"regions": boxes})


CONTENDERS = {
    "pyarrow reads the layer": bare,
    "the layer is stored": stored,
    "images": lambda: build("images"),
    "images, layer": lambda: with_boxes("images"),
    "images, layer, smaller files": lambda: with_boxes("images", are_smaller=True),
    "studies": lambda: build("studies"),
    "studies, layer": lambda: with_boxes("studies"),
}
TOLD = "with a layer of 1.4 million boxes"
RATIOS = [
    Ratio("stored / pyarrow reads it", "the layer is stored", "pyarrow reads the layer"),
    Ratio(f"images: {TOLD} / without", "images, layer", "images"),
    Ratio(
        f"images: {TOLD}, files smaller than told / without", "images, layer, smaller files",
        "images",
    ),
    Ratio(f"studies: {TOLD} / without", "studies, layer", "studies"),
]  # fmt: skip

if __name__ == "__main__":
    table()
    main("a layer in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
