"""What misleads a loader about the order of studies is in every invented release."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mimic_cxr_jpg.synthetic.studies import draw_studies
from mimic_cxr_jpg.synthetic.times import ENOUGH_PATIENTS, arrange_times
from tests.mimic_cxr_jpg.expected import VIEW_OF, zipped_texts
from tests.mimic_cxr_jpg.synthetic.conftest import tables


@pytest.fixture(scope="module")
def images(root: Path) -> pd.DataFrame:
    metadata = tables(root)["metadata"]
    metadata["time"] = metadata.StudyTime.astype(float).round(3)
    return metadata


@pytest.fixture(scope="module")
def studies(root: Path, images: pd.DataFrame) -> pd.DataFrame:
    """A row a study, with its earliest time, in the order of time."""
    images["frontal"] = images.ViewPosition.map(VIEW_OF).eq(0)
    rows = images.groupby("study_id", as_index=False).agg(
        subject_id=("subject_id", "first"), date=("StudyDate", "first"), time=("time", "min"),
        frontal=("frontal", "any"),
    )  # fmt: skip
    rows["report"] = rows.study_id.isin(list(zipped_texts(root / "mimic-cxr-reports.zip")))
    rows = rows.sort_values(["subject_id", "date", "time", "study_id"])
    rows["is_last"] = ~rows.duplicated("subject_id", keep="last")
    return rows


def test_two_studies_of_a_patient_have_the_same_date_and_time(studies: pd.DataFrame) -> None:
    assert studies.duplicated(["subject_id", "date", "time"]).sum() == 1


def test_images_of_a_study_differ_in_their_times_in_all_but_small_releases(
    images: pd.DataFrame,
) -> None:
    enough = images.subject_id.nunique() >= ENOUGH_PATIENTS
    assert (images.groupby("study_id").time.nunique() > 1).sum() == enough


@pytest.mark.parametrize("column", ["frontal", "report"])
def test_a_study_without_it_comes_before_another(studies: pd.DataFrame, column: str) -> None:
    assert (~studies[column] & ~studies.is_last).any()


@pytest.mark.parametrize("patients", [10, ENOUGH_PATIENTS])
@pytest.mark.parametrize("seed", range(10))
def test_ten_patients_are_enough_and_twenty_for_images_of_several_times(
    seed: int, patients: int
) -> None:
    drawn = draw_studies(patients, seed, 1 / 64)
    arrange_times(drawn)
    moments = [(study.subject_id, study.date, study.time) for study in drawn]
    assert len(moments) - len(set(moments)) == 1
    last = {study.subject_id: study for study in sorted(drawn, key=lambda one: (
        one.date, one.time, one.study_id))}  # fmt: skip
    before = [study for study in drawn if last[study.subject_id] is not study]
    assert any(study.report is None for study in before)
    assert any(all(VIEW_OF.get(one.view) != 0 for one in study.images) for study in before)
    spread = sum(len({image.time for image in study.images}) > 1 for study in drawn)
    assert spread == (patients == ENOUGH_PATIENTS)
