"""A broken table is refused with an error that says what to do, and nothing is built."""

from __future__ import annotations

import gzip
import logging
import re
from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.errors import ReleaseError, TableError
from cxr_datasets.testing import edit_table, load_rows, read_table, rewrite
from cxr_datasets.testing.expected import LABELS
from tests.mimic_cxr_jpg.bad_input.conftest import (
    CHEXPERT,
    MARKER,
    METADATA,
    NEGBIO,
    RADIOLOGIST,
    SPLIT,
    TABLES,
    refused,
)


def set_cell(file: Path, column: str, value: str, row: int = 1) -> None:
    def edit(table: pd.DataFrame) -> None:
        table.loc[row, column] = value

    edit_table(file, edit)


# --- a table that is not there or not whole -------------------------------------------------------


def test_without_the_split_table_a_folder_is_not_a_copy(root: Path, cache: str) -> None:
    (root / SPLIT).unlink()
    refused(root, cache, ReleaseError, str(root), SPLIT)


def test_without_the_metadata_table_the_error_names_it(root: Path, cache: str) -> None:
    (root / METADATA).unlink()
    (root / NEGBIO).unlink()  # not needed
    message = refused(root, cache, TableError, str(root), METADATA)
    assert NEGBIO not in message


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("keep", [1, 5, 15, 0.1, 0.5, 0.9, -9, -8, -4, -1])
def test_a_gzip_cut_anywhere_is_an_error_that_names_it(
    keep: float, table: str, root: Path, cache: str
) -> None:
    packed = (root / table).read_bytes()
    if not table.endswith(".gz"):
        (root / table).unlink()
        table, packed = table + ".gz", gzip.compress(packed)
    size = int(len(packed) * keep) if isinstance(keep, float) else keep
    rewrite(root / table, packed[:size])
    refused(root, cache, TableError, table, "checksums")


@pytest.mark.parametrize("table", TABLES[:4])
def test_a_gzip_with_a_changed_byte_is_an_error_that_names_it(
    table: str, root: Path, cache: str
) -> None:
    packed = bytearray((root / table).read_bytes())
    packed[-6] ^= 1  # of the checksum at its end
    rewrite(root / table, bytes(packed))
    refused(root, cache, TableError, table, "checksums")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b""), b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n", b"\0" * 512],
    ids=["no byte", "packed nothing", "a web page", "zeros"],
)
def test_a_file_that_is_no_table_is_an_error_that_names_it(
    content: bytes, table: str, root: Path, cache: str
) -> None:
    rewrite(root / table, content)
    refused(root, cache, TableError, table)


@pytest.mark.parametrize("table", TABLES)
def test_a_header_without_rows_is_an_error_that_names_the_table(
    table: str, root: Path, cache: str
) -> None:
    edit_table(root / table, lambda rows: rows.head(0))
    refused(root, cache, TableError, table, "no rows")


@pytest.mark.parametrize("cut", [1, 3, 40])
def test_an_unpacked_table_that_breaks_off_within_a_row_is_an_error(
    cut: int, root: Path, cache: str
) -> None:
    text = gzip.decompress((root / METADATA).read_bytes()).rstrip(b"\n")
    last_row = text.rindex(b"\n")
    (root / METADATA).unlink()
    rewrite(root / METADATA[:-3], text[: last_row + cut + 1])
    refused(root, cache, TableError, METADATA[:-3])


