"""Of all places that speak of a label, positive beats uncertain, and uncertain beats negative."""

from __future__ import annotations

import itertools

import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import explain, label_text, label_texts
from cxr_datasets.labels.text.verdict import BITS, values

WAYS = {
    # label: what says 1, -1 and 0 of it, without a capital and a full stop
    "Pleural Effusion": {1: "small left effusion", -1: "possible effusion", 0: "no effusion"},
    "Pneumonia": {1: "right pneumonia", -1: "pneumonia is possible", 0: "no pneumonia"},
    "Cardiomegaly": {
        1: "the heart is enlarged", -1: "the heart is stable", 0: "the heart is normal"
    },
}  # fmt: skip
SAID = [
    said
    for count in (2, 3)
    for said in itertools.product((1, -1, 0), repeat=count)
    if len({*said}) > 1
]


def strongest(said: tuple[int, ...]) -> int:
    """What the CheXpert labeler makes of several values, written out."""
    return 1 if 1 in said else -1 if -1 in said else 0


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize("label", WAYS)
def test_several_sentences_say_the_strongest_in_every_order(label: str, said: tuple[int, ...]):
    text = " ".join(f"{WAYS[label][value].capitalize()}." for value in said)
    assert [reason.value for reason in explain(text) if reason.label == label] == [*said]
    assert label_text(text)[label] == strongest(said)
    assert label_texts([text])[0].as_py()[label] == strongest(said)


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize("label", WAYS)
def test_clauses_of_one_sentence_say_the_strongest_in_every_order(
    label: str, said: tuple[int, ...]
):
    text = ", but ".join(WAYS[label][value] for value in said).capitalize() + "."
    assert [reason.value for reason in explain(text) if reason.label == label] == [*said]
    assert label_text(text)[label] == strongest(said)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("said", SAID, ids=str)
def test_mentions_of_every_label_are_weighed_alike(label: str, said: tuple[int, ...]):
    if label != "No Finding":  # it follows from the others
        marks = 0
        for value in said:
            marks |= BITS[label, value]
        assert values(marks)[LABELS.index(label)] == strongest(said)
