"""A broken copy of MIMIC-CXR-JPG is refused with an error that says what to do, and not built."""

from __future__ import annotations

import ctypes
import gzip
import io
import logging
import os
import re
import shutil
import stat
import tarfile
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from cxr_datasets.errors import CxrError, ReleaseError, ReportsError, TableError
from cxr_datasets.testing import (
    copy_release,
    datasets_under,
    edit_table,
    load_rows,
    read_table,
    rewrite,
)
from cxr_datasets.testing.expected import LABELS

MARKER = "MARKERofsomebodysreport"
ZIP = "mimic-cxr-reports.zip"
TAR = "mimic-cxr-reports.tar.gz"
SPLIT = "mimic-cxr-2.0.0-split.csv.gz"
METADATA = "mimic-cxr-2.0.0-metadata.csv.gz"
CHEXPERT = "mimic-cxr-2.0.0-chexpert.csv.gz"
NEGBIO = "mimic-cxr-2.0.0-negbio.csv.gz"
RADIOLOGIST = "mimic-cxr-2.1.0-test-set-labeled.csv"
TABLES = (SPLIT, METADATA, CHEXPERT, NEGBIO, RADIOLOGIST)
NEXT_STEP = re.compile(r"(?i)\b(fetch|pass|check|correct|remove|choose|use|see|put|load)\b")


