"""The invented reports of Indiana say what their terms code, as our rules for texts read them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cxr_datasets.labels import label_text
from indiana_cxr.synthetic.studies import Study, draw_studies
from indiana_cxr.synthetic.terms import NORMAL, SENTENCES

# Beginning of a term -> the labels that its sentence says, 1 each.
SAID = {
    "Pulmonary Atelectasis": {"Atelectasis"},
    "Cardiomegaly": {"Cardiomegaly"},
    "Opacity/lung": {"Lung Opacity"},
    "Density/lung": {"Lung Opacity"},
    "Pleural Effusion": {"Pleural Effusion"},
    "Cardiac Shadow/enlarged": {"Cardiomegaly"},
    "Consolidation": {"Consolidation"},
    "Pneumonia": {"Pneumonia"},
    "Pulmonary Edema": {"Edema"},
    "Fractures, Bone": {"Fracture"},
    "Nodule": {"Lung Lesion"},
    "Mass": {"Lung Lesion"},
    "Thickening/pleura": {"Pleural Other"},
    "Cicatrix/pleura": {"Pleural Other"},
    "Pneumothorax": {"Pneumothorax"},
    "Hydropneumothorax": {"Pleural Effusion", "Pneumothorax"},
    "Catheters, Indwelling": {"Support Devices"},
    "Implanted Medical Device": {"Support Devices"},
}


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Three hundred, but for those whose findings are missing or set by hand."""
    drawn = draw_studies(340, 0, 1 / 64)
    return [study for study in drawn if study.texts["findings"] and "<BR>" not in str(study.texts)]


def said_by(terms: tuple[str, ...]) -> set[str]:
    return {
        label
        for term in terms
        for start, labels in SAID.items()
        if term.startswith(start)
        for label in labels
    }


def with_value(labels: Mapping[str, int | None], value: int) -> set[str]:
    return {label for label, found in labels.items() if found == value}


@pytest.mark.parametrize("start", SAID)
def test_the_sentence_of_a_term_says_its_label_and_no_other(start: str) -> None:
    sentences = [text for term, text in SENTENCES.items() if term.startswith(start)]
    assert sentences
    for sentence in sentences:
        labels = label_text(sentence)
        devices = {"No Finding"} if SAID[start] == {"Support Devices"} else set()
        assert with_value(labels, 1) == SAID[start] | devices
        assert with_value(labels, -1) == set()


@pytest.mark.parametrize("text", NORMAL)
def test_a_normal_report_says_no_finding(text: str) -> None:
    labels = label_text(text)
    assert with_value(labels, 1) == {"No Finding"}
    assert with_value(labels, -1) == set()
    assert {"Cardiomegaly", "Pleural Effusion"} <= with_value(labels, 0)


def test_findings_state_what_is_coded_and_deny_or_doubt_what_is_not(studies: list[Study]) -> None:
    assert len(studies) > 250
    seen: dict[int, set[str]] = {1: set(), 0: set(), -1: set()}
    for study in studies:
        labels, coded = label_text(study.texts["findings"]), said_by(study.terms)
        assert coded <= with_value(labels, 1), study.texts["findings"]
        assert not coded & (with_value(labels, 0) | with_value(labels, -1))
        for value, found in seen.items():
            found |= with_value(labels, value)
    assert seen[1] >= set.union(*SAID.values())
    assert {"Consolidation", "Edema", "Pleural Effusion", "Pneumothorax"} <= seen[0] & seen[-1]
