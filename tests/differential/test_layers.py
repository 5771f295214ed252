"""Random layers over both releases: each cell is that of an independent, slow reader.

CXR_DIFFERENTIAL says how many, as for whole releases.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.export import export
from tests.differential import layers_reader
from tests.differential.layers import FORMS, draw_table, names_any, write_table
from tests.differential.layers_reader import Row

LAYERS = int(os.environ.get("CXR_DIFFERENTIAL") or 16)
WHOLE = "train+validation+test"


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
    if not names_any(plain[package, "images"], read, form, package):
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
