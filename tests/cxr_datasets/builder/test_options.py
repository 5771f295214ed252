"""Options of `load_dataset`: `views`, and what a wrong name or value is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import DatasetDict, load_dataset

import indiana_cxr
import mimic_cxr_jpg
from cxr_datasets.errors import OptionError
from cxr_datasets.testing import copy_release, datasets_under, edit_table

FRONTAL, LATERAL, OBLIQUE, UNKNOWN = range(4)
RAW = (
    *("AP", "PA", "AP AXIAL", "AP LLD", "AP RLD", "PA LLD", "PA RLD"),
    *("LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS", "LAO", "RAO", "LPO", "RPO"),
)


@pytest.fixture
def release(package: str, indiana_release: Path, mimic_release: Path) -> Path:
    return indiana_release if package == "indiana_cxr" else mimic_release


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def rows_of(splits: DatasetDict) -> list[dict[str, Any]]:
    return [
        {"split": name, **row}
        for name, split in splits.items()
        for row in split.with_format("arrow")[:].to_pylist()
    ]


# views


@pytest.mark.parametrize(
    ("views", "kept"),
    [
        (["frontal"], {FRONTAL}),
        ("frontal", {FRONTAL}),
        (("lateral",), {LATERAL}),
        (["lateral", "frontal"], {FRONTAL, LATERAL}),
        (["frontal", "frontal"], {FRONTAL}),
        (["frontal", "lateral", "oblique", "unknown"], {FRONTAL, LATERAL, OBLIQUE, UNKNOWN}),
        (None, {FRONTAL, LATERAL, OBLIQUE, UNKNOWN}),
    ],
)
def test_views_keep_exactly_the_images_of_these_views(
    package: str, release: Path, cache: str, views: Any, kept: set[int]
) -> None:
    everything = rows_of(load(package, release, cache))
    found = rows_of(load(package, release, cache, views=views))
    assert found == [row for row in everything if row["view"] in kept]
    assert found


@pytest.mark.parametrize("views", [["oblique"], ["unknown"], ["oblique", "unknown"]])
def test_rare_views_are_found_in_the_dataset_that_has_them(
    mimic_release: Path, cache: str, views: list[str]
) -> None:
    everything = rows_of(load("mimic_cxr_jpg", mimic_release, cache))
    found = rows_of(load("mimic_cxr_jpg", mimic_release, cache, views=views))
    numbers = {"oblique": OBLIQUE, "unknown": UNKNOWN}
    assert found == [row for row in everything if row["view"] in {numbers[v] for v in views}]
    assert found


@pytest.mark.parametrize(
    "views", ["PA", ["AP"], ["PA", "LL"], ["XTABLE LATERAL", "AP RLD", "SWIMMERS"], list(RAW)]
)
def test_raw_views_of_mimic_keep_exactly_those_positions(
    mimic_release: Path, cache: str, views: Any
) -> None:
    everything = rows_of(load("mimic_cxr_jpg", mimic_release, cache))
    found = rows_of(load("mimic_cxr_jpg", mimic_release, cache, views=views))
    wanted = [views] if isinstance(views, str) else views
    assert found == [row for row in everything if row["view_position"] in wanted]
    assert found


def test_raw_and_normalised_views_mix(mimic_release: Path, cache: str) -> None:
    everything = rows_of(load("mimic_cxr_jpg", mimic_release, cache))
    found = rows_of(load("mimic_cxr_jpg", mimic_release, cache, views=["PA", "lateral"]))
    assert found == [
        row for row in everything if row["view"] == LATERAL or row["view_position"] == "PA"
    ]


@pytest.mark.parametrize("view", ["frontal", "lateral"])
def test_in_studies_other_images_are_left_out_and_so_are_studies_left_with_none(
    package: str, release: Path, cache: str, view: str
) -> None:
    number = FRONTAL if view == "frontal" else LATERAL
    everything = rows_of(load(package, release, cache, "studies"))
    of_images = [name for name, value in everything[0].items() if name.endswith("s") and (
        isinstance(value, list) and len(value) == len(everything[0]["paths"])
        and name not in ("mesh", "problems")
    )]  # fmt: skip
    assert {"images", "image_ids", "views", "paths"} <= set(of_images)
    images = {row["image_id"]: row for row in rows_of(load(package, release, cache))}
    expected = {}
    for row in everything:
        kept = [place for place, value in enumerate(row["views"]) if value == number]
        if kept:
            lists = {name: [row[name][place] for place in kept] for name in of_images}
            best = images[lists["image_ids"][0]]
            times = {name: best[name] for name in ("study_date", "study_time") if name in row}
            expected[row["study_id"]] = {**row, **lists, **times}
    found = rows_of(load(package, release, cache, "studies", views=view))
    assert {row["study_id"]: row for row in found} == expected
    assert len(found) == len(expected) < len(everything)


def test_in_reports_studies_without_such_an_image_are_left_out(
    package: str, release: Path, cache: str
) -> None:
    studies = rows_of(load(package, release, cache, "studies", views="lateral"))
    reports = rows_of(load(package, release, cache, "reports", views="lateral"))
    assert [row["study_id"] for row in reports] == [row["study_id"] for row in studies]


def test_streaming_keeps_the_same_views(package: str, release: Path, cache: str) -> None:
    built = load(package, release, cache, views="lateral")["train"]
    streamed = load(package, release, f"{cache}-2", views="lateral", streaming=True)["train"]
    assert [row["path"] for row in streamed.select_columns("path")] == list(built["path"])


def test_a_split_without_such_an_image_is_left_out(
    mimic_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(mimic_release, tmp_path / "release")
    kept = load("mimic_cxr_jpg", release, cache)["validation"]["image_id"][0]

    def edit(rows: Any) -> None:
        rows["ViewPosition"] = ["LAO" if image == kept else "PA" for image in rows.dicom_id]

    edit_table(release / "mimic-cxr-2.0.0-metadata.csv.gz", edit)
    for streaming in (False, True):
        splits = load("mimic_cxr_jpg", release, cache, views="oblique", streaming=streaming)
        assert list(splits) == ["validation"]
        assert [row["image_id"] for row in splits["validation"]] == [kept]


def test_views_that_leave_nothing_are_an_error(indiana_release: Path, cache: str) -> None:
    with pytest.raises(OptionError, match=r"views=\['oblique'\] leaves no image"):
        load("indiana_cxr", indiana_release, cache, views="oblique")
    assert datasets_under(cache) == []


# Wrong values and names.


def refused(package: str, release: Path, cache: str, *mentions: str, **options: Any) -> None:
    for streaming in (False, True):
        with pytest.raises(OptionError) as caught:
            load(package, release, cache, streaming=streaming, **options)
        for mention in mentions:
            assert mention in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert datasets_under(cache) == []


@pytest.mark.parametrize("views", ["Frontal", ["PA", "frontal"], ["frontal", "front"], [None], [1]])
def test_an_unknown_view_lists_the_known_ones(
    indiana_release: Path, cache: str, views: Any
) -> None:
    refused(
        "indiana_cxr", indiana_release, cache, "views=",
        "'frontal', 'lateral', 'oblique', 'unknown'", views=views,
    )  # fmt: skip


@pytest.mark.parametrize("views", ["pa", "posteroanterior", ["PA", "LAT"], [""]])
def test_an_unknown_view_of_mimic_lists_the_raw_ones_too(
    mimic_release: Path, cache: str, views: Any
) -> None:
    known = ("'frontal'", "'unknown'", *map(repr, RAW))
    refused("mimic_cxr_jpg", mimic_release, cache, "views=", *known, views=views)


@pytest.mark.parametrize("views", [[], ()])
def test_no_view_at_all_is_an_error(package: str, release: Path, cache: str, views: Any) -> None:
    refused(package, release, cache, "views is empty", "'frontal'", views=views)


@pytest.mark.parametrize("missing", ["ignore", "", True, ["skip"]])
def test_an_unknown_choice_for_missing_lists_the_known_ones(
    package: str, release: Path, cache: str, missing: Any
) -> None:
    known = ("'error'", "'skip'", "'null'")
    refused(package, release, cache, f"missing={missing!r}", *known, missing=missing)


@pytest.mark.parametrize("name", ["view", "View", "split_bye", "image_folder", "data_files"])
def test_an_unknown_option_lists_the_known_ones(
    package: str, release: Path, cache: str, name: str
) -> None:
    own = "'split_by'" if package == "indiana_cxr" else "'reports'"
    known = ("'data_dir'", "'views'", "'missing'", own)
    refused(package, release, cache, repr(name), *known, **{name: "x"})


def test_options_of_the_other_dataset_are_unknown(
    indiana_release: Path, mimic_release: Path, cache: str
) -> None:
    refused("indiana_cxr", indiana_release, cache, "'reports'", "'mesh_rules'", reports="x.zip")
    refused("mimic_cxr_jpg", mimic_release, cache, "'mesh_rules'", "'reports'", mesh_rules="x")


def test_a_value_of_the_other_dataset_is_unknown(mimic_release: Path, cache: str) -> None:
    refused("mimic_cxr_jpg", mimic_release, cache, "'hash'", "None, 'patient'.", split_by="hash")


@pytest.mark.parametrize("config", ["image", "Images", "default", "all"])
def test_an_unknown_config_lists_the_known_ones(
    package: str, release: Path, cache: str, config: str
) -> None:
    refused(
        package, release, cache, f"config={config!r}", "'images'", "'studies'", "'reports'",
        config=config,
    )  # fmt: skip


def test_the_classes_answer_a_wrong_option_alike(
    indiana_release: Path, mimic_release: Path, cache: str
) -> None:
    for builder, release in (
        (indiana_cxr.IndianaCxr, indiana_release),
        (mimic_cxr_jpg.MimicCxrJpg, mimic_release),
    ):
        with pytest.raises(OptionError, match="'views'"):
            builder(data_dir=str(release), cache_dir=cache, view="PA")
        with pytest.raises(OptionError, match="'studies'"):
            builder(data_dir=str(release), cache_dir=cache, config_name="study")


def test_options_are_checked_before_the_release_is_looked_at(package: str, cache: str) -> None:
    refused(package, Path("/nowhere"), cache, "'frontal'", views="front")


def test_a_split_that_does_not_exist_is_said_by_datasets_with_those_that_do(
    package: str, release: Path, cache: str
) -> None:
    with pytest.raises(ValueError, match="train"):
        load(package, release, cache, split="dev")
