"""Every door gives the columns of MIMIC-IV as they were planned for the invented release."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.export import export
from cxr_datasets.testing import load_rows
from cxr_datasets.testing.formats import FORMATS, assert_passes, need_format
from mimic_cxr_jpg.mimic_iv import COLUMNS
from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic.mimic_iv import PERSONS, SITUATIONS
from tests.differential.doors import built, exported, streamed
from tests.mimic_cxr_jpg.mimic_iv.conftest import Linked

NAMES = [column.name for column in COLUMNS]
HITS = {
    "admitted": (1, 0, 0), "intensive": (1, 1, 0), "emergency": (0, 0, 1), "before": (1, 0, 1),
    "overlap": (2, 0, 0), "none": (0, 0, 0), "first_minute": (1, 0, 0), "last_minute": (1, 0, 0),
    "no_end": (0, 0, 0), "backwards": (0, 0, 0), "two_visits": (1, 2, 0),
}  # fmt: skip
"""Situation -> hits of admissions, intensive care and emergency department."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def reports(linked: Linked, cache: str) -> dict[int, dict[str, Any]]:
    rows = load_rows(
        "mimic_cxr_jpg", linked.release, cache, "reports", mimic_iv=str(linked.records)
    )
    return {row["study_id"]: row for row in rows}


def test_every_situation_and_every_kind_of_patient_is_in_a_release_of_18_patients(
    linked: Linked,
) -> None:
    assert set(linked.planned.situations.values()) == set(SITUATIONS) == set(HITS)
    assert set(linked.planned.persons.values()) == set(PERSONS)


def test_each_study_is_in_as_many_stays_as_planned(
    linked: Linked, reports: dict[int, dict[str, Any]]
) -> None:
    seen = Counter[str]()
    for study_id, situation in linked.planned.situations.items():
        row = reports[study_id]
        hits = (row["hadm_hits"], row["stay_hits"], row["ed_stay_hits"])
        assert hits == HITS[situation], situation
        assert [row[name] is not None for name in ("hadm_id", "stay_id", "ed_stay_id")] == [
            count > 0 for count in hits
        ]
        assert row["hadm_in_ed"] is (situation == "before")
        seen[situation] += 1
    assert min(seen.values()) >= 1


def test_the_race_is_that_of_the_admission_else_of_the_emergency_visit(
    linked: Linked, reports: dict[int, dict[str, Any]]
) -> None:
    tables = linked.planned.tables
    of_admission = {row[1]: row[12] for row in tables["admissions"]}
    of_visit = {row[2]: row[6] for row in tables["edstays"]}
    races: dict[int, set[object]] = {}
    for row in reports.values():
        expected = of_admission.get(row["hadm_id"], of_visit.get(row["ed_stay_id"]))
        assert row["race"] == expected
        races.setdefault(row["subject_id"], set()).add(row["race"])
    assert max(len(some - {None}) for some in races.values()) > 1  # it differs within a patient


def test_sex_and_age_follow_the_anchor_and_are_null_for_patients_without_a_row(
    linked: Linked, reports: dict[int, dict[str, Any]]
) -> None:
    patients = {row[0]: row for row in linked.planned.tables["patients"]}
    kinds = Counter[str]()
    for study in linked.studies:
        row, person = reports[study.study_id], linked.planned.persons[study.subject_id]
        if person == "no_row":
            assert [row[name] for name in NAMES] == [None] * len(NAMES)
            kinds["no_row"] += 1
            continue
        _, gender, anchor_age, anchor_year, *_ = patients[study.subject_id]
        age = anchor_age + study.date // 10_000 - anchor_year
        assert row["sex"] == gender
        assert row["age"] == min(age, 91) if age <= 89 else row["age"] == 91
        assert row["age_is_floor"] is (age > 89 or person == "over_89")
        kinds[f"{person} {row['age'] == 91}"] += 1
    assert kinds["no_row"]
    assert kinds["turns_90 True"]
    assert kinds["over_89 True"]


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_built_streamed_and_exported_rows_are_the_same(
    config: str, linked: Linked, reports: dict[int, dict[str, Any]], tmp_path: Path
) -> None:
    options = {"data_dir": str(linked.release), "mimic_iv": str(linked.records)}
    found = [
        {(row["study_id"], *(row[name] for name in NAMES)) for rows in splits.values()
         for row in rows}
        for splits in (door("mimic_cxr_jpg", config, tmp_path, **options)
                       for door in (built, streamed, exported))
    ]  # fmt: skip
    expected = {(number, *(row[name] for name in NAMES)) for number, row in reports.items()}
    assert found[0] == found[1] == found[2] == expected