@pytest.fixture(scope="module")
def marked(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good release with a marker in every report and in a text cell of every row."""
    root = copy_release(small_release, tmp_path_factory.mktemp("marked") / "release")
    edit_table(
        root / METADATA, lambda table: table.assign(PerformedProcedureStepDescription=MARKER)
    )
    with zipfile.ZipFile(root / ZIP) as archive:
        texts = {name: archive.read(name) for name in archive.namelist() if name.endswith(".txt")}
    write_zip(root / ZIP, {name: f" {MARKER}\n".encode() + text for name, text in texts.items()})
    return root


@pytest.fixture
def root(marked: Path, tmp_path: Path) -> Path:
    return copy_release(marked, tmp_path / "release")


@pytest.fixture(autouse=True)
def _no_text_of_a_report_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    yield
    printed = capfd.readouterr()
    assert MARKER not in caplog.text + printed.out + printed.err


def write_zip(file: Path, texts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text, method)
    rewrite(file, stream.getvalue())


def write_tar(file: Path, texts: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    rewrite(file, stream.getvalue())


def texts_of(root: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(root / ZIP) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load_everything(data_dir: Any, cache: str, streaming: bool = False, **options: Any) -> int:
    """Load all rows, but no pixels."""
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=data_dir, cache_dir=cache, streaming=streaming, **options
    )
    batches = (batch for split in splits.values() for batch in split.with_format("arrow").iter(100))
    return sum(batch.num_rows for batch in batches)


def refused(data_dir: Any, cache: str, error: type[CxrError], *parts: str, **options: Any) -> str:
    """Check that loading fails as it must, built or streamed; returns the message.

    Args:
        data_dir: What is loaded.
        cache: Nothing of a dataset may be in it afterwards.
        error: The class, exactly.
        parts: What the message must name.
        options: Of `load_dataset`.
    """
    messages = []
    for streaming in (False, True):
        data_dir = None if data_dir is None else str(data_dir)
        with pytest.raises(CxrError) as caught:
            load_everything(data_dir, cache, streaming, **options)
        assert caught.type is error, caught.value
        message = str(caught.value)
        for part in parts:
            assert part in message
        assert NEXT_STEP.search(message), message
        assert len(message) < 1000
        assert MARKER not in "".join(traceback.format_exception(caught.value))
        assert datasets_under(cache) == []
        messages.append(message)
    assert messages[0] == messages[1]
    return messages[0]


def set_cell(file: Path, column: str, value: str, row: int = 1) -> None:
    def edit(table: pd.DataFrame) -> None:
        table.loc[row, column] = value

    edit_table(file, edit)


def test_the_marked_release_itself_is_good(root: Path, cache: str) -> None:
    rows = load_rows("mimic_cxr_jpg", root, cache)
    assert {row["procedure"] for row in rows} == {MARKER}
    assert any(MARKER in (row["report"] or "") for row in rows)


# --- the folder -----------------------------------------------------------------------------------


@pytest.mark.parametrize("data_dir", [None, ""])
def test_no_data_dir_is_an_error_that_says_what_to_pass(data_dir: str | None, cache: str) -> None:
    refused(
        data_dir, cache, ReleaseError,
        "MIMIC-CXR-JPG", "data_dir=", "https://physionet.org/content/mimic-cxr-jpg/",
    )  # fmt: skip


def test_a_data_dir_that_does_not_exist_is_named(tmp_path: Path, cache: str) -> None:
    absent = tmp_path / "absent" / "folder"
    refused(absent, cache, ReleaseError, str(absent), "does not exist", "https://physionet.org")


def test_an_empty_folder_is_named(tmp_path: Path, cache: str) -> None:
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", cache, ReleaseError, str(tmp_path / "nothing"), "is empty")


@pytest.mark.parametrize("name", [SPLIT, ZIP, "IMAGE_FILENAMES"])
def test_a_file_is_no_data_dir(name: str, root: Path, cache: str) -> None:
    refused(root / name, cache, ReleaseError, str(root / name), "folder")


def test_a_broken_zip_is_no_data_dir(tmp_path: Path, cache: str) -> None:
    rewrite(tmp_path / "mimic.zip", b"PK\x03\x04 and no more")
    refused(tmp_path / "mimic.zip", cache, ReleaseError, "mimic.zip", "no zip archive")


def test_the_indiana_folder_is_not_mimic(indiana_release: Path, cache: str) -> None:
    refused(
        indiana_release, cache, ReleaseError,
        str(indiana_release), "not a copy of MIMIC-CXR-JPG", SPLIT, "indiana_projections.csv",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["cxr-record-list.csv.gz", "cxr-study-list.csv.gz"])
def test_the_dicom_project_is_told_from_the_jpg_project(
    name: str, tmp_path: Path, cache: str
) -> None:
    rewrite(tmp_path / "mimic-cxr" / name, gzip.compress(b"subject_id,study_id\n"))
    refused(
        tmp_path / "mimic-cxr", cache, ReleaseError,
        SPLIT, name, "This is MIMIC-CXR", "reports=", "mimic-cxr-jpg/",
    )  # fmt: skip


@pytest.mark.parametrize("release", ["2.1.0", "2.0.0"])
@pytest.mark.parametrize("up", ["..", "../..", "../../..", "../../../.."])
def test_a_folder_above_the_release_is_an_error_that_names_the_right_one(
    up: str, release: str, marked: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(marked, tmp_path / "physionet.org/files/mimic-cxr-jpg" / release)
    above = Path(os.path.normpath(root / up))
    refused(above, cache, ReleaseError, str(above), SPLIT, f"The tables are in {root}: pass that")


def test_the_folder_of_images_alone_is_an_error_that_names_the_split_table(
    root: Path, cache: str
) -> None:
    refused(root / "files", cache, ReleaseError, str(root / "files"), SPLIT)


def test_many_names_in_a_wrong_folder_are_cut_short(tmp_path: Path, cache: str) -> None:
    for number in range(50):
        rewrite(tmp_path / "wrong" / f"file{number:02}", b"x")
    refused(tmp_path / "wrong", cache, ReleaseError, "file00", "and 42 more")


# --- a table that is not there or not whole -------------------------------------------------------


def test_without_the_split_table_a_folder_is_not_a_copy(root: Path, cache: str) -> None:
    (root / SPLIT).unlink()
    refused(root, cache, ReleaseError, str(root), SPLIT)


@pytest.mark.parametrize("table", [METADATA, CHEXPERT, NEGBIO])
def test_a_missing_table_is_named(table: str, root: Path, cache: str) -> None:
    (root / table).unlink()
    refused(root, cache, TableError, str(root), table)


def test_all_missing_tables_are_named_at_once(root: Path, cache: str) -> None:
    (root / METADATA).unlink()
    (root / NEGBIO).unlink()
    refused(root, cache, TableError, METADATA, NEGBIO)


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
def test_a_table_that_is_none_is_an_error_that_names_it(
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


# --- a cell that must not be ----------------------------------------------------------------------

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
    (SPLIT, "study_id", "50000000.0"),
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
    (METADATA, "StudyTime", "nan"),
    (METADATA, "StudyTime", "inf"),
    *(
        (table, label, value)
        for table in (CHEXPERT, NEGBIO, RADIOLOGIST)
        for label, value in (("Edema", "2.0"), ("No Finding", "0.5"), ("Pneumonia", "-2.0"),
                             ("Edema", "yes"), ("Edema", "nan"))
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
    # Some are shown as the number they are; text where a number must be is not shown at all.
    shown = (value.strip(), re.sub(r"\.0$", "", value), "found text")
    assert any(one in message for one in shown)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((SPLIT, column) for column in ("dicom_id", "study_id", "subject_id", "split")),
        *((METADATA, column) for column in ("dicom_id", "study_id", "subject_id")),
        *((table, "study_id") for table in (CHEXPERT, NEGBIO, RADIOLOGIST)),
    ],
)
def test_an_empty_cell_where_a_value_must_be_is_named(
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
def test_a_key_that_stands_twice_is_named(table: str, key: str, root: Path, cache: str) -> None:
    twice = read_table(root / table)[key][1]
    edit_table(root / table, lambda rows: pd.concat([rows, rows.iloc[[1]]]))
    refused(root, cache, TableError, table, f"'{key}'", twice, "2 rows")


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


def test_label_rows_of_studies_that_the_split_table_does_not_have_are_ignored_in_one_warning(
    root: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_rows("mimic_cxr_jpg", root, cache)
    caplog.clear()
    for table, ids in ((CHEXPERT, ("59999991", "123")), (NEGBIO, ("59999991",))):
        extra = read_table(root / table).iloc[: len(ids)].assign(study_id=ids)
        edit_table(root / table, lambda rows, extra=extra: pd.concat([extra, rows]))
    assert load_rows("mimic_cxr_jpg", root, cache) == expected
    (record,) = [record for record in caplog.records if not record.name.startswith("datasets.")]
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert f"2 in {root / CHEXPERT}" in message
    assert f"1 in {root / NEGBIO}" in message
    assert RADIOLOGIST not in message
    assert str(root / SPLIT) in message


# --- reports --------------------------------------------------------------------------------------


def with_reports(root: Path, name: str, content: bytes) -> None:
    (root / ZIP).unlink(missing_ok=True)
    rewrite(root / name, content)


@pytest.mark.parametrize("name", [ZIP, TAR])
@pytest.mark.parametrize(
    "content",
    [b"<html>Log in</html>", MARKER.encode() * 1000, b"\0" * 4096, gzip.compress(b"\1" * 4096)],
    ids=["a web page", "text", "zeros", "packed text"],
)
def test_a_reports_archive_that_is_none_is_named(
    content: bytes, name: str, root: Path, cache: str
) -> None:
    with_reports(root, name, content)
    refused(root, cache, ReportsError, str(root / name), "Fetch the reports again")


@pytest.mark.parametrize("keep", [30, 0.2, 0.5, 0.9, -100, -23, -1])
def test_a_zip_of_reports_cut_anywhere_is_named(keep: float, root: Path, cache: str) -> None:
    content = (root / ZIP).read_bytes()
    size = int(len(content) * keep) if isinstance(keep, float) else keep
    with_reports(root, ZIP, content[:size])
    refused(root, cache, ReportsError, str(root / ZIP), "Fetch the reports again")


@pytest.mark.parametrize("keep", [30, 0.2, 0.5, 0.9, -9, -5, -1])
def test_a_tar_gz_of_reports_cut_anywhere_is_named(keep: float, root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    content = (root / TAR).read_bytes()
    size = int(len(content) * keep) if isinstance(keep, float) else keep
    with_reports(root, TAR, content[:size])
    refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


def test_a_tar_of_reports_cut_before_it_was_packed_is_named(root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    unpacked = gzip.decompress((root / TAR).read_bytes()).rstrip(b"\0")
    for size in (511, 512, len(unpacked) // 2, len(unpacked) - 1):
        with_reports(root, TAR, gzip.compress(unpacked[:size]))
        refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    "name",
    [
        "../x.txt",
        "../../etc/passwd",
        "files/../../x.txt",
        "files/p10/..",
        "/etc/passwd",
        "\\windows\\x.txt",
        "files\\..\\..\\x.txt",
        "C:\\windows\\x.txt",
    ],
)
def test_a_member_that_leads_outside_the_archive_is_shown(
    name: str, form: str, root: Path, cache: str
) -> None:
    texts = {**texts_of(root), name: MARKER.encode()}
    if form == "zip":
        write_zip(root / ZIP, texts)
    else:
        (root / ZIP).unlink()
        write_tar(root / TAR, texts)
    file = ZIP if form == "zip" else TAR
    refused(root, cache, ReportsError, str(root / file), repr(name), "outside")


def corrupt(stored: bool, where: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        write_zip(root / ZIP, texts_of(root), method)
        content = bytearray((root / ZIP).read_bytes())
        with zipfile.ZipFile(root / ZIP) as archive:
            member = archive.infolist()[0]
        name_size = len(member.filename)
        place = {
            "its text": member.header_offset + 30 + name_size + 20,
            "its header": member.header_offset,
        }[where]
        content[place] ^= 0x20
        rewrite(root / ZIP, bytes(content))

    return change


@pytest.mark.parametrize("num_proc", [None, 2])
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("where", ["its text", "its header"])
def test_a_corrupted_member_is_an_error_and_no_dataset_is_left(
    where: str, stored: bool, num_proc: int | None, root: Path, cache: str
) -> None:
    corrupt(stored, where)(root)
    options = {} if num_proc is None else {"num_proc": num_proc}
    if num_proc is None:
        refused(root, cache, ReportsError, str(root / ZIP), "Fetch the reports again")
    with pytest.raises(ReportsError, match=ZIP) as caught:
        load_everything(str(root), cache, **options)
    assert MARKER not in "".join(traceback.format_exception(caught.value))
    assert datasets_under(cache) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_by_a_method_that_is_not_read_is_named(
    method: int, root: Path, cache: str
) -> None:
    write_zip(root / ZIP, texts_of(root), method)
    refused(root, cache, ReportsError, str(root / ZIP), f"method {method}")


def test_a_tar_gz_with_a_changed_byte_is_named(root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    content = bytearray((root / TAR).read_bytes())
    content[-6] ^= 1  # of the checksum at its end
    with_reports(root, TAR, bytes(content))
    refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


def test_a_broken_archive_mended_loads(root: Path, cache: str) -> None:
    good = (root / ZIP).read_bytes()
    with_reports(root, ZIP, good[: len(good) // 2])
    refused(root, cache, ReportsError, ZIP)
    with_reports(root, ZIP, good)
    assert load_everything(str(root), cache) == len(read_table(root / SPLIT))


# --- what may not be read -------------------------------------------------------------------------


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def stopped_by_permissions() -> Iterator[None]:
    """Let permissions hold for this thread even if it is root's, who owns all and may all."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = CapabilityHeader(0x2008_0522, 0)
    usual, less = (Capabilities * 2)(), (Capabilities * 2)()
    for capabilities in (usual, less):
        assert libc.capget(ctypes.byref(header), capabilities) == 0
    less[0].effective &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(header), less) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), usual) == 0


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Nobody may read a file, or list or enter a folder."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with stopped_by_permissions():
            with pytest.raises(PermissionError):  # or the test would show nothing
                os.listdir(path) if stat.S_ISDIR(mode) else path.read_bytes()
            yield
    finally:
        path.chmod(mode)


