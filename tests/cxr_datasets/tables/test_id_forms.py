import random
import re

import pyarrow as pa
import pytest

from cxr_datasets.tables.id_forms import (
    ANY_FORMS,
    IdForm,
    form_named,
    form_of,
    id_column,
    normal_ids,
)
from cxr_datasets.tables.id_forms import odd_value as odd
from indiana_cxr.ids import ID_FORMS as INDIANA
from mimic_cxr_jpg.ids import ID_FORMS as MIMIC

IMAGE, STUDY, PATIENT = MIMIC
DICOM = "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d"


@pytest.mark.parametrize(
    "written",
    [
        DICOM, f"{DICOM}.jpg", f"{DICOM}.dcm", f" {DICOM}\t", f"files/p10/p10000000/s1/{DICOM}.jpg",
        f"p10/p10000000/s50000000/{DICOM}", rf"C:\copy\{DICOM}.png", f"/{DICOM}.dcm.png",
    ],
)  # fmt: skip
def test_an_image_is_known_in_each_form(written):
    form, ids = form_of(pa.array([written, None]), MIMIC)
    assert form is IMAGE
    assert ids.to_pylist() == [DICOM, None]


@pytest.mark.parametrize(
    "written", ["50000001", "s50000001", "p10/p10000000/s50000001.txt", "files/s50000001/",
                "50000001.0", 50000001, 50000001.0]
)  # fmt: skip
def test_a_study_is_known_in_each_form(written):
    form, ids = form_of(pa.array([written]), MIMIC)
    assert form is STUDY
    assert ids.to_pylist() == [50000001]
    assert ids.type == pa.int64()


@pytest.mark.parametrize("written", ["10000001", "p10000001", "files/p10/p10000001", 10000001])
def test_a_patient_is_known_in_each_form(written):
    form, ids = form_of(pa.array([written]), MIMIC)
    assert (form, ids.to_pylist()) == (PATIENT, [10000001])


@pytest.mark.parametrize(
    "written", ["5000000", "500000011", "x50000001", "50000001a", "s 50000001", "", "50000001.5"]
)
def test_what_is_only_like_a_study_is_none(written):
    assert normal_ids(pa.array([written]), STUDY).to_pylist() == [None]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([50000001.5, float("nan"), float("inf"), -50000001.0]),
        pa.array([True, False, None, True]),
        pa.array([[50000001]] * 4),
        pa.nulls(4),
    ],
)
def test_values_of_other_types_are_no_ids(values):
    assert normal_ids(values, STUDY).to_pylist() == [None] * 4


def test_columns_in_chunks_and_dictionaries_are_read():
    chunks = pa.chunked_array([["s50000001"], ["50000002"]])
    assert normal_ids(chunks, STUDY).to_pylist() == [50000001, 50000002]
    encoded = pa.array(["s50000001", "s50000001"]).dictionary_encode()
    assert normal_ids(encoded, STUDY).to_pylist() == [50000001] * 2


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("dicom_id", IMAGE), ("DICOM_ID", IMAGE), ("DicomID", IMAGE), ("image_id", IMAGE),
        ("study_id", STUDY), ("Study ID", STUDY), ("subject_id", PATIENT), ("patient_id", PATIENT),
        ("split", None), ("id", None), ("stay_id", None),
    ],
)  # fmt: skip
def test_the_name_of_a_column_tells_its_ids(name, form):
    assert form_named(name, MIMIC) is form


def test_of_several_columns_the_finest_counts():
    assert id_column(["subject_id", "study_id", "dicom_id"], MIMIC) == ("dicom_id", IMAGE)
    assert id_column(["subject_id", "x", "Study_ID"], MIMIC) == ("Study_ID", STUDY)
    assert id_column(["x", "y"], MIMIC) is None


def test_the_first_value_of_another_kind_is_told():
    values = pa.array(["s50000001", None, "p10000001"])
    form, ids = form_of(values, MIMIC)
    assert form is STUDY
    assert odd(values, ids, MIMIC) == (2, "p10000001, an id of a patient")


def test_a_text_that_is_no_id_is_not_shown():
    values = pa.array(["s50000001", "heart is large"])
    _, ids = form_of(values, MIMIC)
    assert odd(values, ids, MIMIC) == (1, "a text of 14 characters")
    assert form_of(pa.array(["heart is large"]), MIMIC) is None


@pytest.mark.parametrize(
    ("written", "column", "id"),
    [
        ("1_IM-0001-4001.dcm.png", "image_id", "1_IM-0001-4001"),
        ("images/1_IM-0001-4001-0001", "image_id", "1_IM-0001-4001-0001"),
        ("12", "study_id", 12), (12, "study_id", 12), ("CXR12", "study_id", 12),
        ("CXR12_IM-0001-1001", "study_id", 12), ("CXR12_IM-0001/0.png", "study_id", 12),
        ("3/0.png", None, None),
    ],
)  # fmt: skip
def test_indianas_ids_are_known_in_each_form(written, column, id):
    found = form_of(pa.array([written]), INDIANA)
    assert (found and (found[0].column, found[1].to_pylist())) == (column and (column, [id]))


def test_a_dataset_that_declares_no_forms_has_its_ids_as_they_are():
    form, ids = form_of(pa.array(["a/b.c", "7"]), ANY_FORMS)
    assert (form.column, ids.to_pylist()) == ("image_id", ["a/b.c", "7"])
    assert normal_ids(pa.array(["s007"]), ANY_FORMS[1]).to_pylist() == [7]


def slow_id(text, form):
    """The id in a text by the whole rule, with the expressions of Python."""
    for pattern in form.patterns:
        whole = rf"(?:.*[/\\])?(?:{pattern})(?:\.[A-Za-z]+|\.0+)*[/\\]?"
        found = text is not None and re.fullmatch(whole if form.in_path else pattern, text.strip())
        if found:
            return found["id"] if form.column == "image_id" else int(found["id"])
    return None


ANY_IN_PATH = IdForm("image_id", (r"(?P<id>.+)",), "x", in_path=True)


@pytest.mark.parametrize("form", [*MIMIC, *INDIANA, ANY_IN_PATH], ids=lambda form: form.example)
@pytest.mark.parametrize("start", [0, 3])
def test_ids_with_and_without_a_path_in_one_column_are_those_of_the_whole_rule(form, start):
    parts = ["", "/", "\\", ".", "files/p10/", "a.b/", ".jpg", ".0", ".5", "s", "CXR", "x"]
    rng = random.Random(form.example)
    texts = [
        rng.choice(parts)
        + rng.choice([form.example, form.example.lower(), "12"])
        + rng.choice(parts)
        for _ in range(300)
    ]
    texts[::7] = [None] * len(texts[::7])
    texts[5::7] = [form.example] * len(texts[5::7])
    found = normal_ids(pa.array(texts)[start:], form).to_pylist()
    assert found == [slow_id(text, form) for text in texts[start:]]
    assert sum(id is not None for id in found) > 40
    assert None in found
