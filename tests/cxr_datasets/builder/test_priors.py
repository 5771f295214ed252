"""`priors`: for each row the patient's earlier studies, however the rows are read and filtered."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import CONFIGS, CORE, SPLITS
from cxr_datasets.errors import ExportError, ImageError, MissingImagesError, OptionError
from cxr_datasets.export import export
from cxr_datasets.storage.source import Source
from cxr_datasets.testing import copy_release, datasets_under, edit_table, rewrite, stored
from cxr_datasets.testing.formats import FORMATS, assert_passes, need_format
from mimic_cxr_jpg.reports.store import ReportStore
from tests.differential import mimic_reader
from tests.differential.reading import rows_of_config
from tests.mimic_cxr_jpg.expected import find

PRIORS = 2
NEW = {
    *("study_number", "studies_of_patient", "study_tied", "days_to_next", "prior_study_ids"),
    *("prior_days", "prior_tied", "prior_findings", "prior_impressions", "prior_images"),
    "prior_views",
}
WITH_IMAGES = {"prior_images", "prior_views"}

Row = dict[str, Any]
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def load(small_release: Path, folder: str) -> Load:
    """Loads the release, with a cache that all tests of this module share."""

    def load_one(config: str = "images", root: Path = small_release, **options: Any) -> Any:
        options = {"priors": PRIORS, "cache_dir": folder, **options}
        return load_dataset("mimic_cxr_jpg", config, data_dir=str(root), **options)

    return load_one


@pytest.fixture(scope="module")
def truth(small_release: Path) -> list[Row]:
    """Every image, with its earlier studies as the slow reader finds them."""
    images = mimic_reader.read_images(
        small_release, small_release / "mimic-cxr-reports.zip", "corrected"
    )
    mimic_reader.add_priors(images, PRIORS)
    return images


def plain(table: pa.Table, root: Path) -> list[Row]:
    """Rows of Python; an image as its place in the release, or as its bytes."""

    def told(image: Row | None) -> Any:
        if image is None or image["bytes"] is not None:
            return image and image["bytes"]
        return image["path"].removeprefix(f"{root}/")

    rows = table.to_pylist()
    for row in rows:
        for name in ("images", "prior_images"):
            if name in row:
                row[name] = [told(image) for image in row[name]]
        if "image" in row:
            row["image"] = told(row["image"])
    return rows


def with_bytes(rows: list[Row], root: Path) -> list[Row]:
    """The same rows with the bytes of images in place of their paths."""

    def read(path: str | None) -> bytes | None:
        return path and (root / path).read_bytes()  # type: ignore[return-value]

    changed = []
    for row in rows:
        new: Row = {"image": read(row["image"])} if "image" in row else {}
        for name in ("images", "prior_images"):
            if name in row:
                new[name] = [read(path) for path in row[name]]
        changed.append({**row, **new})
    return changed


def of_config(truth: list[Row], config: str, **options: Any) -> dict[str, list[Row]]:
    options = {"is_there": lambda _: True, **options}
    return rows_of_config(truth, config, of_image=mimic_reader.OF_IMAGE, **options)


def batches(rows: datasets.IterableDataset) -> pa.Table:
    return pa.concat_tables(rows.with_format("arrow").iter(7))


# --- what the columns hold ------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS)
def test_built_streamed_and_exported_rows_are_those_of_the_slow_reader(
    config: str, load: Load, truth: list[Row], small_release: Path, folder: str, tmp_path: Path
) -> None:
    expected = of_config(truth, config)
    built, streamed = load(config), load(config, streaming=True)
    export(
        "mimic_cxr_jpg", small_release, tmp_path, config=config, cache_dir=folder, priors=PRIORS,
        progress=False,
    )  # fmt: skip
    for split, rows in expected.items():
        assert plain(stored(built[split]), small_release) == rows
        assert plain(batches(streamed[split]), small_release) == rows
        file = tmp_path / config / f"{split}-00000-of-00001.parquet"
        assert plain(pq.read_table(file), tmp_path) == with_bytes(rows, small_release)


@pytest.mark.parametrize("config", ["images", "studies"])
def test_embedded_by_several_processes_they_are_the_same(
    config: str, load: Load, truth: list[Row], small_release: Path
) -> None:
    built = load(config, embed=True, num_proc=2)
    for split, rows in of_config(truth, config).items():
        assert plain(stored(built[split]), small_release) == with_bytes(rows, small_release)


def test_a_shuffled_stream_has_them_too(load: Load, truth: list[Row], small_release: Path) -> None:
    rows = load(split="train", streaming=True, embed=True).shuffle(seed=3)
    right = {row["image_id"]: row for row in with_bytes(of_config(truth, "images")["train"],
                                                        small_release)}  # fmt: skip
    found = plain(batches(rows), small_release)
    assert [row["image_id"] for row in found] != list(right)
    assert {row["image_id"]: row for row in found} == right


def test_the_release_has_all_that_misleads(truth: list[Row]) -> None:
    assert {len(row["prior_study_ids"]) for row in truth} == {0, 1, 2}
    assert any(True in row["prior_tied"] for row in truth)
    assert any(None in row["prior_images"] for row in truth)
    assert any(
        findings is impression is None
        for row in truth
        for findings, impression in zip(
            row["prior_findings"], row["prior_impressions"], strict=True
        )
    )


def test_no_earlier_study_is_of_another_patient_or_later(load: Load) -> None:
    rows = [row for split in load("reports").values() for row in stored(split).to_pylist()]
    studies = {row["study_id"]: row for row in rows}
    for row in rows:
        days = row["prior_days"]
        assert days == sorted(days)
        assert all(day >= 0 for day in days)
        for number, prior in enumerate(row["prior_study_ids"], 1):
            assert studies[prior]["subject_id"] == row["subject_id"]
            assert studies[prior]["study_number"] == row["study_number"] - number
        if row["days_to_next"] is None:
            assert row["study_number"] == row["studies_of_patient"]


def test_studies_of_one_date_and_time_are_ordered_by_id_and_flagged(load: Load) -> None:
    rows = [row for split in load("reports").values() for row in stored(split).to_pylist()]
    tied = [row for row in rows if row["study_tied"]]
    first, second = sorted(tied, key=lambda row: row["study_number"])
    assert first["study_id"] < second["study_id"]
    assert second["study_number"] == first["study_number"] + 1
    assert second["prior_study_ids"][0] == first["study_id"]
    assert (second["prior_days"][0], second["prior_tied"][0]) == (0.0, True)
    assert first["days_to_next"] == 0.0
    for row in rows:
        pairs = zip(row["prior_study_ids"], row["prior_tied"], strict=True)
        assert all(flag == (one in {first["study_id"], second["study_id"]}) for one, flag in pairs)


def test_the_earliest_image_tells_when_a_study_was_made(load: Load, mimic_release: Path) -> None:
    splits = load(root=mimic_release)
    images = [row for split in splits.values() for row in stored(split).to_pylist()]
    times: dict[int, set[str]] = {}
    for row in images:
        times.setdefault(row["study_id"], set()).add(f"{row['study_date']}T{row['study_time']}")
    (several,) = (study for study, found in times.items() if len(found) > 1)
    checked = 0
    for row in images:
        for prior, days in zip(row["prior_study_ids"], row["prior_days"], strict=True):
            if several in (prior, row["study_id"]):
                then, now = (pd.Timestamp(min(times[one])) for one in (prior, row["study_id"]))
                assert days == (now - then) / pd.Timedelta(days=1)
                checked += 1
    assert checked


def test_a_study_without_a_time_has_no_place_and_one_line_counts_such_studies(
    small_release: Path, tmp_path: Path, cache: str, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    usual = stored(load("reports", split="test")).to_pylist()
    several = next(row for row in usual if row["study_number"] == 2)
    root = copy_release(small_release, tmp_path / "copy")

    def blank(table: pd.DataFrame) -> None:
        table.loc[table.study_id == str(several["study_id"]), "StudyTime"] = ""

    edit_table(find(root, "metadata"), blank)
    caplog.clear()
    rows = stored(load("reports", root, split="test", cache_dir=cache)).to_pylist()
    (line,) = (text for text in caplog.messages if text.startswith("priors:"))
    assert line.startswith("priors: 1 of 22 studies have no date or no time")
    (unknown,) = (row for row in rows if row["study_id"] == several["study_id"])
    assert [unknown[name] for name in ("study_number", "study_tied", "days_to_next")] == [None] * 3
    assert unknown["prior_study_ids"] == []
    assert unknown["studies_of_patient"] == several["studies_of_patient"]
    assert not any(several["study_id"] in row["prior_study_ids"] for row in rows)
    own = [row for row in rows if row["subject_id"] == several["subject_id"]]
    numbers = sorted(row["study_number"] for row in own if row["study_number"])
    assert numbers == list(range(1, several["studies_of_patient"]))


# --- what may not change them ---------------------------------------------------------------------


CHOICES: dict[str, Row] = {
    "views": {"views": ["lateral"]},
    "ids": {"ids": "half of the studies"},
    "require": {"require": ["findings"]},
    "fraction": {"fraction": 0.5},
    "split_by": {"split_by": "patient"},
}
"""Options that choose rows, or put them into other splits."""


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("config", CONFIGS)
def test_no_choice_of_rows_changes_an_earlier_study(
    config: str, choice: str, load: Load, truth: list[Row]
) -> None:
    options = dict(CHOICES[choice])
    if "ids" in options:
        options["ids"] = sorted({row["study_id"] for row in truth})[::2]
    whole = [row for split in load(config).values() for row in stored(split).to_pylist()]
    right = {row["study_id"]: row for row in whole}
    rows = [row for split in load(config, **options).values() for row in stored(split).to_pylist()]
    assert 0 < len(rows) < len(whole) or choice == "split_by"
    for row in rows:
        of_row = right[row["study_id"]]
        assert {name: row[name] for name in NEW & set(row)} == {
            name: of_row[name] for name in NEW & set(row)
        }


def test_other_columns_stay_as_they_are_and_without_the_option_there_are_no_more(
    load: Load, small_release: Path
) -> None:
    for config in CONFIGS:
        with_priors, without = load(config)["train"], load(config, priors=0)["train"]
        added = set(with_priors.column_names) - set(without.column_names)
        assert added == (NEW - WITH_IMAGES if config == "reports" else NEW)
        table = stored(with_priors).drop_columns(sorted(added)).replace_schema_metadata(None)
        assert table.equals(stored(without).replace_schema_metadata(None))


def test_core_columns_of_both_datasets_still_go_together(
    load: Load, indiana_release: Path, folder: str
) -> None:
    other = load_dataset(
        "indiana_cxr", data_dir=str(indiana_release), cache_dir=folder, split="train"
    )
    ours = load(split="train").select_columns(list(CORE))
    both = datasets.concatenate_datasets([ours, other.select_columns(list(CORE))])
    assert len(both) == len(ours) + len(other)


# --- images that are not there --------------------------------------------------------------------


@pytest.fixture
def broken(small_release: Path, tmp_path: Path, truth: list[Row]) -> tuple[Path, str]:
    """A copy that lacks an image that is an earlier one of others, and that image's path."""
    root = copy_release(small_release, tmp_path / "broken")
    paths = [path for row in truth for path in row["prior_images"] if path]
    (root / paths[0]).unlink()
    return root, paths[0]


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("missing", ["skip", "null"])
def test_an_absent_earlier_image_is_null_and_counted(
    missing: str, embed: bool, config: str, broken: tuple[Path, str], truth: list[Row],
    load: Load, cache: str, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    root, absent = broken
    expected = of_config(truth, config, is_there=lambda path: path != absent, missing=missing)
    options = {"missing": missing, "embed": embed, "cache_dir": cache}
    built = load(config, root, **options)
    (line,) = (text for text in caplog.messages if text.startswith("priors:"))
    assert "images" in line
    assert "are null" in line
    streamed = load(config, root, streaming=True, **options)
    for split, rows in expected.items():
        right = with_bytes(rows, root) if embed else rows
        assert plain(stored(built[split]), root) == right
        assert plain(batches(streamed[split]), root) == right
    assert any(None in row["prior_images"] for rows in expected.values() for row in rows)


def test_an_absent_earlier_image_is_an_error_if_absent_images_are(
    small_release: Path, tmp_path: Path, truth: list[Row], load: Load, cache: str
) -> None:
    lateral = [row for row in truth if row["view_names"] & {"lateral"}]
    absent = next(path for row in lateral for path in row["prior_images"] if path)
    root = copy_release(small_release, tmp_path / "broken")
    (root / absent).unlink()
    # The rows' own images are all there, so that the error is of the earlier one.
    options = {"views": ["lateral"], "embed": True, "cache_dir": cache}
    with pytest.raises(MissingImagesError, match=Path(absent).name):
        load("images", root, **options)
    own = load("images", root, streaming=True, **options)
    assert all(row["image"] for split in own.values() for row in split.select_columns(["image"]))


@pytest.mark.parametrize("damaged", ["error", "null", "skip"])
def test_a_damaged_earlier_image_follows_its_option(
    damaged: str, small_release: Path, tmp_path: Path, truth: list[Row], load: Load, cache: str
) -> None:
    root = copy_release(small_release, tmp_path / "broken")
    bad = next(path for row in truth for path in row["prior_images"] if path)
    rewrite(root / bad, (root / bad).read_bytes()[:300])
    options = {"damaged": damaged, "embed": True, "streaming": True, "cache_dir": cache}
    rows = [
        split.select_columns(["prior_images", "image_id"])
        for split in load("images", root, **options).values()
    ]
    if damaged == "error":
        with pytest.raises(ImageError, match=Path(bad).name):
            [row for split in rows for row in split]
        return
    found = {row["image_id"]: row["prior_images"] for split in rows for row in split}
    for row in truth:
        wanted = [path is not None and path != bad for path in row["prior_images"]]
        assert [image is not None for image in found[row["image_id"]]] == wanted


def test_an_export_names_the_absent_image_and_counts_those_that_are_null(
    broken: tuple[Path, str], folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, absent = broken
    options: dict[str, Any] = {"cache_dir": folder, "priors": PRIORS, "progress": False}
    with pytest.raises(ExportError, match=f"^1 of 44 .*{Path(absent).stem}"):
        export("mimic_cxr_jpg", root, tmp_path / "out", **options)
    export("mimic_cxr_jpg", root, tmp_path / "null", missing="null", **options)
    assert any(text.startswith("priors:") and "are null" in text for text in caplog.messages)


def test_images_are_made_smaller_with_the_rows_own(load: Load) -> None:
    row = next(row for row in load(split="test", image_size=16) if row["prior_images"])
    assert [min(image.size) for image in row["prior_images"] if image] == [16] * len(
        [image for image in row["prior_images"] if image]
    )


# --- what is read for them ------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Any]]]:
    """The image files that are begun to be read, and the numbers of texts read at once."""
    found: dict[str, list[Any]] = {"images": [], "texts": []}
    begin, columns = Source.begin, ReportStore.columns

    def beginning(self: Source, path: str, *args: Any) -> Any:
        found["images"].append(path)
        return begin(self, path, *args)

    def reading(self: ReportStore, places: pa.Array, *args: Any) -> Any:
        found["texts"].append(len(places))
        return columns(self, places, *args)

    monkeypatch.setattr(Source, "begin", beginning)
    monkeypatch.setattr(ReportStore, "columns", reading)
    return found


def test_a_stream_that_looks_at_none_of_them_reads_none(
    load: Load, truth: list[Row], read: dict[str, list[Any]]
) -> None:
    rows = load(split="test", streaming=True, embed=True)
    own = [row["path"] for row in of_config(truth, "images")["test"]]
    list(rows.select_columns(["image", "findings", "study_number"]))
    assert read["images"] == own
    assert sum(read["texts"]) == len({path.split("/")[3] for path in own})


def test_a_stream_of_earlier_images_alone_reads_these_alone(
    load: Load, truth: list[Row], read: dict[str, list[Any]]
) -> None:
    rows = load(split="test", streaming=True, embed=True).select_columns(["prior_images"])
    found = [row["prior_images"] for row in rows]
    paths = [row["prior_images"] for row in of_config(truth, "images")["test"]]
    assert [list(map(bool, images)) for images in found] == [
        list(map(bool, images)) for images in paths
    ]
    # Each of them once, though several rows have it.
    assert read["images"] == list(dict.fromkeys(path for row in paths for path in row if path))


def test_an_image_that_rows_nearby_share_is_read_once(
    load: Load, truth: list[Row], read: dict[str, list[Any]]
) -> None:
    rows = of_config(truth, "images")["test"]
    list(load(split="test", streaming=True, embed=True))
    needed = {path for row in rows for path in (row["image"], *row["prior_images"]) if path}
    assert sorted(read["images"]) == sorted(needed)


def test_each_text_of_a_block_is_read_once_whoever_needs_it(
    load: Load, truth: list[Row], read: dict[str, list[Any]], cache: str
) -> None:
    load("reports", cache_dir=cache)
    assert sum(read["texts"]) == len({row["study_id"] for row in truth})


# --- the option -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 1.5, "2", True])
def test_another_value_is_an_error_that_says_what_to_give(
    value: Any, small_release: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"priors=.*such as 1"):
        load_dataset(
            "mimic_cxr_jpg", data_dir=str(small_release), cache_dir=str(tmp_path), priors=value
        )
    assert not datasets_under(tmp_path)


def test_a_dataset_whose_studies_have_no_times_has_no_such_option(
    indiana_release: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"(?s)priors.*mesh_rules"):
        load_dataset(
            "indiana_cxr", data_dir=str(indiana_release), cache_dir=str(tmp_path), priors=1
        )


def test_each_number_has_a_cache_of_its_own_and_a_damaged_one_is_made_anew(
    small_release: Path, tmp_path: Path, load: Load
) -> None:
    def files(**options: Any) -> str:
        built = load("reports", cache_dir=str(tmp_path), split="train", **options)
        return built.cache_files[0]["filename"]

    assert len({files(priors=0), files(priors=1), files(priors=2)}) == 3
    assert files(priors=1) == files(priors=1)
    (index,) = {file.parent for file in tmp_path.rglob("*-studies.arrow")}
    for file in index.glob("*-studies.arrow"):
        file.write_bytes(file.read_bytes()[:-9])
    right = stored(load("reports", split="train", priors=1)).to_pylist()
    rows = load("reports", cache_dir=str(tmp_path), split="train", priors=1, streaming=True)
    assert batches(rows).to_pylist() == right


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", FORMATS)
def test_whole_rows_pass_every_formatter(kind: str, config: str, load: Load) -> None:
    need_format(kind)
    split = load(config)["test"].select(range(4))
    assert_passes(split, kind, stored(split))
    assert_passes(load(config, split="test", streaming=True), kind, stored(split))


def test_decoded_images_are_those_of_the_release(
    load: Load, truth: list[Row], small_release: Path
) -> None:
    for row, right in zip(load(split="test"), of_config(truth, "images")["test"], strict=True):
        for image, path in zip(row["prior_images"], right["prior_images"], strict=True):
            if path is None:
                assert image is None
            else:
                with PIL.Image.open(io.BytesIO((small_release / path).read_bytes())) as file:
                    np.testing.assert_array_equal(np.asarray(image), np.asarray(file))


def test_splits_are_in_order(load: Load) -> None:
    assert list(load()) == [split for split in SPLITS if split in load()]