COLUMNS = [
    *((SPLIT, name) for name in ("dicom_id", "study_id", "subject_id", "split")),
    *(
        (METADATA, name)
        for name in (
            *("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription"),
            *("ViewPosition", "Rows", "Columns", "StudyDate", "StudyTime"),
            "ViewCodeSequence_CodeMeaning",
            "PatientOrientationCodeSequence_CodeMeaning",
        )
    ),
    *((table, name) for table in (CHEXPERT, NEGBIO) for name in ("study_id", *LABELS)),
    *(
        (RADIOLOGIST, name)
        for name in ("study_id", "Airspace Opacity", *LABELS)
        if name != "Lung Opacity"
    ),
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_missing_column_is_named_with_its_table(
    table: str, column: str, root: Path, cache: str
) -> None:
    edit_table(root / table, lambda rows: rows.drop(columns=column))
    refused(root, cache, TableError, table, f"has no column '{column}'")


def test_all_missing_columns_are_named_at_once_beside_those_that_are_there(
    root: Path, cache: str
) -> None:
    edit_table(root / CHEXPERT, lambda rows: rows.rename(columns={"Edema": "edema"}))
    edit_table(root / CHEXPERT, lambda rows: rows.rename(columns={"Fracture": "FRACTURE"}))
    refused(
        root, cache, TableError,
        CHEXPERT, "no column 'Edema', 'Fracture'", "'edema'", "'FRACTURE'", "'Pneumonia'",
    )  # fmt: skip


def test_a_header_with_none_of_the_columns_is_not_shown(root: Path, cache: str) -> None:
    edit_table(root / SPLIT, lambda rows: rows.rename(columns=lambda name: MARKER + name))
    refused(root, cache, TableError, SPLIT, "'dicom_id', 'study_id', 'subject_id', 'split'")


# --- a cell with a wrong value --------------------------------------------------------------------

CELLS = [
    (SPLIT, "dicom_id", "../../etc/passwd"),
    (SPLIT, "dicom_id", "/etc/passwd"),
    (SPLIT, "dicom_id", "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d"),
    (SPLIT, "dicom_id", "0A1B2C3D-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d"),
    (SPLIT, "dicom_id", "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d.jpg"),
    (SPLIT, "dicom_id", "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d\n"),
    (SPLIT, "study_id", "123"),
    (SPLIT, "study_id", "-50000000"),
    (SPLIT, "study_id", "60000000"),
    (SPLIT, "study_id", "s50000000"),
    (SPLIT, "study_id", "50000000.5"),
    (SPLIT, "study_id", "99999999999999999999"),
    (SPLIT, "subject_id", "20000000"),
    (SPLIT, "subject_id", "2e7"),
    (SPLIT, "subject_id", "9999999"),
    (SPLIT, "subject_id", "../../etc"),
    (SPLIT, "split", "dev"),
    (SPLIT, "split", "validation"),
    (SPLIT, "split", "Train"),
    (SPLIT, "split", "train "),
    (METADATA, "subject_id", "p10000000"),
    (METADATA, "study_id", "fifty"),
    (METADATA, "Rows", "0"),
    (METADATA, "Rows", "-3056"),
    (METADATA, "Rows", "65536"),
    (METADATA, "Columns", "2544.5"),
    (METADATA, "Columns", "wide"),
    (METADATA, "StudyDate", "21000231"),
    (METADATA, "StudyDate", "2100-02-01"),
    (METADATA, "StudyDate", "0"),
    (METADATA, "StudyTime", "256199.0"),
    (METADATA, "StudyTime", "08:05:56"),
    (METADATA, "StudyTime", "-1.0"),
    (METADATA, "StudyTime", "inf"),
    *(
        (table, label, value)
        for table in (CHEXPERT, NEGBIO, RADIOLOGIST)
        for label, value in (("Edema", "2.0"), ("No Finding", "0.5"), ("Pneumonia", "-2.0"),
                             ("Edema", "yes"))
    ),
    *((table, "study_id", "s50000000") for table in (CHEXPERT, NEGBIO, RADIOLOGIST)),
    (RADIOLOGIST, "Airspace Opacity", "3.0"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "value"), CELLS)
def test_a_value_out_of_its_range_is_shown_with_its_table_and_column(
    table: str, column: str, value: str, root: Path, cache: str
) -> None:
    set_cell(root / table, column, value)
    message = refused(root, cache, TableError, table, f"'{column}'")
    # A number may be shown in another form. Text is never shown.
    number = re.fullmatch(r"(-?\d+)(\.0)?|-?\d+\.\d+", value)
    kinds = (f"a text of {len(value)} characters", "a value of type float")
    shown = (f"'{value}'", f"'{number[1]}'") if number else kinds
    assert any(one in message for one in shown)


RESAVED = [
    (SPLIT, "study_id", "5.0E+07"),
    (SPLIT, "subject_id", "10,000,032"),
    (METADATA, "StudyDate", "2100-02-01"),
    (METADATA, "StudyDate", "2/1/2100"),
    (METADATA, "StudyTime", "8.06E+04"),
    (METADATA, "StudyTime", "8:05:57"),
    (METADATA, "Rows", "2,544"),
    *((table, "study_id", "5.00E+07") for table in (CHEXPERT, NEGBIO, RADIOLOGIST)),
    (CHEXPERT, "Edema", "1,0"),
]


@pytest.mark.parametrize(("table", "column", "value"), RESAVED)
def test_what_a_spreadsheet_changed_is_named_as_such_and_not_to_be_fetched_again(
    table: str, column: str, value: str, root: Path, cache: str
) -> None:
    set_cell(root / table, column, value)
    message = refused(root, cache, TableError, table, f"'{column}'", "characters", "Re-saving")
    assert value not in message
    assert "fetch" not in message


def test_a_table_with_semicolons_is_named_as_one_that_was_saved_again(
    root: Path, cache: str
) -> None:
    text = gzip.decompress((root / SPLIT).read_bytes()).replace(b",", b";")
    rewrite(root / SPLIT, gzip.compress(text))
    refused(root, cache, TableError, SPLIT, "semicolons", "Re-saving")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((SPLIT, column) for column in ("dicom_id", "study_id", "subject_id", "split")),
        *((METADATA, column) for column in ("dicom_id", "study_id", "subject_id")),
        *((table, "study_id") for table in (CHEXPERT, NEGBIO, RADIOLOGIST)),
    ],
)
def test_an_empty_cell_in_a_column_that_must_be_filled_is_named(
    table: str, column: str, root: Path, cache: str
) -> None:
    set_cell(root / table, column, "")
    refused(root, cache, TableError, table, f"'{column}' is empty in 1 of", "row 2")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (SPLIT, "dicom_id"), (METADATA, "dicom_id"),
        (CHEXPERT, "study_id"), (NEGBIO, "study_id"), (RADIOLOGIST, "study_id"),
    ],
)  # fmt: skip
def test_the_rows_of_a_repeated_key_are_named(table: str, key: str, root: Path, cache: str) -> None:
    edit_table(root / table, lambda rows: pd.concat([rows, rows.iloc[[1]]]))
    refused(root, cache, TableError, table, f"'{key}'", "(2 rows, such as 2 and ")


