"""The invented MIMIC-IV has the form of the real one, and what misleads those who link it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.cli import main
from cxr_datasets.testing import read_table

HEADERS = {
    "hosp/patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
    "hosp/admissions": "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,"
    "admit_provider_id,admission_location,discharge_location,insurance,language,marital_status,"
    "race,edregtime,edouttime,hospital_expire_flag",
    "icu/icustays": "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
    "ed/edstays": "subject_id,hadm_id,stay_id,intime,outtime,gender,race,arrival_transport,"
    "disposition",
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    words = ["synthesize", "mimic-cxr-jpg", str(folder / "cxr"), "--patients", "24"]
    assert main([*words, "--scale", "0.015625", "--mimic-iv", str(folder / "iv")]) == 0
    return folder


@pytest.fixture(scope="module")
def tables(made: Path) -> dict[str, pd.DataFrame]:
    return {name.partition("/")[2]: read_table(made / "iv" / f"{name}.csv.gz") for name in HEADERS}


@pytest.mark.parametrize("name", HEADERS)
def test_columns_are_those_of_the_real_tables_in_their_order(
    name: str, tables: dict[str, pd.DataFrame]
) -> None:
    assert list(tables[name.partition("/")[2]].columns) == HEADERS[name].split(",")


def test_ids_and_times_have_their_forms_and_admissions_no_seconds(
    tables: dict[str, pd.DataFrame],
) -> None:
    keys = {"admissions": "hadm_id", "icustays": "stay_id", "edstays": "stay_id"}
    for table, key, first in (
        *((name, key, "2" if key == "hadm_id" else "3") for name, key in keys.items()),
        ("patients", "subject_id", "1"),
    ):
        ids = tables[table][key]
        assert ids.is_unique
        assert all(re.fullmatch(rf"{first}\d{{7}}", one) for one in ids)
    for name in ("admittime", "dischtime", "edregtime"):
        times = [time for time in tables["admissions"][name] if time]
        assert times
        assert all(MOMENT.fullmatch(time) and time.endswith(":00") for time in times)
    assert any(not time.endswith(":00") for time in tables["icustays"]["outtime"])


def test_some_patients_have_no_row_and_some_no_admission_and_one_no_film(
    made: Path, tables: dict[str, pd.DataFrame]
) -> None:
    films = set(read_table(made / "cxr" / "mimic-cxr-2.0.0-split.csv.gz").subject_id)
    known = set(tables["patients"].subject_id)
    admitted, seen = (set(tables[name].subject_id) for name in ("admissions", "edstays"))
    assert films - known
    assert not (films - known) & (admitted | seen)
    assert seen - admitted
    assert known - films


def test_ages_above_89_are_91_and_races_differ_within_a_patient(
    tables: dict[str, pd.DataFrame],
) -> None:
    ages = tables["patients"].anchor_age.astype(int)
    assert set(ages[ages > 89]) == {91}
    assert tables["admissions"].groupby("subject_id").race.nunique().max() > 1


def test_some_admissions_overlap_some_have_no_end_and_some_end_before_they_begin(
    tables: dict[str, pd.DataFrame],
) -> None:
    rows = tables["admissions"]
    assert (rows.dischtime == "").any()
    assert ((rows.dischtime != "") & (rows.dischtime < rows.admittime)).any()
    pairs = rows.merge(rows, on="subject_id")
    overlap = (pairs.hadm_id_x != pairs.hadm_id_y) & (pairs.admittime_x < pairs.admittime_y)
    assert (overlap & (pairs.admittime_y < pairs.dischtime_x)).any()
