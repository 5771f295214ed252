"""Reports are found where users have them, in every form."""

from __future__ import annotations

import logging
import os
from itertools import product
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.errors import CxrError, ReportsError
from cxr_datasets.testing import copy_release, datasets_under, rewrite
from mimic_cxr_jpg.reports import REPORT_SECTIONS
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import (
    FORMS,
    TAR,
    ZIP,
    Texts,
    write_as,
    write_tar,
    write_tree,
    write_zip,
)

TEXT_COLUMNS = ("report", *REPORT_SECTIONS)


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this project logged, without what `datasets` did."""
    return [record for record in caplog.records if not record.name.startswith("datasets.")]


# --- where they are found -------------------------------------------------------------------------


PLACES = (
    ".",
    "..",
    "../..",
    "../../..",
    "../../mimic-cxr",
    "../../mimic-cxr/2.1.0",
    "../../mimic-cxr/2.0.0",
    "../../../mimic-cxr-2.1.0.physionet.org",
    "../mimic-cxr-reports",
    "../mimic-cxr-2.0.0",
)


@pytest.mark.parametrize(
    ("place", "form"),
    [("mimic-cxr-reports", "tree"), *product(PLACES, FORMS)],
)
def test_reports_are_found_in_the_release_above_it_and_beside_it(
    place: str,
    form: str,
    jpg: Path,
    cache: str,
    texts: Texts,
    rows: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    where = Path(os.path.normpath(jpg / place))
    write_as(form, where, texts)
    assert load(jpg, cache) == rows
    studies = {row["study_id"]: row["report"] for row in rows}
    lacking = sum(report is None for report in studies.values())
    (record,) = said(caplog)
    begins = f"{lacking} of {len(studies)} studies have no report in {where}"
    assert record.getMessage().startswith(begins)


def test_reports_of_a_gsutil_copy_are_found_in_that_of_the_other_bucket(
    small_release: Path,
    tmp_path: Path,
    cache: str,
    texts: Texts,
    rows: list[dict[str, Any]],
) -> None:
    root = copy_release(small_release, tmp_path / "mimic-cxr-jpg-2.1.0.physionet.org")
    (root / ZIP).unlink()
    write_zip(tmp_path / "mimic-cxr-2.1.0.physionet.org" / ZIP, texts)
    assert load(root, cache) == rows


def test_the_nearest_reports_are_taken(jpg: Path, cache: str, texts: Texts) -> None:
    write_zip(jpg / ZIP, texts)
    write_zip(jpg.parent / ZIP, dict.fromkeys(texts, b"far"))
    write_tree(jpg, dict.fromkeys(texts, b"tree"))
    assert "far" not in {row["report"] for row in load(jpg, cache)}
    assert "tree" not in {row["report"] for row in load(jpg, cache)}


def test_the_newest_of_several_versions_beside_it_is_taken(
    jpg: Path, cache: str, texts: Texts
) -> None:
    for version in ("2.0.0", "2.1.0", "1.0.0"):
        content = version.encode()
        write_zip(jpg / "../../mimic-cxr" / version / ZIP, dict.fromkeys(texts, content))
    assert {row["report"] for row in load(jpg, cache)} == {"2.1.0", None}


def test_a_folder_of_the_jpg_project_beside_it_is_no_place_of_reports(
    jpg: Path, cache: str, texts: Texts
) -> None:
    write_zip(jpg / "../../mimic-cxr-jpg-other" / ZIP, texts)
    assert {row["report"] for row in load(jpg, cache)} == {None}


def test_an_empty_archive_of_that_name_is_passed_over(
    jpg: Path, cache: str, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    rewrite(jpg / ZIP, b"")  # a download that has not begun
    write_zip(jpg.parent / ZIP, texts)
    assert load(jpg, cache) == rows


# --- given as reports= ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ZIP, "reports.zip", "folder with blanks/mine.zip"])
def test_a_zip_may_be_given(
    name: str, jpg: Path, tmp_path: Path, cache: str, texts: Any, rows: Any
) -> None:
    write_zip(tmp_path / "else" / name, texts)
    assert load(jpg, cache, reports=str(tmp_path / "else" / name)) == rows


@pytest.mark.parametrize("name", [TAR, "reports.tgz", "mine.tar.gz"])
def test_a_tar_gz_may_be_given(
    name: str, jpg: Path, tmp_path: Path, cache: str, texts: Any, rows: Any
) -> None:
    write_tar(tmp_path / "else" / name, texts)
    assert load(jpg, cache, reports=str(tmp_path / "else" / name)) == rows


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_that_holds_reports_may_be_given(
    form: str, jpg: Path, tmp_path: Path, cache: str, texts: Any, rows: Any
) -> None:
    write_as(form, tmp_path / "else", texts)
    assert load(jpg, cache, reports=str(tmp_path / "else")) == rows
    assert load(jpg, cache, reports=f"{tmp_path / 'else'}/") == rows


def test_a_path_object_and_a_relative_path_may_be_given(
    jpg: Path, tmp_path: Path, cache: str, texts: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(tmp_path / "else" / "mine.zip", texts)
    monkeypatch.chdir(tmp_path)
    assert load(jpg, cache, reports=Path("else/mine.zip")) == rows
    assert load(jpg, cache, reports="else/mine.zip") == rows


def test_reports_that_are_given_are_taken_rather_than_those_in_the_release(
    small_release: Path, tmp_path: Path, cache: str, texts: Texts
) -> None:
    write_zip(tmp_path / "mine.zip", dict.fromkeys(texts, b"given"))
    found = load(small_release, cache, reports=str(tmp_path / "mine.zip"))
    assert {row["report"] for row in found} == {"given", None}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_may_have_a_folder_of_its_own_around_files(
    form: str, jpg: Path, cache: str, texts: Texts, rows: Any
) -> None:
    around = {f"mimic-cxr-reports/{name}": content for name, content in texts.items()}
    write_as(form, jpg, {**around, "mimic-cxr-reports/index.html": b"<html>", "README": b"x"})
    assert load(jpg, cache) == rows


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", ["studies", "reports"])
def test_every_config_has_the_reports_in_every_form(
    config: str, form: str, small_release: Path, jpg: Path, tmp_path: Path, texts: Any
) -> None:
    expected = load(small_release, str(tmp_path / "expected"), config)
    reports = write_as(form, tmp_path / "else", texts)
    assert load(jpg, str(tmp_path / "cache"), config, reports=str(reports)) == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", ["skip", "null"])
def test_every_study_has_its_report_whatever_missing_is(
    missing: str, form: str, small_release: Path, jpg: Path, tmp_path: Path, texts: Any
) -> None:
    expected = load(small_release, str(tmp_path / "expected"))
    reports = write_as(form, tmp_path / "else", texts)
    found = load(jpg, str(tmp_path / "cache"), reports=str(reports), missing=missing)
    assert found == expected


# --- without them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"num_proc": 2}, {"missing": "skip"}])
def test_without_reports_the_columns_are_null_and_one_warning_says_where_they_are(
    config: str, options: dict[str, Any], jpg: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", config, data_dir=str(jpg), cache_dir=cache, **options
    )
    for split in splits.values():
        for batch in split.select_columns(list(TEXT_COLUMNS)).with_format("arrow").iter(1000):
            assert all(batch[name].null_count == batch.num_rows for name in TEXT_COLUMNS)
    (record,) = said(caplog)
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert "separate project MIMIC-CXR (https://physionet.org/content/mimic-cxr/)" in message
    assert "reports=" in message
    assert str(jpg) in message


def test_config_reports_without_reports_is_an_error_that_says_where_they_are(
    jpg: Path, cache: str
) -> None:
    with pytest.raises(ReportsError, match=r"separate project MIMIC-CXR .* pass reports="):
        load(jpg, cache, "reports")
    assert datasets_under(cache) == []


@pytest.mark.parametrize("name", ["none.zip", "folder", "none.tar.gz", "none.txt"])
def test_given_reports_that_do_not_exist_are_an_error_that_names_them(
    name: str, small_release: Path, tmp_path: Path, cache: str
) -> None:
    with pytest.raises(ReportsError, match=rf"{name} does not exist.*Pass mimic-cxr-reports"):
        load(small_release, cache, reports=str(tmp_path / name))
    assert datasets_under(cache) == []


@pytest.mark.parametrize("name", [ZIP, TAR])
def test_a_given_archive_of_no_bytes_is_an_error_that_names_it(
    name: str, small_release: Path, tmp_path: Path, cache: str
) -> None:
    rewrite(tmp_path / "else" / name, b"")
    with pytest.raises(ReportsError, match=rf"{name}.*Fetch the reports again"):
        load(small_release, cache, reports=str(tmp_path / "else" / name))
    assert datasets_under(cache) == []


@pytest.mark.parametrize("content", [(), ("README",), ("files/p10/p10000000/s50000000/x.jpg",)])
def test_a_given_folder_without_reports_is_an_error_that_says_what_was_expected(
    content: tuple[str, ...], small_release: Path, tmp_path: Path, cache: str
) -> None:
    folder = tmp_path / "else"
    folder.mkdir()
    for name in content:
        rewrite(folder / name, b"x")
    with pytest.raises(ReportsError, match=r"else holds no reports: expected one of .*files/"):
        load(small_release, cache, reports=str(folder))
    assert datasets_under(cache) == []


def test_a_given_file_of_another_kind_is_an_error_that_lists_the_right_ones(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    rewrite(tmp_path / "reports.7z", b"7z")
    expected = r"\.7z is not .*\.zip, \.tar\.gz, \.tgz or \.tar, or mimic_cxr_sectioned\.csv"
    with pytest.raises(ReportsError, match=expected):
        load(small_release, cache, reports=str(tmp_path / "reports.7z"))


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_of_other_reports_is_an_error_that_shows_a_right_name(
    form: str, jpg: Path, tmp_path: Path, cache: str
) -> None:
    reports = write_as(form, tmp_path / "else", {"files/p10/p10000000/s50000000.txt": b"other"})
    with pytest.raises(ReportsError, match=r"holds no report of these studies.*files/p1x/"):
        load(jpg, cache, reports=str(reports))
    assert datasets_under(cache) == []


def test_every_error_here_is_a_cxr_error() -> None:
    assert issubclass(ReportsError, CxrError)
