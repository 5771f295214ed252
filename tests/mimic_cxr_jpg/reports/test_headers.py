"""Headers of reports: how they are spelled, and the section each of them opens."""

from __future__ import annotations

import pytest

from mimic_cxr_jpg.reports.headers import CONTAINED, PROCEDURES, SPELLINGS, section_of
from tests.mimic_cxr_jpg.reports.official import OFFICIAL_PROCEDURES, OFFICIAL_SPELLINGS


def test_the_58_spellings_are_the_official_ones_except_that_ndication_is_an_indication() -> None:
    official = {
        spelling: section
        for section, spellings in OFFICIAL_SPELLINGS.items()
        for spelling in spellings.split("|")
    }
    assert len(official) == 58
    assert {**official, "ndication": "indication"} == SPELLINGS


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("WET READ", "wet_read"),
        ("WETREAD", "wet_read"),
        ("RECOMMENDATION(S)", "recommendations"),
        ("REASON FOR EXAM", "indication"),
        ("PFI", "history"),
        ("CONCLUSION", "impression"),
        ("FINDINGS/ IMPRESSION", "impression"),
        ("  Findings  ", "findings"),
    ],
)
def test_known_spellings_open_their_section(header: str, section: str) -> None:
    assert section_of(header) == section


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("PRELIMINARY IMPRESSION", "impression"),
        ("CHEST FINDINGS", "findings"),
        ("PAST MEDICAL HISTORY", "history"),
        ("COMPARISON CHEST", "comparison"),
        ("SECOND ADDENDUM", "addendum"),
        ("FINDINGS WITH IMPRESSION", "impression"),
        ("HISTORY AND FINDINGS", "findings"),
        ("COMPARISON HISTORY", "history"),
        ("ADDENDUM TO COMPARISON", "comparison"),
    ],
)
def test_a_header_holding_a_main_section_opens_it_the_first_in_order(
    header: str, section: str
) -> None:
    assert section_of(header) == section
    assert len(CONTAINED) == 5


def test_each_of_the_18_procedure_names_opens_the_findings() -> None:
    assert set(PROCEDURES) == set(OFFICIAL_PROCEDURES)
    assert len(set(PROCEDURES)) == 18
    assert {section_of(f"X {name.upper()} Y") for name in PROCEDURES} == {"findings"}


def test_an_unknown_header_keeps_its_own_name_in_lower_case() -> None:
    assert section_of(" DICTATED BY ") == "dictated by"
