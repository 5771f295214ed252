"""A CSV file that is too large for memory gives what a small one gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets import limits
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.layers import files, writing
from cxr_datasets.layers.layer import Layer, NamedLayer
from cxr_datasets.layers.stored import StoredLayer, store
from mimic_cxr_jpg.ids import ID_FORMS
from tests.cxr_datasets.layers.material import write_csv

BOXES: dict[str, Any] = {"boxes": ("x", "y", "w", "h")}


def written(folder: Path, rows: list[list[Any]], header: list[str], end: str = "\n") -> Path:
    return write_csv(folder / "layer.csv", header, rows, end=end)


def stored_in(folder: Path, table: Path, **form: Any) -> StoredLayer:
    named = NamedLayer("it", Layer(str(table), **form).check("it"))
    return store(named, ID_FORMS, str(folder), "code")


def content(layer: StoredLayer) -> Any:
    places = pa.array([*range(layer.keys), None], pa.int64())
    values = {name: column.to_pylist() for name, column in layer.take(places).items()}
    return layer.ids().to_pylist(), values, layer.fields, layer.keys, layer.rows, layer.unkeyed


def rows_of(count: int, *, repeats: bool) -> list[list[Any]]:
    rng = random.Random(7)
    rows = []
    for number in range(count):
        id = "" if number % 11 == 5 else 50_000_000 + (number // 2 if repeats else number)
        rows.append([rng.choice(["s", ""]) + str(id) if id else "", number,
                     "" if number % 3 else number / 4, f"line\n{number}" if number % 5 else "",
                     f"21{number % 90 + 10}-03-04", 5, 6, 7, 8])  # fmt: skip
    return rows


HEADER = ["study_id", "n", "share", "text", "date", *"xywh"]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("form", [{}, {"columns": ("n", "text")}, {"key": "study_id", **BOXES}])
@pytest.mark.parametrize("late", [None, "a word", 0.5])
def test_a_file_that_is_read_part_by_part_is_stored_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeats: bool, form: dict[str, Any], late: Any
) -> None:
    rows = rows_of(120, repeats=repeats)
    if late is not None:
        rows[-1][1] = late  # the column is of another type than it begins with
    table = written(tmp_path, rows, HEADER, "\r\n")
    whole = stored_in(tmp_path / "whole", table, **form)
    parts: list[bool] = []
    write_parts = writing._write_parts
    monkeypatch.setattr(
        writing, "_write_parts", lambda *given: parts.append(write_parts(*given)) or parts[-1]
    )
    monkeypatch.setattr(files, "LARGE", 0)
    small = limits.Limit(300, limits.LONGEST_LINE.what)
    monkeypatch.setattr(limits, "LONGEST_LINE", small)
    assert content(stored_in(tmp_path / "parts", table, **form)) == content(whole)
    assert whole.several == repeats
    assert parts == ([] if late is not None and not repeats else [not repeats])


def test_errors_are_those_of_a_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE", 0)
    table = written(tmp_path, [["50000001", 1], ["50000001", 2]], ["study_id", "n"])
    with pytest.raises(TableError, match="1 keys in several rows"):
        stored_in(tmp_path / "a", table, several=False)
    with pytest.raises(OptionError, match="names a column 'm'"):
        stored_in(tmp_path / "b", table, columns=("m",))
    with pytest.raises(OptionError, match="no column that is called as ids are"):
        stored_in(tmp_path / "c", written(tmp_path, [[1, 2]], ["a", "b"]))
    table.write_text("study_id,n\n50000001,1\n50000002\n")
    with pytest.raises(TableError, match="CSV parse error"):
        stored_in(tmp_path / "d", table)
    assert not list(tmp_path.rglob("*.arrow"))
