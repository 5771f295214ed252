"""Where the corrected rules of sections differ from the official ones, and where they do not."""

from __future__ import annotations

import pytest

from mimic_cxr_jpg.reports import sections

RULER = "_" * 78
TITLE = " " * 33 + "FINAL REPORT"


def parsed(report: str, rules: str) -> dict[str, str]:
    return {name: text for name, text in sections(report, rules).items() if text is not None}


DIFFERENCES = {
    "a typo of indication is no impression": (
        "T\n NDICATION: cough\n FINDINGS: Clear.\n",
        {"impression": "cough", "findings": "Clear."},
        {"indication": "cough", "findings": "Clear."},
    ),
    "sections of one name are joined in their order": (
        "T\n FINDINGS: a\n IMPRESSION: b\n CHEST: c\n \n d\n CONCLUSION: e\n",
        {"findings": "c\n \n d", "impression": "e"},
        {"findings": "a\n\nc\n \n d", "impression": "b\n\ne"},
    ),
    "a blank section does not displace another of its name": (
        "T\n HISTORY: a\n HISTORY: \n FINDINGS: x\n",
        {"findings": "x"},
        {"history": "a", "findings": "x"},
    ),
    "a blank section at the end does not keep the last paragraph from being found": (
        "T\n COMPARISON: None.\n \n Clear.\n NOTIFICATION: \n",
        {"comparison": "None.\n \n Clear."},
        {"comparison": "None.", "last_paragraph": "Clear."},
    ),
    "a header may stand on the first line": (
        " WET READ: Fine.\n FINDINGS: x\n",
        {"findings": "x"},
        {"wet_read": "Fine.", "findings": "x"},
    ),
    "a header may stand right after another's line": (
        "T\n FINDINGS:\n IMPRESSION: Clear.\n",
        {"findings": "IMPRESSION: Clear."},
        {"impression": "Clear."},
    ),
    "a header may be the very end": (
        "T\n FINDINGS: x\n COMMENT:",
        {"findings": "x\n COMMENT:"},
        {"findings": "x"},
    ),
    "a known header may stand at the margin": (
        "T\nCOMPARISON: None.\n\tFINDINGS: x\nIMPRESSION: y\n",
        {},
        {"comparison": "None.", "findings": "x", "impression": "y"},
    ),
    "a known header needs no white space after its colon": (
        "T\n COMPARISON:None.\n FINDINGS: x\n IMPRESSION:1. Clear.\n",
        {"findings": "x\n IMPRESSION:1. Clear."},
        {"comparison": "None.", "findings": "x", "impression": "1. Clear."},
    ),
    "a known header may be in any case where a sentence can begin": (
        f"{TITLE}\n Comparison: None.\n findings: Clear.\n \n Impression:  Fine.\n",
        {"last_paragraph": "Impression:  Fine."},
        {"comparison": "None.", "findings": "Clear.", "impression": "Fine."},
    ),
    "such a header of findings or impression may end these, too": (
        "T\n FINDINGS: a.\n LUNGS: b.\n History: c.\n Impression: d.\n",
        {"findings": "a."},
        {"findings": "a.\n LUNGS: b.\n History: c.", "impression": "d."},
    ),
    "a header that no rule knows is a sub-heading in the findings": (
        "T\n FINDINGS: \n \n LUNGS: Clear.\n \n HEART: Normal.\n IMPRESSION: Fine.\n",
        {"impression": "Fine."},
        {"findings": "LUNGS: Clear.\n \n HEART: Normal.", "impression": "Fine."},
    ),
    "an empty line may hold no space, or several, and may follow the header's line": (
        "T\n HISTORY: a\n COMPARISON:\n \n Clear.\n",
        {"history": "a", "comparison": "Clear."},
        {"history": "a", "last_paragraph": "Clear."},
    ),
    "an empty line may hold no space": (
        "T\n COMPARISON: None.\n\n Clear.\n   \n Same.\n",
        {"comparison": "None.\n\n Clear.\n   \n Same."},
        {"comparison": "None.", "last_paragraph": "Clear.\n   \n Same."},
    ),
    "the line of underscores and the title after an addendum are not part of it": (
        f"T\n ADDENDUM: More.\n {RULER}\n{TITLE}\n FINDINGS: x\n",
        {"addendum": f"More.\n {RULER}\n{TITLE}", "findings": "x"},
        {"addendum": "More.", "findings": "x"},
    ),
    "a section that is only such a line is blank": (
        f"T\n FINDINGS: x\n IMPRESSION: \n {RULER}\n",
        {"findings": "x", "impression": RULER},
        {"findings": "x"},
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_corrected_rules_differ_where_words_are_lost_or_misplaced(name: str) -> None:
    report, official, corrected = DIFFERENCES[name]
    assert parsed(report, "official") == official
    assert parsed(report, "corrected") == corrected


def test_corrected_is_what_is_done_unless_told_otherwise() -> None:
    for report, _, corrected in DIFFERENCES.values():
        assert sections(report) == sections(report, "corrected")
        assert {name: text for name, text in sections(report).items() if text} == corrected


@pytest.mark.parametrize(
    ("report", "same"),
    [
        (
            f"{TITLE}\n EXAMINATION:  CHEST\n \n INDICATION:  ___ with  cough\n \n"
            " FINDINGS: \n \n First,\n   second  line.\n \n Next.\n \n"
            " IMPRESSION: \n \n 1. Clear.\n",
            {
                "examination": "CHEST",
                "indication": "___ with  cough",
                "findings": "First,\n   second  line.\n \n Next.",
                "impression": "1. Clear.",
            },
        ),
        ("T\n FINDINGS: x\n DICTATED BY: y\n", None),
        ("T\n IMPRESSION: x\n NOTE: y\n", {"impression": "x"}),
        ("T\n HISTORY: x\n NOTE: y\n \n Clear.\n", {"history": "x", "last_paragraph": "Clear."}),
        ("T\n FINDINGS: x\n DATE: ___\n", {"findings": "x"}),
        ("T\n FINDINGS: x\ndate: ___\nDATE: ___\n", {"findings": "x\ndate: ___\nDATE: ___"}),
        ("T\n FINDINGS: As in the\n findings: x\n", {"findings": "As in the\n findings: x"}),
        (
            "T\n FINDINGS: \n Comparison: ___.\n Clear.\n",
            {"findings": "Comparison: ___.\n Clear."},
        ),
        (
            "T\n IMPRESSION: x.\n \n Recommendation: y.\n",
            {"impression": "x.\n \n Recommendation: y."},
        ),
        ("T\n FINDINGS: x.\n Lungs: y\n", {"findings": "x.\n Lungs: y"}),
        ("T\n FINDINGS: x.\n FINDINGS 2: y\n", {"findings": "x.\n FINDINGS 2: y"}),
        ("T\n FINDINGS: x.\n FINDINGS; y\n", {"findings": "x.\n FINDINGS; y"}),
        ("T\n FINDINGS: x.\nLUNGS: y\n", {"findings": "x.\nLUNGS: y"}),
        ("T\n FINDINGS: seen by ___\n ___ at 7:15.\n", {"findings": "seen by ___\n ___ at 7:15."}),
        (f"T\n FINDINGS: a\n {RULER}\n b\n", {"findings": f"a\n {RULER}\n b"}),
        ("T\n \n Clear.\n FINDINGS: \n", {"last_paragraph": "Clear."}),
        ("FINAL REPORT\n \n Clear.\n \n Same.\n", {"last_paragraph": "Clear.\n \n Same."}),
        ("Clear lungs.", {}),
    ],
)
def test_both_rules_agree_on_everything_else(report: str, same: dict[str, str] | None) -> None:
    if same is None:  # but for a sub-heading
        assert parsed(report, "corrected") == {"findings": "x\n DICTATED BY: y"}
        assert parsed(report, "official") == {"findings": "x"}
    else:
        assert parsed(report, "corrected") == parsed(report, "official") == same


def test_a_wet_read_an_addendum_and_the_report_each_keep_their_own_text() -> None:
    report = (
        f"                 FINAL ADDENDUM\n ADDENDUM:  More.\n IMPRESSION: Changed.\n {RULER}\n"
        f" WET READ: ___ ___ 7:50 PM\n Fine.\n {RULER}\n{TITLE}\n FINDINGS: x\n IMPRESSION: y\n"
    )
    assert parsed(report, "corrected") == {
        "addendum": "More.",
        "wet_read": "___ ___ 7:50 PM\n Fine.",
        "findings": "x",
        "impression": "Changed.\n\ny",
    }
