"""What handles columns takes those of earlier studies: pages, figures, exports, batches."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.columns import OF_PRIORS
from cxr_datasets.export import export
from cxr_datasets.labels import frame
from cxr_datasets.preview import preview, show, stats
from cxr_datasets.training import ImageTransform, collate_studies

PRIORS = 2
CONFIGS = ("images", "studies", "reports")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def load(small_release: Path, cache: str) -> Any:
    return partial(
        datasets.load_dataset, "mimic_cxr_jpg", data_dir=str(small_release), cache_dir=cache,
        priors=PRIORS, split="train",
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(small_release: Path, cache: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    for config in CONFIGS:
        words = ["export", "mimic-cxr-jpg", "--data-dir", str(small_release), "--out", str(out)]
        words += ["--config", config, "--priors", str(PRIORS), "--no-progress"]
        words += ["--cache-dir", cache]
        assert main(words) == 0
    return out


def samples_of(page: Path) -> list[Row]:
    (found,) = re.findall(
        '<script type="application/json" id="meta">(.*?)</script>', page.read_text(), re.DOTALL
    )
    return json.loads(found)["samples"]


# --- exports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS)
def test_an_export_loaded_back_is_the_dataset(config: str, exported: Path, load: Any) -> None:
    rows = datasets.load_dataset(str(exported), config, split="train")
    right = load(config)
    assert rows.column_names == right.column_names
    kept = [name for name in rows.column_names if name not in ("image", "images", "prior_images")]
    found, wanted = (some.select_columns(kept).with_format("arrow")[:] for some in (rows, right))
    assert found.to_pylist() == wanted.to_pylist()
    for row, own in zip(rows, right, strict=True) if config == "images" else ():
        for image, other in zip(row["prior_images"], own["prior_images"], strict=True):
            assert (image is None) == (other is None)
            assert image is None or np.array_equal(np.asarray(image), np.asarray(other))


def test_bytes_of_earlier_images_are_stored_as_they_are(exported: Path) -> None:
    (file,) = exported.glob("images/train-*.parquet")
    group = pq.read_metadata(file).row_group(0)
    codecs = {
        column.path_in_schema: column.compression
        for column in map(group.column, range(group.num_columns))
    }
    (of_images,) = (path for path in codecs if re.match(r"prior_images\..*bytes$", path))
    assert codecs[of_images] == "UNCOMPRESSED"
    assert codecs["prior_days.list.element"] == "ZSTD"


def test_card_and_croissant_tell_of_each_column(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    for name in (*OF_PRIORS, "study_number", "days_to_next"):
        assert re.search(rf"^\| `{name}` in `images`", card, re.MULTILINE), name
    assert f"priors={PRIORS}" in card
    croissant = json.loads((exported / "croissant.json").read_text())
    (records,) = (one for one in croissant["recordSet"] if one["name"] == "images-train")
    fields = {field["name"]: field for field in records["field"]}
    types = {
        "prior_study_ids": "sc:Integer", "prior_days": "sc:Float", "prior_tied": "sc:Boolean",
        "prior_findings": "sc:Text", "prior_images": "sc:ImageObject", "prior_views": "sc:Text",
    }  # fmt: skip
    for name, kind in types.items():
        assert (fields[name]["dataType"], fields[name]["repeated"]) == (kind, True)
    assert fields["days_to_next"]["dataType"] == "sc:Float"
    assert fields["study_tied"]["dataType"] == "sc:Boolean"


def test_an_export_is_planned_for_the_images_of_earlier_studies(
    small_release: Path, cache: str, tmp_path: Path
) -> None:
    planned = {
        priors: export(
            "mimic_cxr_jpg", small_release, tmp_path / str(priors), cache_dir=cache, dry_run=True,
            priors=priors, progress=False,
        ).bytes
        for priors in (0, PRIORS)
    }  # fmt: skip
    assert planned[PRIORS] > 1.3 * planned[0]


# --- pages and figures ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "preview.html"
    preview(small_release, out=out, studies=22, options={"priors": PRIORS})
    return out


def test_a_page_shows_the_earlier_images_with_the_days_between(
    page: Path, exported: Path, load: Any, tmp_path: Path
) -> None:
    rows = {str(row["study_id"]): row for row in load("studies")}
    samples = [sample for sample in samples_of(page) if sample["study"] in rows]
    assert len(samples) == len(rows)
    for sample in samples:
        row = rows[sample["study"]]
        assert [one["days"] for one in sample["earlier"]] == [
            round(days, 1) for days in row["prior_days"]
        ]
        assert [one["src"] is not None for one in sample["earlier"]] == [
            image is not None for image in row["prior_images"]
        ]
    preview(exported, out=tmp_path / "export.html", studies=22)
    of_export = {one["study"]: one["earlier"] for one in samples_of(tmp_path / "export.html")}
    assert of_export == {one["study"]: one["earlier"] for one in samples_of(page)}


def test_a_notebook_shows_both(load: Any) -> None:
    rows = load("studies")
    row = next(row for row in rows if any(row["prior_images"]))
    html = show(row)._repr_html_()
    assert html.count("<figure>") == len(row["images"]) + len(row["prior_images"])
    assert f"{row['prior_days'][0]:.1f} days before" in html


def test_figures_stay_as_they_are_but_for_the_numbers_of_a_study(
    small_release: Path, cache: str, exported: Path
) -> None:
    plain = stats(small_release, cache_dir=cache)
    found = stats(small_release, cache_dir=cache, options={"priors": PRIORS})
    assert found.splits.equals(plain.splits)
    new = set(found.missing["column"]) - set(plain.missing["column"])
    assert new <= {"study_number", "studies_of_patient", "study_tied", "days_to_next"}
    assert stats(exported).splits.equals(plain.splits)


def test_a_data_frame_has_the_lists_and_no_image(load: Any) -> None:
    rows = load("images")
    table = frame(rows)
    assert "prior_images" not in table
    for name in ("prior_study_ids", "prior_days"):
        assert [list(cell) for cell in table[name]] == rows[name][:]
    assert table["study_number"].tolist() == rows["study_number"][:]


# --- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_batch_has_the_pixels_of_earlier_images_filled_up(
    streaming: bool, config: str, load: Any
) -> None:
    torch = pytest.importorskip("torch")
    rows = load(config)
    transform = ImageTransform(size=24)
    source = load(config, streaming=True) if streaming else rows
    some = list(transform.on(source).take(8) if streaming else map(transform.on(rows).__getitem__,
                                                                   range(8)))  # fmt: skip
    batch = collate_studies()(some)
    priors = [rows[number]["prior_images"] for number in range(8)]
    most = max(map(len, priors))
    assert batch["prior_pixel_values"].shape == (8, most, 1, 24, 24)
    mask = [[image is not None for image in row] + [False] * (most - len(row)) for row in priors]
    assert batch["prior_image_mask"].tolist() == mask
    assert (batch["prior_pixel_values"].flatten(2).amax(2) > 0).tolist() == mask
    undecoded = rows.cast_column("prior_images", [datasets.Image(decode=False)])[:8]
    stored = [image for row in undecoded["prior_images"] for image in row if image]
    right = transform({"image": stored})
    found = batch["prior_pixel_values"][batch["prior_image_mask"]]
    torch.testing.assert_close(found, torch.tensor(np.stack(list(right["pixel_values"]))))
    days = [[*row, *[None] * (most - len(row))] for row in rows["prior_days"][:8]]
    told = [[None if np.isnan(day) else day for day in row] for row in batch["prior_days"].tolist()]
    assert told == days
    ids = [[*row, *[0] * (most - len(row))] for row in rows["prior_study_ids"][:8]]
    assert batch["prior_study_ids"].tolist() == ids
    assert batch["prior_tied"].dtype == torch.bool
    assert batch["prior_findings"] == rows["prior_findings"][:8]


def test_a_batch_without_earlier_studies_has_empty_arrays(load: Any) -> None:
    pytest.importorskip("torch")
    rows = load("images")
    alone = [number for number, ids in enumerate(rows["prior_study_ids"]) if not ids][:3]
    batch = collate_studies()([ImageTransform(size=24).on(rows)[number] for number in alone])
    assert batch["prior_pixel_values"].shape == (3, 0, 1, 24, 24)
    assert batch["prior_days"].shape == (3, 0)
