"""Which rows there are, by the options of cohorts and splits: as users load, stream and count."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset, load_dataset_builder

import indiana_cxr
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.testing import datasets_under

Rows = list[dict[str, Any]]

IDS = ("image_id", "study_id", "subject_id")


@pytest.fixture(scope="module", params=["indiana_cxr", "mimic_cxr_jpg"])
def package(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def release(package: str, indiana_release: Path, mimic_release: Path) -> Path:
    return indiana_release if package == "indiana_cxr" else mimic_release


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache of all tests that build nothing twice."""
    return str(tmp_path_factory.mktemp("cache"))


def rows_of(splits: Any) -> Rows:
    return [
        {"split": name, **row}
        for name, split in splits.items()
        for row in split.with_format("arrow")[:].to_pylist()
    ]


@pytest.fixture(scope="module")
def load(package: str, release: Path, shared: str) -> Callable[..., Rows]:
    def load(config: str = "images", **options: Any) -> Rows:
        return rows_of(
            load_dataset(package, config, data_dir=str(release), cache_dir=shared, **options)
        )

    return load


@pytest.fixture(scope="module")
def everything(load: Callable[..., Rows]) -> Rows:
    return load()


@pytest.fixture
def steps(package: str, release: Path, cache: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Gives what each rule did: its name, images left out, images, studies, patients."""

    def steps(config: str = "images", **options: Any) -> list[tuple[Any, ...]]:
        builder = load_dataset_builder(
            package, config, data_dir=str(release), cache_dir=cache, **options
        )
        found = builder.steps()
        builder.write_index()
        assert builder.steps() == found  # as the index file tells them
        return [tuple(step.as_dict().values()) for step in found]

    return steps


def without_split(rows: Rows) -> Rows:
    return [{name: cell for name, cell in row.items() if name != "split"} for row in rows]


def in_order_of_splits(rows: Rows) -> Rows:
    order = ("train", "validation", "test")
    return sorted(rows, key=lambda row: order.index(row["split"]))


# ids


@pytest.mark.parametrize("column", IDS)
@pytest.mark.parametrize("config", ["images", "studies"])
def test_ids_keep_exactly_the_rows_of_these_images_studies_or_patients(
    load: Callable[..., Rows], everything: Rows, column: str, config: str
) -> None:
    wanted = sorted({row[column] for row in everything})[::3]
    found = load(config, ids={column: wanted})
    expected = [row for row in everything if row[column] in wanted]
    if config == "images":
        assert found == expected
    else:
        assert {row["study_id"] for row in found} == {row["study_id"] for row in expected}
    if config == "studies":
        assert sorted(id for row in found for id in row["image_ids"]) == sorted(
            row["image_id"] for row in expected
        )


def test_ids_of_a_file_and_of_a_list_are_one_dataset(
    package: str, release: Path, shared: str, tmp_path: Path, everything: Rows
) -> None:
    studies = sorted({row["study_id"] for row in everything})[:4]
    file = tmp_path / "ids.csv"
    file.write_text("Study_ID,note\n" + "".join(f"{id},x\n" for id in reversed(studies)))
    lists: list[Any] = [
        studies, tuple(map(str, studies)), file, str(file), {"study_id": studies},
        np.array(studies), pd.DataFrame({"study_id": studies}), pd.Series(studies),
    ]  # fmt: skip
    builders = [
        load_dataset_builder(package, data_dir=str(release), cache_dir=shared, ids=one)
        for one in lists
    ]
    assert len({builder.config_id for builder in builders}) == 1
    assert load_dataset_builder(
        package, data_dir=str(release), cache_dir=shared, ids=studies[:3]
    ).config_id != builders[0].config_id  # fmt: skip


def test_a_changed_file_gives_other_rows(
    load: Callable[..., Rows], everything: Rows, tmp_path: Path
) -> None:
    file = tmp_path / "ids.txt"
    images = [row["image_id"] for row in everything]
    for some in (images[:2], images[2:5]):
        file.write_text("\n".join(some))
        assert [row["image_id"] for row in load(ids=file)] == some


def test_streaming_gives_the_same_rows(
    package: str, release: Path, cache: str, load: Callable[..., Rows], everything: Rows
) -> None:
    options = {
        "ids": [row["image_id"] for row in everything[::2]], "split_by": "patient",
        "require": ["findings"], "fraction": 0.5,
    }  # fmt: skip
    streams = load_dataset(
        package, data_dir=str(release), cache_dir=cache, streaming=True, **options
    )
    streamed = [
        (name, row["image_id"])
        for name, stream in streams.items()
        for row in stream.select_columns("image_id")
    ]
    assert streamed == [(row["split"], row["image_id"]) for row in load(**options)]
    assert streamed


def test_unknown_ids_are_counted_and_the_first_are_named(
    load: Callable[..., Rows], everything: Rows, caplog: pytest.LogCaptureFixture, package: str
) -> None:
    unknown = [59999991, 59999992, 59999993, 59999994]
    known = everything[0]["study_id"]
    found = load("reports", ids=[*unknown, known])
    assert [row["study_id"] for row in found] == [known]
    assert (
        "4 of 5 studies in ids are not in the tables, or left out before, first 59999991, "
        "59999992, 59999993" in caplog.messages
    )
    with pytest.raises(OptionError, match=r"no image: none of the .* is of one of these ids"):
        load(ids=unknown)


def test_a_list_in_a_store_is_read(load: Callable[..., Rows], everything: Rows) -> None:
    place = "memory://cohorts/ids.json"
    ids = [row["image_id"] for row in everything[:3]]
    with fsspec.open(place, "w") as file:
        json.dump(ids, file)
    assert [row["image_id"] for row in load(ids=place)] == ids


def test_a_long_list_is_not_sent_to_workers(package: str, release: Path, shared: str) -> None:
    many = [50_000_000 + number for number in range(10_000)]
    first = load_dataset_builder(package, data_dir=str(release), cache_dir=shared)
    known = first.index_rows()["train"]["study_id"][0].as_py()
    builder = load_dataset_builder(
        package, data_dir=str(release), cache_dir=shared, ids=[*many, known]
    )
    assert len(pickle.dumps(builder)) < len(pickle.dumps(first)) + 2_000
    assert len(builder.config.ids) == 10_001


# split_file


def halves(rows: Rows) -> dict[int, str]:
    patients = sorted({row["subject_id"] for row in rows})
    return {id: ("train", "val", "test")[place % 3] for place, id in enumerate(patients)}


OURS = {"train": "train", "val": "validation", "test": "test"}


@pytest.mark.parametrize("column", IDS)
def test_split_file_takes_the_place_of_the_releases_splits(
    load: Callable[..., Rows], everything: Rows, tmp_path: Path, column: str
) -> None:
    split_of = halves(everything)
    listed = [row for row in everything if row["subject_id"] % 5]
    lines = {f"{row[column]},{split_of[row['subject_id']]}" for row in listed}
    file = tmp_path / "splits.csv"
    file.write_text(f"{column},split\n" + "\n".join(lines))
    found = load(split_file=file)
    expected = [{**row, "split": OURS[split_of[row["subject_id"]]]} for row in listed]
    order = {id: place for place, id in enumerate(row["image_id"] for row in load("images"))}
    assert sorted(found, key=lambda row: order[row["image_id"]]) == sorted(
        expected, key=lambda row: order[row["image_id"]]
    )
    assert [row["split"] for row in found] == [row["split"] for row in in_order_of_splits(found)]


def test_annotation_json_of_r2gen_splits_by_image(
    load: Callable[..., Rows], everything: Rows, tmp_path: Path
) -> None:
    split_of = halves(everything)
    listed: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    for row in everything[::2]:
        listed[split_of[row["subject_id"]]].append(
            {"id": row["image_id"], "study_id": row["study_id"], "report": "Invented.",
             "subject_id": row["subject_id"], "image_path": [row["path"]]}
        )  # fmt: skip
    file = tmp_path / "annotation.json"
    file.write_text(json.dumps(listed))
    found = {(row["image_id"], row["split"]) for row in load(split_file=str(file))}
    assert found == {
        (row["image_id"], OURS[split_of[row["subject_id"]]]) for row in everything[::2]
    }


@pytest.mark.parametrize("real", [False, True])
def test_the_list_of_r2gen_as_a_file_gives_r2gens_splits(
    indiana_release: Path, cache: str, real: bool
) -> None:
    place = os.environ.get("CXR_INDIANA_DIR", "") if real else str(indiana_release)
    if not place:
        pytest.skip("CXR_INDIANA_DIR is not set")
    lists = Path(indiana_cxr.__file__).with_name("r2gen_split.csv")

    def splits(**options: Any) -> dict[str, list[int]]:
        builder = load_dataset_builder(
            "indiana_cxr", "reports", data_dir=place, cache_dir=cache, **options
        )
        return {name: rows["study_id"].to_pylist() for name, rows in builder.index_rows().items()}

    found = splits(split_file=lists)
    assert found == splits(split_by="r2gen")
    if real:
        assert list(map(len, found.values())) == [2_069, 296, 590]


def test_a_patient_of_two_splits_is_an_error_unless_it_is_allowed(
    mimic_release: Path, shared: str, caplog: pytest.LogCaptureFixture
) -> None:
    def load(**options: Any) -> Rows:
        return rows_of(load_dataset(
            "mimic_cxr_jpg", data_dir=str(mimic_release), cache_dir=shared, **options
        ))  # fmt: skip

    everything = load()
    studies = sorted({(row["subject_id"], row["study_id"]) for row in everything})
    of_patient: dict[int, list[int]] = {}
    for subject, study in studies:
        of_patient.setdefault(subject, []).append(study)
    several = {id: some for id, some in of_patient.items() if len(some) > 1}
    split = {study: ("train", "test")[place % 2]
             for some in of_patient.values() for place, study in enumerate(some)}  # fmt: skip
    with pytest.raises(OptionError) as caught:
        load(split_file=split)
    message = str(caught.value)
    assert f"{len(several)} of {len(of_patient)} patients are in two splits or more" in message
    assert any(f"such as patient {id} in " in message for id in several)
    assert "allow_shared_patients=True" in message
    caplog.clear()
    found = load(split_file=split, allow_shared_patients=True)
    assert {row["study_id"]: row["split"] for row in found} == split
    (line,) = [line for line in caplog.messages if "two splits" in line]
    assert line.startswith(f"{len(several)} of {len(of_patient)} patients are in two splits of ")


def test_a_split_of_the_file_without_rows_is_told_and_left_out(
    load: Callable[..., Rows], everything: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    study = everything[0]["study_id"]
    found = load("reports", split_file={"val": [study], "test": [59_999_999]})
    assert [(row["split"], row["study_id"]) for row in found] == [("validation", study)]
    assert "test of split_file has no row here, and is left out" in caplog.messages


# split_by="patient"


def share(purpose: str, seed: int, id: int) -> Fraction:
    """As docs/cohorts.md says it, apart from the project's code."""
    digest = hashlib.sha256(f"cxr-datasets:{purpose}:{seed}:{id}".encode()).digest()
    return Fraction(int.from_bytes(digest[:8], "big"), 2**64)


def test_patients_are_split_by_their_hash(load: Callable[..., Rows], everything: Rows) -> None:
    found = load(split_by="patient", fractions=(0.5, 0.3, 0.2), seed=4)
    assert len(found) == len(everything)
    for row in found:
        x = share("split", 4, row["subject_id"])
        expected = "train" if x * 10 < 5 else "validation" if x * 10 < 8 else "test"
        assert row["split"] == expected
    assert {row["split"] for row in found} == {"train", "validation", "test"}


def test_the_usual_fractions_are_70_10_and_20(
    load: Callable[..., Rows], package: str, release: Path, shared: str
) -> None:
    usual = load("reports", split_by="patient")
    assert usual == load("reports", split_by="patient", fractions=[0.7, 0.1, 0.2])


def test_folds_cut_train_and_validation_anew_and_leave_test(
    load: Callable[..., Rows], everything: Rows
) -> None:
    before = {row["study_id"]: row["split"] for row in everything}
    seen: list[int] = []
    for fold in range(3):
        found = load("reports", split_by="patient", folds=3, fold=fold)
        for row in found:
            if before[row["study_id"]] == "test":
                assert row["split"] == "test"
            else:
                here = share("fold", 0, row["subject_id"]) * 3
                assert (row["split"] == "validation") == (fold <= here < fold + 1)
        seen += [row["study_id"] for row in found if row["split"] == "validation"]
    assert sorted(seen) == sorted(id for id, split in before.items() if split != "test")


def test_folds_of_fractions_leave_their_test(load: Callable[..., Rows]) -> None:
    options = {"split_by": "patient", "fractions": (0.6, 0.1, 0.3)}
    whole = {row["study_id"]: row["split"] for row in load("reports", **options)}
    cut = {row["study_id"]: row["split"] for row in load("reports", **options, folds=2, fold=1)}
    for id, split in cut.items():
        assert (split == "test") == (whole[id] == "test")


# fraction


def test_a_fraction_keeps_a_share_of_the_patients_of_train_within_a_larger_one(
    load: Callable[..., Rows], everything: Rows
) -> None:
    train = {row["subject_id"] for row in everything if row["split"] == "train"}
    others = [row for row in everything if row["split"] != "train"]
    larger: set[int] = set(train)
    for fraction in (0.5, 0.25, 0.001):
        found = load(fraction=fraction)
        kept = {row["subject_id"] for row in found if row["split"] == "train"}
        assert len(kept) == max(1, int(fraction * len(train) + 0.5))
        assert kept < larger
        assert [row for row in found if row["split"] != "train"] == others
        assert sorted(kept) == sorted(
            sorted(train, key=lambda id: share("fraction", 0, id))[: len(kept)]
        )
        larger = kept
    assert load("reports", fraction=1) == load("reports")


def test_a_fraction_has_the_same_patients_whatever_other_rules_leave_out(
    load: Callable[..., Rows],
) -> None:
    def patients(**options: Any) -> set[int]:
        return {row["subject_id"] for row in load(fraction=0.3, seed=5, **options)}

    assert patients(require=["findings"], views="frontal") <= patients()
    assert patients() != {row["subject_id"] for row in load(fraction=0.3, seed=6)}


# require


@pytest.mark.parametrize("name", ["findings", "report"])
def test_rows_without_a_text_are_left_out(
    load: Callable[..., Rows], everything: Rows, name: str
) -> None:
    found = load(require=name)
    assert found == [row for row in everything if row[name] is not None]
    assert found


@pytest.mark.parametrize("name", ["Edema", "labels_text.Edema", "labels"])
def test_rows_without_a_label_are_left_out(load: Callable[..., Rows], name: str) -> None:
    column, _, label = name.partition(".") if "." in name else ("labels", ".", name)
    options = {"labels_text": True}

    def has(row: dict[str, Any]) -> bool:
        labels = row[column] or {}
        if name == "labels":
            return any(value is not None for value in labels.values())
        return labels.get(label) is not None

    found = load("reports", require=[name], **options)
    assert found == [row for row in load("reports", **options) if has(row)]
    assert found


def test_a_column_of_an_image_can_be_required(mimic_release: Path, shared: str) -> None:
    def load(**options: Any) -> Rows:
        return rows_of(load_dataset(
            "mimic_cxr_jpg", data_dir=str(mimic_release), cache_dir=shared, **options
        ))  # fmt: skip

    found = load(require=["view_position"])
    assert found == [row for row in load() if row["view_position"] is not None]
    assert len(found) < len(load())


@pytest.mark.parametrize("name", ["prior_study_ids", "prior_findings", "days_to_next"])
def test_rows_without_an_earlier_study_are_left_out(
    mimic_release: Path, shared: str, name: str
) -> None:
    def load(**options: Any) -> Rows:
        return rows_of(load_dataset(
            "mimic_cxr_jpg", "reports", data_dir=str(mimic_release), cache_dir=shared, priors=2,
            **options,
        ))  # fmt: skip

    def has(value: Any) -> bool:
        return (
            any(one is not None for one in value) if isinstance(value, list) else value is not None
        )

    everything, found = load(), load(require=[name])
    assert found == [row for row in everything if has(row[name])]
    assert 0 < len(found) < len(everything)


def test_earlier_studies_are_those_of_the_release_whatever_rules_leave_out(
    mimic_release: Path, shared: str
) -> None:
    def load(**options: Any) -> dict[str, Any]:
        rows = rows_of(load_dataset(
            "mimic_cxr_jpg", "reports", data_dir=str(mimic_release), cache_dir=shared, priors=2,
            **options,
        ))  # fmt: skip
        return {row["study_id"]: row["prior_study_ids"] for row in rows}

    everything = load()
    ids = sorted(everything)[::2]
    found = load(ids=ids, split_by="patient", seed=1, require=["findings"])
    assert found == {id: everything[id] for id in found}
    assert any(set(before) - set(found) for before in found.values())


def test_rows_without_a_row_of_a_layer_or_a_value_in_it_are_left_out(
    load: Callable[..., Rows], everything: Rows, tmp_path: Path
) -> None:
    images = [row["image_id"] for row in everything[::2]]
    table = tmp_path / "mine.csv"
    cells = [f"{id},{'' if place % 3 else 'good'}" for place, id in enumerate(images)]
    table.write_text("image_id,grade\n" + "\n".join(cells))
    layers = {"mine": str(table)}
    found = load(layers=layers, require=["mine"])
    assert [row["image_id"] for row in found] == images
    found = load(layers=layers, require=["mine_grade"])
    assert [(row["image_id"], row["mine_grade"]) for row in found] == [
        (id, "good") for id in images[::3]
    ]
    in_studies = load("studies", layers=layers, require=["mine_grade"])
    assert {id for row in in_studies for id in row["image_ids"]} == set(images[::3])
    with pytest.raises(OptionError, match=r"require='mine_note' is not known.*'mine_grade'"):
        load(layers=layers, require=["mine_note"])


# All of them together, counted.


def test_each_rule_is_counted_in_its_order(
    steps: Callable[..., Any], everything: Rows, load: Callable[..., Rows]
) -> None:
    ids = sorted({row["study_id"] for row in everything})[:30]
    options = {
        "ids": ids, "split_by": "patient", "fractions": (0.6, 0.2, 0.2), "fraction": 0.5,
        "views": "frontal", "require": ["impression", "findings"],
    }  # fmt: skip
    found = steps(**options)
    assert [step[0].partition(",")[0].partition(" ")[0] for step in found] == [
        "all", "ids=30", "split_by=patient", "fraction=0.5", "views=['frontal']",
        "require=impression", "require=findings",
    ]  # fmt: skip
    images = [step[2] for step in found]
    assert [step[1] for step in found] == [0, *(a - b for a, b in pairwise(images))]
    assert found[0][2:] == counts(everything)
    assert found[1][2:] == counts([row for row in everything if row["study_id"] in ids])
    names = list(options)
    for place, step in enumerate(found[1:], 1):
        # The rules up to this one alone give what it left.
        some = {name: options[name] for name in names[: place + 1 if place > 1 else 1]}
        if step[0] == "require=impression":
            some = {**options, "require": ["impression"]}
        if step[0] == "require=findings":
            some = options
        assert step[2:] == counts(load(**some)), step


def counts(rows: Rows) -> tuple[int, int, int]:
    return len(rows), len({row["study_id"] for row in rows}), len({r["subject_id"] for r in rows})


def test_without_rules_there_is_nothing_to_tell(steps: Callable[..., Any]) -> None:
    assert steps() == []
    assert steps("reports") == []


def test_absent_images_that_are_left_out_are_the_last_step(
    package: str, release: Path, cache: str, tmp_path: Path, everything: Rows
) -> None:
    images = tmp_path / "images"
    for row in everything[:-2]:
        file = images / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    builder = load_dataset_builder(
        package, data_dir=str(release), cache_dir=cache, images=str(images), missing="skip"
    )
    (_, step) = builder.steps()
    assert (step.rule, step.left_out) == ("missing='skip'", 2)
    assert step.images == len(everything) - 2


def test_images_in_no_split_of_the_lists_are_a_step(indiana_release: Path, cache: str) -> None:
    builder = load_dataset_builder(
        "indiana_cxr", data_dir=str(indiana_release), cache_dir=cache, split_by="r2gen"
    )
    (first, step) = builder.steps()
    assert step.rule == "split_by=r2gen"
    assert first.images - step.images == step.left_out > 0


# What is refused.

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ids": []}, "ids is no list of ids: found an empty one"),
    ({"ids": "nowhere/ids.csv"}, "does not exist"),
    ({"ids": "https://user:secret@host/ids.csv"}, "holds a password"),
    ({"split_file": "a.csv", "split_by": "patient"}, "exclude each other"),
    ({"allow_shared_patients": True}, "allow_shared_patients is of split_file"),
    ({"split_file": {"train": [1]}, "allow_shared_patients": 1.5}, "allow_shared_patients=1.5"),
    ({"split_by": "study"}, "split_by='study' is not known"),
    ({"fractions": (0.7, 0.1, 0.2)}, "fractions needs split_by='patient'"),
    ({"folds": 5, "fold": 0}, "folds needs split_by='patient'"),
    ({"split_by": "patient", "folds": 5}, "folds and fold belong together"),
    ({"split_by": "patient", "fold": 0}, "folds and fold belong together"),
    ({"split_by": "patient", "folds": 1, "fold": 0}, "folds=1 is not a number of folds"),
    ({"split_by": "patient", "folds": 5, "fold": 5}, "fold=5 is none of 5 folds"),
    ({"split_by": "patient", "folds": 5, "fold": True}, "fold=True is none of 5 folds"),
    ({"split_by": "patient", "fractions": (0.7, 0.3)}, "is not three shares"),
    ({"split_by": "patient", "fractions": (0.7, 0.2, 0.2)}, "is not three shares"),
    ({"split_by": "patient", "fractions": (1.2, -0.1, -0.1)}, "is not three shares"),
    ({"split_by": "patient", "fractions": "0.7"}, "is not three shares"),
    ({"split_by": "patient", "fractions": 0.7}, "is not three shares"),
    ({"fraction": 0}, "fraction=0 is not a share"),
    ({"fraction": 1.01}, "fraction=1.01 is not a share"),
    ({"fraction": "0.1"}, "fraction='0.1' is not a share"),
    ({"fraction": float("nan")}, "fraction=nan is not a share"),
    ({"seed": 3}, "seed=3 has no effect"),
    ({"fraction": 0.5, "seed": -1}, "seed=-1 is not a seed"),
    ({"fraction": 0.5, "seed": 1.5}, "seed=1.5 is not a seed"),
    ({"require": []}, "is not a list of names"),
    ({"require": [1]}, "is not a list of names"),
    ({"require": {"findings": 1}}, "is not a list of names"),
    ({"require": ["finding"]}, "require='finding' is not known. Choose from: 'image_id'"),
    ({"require": ["finding"]}, "Did you mean 'findings'?"),
    ({"require": ["prior_days"]}, "A column that an option adds is known only with that option"),
    ({"require": ["labels.Edemas"]}, "require='labels.Edemas' is not known"),
    ({"require": ["image"]}, "require='image' is not known"),
]


@pytest.mark.parametrize(("options", "mention"), REFUSED, ids=lambda value: str(value)[:60])
def test_wrong_options_are_refused_before_anything_is_written(
    indiana_release: Path, cache: str, options: dict[str, Any], mention: str
) -> None:
    with pytest.raises(CxrError) as caught:
        load_dataset("indiana_cxr", data_dir=str(indiana_release), cache_dir=cache, **options)
    assert mention in str(caught.value)
    assert "secret" not in str(caught.value)
    assert datasets_under(cache) == []


def test_what_no_row_has_is_an_error_that_names_the_rule(indiana_release: Path, cache: str) -> None:
    def refused(mention: str, **options: Any) -> None:
        with pytest.raises(OptionError, match=mention):
            load_dataset("indiana_cxr", data_dir=str(indiana_release), cache_dir=cache, **options)

    refused("leaves no image: none of the 126 before this rule is listed",
            split_file={"train": ["999999_IM-0001-0001"]})  # fmt: skip
    refused("fraction=0.5 is of the patients of train, and no row is in train", fraction=0.5,
            split_by="patient", fractions=(0, 0.5, 0.5))  # fmt: skip
