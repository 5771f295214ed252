"""A table of four sections a study, as MIT-LCP's script writes it, in the place of the reports."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.cli import main
from cxr_datasets.copies import verify
from cxr_datasets.errors import CxrError, ReportsError, TableError
from cxr_datasets.preview import preview, stats
from cxr_datasets.testing import datasets_under, rewrite
from mimic_cxr_jpg.reports import REPORT_SECTIONS
from tests.fakes.physionet import PhysioNet
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import ZIP, Texts, write_zip
from tests.mimic_cxr_jpg.reports.official import reference_sections

NAME = "mimic_cxr_sectioned.csv"
HEADER = ["study", "impression", "findings", "last_paragraph", "comparison"]
MARKER = "MARKERofsomebodysreport"

Row = dict[str, Any]


def table_of(texts: Texts) -> list[list[str]]:
    """The rows of the table that MIT-LCP's script makes of some reports."""
    rows = []
    for place, text in texts.items():
        found = reference_sections(text.decode(), "official")
        rows.append([Path(place).stem, *(found.get(name, "") for name in HEADER[1:])])
    return rows


def written(rows: Iterable[Iterable[str]], header: Iterable[str] = HEADER) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    return file.getvalue().encode()


@pytest.fixture
def place(texts: Texts, tmp_path: Path) -> Path:
    """The table, in a folder that is not looked into unless it is named."""
    rewrite(tmp_path / "else" / NAME, written(table_of(texts)))
    return tmp_path / "else" / NAME


@pytest.fixture
def expected(rows: list[Row], texts: Texts) -> list[Row]:
    """The rows of config `images` with what the table gives."""
    of_study = {row[0]: dict(zip(HEADER, row, strict=True)) for row in table_of(texts)}
    filled = []
    for row in rows:
        found = of_study.get(f"s{row['study_id']}", {})
        sections = {name: found.get(name) or None for name in ("report", *REPORT_SECTIONS)}
        filled.append(row | sections)
    assert sum(row["impression"] is not None for row in filled) > len(filled) / 2
    return filled


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_its_four_sections_are_filled_and_the_report_and_all_others_are_null(
    packed: bool, jpg: Path, place: Path, cache: str, expected: list[Row]
) -> None:
    if packed:
        place = place.rename(place.with_name(f"{NAME}.gz"))
        rewrite(place, gzip.compress(place.read_bytes()))
    assert load(jpg, cache, reports=str(place)) == expected
    again = load(jpg, cache, reports=str(place), section_rules="official")
    assert again == expected  # the rules are those of whoever made it


def test_it_serves_every_config_built_and_streamed(
    jpg: Path, place: Path, cache: str, expected: list[Row]
) -> None:
    names = ("study_id", "report", *REPORT_SECTIONS)
    of_study = {row["study_id"]: {name: row[name] for name in names} for row in expected}
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(jpg), cache_dir=cache, reports=str(place),
        streaming=True,
    )  # fmt: skip
    streamed = [row for split in splits.values() for row in split]
    for rows in (load(jpg, cache, "studies", reports=str(place)), streamed):
        found = {row["study_id"]: {name: row[name] for name in names} for row in rows}
        assert found == of_study


def test_it_may_lie_on_a_server(jpg: Path, place: Path, cache: str, expected: list[Row]) -> None:
    with PhysioNet({"own": place.parent}, open_access=True) as server:
        assert load(jpg, cache, reports=f"{server.address('own')}/{NAME}") == expected


def test_its_columns_and_rows_may_be_in_any_order_and_among_others(
    jpg: Path, place: Path, cache: str, texts: Texts, expected: list[Row]
) -> None:
    rows = [[str(number), *reversed(row)] for number, row in enumerate(table_of(texts))]
    rewrite(place, written(rows[::-1], ["", *reversed(HEADER)]))
    assert load(jpg, cache, reports=str(place)) == expected


def test_blank_cells_are_null_and_line_ends_are_those_of_other_rows(
    jpg: Path, place: Path, cache: str, texts: Texts
) -> None:
    studies = [row[0] for row in table_of(texts)]
    rewrite(place, written([study, " a\r\n b \r", " \n ", "", "\t"] for study in studies))
    rows = load(jpg, cache, "reports", reports=str(place))
    found = {
        tuple(row[name] for name in HEADER[1:]) for row in rows if f"s{row['study_id']}" in studies
    }
    assert found == {("a\n b", None, None, None)}


