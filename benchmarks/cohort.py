"""What do a list of ids, splits and rules add to a build of the whole release?

The build is that of build.py. The lists name all images, so that each build writes as many rows;
that of splits gives each patient's rows to one split. `require` reads every report once more.
CXR_BENCH_PART=0.333333 takes a third of the release.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from build import build
from harness import Ratio, main
from pyarrow import csv
from release import folder, full_release, made, scale

NAMES = ("train", "val", "test")


def lists() -> Path:
    """Folder of a list of all images and of one of their splits; made if it is not there."""
    return made(folder() / f"lists-{scale():g}", _write)


def _write(out: Path) -> None:
    table = csv.read_csv(full_release() / "mimic-cxr-2.0.0-split.csv.gz")
    third = pc.subtract(table["subject_id"], pc.multiply(pc.divide(table["subject_id"], 3), 3))
    splits = pa.table({"dicom_id": table["dicom_id"], "split": pa.array(NAMES).take(third)})
    csv.write_csv(splits, out / "splits.csv")
    (out / "ids.txt").write_text("\n".join(table["dicom_id"].to_pylist()))


CONTENDERS = {
    "plain": lambda: build("images"),
    "ids": lambda: build("images", ids=lists() / "ids.txt"),
    "split_file": lambda: build("images", split_file=lists() / "splits.csv"),
    "split_by=patient": lambda: build("images", split_by="patient"),
    "require=report": lambda: build("images", require=["report"]),
}
RATIOS = [
    Ratio("images: with ids, all of them in a file / without", "ids", "plain", "<= 1.15"),
    Ratio("images: with split_file / without", "split_file", "plain", "<= 1.15"),
    Ratio("images: with split_by=patient / without", "split_by=patient", "plain", "<= 1.15"),
    Ratio("images: with require=report / without", "require=report", "plain"),
]

if __name__ == "__main__":
    full_release()
    lists()
    main("cohorts in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
