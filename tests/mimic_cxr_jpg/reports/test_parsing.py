"""Sections of reports: each official rule on its own, then all against a plain reading of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from mimic_cxr_jpg.reports.parsing import REPORT_SECTIONS, parse_sections
from tests.mimic_cxr_jpg.reports.official import OFFICIAL_SPELLINGS, reference_sections


def sections_of(report: str) -> dict[str, str]:
    """Parse one report; sections that are null are left out."""
    columns = parse_sections(pa.array([report], pa.string()))
    return {name: column[0].as_py() for name, column in columns.items() if column[0].is_valid}


# --- what comes in and out ------------------------------------------------------------------


def test_columns_come_in_the_documented_order_as_plain_string_arrays_of_the_input_length() -> None:
    columns = parse_sections(pa.array(["a", None, "b"]))
    assert tuple(columns) == REPORT_SECTIONS
    assert all(column.type == pa.string() and len(column) == 3 for column in columns.values())


def test_null_empty_and_blank_reports_have_no_sections() -> None:
    columns = parse_sections(pa.array([None, "", " \n \n \n"], pa.string()))
    assert all(column.null_count == 3 for column in columns.values())


@pytest.mark.parametrize("chunks", [[], [[]], [[], ["x"], []]])
def test_empty_arrays_and_empty_chunks_are_accepted(chunks: list[list[str]]) -> None:
    columns = parse_sections(pa.chunked_array(chunks, pa.string()))
    assert {len(column) for column in columns.values()} == {sum(map(len, chunks))}


def test_a_column_of_nulls_without_a_type_is_accepted() -> None:
    assert parse_sections(pa.nulls(2))["findings"].to_pylist() == [None, None]


def test_sliced_chunked_and_large_arrays_give_the_rows_of_a_plain_one() -> None:
    reports = [None if n % 7 == 0 else f"T\n FINDINGS: finding {n}\n" for n in range(10_000)]
    expected = [None if n % 7 == 0 else f"finding {n}" for n in range(10_000)]
    plain = pa.array(reports)
    uneven = pa.chunked_array([plain[:1], plain[1:6000], plain[6000:]])
    assert parse_sections(plain)["findings"].to_pylist() == expected
    assert parse_sections(uneven)["findings"].to_pylist() == expected
    assert parse_sections(plain.cast(pa.large_string()))["findings"].to_pylist() == expected
    assert parse_sections(plain[5:9000])["findings"].to_pylist() == expected[5:9000]


def test_an_array_that_holds_no_strings_is_refused_with_its_type() -> None:
    with pytest.raises(TypeError, match="int64"):
        parse_sections(pa.array([1]))


# --- headers --------------------------------------------------------------------------------


def test_a_report_is_cut_at_its_headers_and_the_text_is_stripped_but_else_untouched() -> None:
    report = (
        "                                 FINAL REPORT\n"
        " EXAMINATION:  CHEST (PA AND LAT)\n \n"
        " INDICATION:  ___ year old with  cough\n \n"
        " COMPARISON:  None.\n \n"
        " FINDINGS: \n \n First line,\n   second  line: as is.\n \n Next paragraph.\n \n"
        " IMPRESSION: \n \n 1.  Clear.\n"
    )
    assert sections_of(report) == {
        "examination": "CHEST (PA AND LAT)",
        "indication": "___ year old with  cough",
        "comparison": "None.",
        "findings": "First line,\n   second  line: as is.\n \n Next paragraph.",
        "impression": "1.  Clear.",
    }


@pytest.mark.parametrize("header", [" FINDINGS", "  FINDINGS", "          FINDINGS", " FINDINGS "])
def test_a_header_may_have_more_spaces_around_it(header: str) -> None:
    assert sections_of(f"T\n{header}: x") == {"findings": "x"}


@pytest.mark.parametrize(
    "line",
    [
        "FINDINGS: x",
        "\tFINDINGS: x",
        " Findings: x",
        " findings: x",
        " FINDINGS 2: x",
        " FINDINGS_: x",
        " FINDINGS:x",
        " FINDINGS; x",
        " FINDINGS\n: x",
    ],
)
def test_what_only_resembles_a_header_is_text(line: str) -> None:
    assert sections_of(f"T\n COMMENT: c\n{line}\n") == {"comment": f"c\n{line}"}


def test_a_header_on_the_first_line_is_text_because_no_line_precedes_it() -> None:
    assert sections_of(" FINDINGS: x\n IMPRESSION: y\n") == {"impression": "y"}


@pytest.mark.parametrize("white", [" ", "\n", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2003"])
def test_any_white_space_may_follow_the_colon(white: str) -> None:
    assert sections_of(f"T\n FINDINGS:{white}x") == {"findings": "x"}


def test_a_header_at_the_very_end_without_white_space_is_text() -> None:
    assert sections_of("T\n COMMENT: c\n FINDINGS:") == {"comment": "c\n FINDINGS:"}


def test_a_header_at_the_end_of_one_report_does_not_reach_into_the_next() -> None:
    columns = parse_sections(pa.array(["T\n COMMENT: c\n FINDINGS:", " x\n IMPRESSION: y", "\n"]))
    assert columns["comment"].to_pylist() == ["c\n FINDINGS:", None, None]
    assert columns["findings"].to_pylist() == [None, None, None]
    assert columns["impression"].to_pylist() == [None, "y", None]


def test_a_header_right_after_a_header_line_is_text_of_the_first() -> None:
    assert sections_of("T\n FINDINGS:\n IMPRESSION: y\n") == {"findings": "IMPRESSION: y"}


def test_a_header_after_a_header_line_that_ends_in_a_space_is_a_header() -> None:
    assert sections_of("T\n FINDINGS: \n IMPRESSION: y\n") == {"impression": "y"}


def test_an_unknown_header_ends_the_section_before_it_and_has_no_column() -> None:
    report = "T\n FINDINGS: x\n DICTATED BY: someone\n IMPRESSION: y\n"
    assert sections_of(report) == {"findings": "x", "impression": "y"}


@pytest.mark.parametrize("header", ["DATE", "PREAMBLE", "LAST PARAGRAPH", "FULL REPORT", " ", "-"])
def test_headers_that_have_no_column_are_left_out(header: str) -> None:
    assert sections_of(f"T\n {header}: nothing\n FINDINGS: x\n") == {"findings": "x"}


@pytest.mark.parametrize(
    "report",
    ["___", "_" * 78 + "\n", ":", "\n :", "\n : ", "\n \n", "\0", "\n FINDINGS:", "\n ÉTAT: "],
)
def test_odd_text_gives_no_section_and_no_error(report: str) -> None:
    assert sections_of(report) == {}


def test_text_outside_ascii_is_kept() -> None:
    assert sections_of("T\n FINDINGS: 5 µm, naïve 😀\n") == {"findings": "5 µm, naïve 😀"}


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_are_read_as_the_official_code_reads_them(end: str) -> None:
    report = "T\n FINDINGS: \n \n a\n b\n IMPRESSION: y\n".replace("\n", end)
    assert sections_of(report) == {"findings": "a\n b", "impression": "y"}


def test_ndication_is_read_as_indication_and_leaves_the_impression_alone() -> None:
    report = "T\n NDICATION: cough\n IMPRESSION: y\n FINDINGS: x\n"
    assert sections_of(report) == {"indication": "cough", "impression": "y", "findings": "x"}


def test_a_procedure_as_header_opens_the_findings() -> None:
    assert sections_of("T\n PORTABLE SUPINE FILM: x\n") == {"findings": "x"}


# --- which text counts ----------------------------------------------------------------------


def test_of_repeated_sections_the_last_counts_whatever_its_spelling() -> None:
    report = "T\n IMPRESSION: first\n HISTORY: a\n CONCLUSION: second\n CLINICAL HISTORY: b\n"
    assert sections_of(report) == {"impression": "second", "history": "b"}


def test_blank_findings_and_impressions_do_not_displace_earlier_ones() -> None:
    report = "T\n FINDINGS: x\n IMPRESSION: y\n CHEST: \n \n IMPRESSION: \n \n"
    assert sections_of(report) == {"findings": "x", "impression": "y"}


def test_other_blank_sections_do_displace_earlier_ones() -> None:
    assert sections_of("T\n HISTORY: a\n HISTORY: \n FINDINGS: x\n") == {"findings": "x"}


def test_the_last_paragraph_is_what_follows_the_first_empty_line_of_the_last_section() -> None:
    report = "T\n \n t\n HISTORY: a\n \n h\n COMPARISON: None.\n \n Clear.\n \n As before.\n"
    assert sections_of(report) == {
        "history": "a\n \n h",
        "comparison": "None.",
        "last_paragraph": "Clear.\n \n As before.",
    }


def test_the_last_paragraph_is_taken_from_an_unknown_section_too() -> None:
    assert sections_of("T\n HISTORY: a\n NOTE: n\n \n Clear.\n") == {
        "history": "a",
        "last_paragraph": "Clear.",
    }


def test_without_any_header_the_last_paragraph_follows_the_first_empty_line() -> None:
    assert sections_of(" FINAL REPORT\n \n Clear.\n \n Same.\n") == {
        "last_paragraph": "Clear.\n \n Same."
    }


def test_without_an_empty_line_there_is_no_last_paragraph() -> None:
    assert sections_of("T\n COMPARISON: None.\n\n Clear.\n") == {"comparison": "None.\n\n Clear."}


@pytest.mark.parametrize("main", ["FINDINGS: x", "IMPRESSION: x", "CHEST: x"])
def test_with_findings_or_an_impression_there_is_no_last_paragraph(main: str) -> None:
    sections = sections_of(f"T\n {main}\n COMPARISON: None.\n \n Clear.\n")
    assert sections["comparison"] == "None.\n \n Clear."
    assert "last_paragraph" not in sections


def test_blank_findings_at_the_end_leave_the_section_before_them_as_the_last() -> None:
    report = "T\n COMPARISON: None.\n \n Clear.\n \n FINDINGS: \n \n"
    assert sections_of(report) == {"comparison": "None.", "last_paragraph": "Clear."}


def test_with_only_blank_findings_the_last_paragraph_is_taken_from_before_the_header() -> None:
    assert sections_of("T\n \n Clear.\n FINDINGS: \n") == {"last_paragraph": "Clear."}


def test_a_section_or_last_paragraph_left_blank_by_the_cut_is_null() -> None:
    assert sections_of("T\n COMPARISON: \n \n Clear.\n") == {"last_paragraph": "Clear."}
    assert sections_of("T\n COMPARISON: None.\n \n \n") == {"comparison": "None."}


def test_an_addendum_and_a_wet_read_before_the_report_run_to_its_first_header() -> None:
    line = "_" * 78
    report = (
        f"                 FINAL ADDENDUM\n ADDENDUM:  More.\n {line}\n"
        f" WET READ: ___ ___ ___ 7:50 PM\n Fine.\n {line}\n"
        "                 FINAL REPORT\n FINDINGS: x\n"
    )
    assert sections_of(report) == {
        "addendum": f"More.\n {line}",
        "wet_read": f"___ ___ ___ 7:50 PM\n Fine.\n {line}\n                 FINAL REPORT",
        "findings": "x",
    }


# --- all rules at once, against a plain reading ----------------------------------------------


COMMON = tuple(section.replace("_", " ").upper() for section in OFFICIAL_SPELLINGS)
HEADERS = (
    *(spelling.upper() for row in OFFICIAL_SPELLINGS.values() for spelling in row.split("|")),
    *("CHEST", "PORTABLE AP FILM", "LEFT RIBS", "PAST HISTORY", "FINDINGS OF THE IMPRESSION"),
    *("NOTE", "DICTATED BY", "LAST PARAGRAPH", "FULL REPORT", "( )", "-", " "),
    *("Findings", "findings", "FINDINGS 2", "T12 FINDINGS", "FINDINGS_", "ÉTAT", "FINDINGS\n"),
)
FRAGMENTS = ("\n", "\n ", "\n \n", " ", ":", ": ", ":\n", "A", "x", "_", "(", "\r", "\r\n", "\t")
ODD = ("\0", "\x1c", "\x1e", "\x85", "\xa0", "\u2028", "\u3000", "\ue000", "µ", "😀")


def random_report(rng: random.Random) -> str:
    """Write a report in blocks, laid out as radiologists do, careless ones among them."""
    blocks = [rng.choice(("", " ", " FINAL REPORT\n", "FINAL REPORT\n \n", " T\n \n Clear.\n"))]
    if rng.random() < 0.2:
        blocks.append(f" {rng.choice(('ADDENDUM', 'WET READ'))}: a\n {'_' * 20}\n FINAL REPORT\n")
    few = [rng.choice(rng.choice((COMMON, HEADERS))) for _ in range(4)]
    for _ in range(rng.choice((0, 1, 2, 3, 5, 8))):
        indent = rng.choice((" ", " ", " ", " ", "", "  ", "\t"))
        colon = rng.choice((": ", ": ", ":  ", ":\n", ": \n", ": \n \n ", ":", ":\n \n "))
        body = rng.choice(("", "", " ", "a b", "None.\n \n Clear.", "a\n b\n \n c\n \n d", "1:2"))
        end = rng.choice(("\n", "\n", "\n \n", "\n\n", "", " \n", "\r\n"))
        blocks.append(f"{indent}{rng.choice(few)}{colon}{body}{end}")
    return "".join(blocks)


def random_soup(rng: random.Random) -> str:
    """Throw headers, white space and odd characters together."""
    headers = ("FINDINGS", "IMPRESSION", "COMPARISON", "NOTE", "\n COMMENT: ", "\n FINDINGS:")
    return "".join(
        rng.choice(rng.choice((headers, FRAGMENTS, FRAGMENTS, FRAGMENTS, ODD)))
        for _ in range(rng.randrange(30))
    )


@pytest.mark.parametrize(
    ("write", "seen"),
    [(random_report, REPORT_SECTIONS), (random_soup, ("findings", "comment", "last_paragraph"))],
)
def test_thousands_of_adversarial_reports_parse_as_in_a_plain_reading_of_the_rules(
    write: Callable[[random.Random], str], seen: tuple[str, ...]
) -> None:
    rng = random.Random(20240312)
    reports = [write(rng) for _ in range(5000)]
    columns = parse_sections(pa.array(reports))
    table = pa.table(columns).to_pylist()
    for report, row in zip(reports, table, strict=True):
        found = {name: text for name, text in row.items() if text is not None}
        assert found == reference_sections(report), repr(report)
    filled = {name: len(reports) - columns[name].null_count for name in seen}
    assert min(filled.values()) >= 50, filled
