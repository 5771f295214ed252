"""Task files with options that add columns, or choose rows: each form, by its reader."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pytest

import mimic_cxr_jpg.synthetic
from cxr_datasets.cli import main
from cxr_datasets.labels import target_text
from tests.cxr_datasets.export.task_readers import (
    VAL,
    Rows,
    read_llava,
    read_r2gen,
    read_rexrank,
    rows_of,
    strict,
)

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options")


@pytest.fixture(scope="module")
def mimic(folder: Path) -> Path:
    return mimic_cxr_jpg.synthetic.write_release(
        folder / "mimic", patients=9, seed=3, mimic_iv=str(folder / "records")
    )


@pytest.fixture(scope="module")
def cache(folder: Path) -> str:  # type: ignore[override]
    return str(folder / "cache")


@pytest.fixture
def write(mimic: Path, cache: str, tmp_path: Path) -> Write:
    """Exports the release in a form, by the command; gives the folder of the config."""

    def write(form: str, config: str, *words: str) -> Path:
        out = tmp_path / form
        given = ["--data-dir", str(mimic), "--out", str(out), "--cache-dir", cache, "--no-progress"]
        done = main(["export", "mimic-cxr-jpg", *given, "--as", form, "--config", config, *words])
        assert done == 0
        return out / config

    return write


def samples(shards: Path, split: str) -> list[dict[str, Any]]:
    webdataset = pytest.importorskip("webdataset")
    names = sorted(map(str, shards.glob(f"{split}-*.tar")))
    return list(webdataset.WebDataset(names, shardshuffle=False).decode("pil"))


OF_PRIORS = ("prior_study_ids", "prior_days", "prior_tied", "prior_findings", "prior_impressions")


def test_rexranks_file_tells_earlier_studies_and_writes_their_images(
    write: Write, mimic: Path, cache: str
) -> None:
    words = ("--priors", "2", "--split", "train", "--write-images")
    cases = read_rexrank(
        (out := write("rexrank", "studies", *words)) / "rexrank_train.json", out / "files"
    )
    rows = rows_of("mimic_cxr_jpg", "studies", mimic, cache, priors=2)["train"]
    rows = [row for row in rows if row["findings"]]
    assert list(cases) == [str(row["study_id"]) for row in rows]
    images = 0
    for row in rows:
        case = cases[str(row["study_id"])]
        assert {name: case[name] for name in OF_PRIORS} == {name: row[name] for name in OF_PRIORS}
        assert case["prior_image_path"] == [
            None if view is None else f"priors/{study}.jpg"
            for study, view in zip(row["prior_study_ids"], row["prior_views"], strict=True)
        ]
        assert not set(case["image_path"]) & set(case["prior_image_path"])
        for path in filter(None, case["prior_image_path"]):
            with PIL.Image.open(out / "files" / path) as image:
                image.load()
            images += 1
    assert images


def test_rexranks_context_has_the_age_and_the_sex_of_mimic_iv(
    write: Write, mimic: Path, cache: str, folder: Path
) -> None:
    (records,) = (file.parents[1] for file in (folder / "records").rglob("patients.csv.gz"))
    out = write("rexrank", "studies", "--mimic-iv", str(records))
    rows = rows_of("mimic_cxr_jpg", "studies", mimic, cache, mimic_iv=str(records))
    ages = set()
    for split, some in rows.items():
        cases = read_rexrank(out / f"rexrank_{VAL.get(split, split)}.json", mimic)
        for row in some:
            if not row["findings"]:
                continue
            context = cases[str(row["study_id"])]["context"]
            found = re.match(r"Age: (\d+) Gender: ([FM])(?= |$)", context)
            told = (int(found[1]), found[2]) if found else None
            assert told == (None if row["age"] is None else (row["age"], row["sex"]))
            assert (told is None) == ("Age" not in context) == ("Gender" not in context)
            ages.add(told)
    assert len(ages) > 2


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_a_shard_has_the_images_of_earlier_studies_beside_their_columns(
    write: Write, mimic: Path, cache: str, config: str
) -> None:
    out = write("webdataset", config, "--priors", "2", "--split", "train")
    rows = datasets.load_dataset(
        "mimic_cxr_jpg", config, data_dir=str(mimic), cache_dir=cache, priors=2, split="train"
    )
    found = samples(out, "train")
    assert len(found) == rows.num_rows
    images = 0
    for sample, row in zip(found, rows, strict=True):
        assert {name: sample["json"][name] for name in OF_PRIORS} == {
            name: row[name] for name in OF_PRIORS
        }
        expected = {
            f"prior.{at}.jpg": image
            for at, image in enumerate(row.get("prior_images", ()))
            if image is not None
        }
        assert {name for name in sample if name.startswith("prior.")} == set(expected)
        for name, image in expected.items():
            assert np.array_equal(sample[name].convert("L"), image)
            images += 1
    assert bool(images) == (config != "reports")


def test_boxes_of_layers_in_a_shard_are_in_the_pixels_of_its_images(
    write: Write, mimic: Path, cache: str, tmp_path: Path
) -> None:
    rows = rows_of("mimic_cxr_jpg", "images", mimic, cache)["train"]
    table = tmp_path / "boxes.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dicom_id", "x", "y", "w", "h", "note"])
        for at, row in enumerate(rows):
            writer.writerow([row["image_id"], 10 + at, 20, row["width"] / 2, 40, f"n{at}"])
    layer = f'mine={{"address": "{table}", "boxes": ["x", "y", "w", "h"]}}'
    words = ("--layer", layer, "--image-size", "48", "--split", "train")
    for sample, (at, row) in zip(
        samples(write("webdataset", "images", *words), "train"), enumerate(rows), strict=True
    ):
        told, (width, height) = sample["json"], sample["jpg"].size
        assert min(width, height) == 48
        scale = np.array([width / row["width"], height / row["height"]] * 2)
        true = np.array([10 + at, 20, min(10 + at + row["width"] / 2, row["width"]), 60])
        assert np.abs(np.array(told["mine_box"]) - true * scale).max() < 0.01
        assert told["mine_note"] == f"n{at}"


@pytest.fixture(scope="module")
def frontal(mimic: Path, cache: str) -> Callable[[str], Rows]:
    return lambda config: rows_of("mimic_cxr_jpg", config, mimic, cache, views=["PA"])


@pytest.mark.parametrize("form", ["r2gen", "llava", "rexrank", "webdataset"])
def test_views_leave_their_images_out_of_every_form(
    write: Write, mimic: Path, form: str, frontal: Callable[[str], Rows]
) -> None:
    config = "studies" if form in ("rexrank", "r2gen") else "images"
    out = write(form, config, "--views", "PA")
    expected = frontal(config)
    everything = 0
    for split, rows in expected.items():
        name = VAL.get(split, split)
        if form == "r2gen":
            entries = read_r2gen(out / "annotation.json", mimic / "files", name)
            found = [f"files/{path}" for entry in entries for path in entry["image_path"]]
        elif form == "llava":
            entries = read_llava(out / f"llava_{name}.jsonl", mimic)
            found = [path for entry in entries for path in entry["paths"]]
        elif form == "rexrank":
            cases = read_rexrank(out / f"rexrank_{name}.json", mimic)
            found = [path for case in cases.values() for path in case["image_path"]]
        else:
            found = [sample["json"]["path"] for sample in samples(out, split)]
        has_entry = {
            "llava": target_text, "webdataset": lambda row: True
        }.get(form, lambda row: row["findings"])  # fmt: skip
        rows = [row for row in rows if has_entry(row)]
        assert found == [path for row in rows for path in row.get("paths", [row.get("path")])]
        everything += len(found)
    assert everything > 5
    if form == "r2gen":
        assert list(strict((out / "annotation.json").read_text())) == ["train", "val", "test"]