@pytest.fixture
def open_root(small_release: Path, tmp_path: Path) -> Path:
    """A copy whose files are its own, as permissions belong to the file and not to its link."""
    root = tmp_path / "physionet.org/files/mimic-cxr-jpg/2.1.0"
    shutil.copytree(small_release, root)
    return root


@pytest.mark.parametrize("place", [".", ".."])
def test_a_closed_folder_is_an_error_that_says_so(place: str, open_root: Path, cache: str) -> None:
    with closed((open_root / place).resolve()):
        message = refused(open_root, cache, ReleaseError, str(open_root))
    assert "ermission" in message


@pytest.mark.parametrize("table", TABLES)
def test_a_closed_table_is_an_error_that_says_so(table: str, open_root: Path, cache: str) -> None:
    with closed(open_root / table):
        message = refused(open_root, cache, TableError, str(open_root / table))
    assert "ermission" in message


def test_a_closed_archive_of_reports_is_an_error_that_says_so(open_root: Path, cache: str) -> None:
    reports = open_root / ZIP
    with closed(reports):
        message = refused(open_root, cache, ReportsError, str(reports))
    assert "ermission" in message


def test_a_closed_folder_given_as_reports_is_an_error_that_says_so(
    open_root: Path, tmp_path: Path, cache: str
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    shutil.move(open_root / ZIP, reports / ZIP)
    with closed(reports):
        for given in (reports, reports / ZIP):
            message = refused(open_root, cache, ReportsError, str(given), reports=str(given))
            assert "ermission" in message


def test_a_closed_text_in_the_tree_is_an_error_that_names_it(open_root: Path, cache: str) -> None:
    with zipfile.ZipFile(open_root / ZIP) as archive:
        archive.extractall(open_root)
        text = open_root / next(name for name in archive.namelist() if name.endswith(".txt"))
    (open_root / ZIP).unlink()
    with closed(text):
        message = refused(open_root, cache, ReportsError, str(text))
    assert "ermission" in message


def test_a_closed_folder_beside_the_release_does_not_matter(open_root: Path, cache: str) -> None:
    (open_root / ZIP).unlink()
    for name in ("mimic-cxr", "mimic-cxr-other"):
        rewrite(open_root / "../.." / name / "2.1.0" / "x", b"")
    with closed((open_root / "../../mimic-cxr").resolve()):
        assert load_everything(str(open_root), cache) > 0
