"""Tables of layers, and what the rows of a release are, for the tests of layers."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Ids(NamedTuple):
    """The ids of one image."""

    image: str
    study: int
    subject: int
    height: int
    width: int


def images_of(release: Path) -> list[Ids]:
    """The images of a synthetic release of MIMIC-CXR-JPG, in the order of its metadata."""
    with gzip.open(release / "mimic-cxr-2.0.0-metadata.csv.gz", "rt") as file:
        return [
            Ids(row["dicom_id"], int(row["study_id"]), int(row["subject_id"]), int(row["Rows"]),
                int(row["Columns"]))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",",
    end: str = "\n",
) -> Path:  # fmt: skip
    """Write a table as CSV, gzipped if its name says so."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as JSON lines; NaN as Python writes it."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
