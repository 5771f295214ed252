"""The official rules of sections, each on its own."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mimic_cxr_jpg.reports import parse_sections, sections


def sections_of(report: str) -> dict[str, str]:
    """Parse one report; sections that are None are left out."""
    parsed = sections(report, rules="official")
    return {name: text for name, text in parsed.items() if text is not None}


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
    reports = pa.array(["T\n COMMENT: c\n FINDINGS:", " x\n IMPRESSION: y", "\n"])
    columns = parse_sections(reports, rules="official")
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


def test_ndication_is_an_impression_and_the_last_impression_counts() -> None:
    assert sections_of("T\n NDICATION: cough\n FINDINGS: x\n") == {
        "impression": "cough",
        "findings": "x",
    }
    report = "T\n IMPRESSION: y\n NDICATION: cough\n"
    assert sections_of(report) == {"impression": "cough"}


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
