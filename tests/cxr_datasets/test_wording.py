"""What messages, logs and printed lines may quote: numerals, known wordings, harmless names."""

from __future__ import annotations

import html
import json
import logging
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets import wording
from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.testing import copy_release, edit_table, rewrite
from tests.fakes.recorder import Answer, Recorder

ODD = "\x1b[2J\x1b]0;owned\x07\u202efdp.\u2066\x9b31m\u2028\x85"
"""What clears a screen, names a window, turns text round, and ends a line."""

PATIENT = "Smith"


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "'7'"), ("50000014", "'50000014'"), ("-1", "'-1'"), ("+1.50", "'+1.50'"),
        (-0.5, "'-0.5'"), (".5", "'.5'"), ("5.", "'5.'"),
        ("1" * 20, f"'{'1' * 20}'"), ("1" * 21, "a text of 21 characters"),
        (PATIENT, "a text of 5 characters"), ("x", "a text of 1 character"),
        ("", "a text of 0 characters"), ("1e5", "a text of 3 characters"),
        ("1,5", "a text of 3 characters"), ("1 2", "a text of 3 characters"),
        ("2180-05-06", "a text of 10 characters"), ("12\n", "a text of 3 characters"),
        ("\u0661\u0662", "a text of 2 characters"), ("1.2.3", "a text of 5 characters"),
        (float("nan"), "a value of type float"), (None, "nothing"), (True, "a yes or no"),
        (b"Smith", "a text of 5 characters"), (["Smith"], "a value of type list"),
    ],
)  # fmt: skip
def test_of_a_cell_only_a_numeral_is_quoted(value: object, shown: str) -> None:
    assert wording.cell(value) == shown


def _messages(release: Path, package: str, cache: str) -> str:
    with pytest.raises(CxrError) as caught:
        load_dataset(package, data_dir=str(release), cache_dir=cache)
    error: BaseException | None = caught.value
    told = ""
    while error is not None:
        told += f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    return told


INDIANA = {
    "indiana_projections.csv": ("uid", "filename", "projection"),
    "indiana_reports.csv": ("uid",),
}
MIMIC = {
    "mimic-cxr-2.0.0-split.csv.gz": ("dicom_id", "study_id", "subject_id", "split"),
    "mimic-cxr-2.0.0-metadata.csv.gz": (
        "dicom_id", "study_id", "subject_id", "Rows", "StudyDate", "StudyTime",
    ),
    "mimic-cxr-2.0.0-chexpert.csv.gz": ("study_id", "subject_id", "Edema"),
}  # fmt: skip
CELLS = [
    (package, table, column)
    for package, tables in (("indiana_cxr", INDIANA), ("mimic_cxr_jpg", MIMIC))
    for table, columns in tables.items()
    for column in columns
]


@pytest.mark.parametrize(("package", "table", "column"), CELLS)
def test_no_error_quotes_a_word_of_a_cell_and_each_says_where_it_is(
    package: str, table: str, column: str, request: pytest.FixtureRequest, tmp_path: Path,
    cache: str,
) -> None:  # fmt: skip
    name = "indiana_release" if package == "indiana_cxr" else "small_release"
    release = copy_release(request.getfixturevalue(name), tmp_path / "release")

    def spoil(rows: object) -> None:
        rows.loc[3, column] = PATIENT  # type: ignore[attr-defined]

    edit_table(release / table, spoil)
    told = _messages(release, package, cache)
    assert PATIENT not in told
    assert table in told
    assert column in told or table.endswith("metadata.csv.gz")
    assert "row 4" in told or column == "dicom_id"  # that one finds no row of the other table


