"""The tables of the invented release are true to every fact that a loader can stumble over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr_datasets.testing import read_table
from mimic_cxr_jpg.synthetic import write_release
from tests.mimic_cxr_jpg.synthetic.conftest import tables

VIEWS = {
    *("AP", "PA", "LATERAL", "LL", "PA LLD", "LAO", "RAO", "AP AXIAL", "AP LLD"),
    *("XTABLE LATERAL", "AP RLD", "SWIMMERS", "PA RLD", "LPO", ""),
}


def test_headers_are_those_of_the_release(root: Path) -> None:
    found = {name: ",".join(table.columns) for name, table in tables(root).items()}
    labels = (
        "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,"
        "Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,"
        "Pleural Other,Pneumonia,Pneumothorax,Support Devices"
    )
    assert found == {
        "metadata": "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,"
        "Rows,Columns,StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,"
        "ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning",
        "split": "dicom_id,study_id,subject_id,split",
        "chexpert": labels,
        "negbio": labels,
    }


def test_ids_have_their_forms_and_are_unique(root: Path) -> None:
    metadata = tables(root)["metadata"]
    assert metadata.dicom_id.str.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}").all()
    assert metadata.subject_id.str.fullmatch(r"1\d{7}").all()
    assert metadata.study_id.str.fullmatch(r"5\d{7}").all()
    assert metadata.dicom_id.is_unique
    assert metadata.groupby("study_id").subject_id.nunique().max() == 1


def test_tables_cover_the_same_images_in_different_orders(root: Path) -> None:
    metadata, split = tables(root)["metadata"], tables(root)["split"]
    keys = ["dicom_id", "study_id", "subject_id"]
    assert set(map(tuple, metadata[keys].values)) == set(map(tuple, split[keys].values))
    assert list(metadata.dicom_id) != list(split.dicom_id)
    assert list(metadata.dicom_id) != sorted(metadata.dicom_id)
    chexpert, negbio = tables(root)["chexpert"], tables(root)["negbio"]
    assert set(chexpert.study_id) == set(negbio.study_id)
    assert list(chexpert.study_id) != list(negbio.study_id)


def test_ids_do_not_follow_time(root: Path) -> None:
    metadata = tables(root)["metadata"].drop_duplicates("study_id").sort_values("study_id")
    assert not metadata.StudyDate.is_monotonic_increasing


def test_every_view_position_occurs_and_is_blank_together_with_its_code(root: Path) -> None:
    metadata = tables(root)["metadata"]
    assert set(metadata.ViewPosition) == VIEWS
    blank = metadata.ViewPosition == ""
    assert (blank == (metadata.ViewCodeSequence_CodeMeaning == "")).all()


def test_orientation_is_erect_recumbent_or_blank(root: Path) -> None:
    orientation = tables(root)["metadata"].PatientOrientationCodeSequence_CodeMeaning
    assert set(orientation) == {"Erect", "Recumbent", ""}


def test_studies_have_one_to_four_images_in_every_difficult_combination(root: Path) -> None:
    views = tables(root)["metadata"].groupby("study_id").ViewPosition
    assert {1, 2, 3, 4} == set(views.size())
    combinations = {tuple(sorted(group)) for _, group in views}
    assert combinations >= {
        *(("LATERAL", "PA"), ("AP",), ("LATERAL", "LL"), ("",), ("", "")),
        *(("AP", "AP", "LATERAL"), ("", "LATERAL", "PA")),
    }


def test_dates_are_whole_numbers_of_2100_to_2200_and_one_a_study(root: Path) -> None:
    metadata = tables(root)["metadata"]
    dates = pd.to_datetime(metadata.StudyDate, format="%Y%m%d")
    assert dates.dt.year.between(2100, 2200).all()
    assert metadata.groupby("study_id").StudyDate.nunique().max() == 1


def test_times_lost_their_zeros_and_carry_float_noise_but_no_information_is_lost(
    root: Path,
) -> None:
    times = tables(root)["metadata"].StudyTime
    assert times.str.fullmatch(r"\d{1,6}\.\d+").all()
    whole = times.str.partition(".")[0]
    assert (whole.str.len() < 5).any()
    assert (whole.str.len() == 5).any()
    assert (whole.str.len() == 6).any()
    decimals = times.str.partition(".")[2]
    assert (decimals.str.len() > 8).any()
    assert (decimals == "0").any()
    rounded = times.astype(float).map("{:010.3f}".format)
    assert rounded.str.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d\.\d{3}").all()
    assert np.allclose(rounded.astype(float), times.astype(float), rtol=0, atol=1e-6)


def test_splits_are_all_there_and_disjoint_by_patient(root: Path) -> None:
    split = tables(root)["split"]
    assert set(split.split) == {"train", "validate", "test"}
    assert split.groupby("subject_id").split.nunique().max() == 1
    assert split.groupby("subject_id").study_id.nunique().max() > 1


def test_three_patients_are_enough_for_three_splits(tmp_path: Path) -> None:
    split = tables(write_release(tmp_path, patients=3))["split"]
    assert set(split.split) == {"train", "validate", "test"}
    assert split.subject_id.nunique() == 3


@pytest.mark.parametrize("table", ["chexpert", "negbio"])
def test_labels_have_the_text_forms_of_the_release(root: Path, table: str) -> None:
    labels = tables(root)[table]
    assert set(np.unique(labels.iloc[:, 2:].values.astype(str))) == {"1.0", "0.0", "-1.0", ""}
    assert set(labels["No Finding"]) == {"1.0", ""}
    assert labels.study_id.is_unique


@pytest.mark.parametrize("table", ["chexpert", "negbio"])
def test_no_finding_stands_with_no_finding_but_support_devices(root: Path, table: str) -> None:
    labels = tables(root)[table].query("`No Finding` == '1.0'")
    others = labels.iloc[:, 2:].drop(columns=["No Finding", "Support Devices"])
    assert set(np.unique(others.values.astype(str))) <= {"0.0", ""}


def test_a_few_train_studies_have_a_label_row_in_neither_table(root: Path) -> None:
    all_tables = tables(root)
    split = all_tables["split"]
    unlabelled = ~split.study_id.isin(all_tables["chexpert"].study_id)
    assert (unlabelled == ~split.study_id.isin(all_tables["negbio"].study_id)).all()
    assert set(split.split[unlabelled]) == {"train"}
    assert 2 <= split.study_id[unlabelled].nunique() <= 3


def test_some_chexpert_rows_are_blank_and_no_negbio_row_is(root: Path) -> None:
    chexpert, negbio = (tables(root)[name].iloc[:, 2:] for name in ("chexpert", "negbio"))
    blank = (chexpert == "").all(axis=1)
    assert 0 < blank.sum() < len(blank) / 4
    assert not (negbio == "").all(axis=1).any()


def test_the_two_labellers_mostly_but_not_always_agree(default_root: Path) -> None:
    chexpert, negbio = (
        tables(default_root)[name].set_index("study_id").sort_index()
        for name in ("chexpert", "negbio")
    )
    same = (chexpert == negbio).all(axis=1)
    assert 0.5 < same.mean() < 1


def test_every_label_takes_every_value_at_the_default_size(default_root: Path) -> None:
    labels = tables(default_root)["chexpert"].iloc[:, 2:].drop(columns="No Finding")
    for name, column in labels.items():
        assert set(column) == {"1.0", "0.0", "-1.0", ""}, name


def test_radiologists_labels_cover_a_part_of_the_test_studies_in_their_own_form(root: Path) -> None:
    raw = (root / "mimic-cxr-2.1.0-test-set-labeled.csv").read_bytes()
    assert raw.startswith(b"study_id,")
    labels = read_table(root / "mimic-cxr-2.1.0-test-set-labeled.csv")
    chexpert = tables(root)["chexpert"]
    assert len(labels.columns) == 15
    renamed = labels.rename(columns={"Airspace Opacity": "Lung Opacity"}).columns
    assert set(renamed) == set(chexpert.columns) - {"subject_id"}
    assert list(renamed[1:]) != list(chexpert.columns[2:])
    split = tables(root)["split"]
    assert set(labels.study_id) < set(split.study_id[split.split == "test"])
    assert len(labels) > 0
    assert set(np.unique(labels.iloc[:, 1:].values.astype(str))) <= {"1.0", "0.0", "-1.0", ""}
