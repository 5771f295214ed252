"""Reports reach the right study untouched, in every form, and are never unpacked to disk."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import datasets_under, files_under
from mimic_cxr_jpg.reports import (
    REPORT_SECTIONS,
    ReportTree,
    TarredReports,
    ZippedReports,
    find_reports,
)
from mimic_cxr_jpg.reports.store import Studies
from mimic_cxr_jpg.synthetic import write_release
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import (
    FORMS,
    ZIP,
    Texts,
    write_as,
    write_tree,
    write_zip,
)

TEXT_COLUMNS = ("report", *REPORT_SECTIONS)


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


@pytest.mark.parametrize("form", FORMS)
def test_a_report_is_its_text_byte_for_byte(
    form: str, jpg: Path, cache: str, texts: Texts, small_release: Path
) -> None:
    odd = list(ODD_TEXTS.values())
    given = {name: odd[row % len(odd)] for row, name in enumerate(texts)}
    write_as(form, jpg, given)
    found = {row["study_id"]: row["report"] for row in load(jpg, cache, "reports")}
    for name, content in given.items():
        report = found[int(Path(name).stem[1:])]
        encoding = "latin-1" if content == ODD_TEXTS["latin-1"] else "utf-8"
        assert report.encode(encoding) == content


@pytest.mark.parametrize("form", FORMS)
def test_a_study_whose_text_is_absent_or_empty_has_a_null_report_and_null_sections(
    form: str, jpg: Path, cache: str, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    absent, empty, *others = sorted(texts)
    given = {name: texts[name] for name in others}
    write_as(form, jpg, {**given, empty: b""})
    gone = {int(Path(name).stem[1:]) for name in (absent, empty)}
    expected = [
        {**row, **dict.fromkeys(TEXT_COLUMNS)} if row["study_id"] in gone else row for row in rows
    ]
    assert load(jpg, cache) == expected


def test_all_sections_of_a_report_are_columns(jpg: Path, cache: str, texts: Texts) -> None:
    sections = {
        name: f"This is the {name}." for name in REPORT_SECTIONS if name != "last_paragraph"
    }
    headers = {"wet_read": "WET READ", "recommendations": "RECOMMENDATION(S)"}
    report = " FINAL REPORT\n" + "\n \n".join(
        f" {headers.get(name, name.upper())}:  {text}" for name, text in sections.items()
    )
    name, *others = sorted(texts)
    write_zip(jpg / ZIP, {**{other: texts[other] for other in others}, name: report.encode()})
    (row,) = [
        row for row in load(jpg, cache, "reports") if row["study_id"] == int(Path(name).stem[1:])
    ]
    assert {section: row[section] for section in REPORT_SECTIONS} == {
        **sections,
        "last_paragraph": None,
    }


def test_reports_of_other_studies_do_not_matter(
    jpg: Path, cache: str, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    others = {"files/p10/p10000000/s50000000.txt": b"other", "files/p10/p10000000/s5.txt": b"odd"}
    write_zip(jpg / ZIP, {**others, **texts})
    assert load(jpg, cache) == rows


# --- cache and disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_reports_are_never_unpacked_to_disk(
    form: str,
    jpg: Path,
    tmp_path: Path,
    cache: str,
    texts: Texts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_as(form, jpg, texts)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    before = files_under(jpg)
    # Not below tmp_path: worker processes have their sockets here, whose paths must be short.
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


@pytest.mark.parametrize("form", FORMS)
def test_changed_reports_make_a_new_cache_entry_and_unchanged_ones_do_not(
    form: str, jpg: Path, cache: str, texts: Texts
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
    jpg: Path, cache: str, texts: Texts, rows: Any
) -> None:
    write_tree(jpg, texts)
    assert load(jpg, cache) == rows
    gone = sorted(texts)[0]
    (jpg / gone).unlink()
    study = int(Path(gone).stem[1:])
    assert {row["report"] for row in load(jpg, cache) if row["study_id"] == study} == {None}


# --- the pieces -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_store_reads_any_places_in_any_order_after_it_was_pickled(
    form: str, tmp_path: Path, texts: Texts
) -> None:
    write_as(form, tmp_path / "data", texts)
    names = sorted(texts, reverse=True)
    subjects = pa.array([int(Path(name).parts[2][1:]) for name in names] + [10000000])
    studies = pa.array([int(Path(name).stem[1:]) for name in names] + [50000000])
    cache = str(tmp_path / "cache")
    store = find_reports(
        open_place(tmp_path / "data"), None, lambda: Studies(subjects, studies), cache
    )
    assert type(store) is {"zip": ZippedReports, "tar.gz": TarredReports, "tree": ReportTree}[form]
    store.prepare(cache)
    places = store.locate(subjects, studies)
    assert len(places) == len(names) + 1
    other = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 1000
    found = other.read(places.take(pa.array([2, 0, len(names), 2]))).to_pylist()
    assert found == [*(texts[names[place]].decode() for place in (2, 0)), None,
                     texts[names[2]].decode()]  # fmt: skip
    assert other.read(places.slice(0, 0)).to_pylist() == []


def test_a_text_belongs_to_the_study_of_the_patient_and_not_of_another(
    jpg: Path, cache: str, texts: Texts, rows: Any
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
