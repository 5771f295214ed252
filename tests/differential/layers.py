"""Random layers, written in the forms in which people write tables of ids."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.differential import layers_reader
from tests.differential.layers_reader import Row

FORMS = ("csv", "csv.gz", "tsv", "jsonl", "parquet")
KEYS = {
    "image_id": ("dicom_id", "image_id", "DICOM_ID", "picture"),
    "study_id": ("study_id", "Study", "exam"),
    "subject_id": ("subject_id", "patient_id", "whose"),
}


@dataclass
class Drawn:
    """A layer of a release, called `it`.

    Attributes:
        option: The value of the option `layers`.
        table: Its rows, by the slow reader.
        form: Its key, and whose ids these are.
        package: The dataset's package.
    """

    option: dict[str, Any]
    table: list[Row]
    form: Row
    package: str

    def add_to(self, rows: list[Row], config: str) -> None:
        """Add its columns to the rows of a config."""
        plain = [{**row, "size": [None] * len(row.get("image_ids", ()))} for row in rows]
        found = layers_reader.expected(plain, self.table, self.form, self.package, config, None)
        for row, columns in zip(rows, found, strict=True):
            row |= columns


def drawn(package: str, images: Sequence[Row], folder: Path, rng: random.Random) -> Drawn | None:
    """Draw a layer without boxes: sizes of images differ from those that tables tell.

    Args:
        package: The dataset's package.
        images: All its rows.
        folder: Where it is written.
        rng: Decides.

    Returns:
        The layer; None if it names no id of the release, which is an error.
    """
    table, form = draw_table(images, package, rng, may_have_boxes=False)
    path = folder / f"layer.{rng.choice(FORMS)}"
    write_table(table, path, rng)
    read = layers_reader.read_rows(path)
    if not names_any(images, read, form, package):
        return None
    return Drawn({"it": {"address": str(path), **form}}, read, form, package)


def names_any(images: Sequence[Row], table: list[Row], form: Row, package: str) -> bool:
    """Whether a table has an id of one of the images."""
    known = {one[form["by"]] for one in images}
    ids = (layers_reader.id_in(row[form["key"]], form["by"], package) for row in table)
    return any(id in known for id in ids)


def written_id(id: Any, column: str, package: str, rng: random.Random) -> Any:
    """An id as one of the usual ways writes it."""
    if rng.random() < 0.05:
        return ""
    if column == "image_id":
        return rng.choice([id, f"{id}.dcm", f"files/p10/x/{id}.jpg", f"a/{id}"])
    if package == "indiana_cxr":
        return rng.choice([id, f"CXR{id}", str(id)])
    letter = "s" if column == "study_id" else "p"
    return rng.choice([id, f"{letter}{id}", str(id), f"files/p10/{letter}{id}"])


def strange_id(column: str, package: str, rng: random.Random) -> Any:
    """An id of the right form that no row has."""
    if package == "indiana_cxr":
        return "1_IM-0000-0000" if column == "image_id" else 900_000_000
    return {"image_id": "-".join(["0" * 8] * 5), "study_id": 50_000_000 + rng.randint(0, 9),
            "subject_id": 10_000_000}[column]  # fmt: skip


def draw_table(
    rows: Sequence[Row], package: str, rng: random.Random, may_have_boxes: bool = True
) -> tuple[list[Row], Row]:
    """The rows of a random layer, and its form."""
    by = rng.choice(list(KEYS))
    key = rng.choice(KEYS[by] if package == "mimic_cxr_jpg" else KEYS[by][:2] + KEYS[by][-1:])
    if package == "indiana_cxr":
        key = {"dicom_id": "filename", "DICOM_ID": "filename"}.get(key, key)
    form: Row = {"key": key, "by": by}
    ids = sorted({row[by] for row in rows})
    some = rng.sample(ids, rng.randint(1, len(ids)))
    several = rng.random() < 0.5
    keys = [id for id in some for _ in range(rng.randint(1, 3) if several else 1)]
    keys = [written_id(id, by, package, rng) for id in keys]
    keys += [strange_id(by, package, rng)] * rng.randint(0, 1 + several)
    rng.shuffle(keys)
    keys = keys if any(keys) else [ids[0]]
    table = [
        {
            key: id,
            "number": rng.choice([None, rng.randint(-9, 9)]),
            "share": rng.choice([None, rng.randint(1, 99) / 64]),
            "word": rng.choice([None, "a, b", 'say "c"', "two\nlines", "é"]),
            "is_so": rng.choice([True, False]),
        }
        for id in keys
    ]
    if may_have_boxes and by == "image_id" and rng.random() < 0.7:
        form |= add_boxes(table, rng)
    return table, form


def add_boxes(table: list[Row], rng: random.Random) -> Row:
    space = rng.choice(["original", "fraction", ["wide", "high"], "224 pad"])
    names, box_form = rng.choice([(("x", "y", "w", "h"), "sizes"),
                                  (("x1", "y1", "x2", "y2"), "corners")])  # fmt: skip
    unit = 64 if space == "fraction" else 1
    for row in table:
        left, top = rng.randint(-20, 150) / unit, rng.randint(-20, 150) / unit
        width, height = rng.randint(0, 90) / unit, rng.randint(0, 90) / unit
        far = (width, height) if box_form == "sizes" else (left + width, top + height)
        numbers = [left, top, *far]
        if rng.random() < 0.1:
            numbers[rng.randrange(4)] = None  # type: ignore[call-overload]
        row |= dict(zip(names, numbers, strict=True))
        if isinstance(space, list):
            row |= {"wide": rng.randint(100, 300), "high": rng.randint(100, 300)}
    return {"boxes": list(names), "box_form": box_form, "space": space}


def write_table(table: list[Row], path: Path, rng: random.Random) -> None:
    if path.suffix == ".parquet":
        as_texts = [{**row, next(iter(row)): str(row[next(iter(row))])} for row in table]
        pq.write_table(pa.Table.from_pylist(as_texts), path)
        return
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        if path.suffix == ".jsonl":
            nan = float("nan")
            for row in table:
                row = {**row, next(iter(row)): str(row[next(iter(row))])}
                row["share"] = nan if row["share"] is None else row["share"]
                file.write(json.dumps(row) + "\n")
            return
        end = rng.choice(["\n", "\r\n"])
        delimiter = "\t" if path.suffix == ".tsv" else ","
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
        writer.writerow(table[0])
        for row in table:
            writer.writerow(
                [str(cell).lower() if isinstance(cell, bool) else cell for cell in row.values()]
            )