def test_a_row_with_too_many_cells_is_an_error_that_does_not_quote_it(
    root: Path, cache: str
) -> None:
    text = gzip.decompress((root / METADATA).read_bytes()).replace(b"\n", b"\n,", 2)
    rewrite(root / METADATA, gzip.compress(text))
    refused(root, cache, TableError, METADATA, "columns")


def test_a_quote_that_is_never_closed_is_an_error_that_does_not_quote_it(
    root: Path, cache: str
) -> None:
    text = gzip.decompress((root / METADATA).read_bytes())
    rewrite(root / METADATA, gzip.compress(text.replace(MARKER.encode(), f'"{MARKER}'.encode(), 1)))
    refused(root, cache, TableError, METADATA)


def test_a_text_that_is_not_utf_8_is_an_error_that_names_the_column(root: Path, cache: str) -> None:
    text = gzip.decompress((root / METADATA).read_bytes())
    rewrite(root / METADATA, gzip.compress(text.replace(MARKER.encode(), b"\xff\xfe", 1)))
    refused(root, cache, TableError, METADATA, "'PerformedProcedureStepDescription'")


# --- tables that contradict each other ------------------------------------------------------------


def test_an_image_without_a_metadata_row_is_an_error_that_names_it(root: Path, cache: str) -> None:
    gone = read_table(root / METADATA).dicom_id[3]
    edit_table(root / METADATA, lambda rows: rows[rows.dicom_id != gone])
    refused(root, cache, TableError, METADATA, SPLIT, "1 images", gone)


@pytest.mark.parametrize("column", ["study_id", "subject_id"])
def test_metadata_that_contradicts_the_split_table_is_an_error_that_names_the_image(
    column: str, root: Path, cache: str
) -> None:
    rows = read_table(root / METADATA)
    other = next(value for value in rows[column] if value != rows[column][1])
    set_cell(root / METADATA, column, other)
    refused(
        root, cache, TableError,
        METADATA, SPLIT, rows.dicom_id[1], column, other, rows[column][1],
    )  # fmt: skip


def test_a_patient_in_two_splits_is_an_error_that_names_the_patient(root: Path, cache: str) -> None:
    rows = read_table(root / SPLIT)
    train = rows[rows.split == "train"]
    row = train.index[train.subject_id.duplicated(keep=False)][0]
    set_cell(root / SPLIT, "split", "test", row)
    refused(root, cache, TableError, SPLIT, f"subject_id {rows.subject_id[row]}", "split")


def test_a_study_of_two_patients_is_an_error_that_names_the_study(root: Path, cache: str) -> None:
    rows = read_table(root / SPLIT)
    train = rows[rows.split == "train"]
    row = train.index[train.study_id.duplicated(keep=False)][0]
    other = next(subject for subject in train.subject_id if subject != rows.subject_id[row])
    for table in (SPLIT, METADATA):  # both agree, and both are wrong
        position = read_table(root / table).dicom_id.eq(rows.dicom_id[row]).idxmax()
        set_cell(root / table, "subject_id", other, position)
    refused(root, cache, TableError, SPLIT, f"study_id {rows.study_id[row]}", "subject_id")