def test_a_table_whose_texts_are_all_blank_says_so_once(
    jpg: Path, place: Path, cache: str, texts: Texts, caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(place, written([row[0], "", " ", "\n", ""] for row in table_of(texts)))
    rows = load(jpg, cache, "reports", reports=str(place))
    assert {row[name] for row in rows for name in HEADER[1:]} == {None}
    told = [text for text in caplog.messages if "every text in" in text]
    assert len(told) == 1
    assert "pass the reports themselves" in told[0]


def test_a_table_of_many_lines_in_many_cells_is_read_whole(
    jpg: Path, place: Path, cache: str, texts: Texts
) -> None:
    studies = [row[0] for row in table_of(texts)]
    long = "\n".join(f' line {number}, of "many"' for number in range(5_000))
    rewrite(place, written([study, long, study, "", ""] for study in studies))
    rows = load(jpg, cache, "reports", reports=str(place))
    known = [row for row in rows if f"s{row['study_id']}" in studies]
    assert all(row["impression"] == long.strip() for row in known)
    assert all(row["findings"] == f"s{row['study_id']}" for row in known)


def test_what_is_kept_of_it_is_in_the_folder_that_is_closed_to_others(
    jpg: Path, place: Path, cache: str
) -> None:
    load(jpg, cache, "reports", reports=str(place))
    (kept,) = Path(cache).rglob("mimic-cxr-sectioned-*.arrow")
    assert kept.is_relative_to(Path(cache) / "mimic_cxr_jpg")
    assert (Path(cache) / "mimic_cxr_jpg").stat().st_mode & stat.S_IRWXO == 0


# --- what does not match --------------------------------------------------------------------------


def test_what_is_not_in_both_is_counted_in_one_line(
    jpg: Path, place: Path, cache: str, texts: Texts, caplog: pytest.LogCaptureFixture
) -> None:
    rows = table_of(texts)
    others = [[f"s5999999{number}", "x", "", "", ""] for number in range(4)]
    rewrite(place, written([*rows[3:], *others]))
    studies = {row["study_id"] for row in load(jpg, cache, reports=str(place))}
    lacking = len(studies) - len(rows) + 3
    (said,) = [r.getMessage() for r in caplog.records if not r.name.startswith("datasets.")]
    assert said == (
        f"{lacking} of {len(studies)} studies have no row in {place}: their columns of text are "
        f"null; 4 of {len(rows) + 1} rows of {place} are of studies that the release does not "
        "list: ignored"
    )


def test_nothing_is_said_where_all_match(
    jpg: Path, place: Path, cache: str, rows: list[Row], caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(
        place, written([f"s{study}", "x", "", "", ""] for study in {r["study_id"] for r in rows})
    )
    load(jpg, cache, reports=str(place))
    assert [r.getMessage() for r in caplog.records if not r.name.startswith("datasets.")] == []


def test_it_is_read_only_if_it_is_named(
    jpg: Path, place: Path, cache: str, expected: list[Row], caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(jpg / NAME, place.read_bytes())
    assert all(row["impression"] is None for row in load(jpg, cache))
    assert "No reports in" in caplog.text
    assert f"{NAME} of four sections is read if reports= names it" in caplog.text
    with pytest.raises(ReportsError, match=rf"holds no reports.* or {jpg / NAME} itself\."):
        load(jpg, cache, reports=str(jpg))
    assert load(jpg, cache, reports=str(jpg / NAME)) == expected


def test_whole_reports_beside_it_are_found_as_ever(
    jpg: Path, place: Path, cache: str, texts: Texts, rows: list[Row]
) -> None:
    rewrite(jpg / NAME, place.read_bytes())
    write_zip(jpg / ZIP, texts)
    assert load(jpg, cache) == rows


def test_a_changed_table_is_read_anew(
    jpg: Path, place: Path, cache: str, texts: Texts, expected: list[Row]
) -> None:
    assert load(jpg, cache, reports=str(place)) == expected
    rewrite(place, written([row[0], "other", "", "", ""] for row in table_of(texts)))
    found = load(jpg, cache, reports=str(place))
    assert {row["impression"] for row in found} <= {"other", None}


# --- broken tables --------------------------------------------------------------------------------


def without(name: str) -> Callable[[list[list[str]]], bytes]:
    place = HEADER.index(name)
    kept = [column for column in HEADER if column != name]
    return lambda rows: written([row[:place] + row[place + 1 :] for row in rows], kept)


BROKEN: dict[str, tuple[Callable[[list[list[str]]], bytes], str]] = {
    **{f"no {name}": (without(name), f"has no column '{name}'") for name in HEADER},
    "a study of another form": (
        lambda rows: written([["50000001", MARKER, "", "", ""], *rows]),
        "column 'study' holds '50000001' in row 1 .*expected like s50000001",
    ),
    "a text in place of a study": (
        lambda rows: written([[MARKER, "", "", "", ""], *rows]),
        "column 'study' holds a text of 23 characters in row 1",
    ),
    "no study": (
        lambda rows: written([*rows, ["", MARKER, "", "", ""]]), "column 'study' is empty in 1 of",
    ),
    "a study twice": (
        lambda rows: written([*rows, rows[0]]), "column 'study' must not repeat a value",
    ),
    "no row": (lambda rows: written([]), "has a header but no rows"),
    "no byte": (lambda rows: b"", "is empty"),
    "no header": (lambda rows: written(rows[1:], rows[0]), "does not begin with a header"),
    "not UTF-8": (lambda rows: written(rows).replace(b"\n ", b"\n\xff", 1), "UTF8"),
    "cut within a cell": (
        lambda rows: written([*rows, ["s59999999", f"{MARKER}\n" * 9, "", "", ""]])[:-20],
        "cannot be read|is damaged|must not|has only",
    ),
    "cut within gzip": (lambda rows: gzip.compress(written(rows))[:-90], "cannot be read"),
    "a page": (lambda rows: b"<!DOCTYPE html><html>Log in</html>", "is a page of HTML"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_an_error_that_names_it_and_quotes_no_text(
    name: str, jpg: Path, place: Path, cache: str, texts: Texts
) -> None:
    damage, expected = BROKEN[name]
    rows = [[study, *(f"{MARKER}\n {cell}" for cell in cells)] for study, *cells in table_of(texts)]
    rewrite(place, damage(rows))
    with pytest.raises(TableError, match=expected) as caught:
        load(jpg, cache, reports=str(place))
    assert str(place) in str(caught.value)
    assert MARKER not in str(caught.value)
    assert datasets_under(cache) == []


def test_a_table_of_other_studies_is_an_error(jpg: Path, place: Path, cache: str) -> None:
    rewrite(place, written([["s59999999", "x", "", "", ""]]))
    with pytest.raises(ReportsError, match=r"has no row of these studies.*Pass the table"):
        load(jpg, cache, reports=str(place))
    assert datasets_under(cache) == []


# --- what else looks at a copy --------------------------------------------------------------------


def test_verify_counts_the_studies_that_it_has_and_their_lack_is_no_problem(
    jpg: Path, place: Path, texts: Texts
) -> None:
    rewrite(place, written([*table_of(texts)[2:], ["s59999999", "x", "", "", ""]]))
    found = verify(jpg, reports=str(place), progress=False)
    assert found.problems == 0
    assert found.texts is not None
    filled = sum(any(row[1:]) for row in table_of(texts)[2:])
    assert found.texts.with_text == filled
    rewrite(place, b"study,impression\n")
    broken = verify(jpg, reports=str(place), progress=False)
    assert broken.findings.problems["reports_unreadable"] == 1


def test_an_export_of_it_is_whole_and_its_figures_and_page_are_made(
    jpg: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "export"
    words = ["--data-dir", str(jpg), "--out", str(out), "--config", "reports"]
    assert main(["export", "mimic-cxr-jpg", *words, "--reports", str(place)]) == 0
    assert main(["verify", str(out)]) == 0
    capsys.readouterr()
    assert main(["stats", str(out), "--json"]) == 0
    lengths = {row["column"]: row for row in json.loads(capsys.readouterr().out)["lengths"]}
    assert lengths["impression"]["texts"] > 0
    assert main(["preview", str(out), "--out", str(tmp_path / "page.html")]) == 0


def test_figures_are_made_of_loaded_rows_and_of_a_release_and_a_page_too(
    jpg: Path, place: Path, cache: str, tmp_path: Path
) -> None:
    rows = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(jpg), cache_dir=cache, reports=str(place)
    )
    of_rows = stats(rows).lengths
    of_release = stats(jpg, options={"reports": str(place)}, cache_dir=cache).lengths
    for lengths in (of_rows, of_release):
        assert set(lengths[lengths["texts"] > 0]["column"]) == set(HEADER[1:])
    page = tmp_path / "page.html"
    preview(jpg, out=page, studies=4, options={"reports": str(place)})
    assert page.stat().st_size > 10_000


def test_every_error_here_is_a_cxr_error() -> None:
    assert issubclass(TableError, CxrError)


@pytest.fixture(autouse=True)
def _say_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mimic_cxr_jpg")
