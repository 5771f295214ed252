"""A slow reader of layers: plain Python, a row at a time, by what docs/layers.md says."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]

PATTERNS = {
    "mimic_cxr_jpg": {
        "image_id": r"(?:[0-9a-f]{8}-){4}[0-9a-f]{8}",
        "study_id": r"s?(5\d{7})",
        "subject_id": r"p?(1\d{7})",
    },
    "indiana_cxr": {
        "image_id": r"\d+_IM-\d{4}-\d+(?:-\d+)?",
        "study_id": r"(?:CXR)?0*(\d{1,9})",
        "subject_id": r"(?:CXR)?0*(\d{1,9})",
    },
}


def read_rows(path: Path) -> list[Row]:
    """The rows of a table, each cell as Python has it; blanks and NaN are None."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        if path.suffix == ".jsonl":
            return [{name: _no_nan(value) for name, value in json.loads(line).items()}
                    for line in file]  # fmt: skip
        delimiter = "\t" if path.suffix == ".tsv" else ","
        rows = list(csv.DictReader(file, delimiter=delimiter))
    for name in rows[0]:
        kind = _kind([row[name] for row in rows])
        for row in rows:
            row[name] = None if row[name] == "" else kind(row[name])
    return rows


def _no_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _kind(cells: list[str]) -> Any:
    filled = [cell for cell in cells if cell]
    for pattern, kind in (
        (r"-?\d+", int),
        (r"true|false", lambda cell: cell == "true"),
        (r"-?\d+(\.\d+)?(e-?\d+)?", float),
    ):
        if filled and all(re.fullmatch(pattern, cell) for cell in filled):
            return kind
    return str


def id_in(cell: Any, column: str, package: str) -> Any:
    """The id that a cell holds, as our column has it; None if it holds none."""
    if cell is None:
        return None
    text = str(int(cell)) if isinstance(cell, float) else str(cell)
    text = re.split(r"[/\\]", text.strip().rstrip("/"))[-1]
    text = re.sub(r"(\.[A-Za-z]+|\.0+)*$", "", text)
    found = re.fullmatch(PATTERNS[package][column], text)
    if not found:
        return None
    return found[0] if column == "image_id" else int(found[1])


def expected(
    plain: list[Row], table: list[Row], form: Row, package: str, config: str, short: int | None
) -> list[Row]:
    """What the columns of a layer called `it` hold in each row.

    Args:
        plain: The rows without layers, with their ids, and for boxes (width, height) of the
            release's files as `size`, or lists of these.
        table: The rows of the layer.
        form: `key` and `by` of the layer, and perhaps `boxes`, `box_form` and `space`.
        package: The dataset.
        config: The config.
        short: Value of `image_size`.
    """
    of_key: dict[Any, list[Row]] = {}
    for row in table:
        id = id_in(row[form["key"]], form["by"], package)
        if id is not None:
            of_key.setdefault(id, []).append(row)
    several = any(len(rows) > 1 for rows in of_key.values())
    names = [name for name in table[0] if name not in (form["key"], *form.get("boxes", ()))]
    names += ["box", "box_state"] if "boxes" in form else []

    def values_of(id: Any, size: Any) -> list[Row] | None:
        rows = of_key.get(id)
        return rows and [_values(row, names, form, size, short) for row in rows]

    plural = {name: f"{name}{'es' if name == 'box' else 's'}" for name in names}
    made = []
    for row in plain:
        of_images = form["by"] == "image_id"
        if of_images and config == "reports":
            made.append({})
            continue
        if of_images and config == "studies":
            found = [values_of(*each) for each in zip(row["image_ids"], row["size"], strict=True)]
            made.append(
                {"its": found} if several else {
                    f"it_{plural[name]}": [one and one[0][name] for one in found]
                    for name in names
                }
            )  # fmt: skip
            continue
        one = values_of(row[form["by"]], row.get("size"))
        made.append(
            {"it": one} if several else {f"it_{name}": one and one[0][name] for name in names}
        )
    return made


def _values(row: Row, names: list[str], form: Row, size: Any, short: int | None) -> Row:
    given = {name: row[name] for name in names if name not in ("box", "box_state")}
    if "boxes" not in form:
        return given
    box, state = _box([row[name] for name in form["boxes"]], row, form, size, short)
    return {**given, "box": box, "box_state": state}


def _box(numbers: list[Any], row: Row, form: Row, size: Any, short: int | None) -> Any:
    if any(number is None for number in numbers):
        return None, None
    left, top, right, bottom = map(float, numbers)
    if form["box_form"] == "sizes":
        right, bottom = left + right, top + bottom
    width, height = size
    small = width, height
    if short is not None and min(size) > short:
        small = tuple(max(short, round(side * (short / min(size)))) for side in size)
    space = form["space"]
    if space == "fraction":
        corners = [left * width, top * height, right * width, bottom * height]
    elif space == "original":
        corners = [left, top, right, bottom]
    elif isinstance(space, list):
        wide, high = row[space[0]], row[space[1]]
        corners = [left / wide * width, top / high * height, right / wide * width,
                   bottom / high * height]  # fmt: skip
    else:  # a padded square
        side = int(space.split()[0])
        inner = [max(1, round(one * (side / max(size)))) for one in size]
        across, down = ((side - one) // 2 for one in inner)
        x, y = width / inner[0], height / inner[1]
        corners = [(left - across) * x, (top - down) * y, (right - across) * x,
                   (bottom - down) * y]  # fmt: skip
    scale = small[0] / width, small[1] / height
    corners = [corner * scale[place % 2] for place, corner in enumerate(corners)]
    if corners[2] <= corners[0] or corners[3] <= corners[1]:
        return None, "empty"
    cut = [min(max(corner, 0), small[place % 2]) for place, corner in enumerate(corners)]
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        return None, "outside"
    is_cut = any(abs(a - b) > 0.01 for a, b in zip(cut, corners, strict=True))
    return cut, "clipped" if is_cut else "whole"
