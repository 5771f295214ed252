from __future__ import annotations

import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import explain, label_text

REPORT = """FINDINGS:
The heart is mildly enlarged. No pneumothorax. There may be a
 small left effusion. Scoliosis.

IMPRESSION:
1. Cardiomegaly.
2. Small left effusion cannot be excluded.
"""


def test_a_reason_tells_phrase_sentence_rule_and_place():
    (reason,) = explain("Heart size normal. No large left effusion.")[1:2]
    assert explain("Heart size normal. No large left effusion.")[2] == (
        "Pleural Effusion",
        0,
        True,
        "effusion",
        "not before: No".lower(),
        33,
        41,
        "No large left effusion.",
    )
    assert reason.label == "No Finding"


def test_every_place_is_where_its_phrase_and_its_sentence_stand():
    for reason in explain(REPORT):
        assert REPORT[reason.start : reason.end] == reason.phrase
        assert reason.sentence in REPORT
        assert reason.phrase in reason.sentence


def test_what_decides_is_what_label_text_says():
    labels = label_text(REPORT)
    reasons = explain(REPORT)
    assert {r.label: r.value for r in reasons if r.decides} == {
        label: value for label, value in labels.items() if value is not None
    }
    assert {r.label for r in reasons} == {
        "Cardiomegaly",
        "No Finding",
        "Pleural Effusion",
        "Pneumothorax",
    }


def test_no_finding_is_explained_by_what_speaks_against_it():
    reasons = [r for r in explain(REPORT) if r.label == "No Finding"]
    assert [(r.phrase, r.value, r.decides) for r in reasons] == [("Scoliosis", 0, False)]
    assert label_text(REPORT)["No Finding"] is None


def test_reasons_stand_in_the_order_of_the_labels():
    places = [LABELS.index(reason.label) for reason in explain(REPORT)]
    assert places == sorted(places)


def test_it_prints_as_a_table_with_a_line_for_each_reason():
    reasons = explain(REPORT)
    head, *lines = str(reasons).splitlines()
    assert head.split() == ["label", "value", "phrase", "rule", "at", "sentence"]
    assert len(lines) == len(reasons)
    column = head.index("rule")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
    assert "small left effusion." in str(reasons)  # a line break within a sentence is a blank
    assert str(explain("")).split() == head.split()


def test_what_is_no_text_is_refused():
    with pytest.raises(OptionError, match="text is a NoneType"):
        explain(None)
