"""The rules by which a study is given its admission, its stays and its age, one at a time."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.mimic_cxr_jpg.mimic_iv.conftest import (
    PATIENT,
    SUBJECT,
    admission,
    linked_columns,
    stay,
    write_tables,
)

NOON = "2180-05-06 12:00:00"


def hadm(root: Path, *moments: str | None) -> list[tuple[int | None, int | None]]:
    found = linked_columns(root, *moments)
    return list(zip(found["hadm_id"].to_pylist(), found["hadm_hits"].to_pylist(), strict=True))


def test_both_ends_of_an_interval_belong_to_it_to_the_minute(tmp_path: Path) -> None:
    root = write_tables(tmp_path, admissions=[admission(20_000_001, NOON, "2180-05-06 13:00:00")])
    inside, outside = (20_000_001, 1), (None, 0)
    assert hadm(
        root, "2180-05-06 11:59:59.999", "2180-05-06 12:00:00.000", "2180-05-06 13:00:00.000",
        "2180-05-06 13:00:59.999", "2180-05-06 13:01:00.000",
    ) == [outside, inside, inside, inside, outside]  # fmt: skip


def test_seconds_of_a_stay_count_as_its_minute(tmp_path: Path) -> None:
    root = write_tables(
        tmp_path, icustays=[stay(30_000_001, "2180-05-06 12:00:40", "2180-05-06 13:00:10")]
    )
    found = linked_columns(root, "2180-05-06 12:00:05.000", "2180-05-06 13:00:50.000")
    assert found["stay_id"].to_pylist() == [30_000_001, 30_000_001]
    assert found["stay_hits"].to_pylist() == [1, 1]


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        (admission(20_000_002, "2180-05-06 10:00:00", "2180-05-07 00:00:00"), 20_000_002),
        (admission(20_000_002, "2180-05-06 08:00:00", "2180-05-09 00:00:00"), 20_000_005),
        (admission(20_000_002, "2180-05-06 09:00:00", "2180-05-09 00:00:00"), 20_000_002),
        (admission(20_000_002, "2180-05-06 09:00:00", "2180-05-08 00:00:00"), 20_000_005),
        (admission(20_000_006, "2180-05-06 09:00:00", "2180-05-08 00:00:00"), 20_000_006),
    ],
    ids=["begins later", "begins before", "ends later", "same, lower id", "same, higher id"],
)
def test_of_several_admissions_the_one_that_began_last_counts_and_all_are_counted(
    tmp_path: Path, other: dict[str, object], chosen: int
) -> None:
    one = admission(20_000_005, "2180-05-06 09:00:00", "2180-05-08 00:00:00")
    for number, rows in enumerate(([one, other], [other, one])):
        root = write_tables(tmp_path / str(number), admissions=rows)
        assert hadm(root, NOON) == [(chosen, 2)]


def test_before_an_admission_its_emergency_visit_counts_and_is_flagged(tmp_path: Path) -> None:
    row = admission(20_000_001, NOON, "2180-05-08 00:00:00", edregtime="2180-05-06 09:00:00")
    found = linked_columns(
        write_tables(tmp_path, admissions=[row]), "2180-05-06 08:59:59.000",
        "2180-05-06 09:00:00.000", "2180-05-06 11:59:59.999", "2180-05-06 12:00:00.000",
    )  # fmt: skip
    assert found["hadm_id"].to_pylist() == [None, 20_000_001, 20_000_001, 20_000_001]
    assert found["hadm_in_ed"].to_pylist() == [False, True, True, False]
    assert found["race"].to_pylist() == [None, "RACE 1", "RACE 1", "RACE 1"]


def test_an_admission_that_holds_a_study_goes_before_another_one_s_emergency_visit(
    tmp_path: Path,
) -> None:
    rows = [
        admission(20_000_001, "2180-05-05 00:00:00", "2180-05-06 13:00:00"),
        admission(20_000_002, "2180-05-06 14:00:00", "2180-05-09 00:00:00",
                  edregtime="2180-05-06 11:00:00"),
    ]  # fmt: skip
    assert hadm(write_tables(tmp_path, admissions=rows), NOON) == [(20_000_001, 1)]


def test_rows_without_an_end_or_with_one_before_their_start_hold_nothing_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        admission(20_000_001, "2180-05-06 00:00:00", ""),
        admission(20_000_002, "2180-05-06 13:00:00", "2180-05-06 11:00:00"),
        admission(20_000_003, "", "2180-05-07 11:00:00"),
    ]
    with caplog.at_level(logging.WARNING):
        assert hadm(write_tables(tmp_path, admissions=rows), NOON) == [(None, 0)]
    assert "3 rows of " in caplog.text
    assert "hospital" not in caplog.text


def test_the_race_of_the_emergency_visit_counts_where_there_is_no_admission(tmp_path: Path) -> None:
    root = write_tables(
        tmp_path,
        edstays=[stay(30_000_004, NOON, "2180-05-06 15:00:00", hadm_id="", race="OTHER")],
    )
    found = linked_columns(root, "2180-05-06 12:30:00.000", "2180-05-06 16:00:00.000")
    assert found["race"].to_pylist() == ["OTHER", None]
    assert found["ed_stay_id"].to_pylist() == [30_000_004, None]
    assert found["stay_id"].to_pylist() == [None, None]  # not the same as ed_stay_id


def test_intervals_of_other_patients_hold_nothing(tmp_path: Path) -> None:
    other = {**admission(20_000_001, NOON, "2180-05-08 00:00:00"), "subject_id": SUBJECT + 1}
    assert hadm(write_tables(tmp_path, admissions=[other]), NOON) == [(None, 0)]


@pytest.mark.parametrize(
    ("anchor", "year", "age", "is_floor"),
    [
        ((52, 2180), 2180, 52, False),
        ((52, 2180), 2175, 47, False),
        ((52, 2180), 2217, 89, False),
        ((52, 2180), 2218, 91, True),
        ((89, 2180), 2181, 91, True),
        ((91, 2180), 2180, 91, True),
        ((91, 2180), 2190, 91, True),
        ((91, 2180), 2178, 89, True),
        ((20, 2180), 2150, None, None),
    ],
)
def test_age_is_the_anchor_s_plus_the_years_since_and_91_above_89(
    tmp_path: Path, anchor: tuple[int, int], year: int, age: int | None, is_floor: bool | None
) -> None:
    patient = {**PATIENT, "anchor_age": anchor[0], "anchor_year": anchor[1]}
    found = linked_columns(write_tables(tmp_path, [patient]), f"{year}-12-31 23:00:00.000")
    assert found["age"].to_pylist() == [age]
    assert found["age_is_floor"].to_pylist() == [is_floor]


def test_a_study_without_a_time_has_sex_and_age_and_no_stay(tmp_path: Path) -> None:
    root = write_tables(tmp_path, admissions=[admission(20_000_001, NOON, "2180-05-08 00:00:00")])
    (row,) = linked_columns(root, "2182-05-06 ").to_pylist()
    assert (row["sex"], row["age"], row["hadm_id"], row["hadm_hits"]) == ("F", 54, None, None)
    (row,) = linked_columns(root, None).to_pylist()
    assert (row["sex"], row["age"], row["hadm_hits"]) == ("F", None, None)


def test_a_patient_without_a_row_has_null_though_an_admission_is_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = {**PATIENT, "subject_id": SUBJECT + 1}
    root = write_tables(
        tmp_path, [other], admissions=[admission(20_000_001, NOON, "2180-05-08 00:00:00")]
    )
    with caplog.at_level(logging.WARNING):
        (row,) = linked_columns(root, NOON).to_pylist()
    assert [row[name] for name in ("sex", "age", "race", "hadm_id", "hadm_hits")] == [None] * 5
    assert "None of the 1 patients has a row" in caplog.text
    assert str(SUBJECT) not in caplog.text


def test_release_1_has_core_and_ethnicity(tmp_path: Path) -> None:
    row = admission(20_000_001, NOON, "2180-05-08 00:00:00")
    row["ethnicity"] = row.pop("race")
    root = write_tables(tmp_path, admissions=[row])
    (root / "hosp").rename(root / "core")
    (found,) = linked_columns(root, NOON).to_pylist()
    assert (found["hadm_id"], found["race"]) == (20_000_001, "RACE 1")


def test_without_icu_and_ed_their_columns_are_null_and_a_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_tables(tmp_path, icustays=())
    with caplog.at_level(logging.WARNING):
        (found,) = linked_columns(root, NOON).to_pylist()
    names = ("stay_id", "stay_hits", "ed_stay_id", "ed_stay_hits")
    assert [found[name] for name in names] == [None] * 4
    assert "icu/icustays.csv.gz (nor without .gz): stay_id and stay_hits are null" in caplog.text
    assert "ed_stay_id is null, as no edstays.csv.gz was found" in caplog.text