@pytest.mark.parametrize("table", [CHEXPERT, NEGBIO, RADIOLOGIST])
def test_labels_of_another_patient_are_an_error_that_names_file_column_and_study(
    table: str, root: Path, cache: str
) -> None:
    labels, spine = read_table(root / table), read_table(root / SPLIT)
    owner = dict(zip(spine.study_id, spine.subject_id, strict=True))
    edit_table(root / table, lambda rows: rows.assign(subject_id=rows.study_id.map(owner)))
    study = labels.study_id[1]
    other = next(subject for subject in spine.subject_id if subject != owner[study])
    set_cell(root / table, "subject_id", other)
    refused(
        root, cache, TableError,
        table, SPLIT, f"study_id {study}", f"subject_id {other}", owner[study],
    )  # fmt: skip


def test_labels_need_no_patient(root: Path, cache: str) -> None:
    expected = load_rows("mimic_cxr_jpg", root, cache)
    for table in (CHEXPERT, NEGBIO):
        edit_table(root / table, lambda rows: rows.drop(columns="subject_id"))
    assert load_rows("mimic_cxr_jpg", root, cache) == expected


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((table, "study_id") for table in TABLES),
        *((SPLIT, column) for column in ("dicom_id", "subject_id", "split")),
        *((METADATA, column) for column in ("Rows", "StudyDate", "ViewPosition", "of no use")),
        *((table, "Edema") for table in (CHEXPERT, NEGBIO, RADIOLOGIST)),
        (CHEXPERT, "subject_id"),
    ],
)
def test_a_column_that_stands_twice_is_an_error_that_names_it(
    table: str, column: str, root: Path, cache: str
) -> None:
    def repeat(rows: pd.DataFrame) -> pd.DataFrame:
        again = rows[[column]] if column in rows else rows.iloc[:, :1].set_axis([column], axis=1)
        return pd.concat([again, rows, again], axis=1)

    edit_table(root / table, repeat)
    # A name that is none of the release's may be a patient's cell.
    named = "column number 1" if column == "of no use" else f"column '{column}'"
    refused(root, cache, TableError, table, f"{named} more than once")


def only_line(caplog: pytest.LogCaptureFixture) -> str:
    """What was said of tables: studies without a report have a line of their own."""
    others = ("datasets.", "mimic_cxr_jpg.reports.")
    (record,) = [record for record in caplog.records if not record.name.startswith(others)]
    assert record.levelno == logging.WARNING
    return record.getMessage()


def test_a_split_table_cut_at_the_end_of_a_line_is_told_by_what_the_others_have_more(
    root: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = load_rows("mimic_cxr_jpg", root, cache)
    caplog.clear()
    edit_table(root / SPLIT, lambda rows: rows.iloc[:-5])
    spine = read_table(root / SPLIT)
    kept = [row for row in whole if row["image_id"] in set(spine.dicom_id)]
    assert load_rows("mimic_cxr_jpg", root, cache) == kept
    message = only_line(caplog)
    assert message.startswith(f"5 of {len(spine) + 5} rows of {root / METADATA}")
    assert f"that {root / SPLIT} does not list" in message
    for table in (CHEXPERT, NEGBIO):
        labels = read_table(root / table)
        surplus = (~labels.study_id.isin(spine.study_id)).sum()
        assert (f"{surplus} of {len(labels)} rows of {root / table}" in message) == bool(surplus)


def test_a_table_of_labels_cut_at_the_end_of_a_line_is_told_by_the_studies_it_lacks(
    root: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    edit_table(root / NEGBIO, lambda rows: rows.iloc[:-12])
    load_rows("mimic_cxr_jpg", root, cache)
    studies, labelled = read_table(root / SPLIT).study_id, read_table(root / NEGBIO).study_id
    lacking = len(set(studies) - set(labelled))
    message = only_line(caplog)
    assert message.startswith(f"{lacking} of {studies.nunique()} studies have no row in")
    assert str(root / NEGBIO) in message
    assert CHEXPERT not in message
    assert RADIOLOGIST not in message


def test_label_rows_of_studies_that_the_split_table_does_not_have_are_ignored_in_one_warning(
    root: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_rows("mimic_cxr_jpg", root, cache)
    caplog.clear()
    for table, ids in ((CHEXPERT, ("59999991", "123")), (NEGBIO, ("59999991",))):
        extra = read_table(root / table).iloc[: len(ids)].assign(study_id=ids)
        edit_table(root / table, lambda rows, extra=extra: pd.concat([extra, rows]))
    assert load_rows("mimic_cxr_jpg", root, cache) == expected
    message = only_line(caplog)
    for count, table in ((2, CHEXPERT), (1, NEGBIO)):
        assert f"{count} of {len(read_table(root / table))} rows of {root / table}" in message
    assert RADIOLOGIST not in message
    assert str(root / SPLIT) in message
