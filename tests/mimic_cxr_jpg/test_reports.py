"""Reports are found where users have them, in every form, and reach the right study untouched."""

from __future__ import annotations

import io
import logging
import os
import pickle
import tarfile
import tempfile
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from cxr_datasets.errors import CxrError, ReportsError
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import copy_release, datasets_under, files_under, load_rows, rewrite
from mimic_cxr_jpg.reports import ReportTree, TarredReports, ZippedReports, find_reports
from mimic_cxr_jpg.sections import SECTIONS
from mimic_cxr_jpg.synthetic import write_release

TEXT_COLUMNS = ("report", *SECTIONS)
JPG_ROOT = "physionet.org/files/mimic-cxr-jpg/2.1.0"
ZIP = "mimic-cxr-reports.zip"
TAR = "mimic-cxr-reports.tar.gz"


def members(release: Path) -> dict[str, bytes]:
    """Name and content of every text of a release with a zip."""
    with zipfile.ZipFile(release / ZIP) as archive:
        return {n: archive.read(n) for n in archive.namelist() if n.endswith(".txt")}


def write_zip(file: Path, texts: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts.items():
            archive.writestr(name, content)
    rewrite(file, stream.getvalue())


def write_tar(file: Path, texts: dict[str, bytes], mode: str = "w:gz") -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    rewrite(file, stream.getvalue())


def write_tree(folder: Path, texts: dict[str, bytes]) -> None:
    for name, content in texts.items():
        rewrite(folder / name, content)


def write_as(form: str, place: Path, texts: dict[str, bytes]) -> Path:
    """Write reports in one of the three forms; returns what one would pass as `reports=`."""
    if form == "zip":
        write_zip(place / ZIP, texts)
        return place / ZIP
    if form == "tar.gz":
        write_tar(place / TAR, texts)
        return place / TAR
    write_tree(place, texts)
    return place


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this project logged; `datasets` has words of its own."""
    return [record for record in caplog.records if not record.name.startswith("datasets.")]


def load(data_dir: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_rows("mimic_cxr_jpg", data_dir, cache, config, **options)


@pytest.fixture(scope="module")
def texts(small_release: Path) -> dict[str, bytes]:
    return members(small_release)


@pytest.fixture(scope="module")
def rows(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What must come out wherever the reports are and in whatever form."""
    rows = load(small_release, str(tmp_path_factory.mktemp("cache")))
    assert sum(row["report"] is not None for row in rows) > len(rows) / 2
    return rows


@pytest.fixture
def jpg(small_release: Path, tmp_path: Path) -> Path:
    """The release without its reports, where `wget -r` puts it."""
    root = copy_release(small_release, tmp_path / JPG_ROOT)
    (root / ZIP).unlink()
    return root


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
    [("mimic-cxr-reports", "tree"), *product(PLACES, ("zip", "tar.gz", "tree"))],
)
def test_reports_are_found_in_the_release_above_it_and_beside_it(
    place: str,
    form: str,
    jpg: Path,
    cache: str,
    texts: dict[str, bytes],
    rows: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_as(form, Path(os.path.normpath(jpg / place)), texts)
    assert load(jpg, cache) == rows
    assert not said(caplog)


def test_reports_of_a_gsutil_copy_are_found_in_that_of_the_other_bucket(
    small_release: Path,
    tmp_path: Path,
    cache: str,
    texts: dict[str, bytes],
    rows: list[dict[str, Any]],
) -> None:
    root = copy_release(small_release, tmp_path / "mimic-cxr-jpg-2.1.0.physionet.org")
    (root / ZIP).unlink()
    write_zip(tmp_path / "mimic-cxr-2.1.0.physionet.org" / ZIP, texts)
    assert load(root, cache) == rows


def test_the_nearest_reports_are_taken(jpg: Path, cache: str, texts: dict[str, bytes]) -> None:
    write_zip(jpg / ZIP, texts)
    write_zip(jpg.parent / ZIP, dict.fromkeys(texts, b"far"))
    write_tree(jpg, dict.fromkeys(texts, b"tree"))
    assert "far" not in {row["report"] for row in load(jpg, cache)}
    assert "tree" not in {row["report"] for row in load(jpg, cache)}


def test_the_newest_of_several_versions_beside_it_is_taken(
    jpg: Path, cache: str, texts: dict[str, bytes]
) -> None:
    for version in ("2.0.0", "2.1.0", "1.0.0"):
        content = version.encode()
        write_zip(jpg / "../../mimic-cxr" / version / ZIP, dict.fromkeys(texts, content))
    assert {row["report"] for row in load(jpg, cache)} == {"2.1.0", None}


def test_a_folder_of_the_jpg_project_beside_it_is_no_place_of_reports(
    jpg: Path, cache: str, texts: dict[str, bytes]
) -> None:
    write_zip(jpg / "../../mimic-cxr-jpg-other" / ZIP, texts)
    assert {row["report"] for row in load(jpg, cache)} == {None}


def test_an_empty_archive_of_that_name_is_passed_over(
    jpg: Path, cache: str, texts: dict[str, bytes], rows: list[dict[str, Any]]
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


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_a_folder_that_holds_them_may_be_given(
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


def test_what_is_given_counts_and_not_what_lies_in_the_release(
    small_release: Path, tmp_path: Path, cache: str, texts: dict[str, bytes]
) -> None:
    write_zip(tmp_path / "mine.zip", dict.fromkeys(texts, b"given"))
    found = load(small_release, cache, reports=str(tmp_path / "mine.zip"))
    assert {row["report"] for row in found} == {"given", None}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_may_have_a_folder_of_its_own_around_files(
    form: str, jpg: Path, cache: str, texts: dict[str, bytes], rows: Any
) -> None:
    around = {f"mimic-cxr-reports/{name}": content for name, content in texts.items()}
    write_as(form, jpg, {**around, "mimic-cxr-reports/index.html": b"<html>", "README": b"x"})
    assert load(jpg, cache) == rows


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
@pytest.mark.parametrize("config", ["studies", "reports"])
def test_every_config_has_them_in_every_form(
    config: str, form: str, small_release: Path, jpg: Path, tmp_path: Path, texts: Any
) -> None:
    expected = load(small_release, str(tmp_path / "expected"), config)
    reports = write_as(form, tmp_path / "else", texts)
    assert load(jpg, str(tmp_path / "cache"), config, reports=str(reports)) == expected


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
@pytest.mark.parametrize("missing", ["skip", "null"])
def test_they_are_there_whatever_becomes_of_missing_images(
    missing: str, form: str, small_release: Path, jpg: Path, tmp_path: Path, texts: Any
) -> None:
    expected = load(small_release, str(tmp_path / "expected"))
    reports = write_as(form, tmp_path / "else", texts)
    found = load(jpg, str(tmp_path / "cache"), reports=str(reports), missing=missing)
    assert found == expected


# --- what a report holds --------------------------------------------------------------------------

ODD_TEXTS = {
    "windows": b" FINAL REPORT\r\n FINDINGS: Clear.\r\n \r\n",
    "no newline at its end": b" FINDINGS:  Clear",
    "blanks around": b"\n\n  \t Clear. \n\n \n",
    "one blank": b" ",
    "utf-8": "T° 38 \u2013 naïve, 5 µm".encode(),
    "latin-1": "T° 38, naïve, 5 µm".encode("latin-1"),
    "a byte order mark": "\ufeffClear.".encode(),
    "a null byte": b"Clear.\0Clear.",
    "underscores": b"_" * 80 + b"\n",
    "long": b" Clear lungs and heart.\n" * 5000,
    "quotes and commas": b'"a","b"\n\'c\', NA, None, nan',
}


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_a_report_is_its_text_byte_for_byte(
    form: str, jpg: Path, cache: str, texts: dict[str, bytes], small_release: Path
) -> None:
    odd = list(ODD_TEXTS.values())
    given = {name: odd[row % len(odd)] for row, name in enumerate(texts)}
    write_as(form, jpg, given)
    found = {row["study_id"]: row["report"] for row in load(jpg, cache, "reports")}
    for name, content in given.items():
        report = found[int(Path(name).stem[1:])]
        encoding = "latin-1" if content == ODD_TEXTS["latin-1"] else "utf-8"
        assert report.encode(encoding) == content


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_a_study_whose_text_is_absent_or_empty_has_a_null_report_and_null_sections(
    form: str, jpg: Path, cache: str, texts: dict[str, bytes], rows: list[dict[str, Any]]
) -> None:
    absent, empty, *others = sorted(texts)
    given = {name: texts[name] for name in others}
    write_as(form, jpg, {**given, empty: b""})
    gone = {int(Path(name).stem[1:]) for name in (absent, empty)}
    expected = [
        {**row, **dict.fromkeys(TEXT_COLUMNS)} if row["study_id"] in gone else row for row in rows
    ]
    assert load(jpg, cache) == expected


def test_all_sections_of_a_report_are_columns(
    jpg: Path, cache: str, texts: dict[str, bytes]
) -> None:
    sections = {name: f"This is the {name}." for name in SECTIONS if name != "last_paragraph"}
    headers = {"wet_read": "WET READ", "recommendations": "RECOMMENDATION(S)"}
    report = " FINAL REPORT\n" + "\n \n".join(
        f" {headers.get(name, name.upper())}:  {text}" for name, text in sections.items()
    )
    name, *others = sorted(texts)
    write_zip(jpg / ZIP, {**{other: texts[other] for other in others}, name: report.encode()})
    (row,) = [
        row for row in load(jpg, cache, "reports") if row["study_id"] == int(Path(name).stem[1:])
    ]
    assert {section: row[section] for section in SECTIONS} == {**sections, "last_paragraph": None}


def test_reports_of_other_studies_do_not_matter(
    jpg: Path, cache: str, texts: dict[str, bytes], rows: list[dict[str, Any]]
) -> None:
    others = {"files/p10/p10000000/s50000000.txt": b"other", "files/p10/p10000000/s5.txt": b"odd"}
    write_zip(jpg / ZIP, {**others, **texts})
    assert load(jpg, cache) == rows


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
    rewrite(tmp_path / "mimic_cxr_sectioned.csv", b"study,impression\n")
    with pytest.raises(ReportsError, match=r"sectioned\.csv .*\.zip, \.tar\.gz or \.tgz"):
        load(small_release, cache, reports=str(tmp_path / "mimic_cxr_sectioned.csv"))


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_of_other_reports_is_an_error_that_shows_a_right_name(
    form: str, jpg: Path, tmp_path: Path, cache: str
) -> None:
    reports = write_as(form, tmp_path / "else", {"files/p10/p10000000/s50000000.txt": b"other"})
    with pytest.raises(ReportsError, match=r"holds no report of these studies.*files/p1x/"):
        load(jpg, cache, reports=str(reports))
    assert datasets_under(cache) == []


# --- cache and disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_reports_are_never_unpacked_to_disk(
    form: str,
    jpg: Path,
    tmp_path: Path,
    cache: str,
    texts: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_as(form, jpg, texts)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    before = files_under(jpg)
    # Not below tmp_path: the sockets of worker processes lie here, and their paths must be short.
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        for options in ({}, {"streaming": True}, {"num_proc": 2}):
            load_streaming_or_not(jpg, cache + str(options.get("num_proc")), options)
        assert files_under(temporary) == files_under(tmp_path / "cwd") == []
    assert files_under(jpg) == before
    everything = files_under(tmp_path)
    assert [file for file in everything if file.endswith(".txt") and "physionet" not in file] == []


def load_streaming_or_not(data_dir: Path, cache: str, options: dict[str, Any]) -> None:
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(data_dir), cache_dir=cache, **options
    )
    rows = sum(len(batch) for split in splits.values() for batch in arrow_batches(split))
    assert rows > 0


def arrow_batches(split: Any) -> list[pa.Table]:
    return list(split.select_columns(["report"]).with_format("arrow").iter(1000))


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_changed_reports_make_a_new_cache_entry_and_unchanged_ones_do_not(
    form: str, jpg: Path, cache: str, texts: dict[str, bytes]
) -> None:
    first, *others = sorted(texts)
    write_as(form, jpg, {name: texts[name] for name in others})
    study = int(Path(first).stem[1:])

    def report_of_study() -> Any:
        return {row["study_id"]: row["report"] for row in load(jpg, cache)}[study]

    assert report_of_study() is None
    entries = datasets_under(cache)
    assert report_of_study() is None
    assert datasets_under(cache) == entries
    write_as(form, jpg, texts if form != "tree" else {first: texts[first]})
    assert report_of_study() == texts[first].decode()
    assert len(datasets_under(cache)) == 2 * len(entries)


def test_reports_that_come_later_are_seen(jpg: Path, cache: str, texts: Any, rows: Any) -> None:
    assert {row["report"] for row in load(jpg, cache)} == {None}
    write_zip(jpg / ZIP, texts)
    assert load(jpg, cache) == rows
    (jpg / ZIP).unlink()
    assert {row["report"] for row in load(jpg, cache)} == {None}


def test_removing_a_text_from_the_tree_is_seen(
    jpg: Path, cache: str, texts: dict[str, bytes], rows: Any
) -> None:
    write_tree(jpg, texts)
    assert load(jpg, cache) == rows
    gone = sorted(texts)[0]
    (jpg / gone).unlink()
    study = int(Path(gone).stem[1:])
    assert {row["report"] for row in load(jpg, cache) if row["study_id"] == study} == {None}


# --- the pieces -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tree"])
def test_a_store_reads_any_places_in_any_order_after_it_was_pickled(
    form: str, tmp_path: Path, texts: dict[str, bytes]
) -> None:
    write_as(form, tmp_path / "data", texts)
    store = find_reports(open_place(tmp_path / "data"), None)
    assert type(store) is {"zip": ZippedReports, "tar.gz": TarredReports, "tree": ReportTree}[form]
    store.prepare(str(tmp_path / "cache"))
    names = sorted(texts, reverse=True)
    subjects = pa.array([int(Path(name).parts[2][1:]) for name in names] + [10000000])
    studies = pa.array([int(Path(name).stem[1:]) for name in names] + [50000000])
    places = store.locate(subjects, studies)
    assert len(places) == len(names) + 1
    other = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 1000
    found = other.read(places.take(pa.array([2, 0, len(names), 2]))).to_pylist()
    assert found == [*(texts[names[place]].decode() for place in (2, 0)), None,
                     texts[names[2]].decode()]  # fmt: skip
    assert other.read(places.slice(0, 0)).to_pylist() == []


def test_a_text_belongs_to_the_study_of_the_patient_and_not_of_another(
    jpg: Path, cache: str, texts: dict[str, bytes], rows: Any
) -> None:
    name = sorted(texts)[0]
    moved = f"files/p10/p10000000/{Path(name).name}"
    write_zip(jpg / ZIP, {(moved if n == name else n): text for n, text in texts.items()})
    study = int(Path(name).stem[1:])
    assert {row["report"] for row in load(jpg, cache) if row["study_id"] == study} == {None}


def test_the_synthetic_release_in_all_three_forms_gives_the_same_rows(
    small_release: Path, tmp_path: Path, rows: Any
) -> None:
    for form in ("tar.gz", "tree"):
        root = write_release(tmp_path / form, patients=10, seed=1, reports=form)
        assert load(root, str(tmp_path / "cache")) == rows


def test_every_error_here_is_a_cxr_error() -> None:
    assert issubclass(ReportsError, CxrError)
