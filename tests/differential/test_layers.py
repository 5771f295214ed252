"""Random layers over both releases: each cell is that of an independent, slow reader.

CXR_DIFFERENTIAL says how many, as for whole releases.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.export import export
from tests.differential import layers_reader
from tests.differential.layers_reader import Row

LAYERS = int(os.environ.get("CXR_DIFFERENTIAL") or 16)
WHOLE = "train+validation+test"
FORMS = ("csv", "csv.gz", "tsv", "jsonl", "parquet")
KEYS = {
    "image_id": ("dicom_id", "image_id", "DICOM_ID", "picture"),
    "study_id": ("study_id", "Study", "exam"),
    "subject_id": ("subject_id", "patient_id", "whose"),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def plain(small_release: Path, indiana_release: Path, cache: str) -> dict[Any, list[Row]]:
    """The rows of both datasets in each config without layers, with the sizes of their images."""
    found = {}
    for package, release in (
        ("mimic_cxr_jpg", small_release), ("indiana_cxr", indiana_release),
    ):  # fmt: skip
        for config in ("images", "studies", "reports"):
            rows = load_dataset(
                package, config, data_dir=str(release), cache_dir=cache, split=split_of(package)
            )
            ids = ["study_id", "subject_id"]
            if config == "images":
                rows = rows.select_columns([*ids, "image_id", "image"])
            elif config == "studies":
                rows = rows.select_columns([*ids, "image_ids", "images"])
            else:
                rows = rows.select_columns(ids)
            found[package, config] = [sized(row) for row in rows]
    return found


def split_of(package: str) -> str:
    return WHOLE if package == "mimic_cxr_jpg" else "train"


def sized(row: Row) -> Row:
    if "image" in row:
        return {**row, "size": row.pop("image").size}
    if "images" in row:
        return {**row, "size": [image.size for image in row.pop("images")]}
    return row


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


def draw_table(rows: list[Row], package: str, rng: random.Random) -> tuple[list[Row], Row]:
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
    if by == "image_id" and rng.random() < 0.7:
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


def rows_by(door: str, package: str, config: str, release: Path, cache: str, out: Path,
            **options: Any) -> list[Row]:  # fmt: skip
    if door == "exported":
        export(package, release, out, config=config, cache_dir=cache, progress=False, **options)
        return list(load_dataset(str(out), config, split=split_of(package), cache_dir=cache))
    if door == "streamed":
        splits = load_dataset(package, config, data_dir=str(release), cache_dir=cache,
                              streaming=True, **options)  # fmt: skip
        return [row for rows in splits.values() for row in rows]
    whole = load_dataset(package, config, data_dir=str(release), cache_dir=cache,
                         split=split_of(package), **options)  # fmt: skip
    assert isinstance(whole, datasets.Dataset)
    return list(whole)


@pytest.mark.parametrize("number", range(LAYERS))
def test_every_cell_of_a_random_layer_is_that_of_the_slow_reader(
    plain: dict[Any, list[Row]], small_release: Path, indiana_release: Path, cache: str,
    tmp_path: Path, number: int,
) -> None:  # fmt: skip
    rng = random.Random(f"layer {number}")
    package, release = (
        ("mimic_cxr_jpg", small_release) if number % 3 else ("indiana_cxr", indiana_release)
    )
    config = ("images", "studies", "reports")[number % 7 % 3]
    table, form = draw_table(plain[package, "images"], package, rng)
    path = tmp_path / f"layer.{FORMS[number % len(FORMS)]}"
    write_table(table, path, rng)
    read = layers_reader.read_rows(path)
    if not any(
        layers_reader.id_in(row[form["key"]], form["by"], package)
        in {one[form["by"]] for one in plain[package, "images"]} for row in read
    ):  # fmt: skip
        pytest.skip("no id is one of the release")
    short = rng.choice([None, 48]) if config != "reports" else None
    wanted = layers_reader.expected(plain[package, config], read, form, package, config, short)
    layer = {"address": str(path), **form}
    found = rows_by(
        ("built", "streamed", "exported")[number % 4 % 3], package, config, release, cache,
        tmp_path / "out", layers={"it": layer}, **({"image_size": short} if short else {}),
    )  # fmt: skip
    assert len(found) == len(wanted)
    for row, expected in zip(found, wanted, strict=True):
        own = {name: value for name, value in row.items()
               if name.split("_")[0] in ("it", "its")}  # fmt: skip
        assert set(own) == set(expected)
        for name, value in expected.items():
            assert alike(own[name], value), (name, own[name], value)


def alike(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same, numbers of boxes to a thousandth."""
    if isinstance(theirs, dict) or isinstance(ours, dict):
        return ours is not None and theirs is not None and set(ours) == set(theirs) and all(
            alike(ours[name], theirs[name]) for name in theirs
        )  # fmt: skip
    if isinstance(theirs, list) or isinstance(ours, list):
        return ours is not None and theirs is not None and len(ours) == len(theirs) and all(
            map(alike, ours, theirs)
        )  # fmt: skip
    if isinstance(theirs, float) and isinstance(ours, float):
        return abs(ours - theirs) < 1e-3
    return ours == theirs