def test_without_the_option_rows_have_none_of_its_columns(linked: Linked, cache: str) -> None:
    (row, *_) = load_rows("mimic_cxr_jpg", linked.release, cache, "reports")
    assert not set(NAMES) & set(row)


def test_the_columns_stand_before_the_path_and_have_the_documented_types(
    linked: Linked, cache: str
) -> None:
    import datasets

    rows = datasets.load_dataset(
        "mimic_cxr_jpg", "images", data_dir=str(linked.release), mimic_iv=str(linked.records),
        cache_dir=cache, split="train",
    )  # fmt: skip
    assert rows.column_names[-len(NAMES) - 1 :] == [*NAMES, "path"]
    types = {field.name: field.type for field in rows.features.arrow_schema}
    ids, hits = ("hadm_id", "stay_id", "ed_stay_id"), ("hadm_hits", "stay_hits", "ed_stay_hits")
    assert {types[name] for name in ids} == {pa.int64()}
    assert {types[name] for name in hits} == {pa.int8()}
    assert (types["age"], types["sex"], types["race"]) == (pa.int32(), pa.string(), pa.string())
    assert types["age_is_floor"] == types["hadm_in_ed"] == pa.bool_()


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_rows_with_nulls_pass_every_formatter(kind: str, linked: Linked, cache: str) -> None:
    import datasets

    need_format(kind)
    rows = datasets.load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(linked.release), mimic_iv=str(linked.records),
        cache_dir=cache, split="train",
    )  # fmt: skip
    stored = rows.with_format("arrow")[:]
    assert all(stored[name].null_count for name in NAMES)  # some are null
    assert_passes(rows, kind, stored)


def test_one_line_counts_and_names_no_patient_and_no_stay(
    linked: Linked, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rows = load_rows(
            "mimic_cxr_jpg", linked.release, str(tmp_path), "reports", mimic_iv=str(linked.records)
        )
    (line,) = [text for text in caplog.messages if text.startswith("MIMIC-IV and")]
    admitted = sum(1 for row in rows if row["hadm_hits"])
    assert f"the {len(rows)} studies" in line
    assert f"{sum(1 for row in rows if row['sex'] is None)} are of " in line
    assert f"{admitted} are in an admission" in line
    assert f"{sum(1 for row in rows if (row['hadm_hits'] or 0) > 1)} in several" in line
    assert "admissions.csv.gz hold none, as they do not end" in line
    ids = {str(row[name]) for row in rows for name in NAMES if name.endswith("_id")}
    ids |= {str(row["subject_id"]) for row in rows}
    assert not [text for text in caplog.messages for number in ids - {"None"} if number in text]


def test_the_release_is_the_same_with_mimic_iv_and_without(tmp_path: Path) -> None:
    plain = write_release(tmp_path / "plain", patients=3, scale=1 / 64)
    linked = write_release(
        tmp_path / "linked", patients=3, scale=1 / 64, mimic_iv=str(tmp_path / "iv")
    )
    for file in filter(Path.is_file, plain.rglob("*")):
        assert file.read_bytes() == (linked / file.relative_to(plain)).read_bytes()
    again = write_release(
        tmp_path / "again", patients=3, scale=1 / 64, mimic_iv=str(tmp_path / "iv2")
    )
    assert again.exists()
    for file in filter(Path.is_file, (tmp_path / "iv").rglob("*")):
        twin = tmp_path / "iv2" / file.relative_to(tmp_path / "iv")
        assert file.read_bytes() == twin.read_bytes()


def test_a_folder_for_mimic_iv_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "iv").mkdir()
    (tmp_path / "iv" / "kept.txt").write_text("mine")
    with pytest.raises(OptionError, match="not an empty folder"):
        write_release(tmp_path / "out", patients=3, mimic_iv=str(tmp_path / "iv"))
    assert not list((tmp_path / "out").rglob("*.jpg"))


def test_the_card_and_croissant_of_an_export_tell_of_it(linked: Linked, tmp_path: Path) -> None:
    export(
        "mimic-cxr-jpg", linked.release, tmp_path / "out", config="reports", progress=False,
        mimic_iv=str(linked.records),
    )  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text()
    assert "mimic_iv='iv'" in card
    assert "admissions.csv.gz" in card
    assert "`age` in `reports`" in card
    assert str(linked.records) not in card
    assert "MIMIC-IV" in card.partition("## Licence")[2]
    described = (tmp_path / "out" / "croissant.json").read_text()
    assert '"name": "hadm_in_ed"' in described
    assert "sc:Boolean" in described