@pytest.mark.parametrize("kept", ["uid", "uid,filename"])
def test_where_the_header_is_a_patients_row_no_cell_of_it_is_quoted(
    kept: str, indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    """It has a word of the header by chance, or was made of two lines."""
    release = copy_release(indiana_release, tmp_path / "release")
    table = release / "indiana_projections.csv"
    rewrite(table, f"{kept},{PATIENT},{PATIENT} coughs\n1,2,3,4\n".encode())
    told = _messages(release, "indiana_cxr", cache)
    assert PATIENT not in told
    assert "has no column" in told
    rewrite(table, f"uid,filename,projection,{PATIENT},{PATIENT}\n1,2,3,4,5\n".encode())
    told = _messages(release, "indiana_cxr", cache)
    assert PATIENT not in told
    assert "column number 4 more than once" in told


# --- other libraries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(f"bad cell {PATIENT}"), "ValueError"),
        (pa.ArrowInvalid(f"CSV parse error: Row #3: Expected 2 columns, got 3: 1,{PATIENT},2"),
         "CSV parse error: Row #3: Expected 2 columns, got 3"),
        (pa.ArrowInvalid(f"In CSV column #0: invalid value '{PATIENT}'"), "ArrowInvalid"),
        (zipfile.BadZipFile(f"Bad CRC-32 for file '{PATIENT}.txt'"), "Bad CRC-32"),
        (zipfile.BadZipFile(f"File name in directory '{PATIENT}' and header differ"), "BadZipFile"),
        (zlib.error("Error -3 while decompressing data: invalid block type"),
         "Error -3 while decompressing data"),
        (json.JSONDecodeError("Expecting value", PATIENT, 0), "JSONDecodeError"),
        (OSError(28, PATIENT), "No space left on device"),
        (PermissionError(13, PATIENT, f"/data/{PATIENT}"), "Permission denied"),
        (OSError(f"cannot open {PATIENT}"), "OSError"),
        (OSError("image file is truncated (12 bytes not processed)"), "image file is truncated"),
        (UnicodeDecodeError("utf-8", PATIENT.encode(), 0, 1, PATIENT), "UnicodeDecodeError"),
        (KeyError(PATIENT), "KeyError"),
    ],
)  # fmt: skip
def test_of_another_librarys_error_only_a_known_wording_is_said(
    error: Exception, said: str
) -> None:
    assert wording.said(error) == said


# --- names ----------------------------------------------------------------------------------------


def _is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
def test_odd_names_of_files_are_harmless_in_errors_logs_and_on_a_terminal(
    package: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / f"a{ODD}"
    place.mkdir()
    (place / f"b{ODD}.csv").write_text("a")
    told = _messages(place, package, str(tmp_path / "cache"))
    assert _is_harmless(told)
    assert "\\x1b[2J" in told
    assert "\\u202e" in told
    words = ["--data-dir", str(place), "--out", str(tmp_path / f"o{ODD}")]
    assert main(["export", package, *words]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert _is_harmless(printed.err + printed.out)
    with pytest.raises(SystemExit):
        main(["export", package, f"--wrong{ODD}", *words])
    assert _is_harmless(capsys.readouterr().err.replace("\t", ""))


def test_an_odd_folder_is_harmless_in_warnings(
    small_release: Path, tmp_path: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    release = copy_release(small_release, tmp_path / f"r{ODD}")
    (release / "mimic-cxr-2.0.0-negbio.csv.gz").unlink()
    load_dataset("mimic_cxr_jpg", "reports", data_dir=str(release), cache_dir=cache)
    ours = [r for r in caplog.records if r.name.startswith(("cxr_datasets", "mimic_cxr_jpg"))]
    assert any("\\x1b[2J" in record.getMessage() for record in ours)
    assert all(record.getMessage().isprintable() for record in ours)


def test_odd_names_of_a_server_are_harmless(cache: str) -> None:
    page = f'<html><a href="x%1B%5B2J%E2%80%AE.csv">x{ODD}</a></html>'.encode()
    answers: Callable[..., Answer] = lambda asked: (  # noqa: E731
        Answer(200, {"Content-Type": "text/html"}, page)
        if asked.path.endswith("/release/") else Answer(404)
    )  # fmt: skip
    with Recorder(answers) as server, pytest.raises(CxrError) as caught:
        load_dataset("indiana_cxr", data_dir=f"{server.url}/release", cache_dir=cache)
    assert str(caught.value).isprintable()
    assert "x\\x1b[2J\\u202e.csv" in str(caught.value)


def test_an_error_keeps_its_words_in_a_pickle_and_for_whoever_raises_it_again() -> None:
    error = OptionError(f"a{ODD}b", 7)
    again = pickle.loads(pickle.dumps(error))
    assert again.args == error.args == (OptionError(error.args[0]).args[0], 7)
    assert error.args[0].isprintable()


def test_a_line_of_a_log_is_written_safely(caplog: pytest.LogCaptureFixture) -> None:
    logger = wording.get_logger("cxr_datasets.of_a_test")
    assert wording.get_logger("cxr_datasets.of_a_test") is logger
    assert len(logger.filters) == 1
    with caplog.at_level(logging.DEBUG):
        logger.debug("asked %s of %s", "https://name:word@host.example/a?sig=word", f"x{ODD}")
    (line,) = caplog.messages
    assert line.startswith("asked https://host.example/a?... of x\\x1b[2J")


# --- markup ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<script>x</script>", "`a` | b", "[x](javascript:y)", "a*b*", f"a{ODD}", "&lt;"]
)
def test_what_may_be_markup_is_written_as_numbers_of_characters(text: str) -> None:
    for written in (wording.without_markup(text), wording.code(text).removeprefix("<code>")):
        assert not set("<>|[]*`\\\x1b") & set(written.removesuffix("</code>"))
        assert html.unescape(written.removesuffix("</code>")) == wording.escaped(text)
