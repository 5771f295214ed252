from __future__ import annotations

import random

import pytest

from cxr_datasets.labels.text import sentences as module
from cxr_datasets.labels.text.sentences import spans


def sentences(text: str) -> list[str]:
    return [text[begin:end] for begin, end in spans(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" \n ", []),
        ("No effusion. No edema.", ["No effusion.", "No edema."]),
        ("No effusion; no edema", ["No effusion;", "no edema"]),
        ("A 1.2 cm nodule. Seen by Dr. Lee.", ["A 1.2 cm nodule.", "Seen by Dr. Lee."]),
        ("Edema vs. pneumonia.", ["Edema vs. pneumonia."]),
        ("No effusion.No edema.", ["No effusion.", "No edema."]),
        ("1. No effusion.\n2. Edema.", ["1. No effusion.", "2. Edema."]),
        ("1. No effusion 2. Edema", ["1. No effusion", "2. Edema"]),
        ("- no effusion\n- edema", ["- no effusion", "- edema"]),
        ("There is no\n effusion or\n edema.", ["There is no\n effusion or\n edema."]),
        ("There is a\n PICC.", ["There is a\n PICC."]),
        ("No effusion\nEdema", ["No effusion", "Edema"]),
        ("No effusion\n\nor edema", ["No effusion", "or edema"]),
        ("No evidence of:\n- edema\n- effusion", ["No evidence of:\n- edema\n- effusion"]),
        ("Compared with 2012. The heart", ["Compared with 2012.", "The heart"]),
        ("Seen in ___. No edema.. Clear?", ["Seen in ___.", "No edema..", "Clear?"]),
        ("INDICATION: Edema.\nFINDINGS: Clear.", ["Clear."]),
        ("Clear. RECOMMENDATION(S): Rule out a nodule.", ["Clear."]),
        ("History of edema.", ["History of edema."]),
    ],
)
def test_a_text_is_cut_into_sentences(text, parts):
    assert sentences(text) == parts


PARTS = ("No", "effusion", "Dr", "1", "12", "-", "a", "Clear", "of", "FINDINGS", "vs")
MARKS = (" ", " ", " ", ".", ". ", ".. ", '."', ";", "? ", "!", "\n", "\n\n", ":", ") ", "")


def test_a_text_with_one_mark_at_its_end_is_cut_as_any_other(monkeypatch):
    rng = random.Random(0)
    texts = ["", " ", ".", "a", " a. ", "a\n1. ", "a 1. ", "?", "a;", "A:", " \n."] + [
        "".join(rng.choice(PARTS) + rng.choice(MARKS) for _ in range(rng.randint(1, 4)))
        for _ in range(5_000)
    ]
    short = [module.is_one(text) for text in texts]
    assert 500 < sum(short) < 4_000
    found = [spans(text) for text in texts]
    monkeypatch.setattr(module, "is_one", lambda text: False)
    assert [spans(text) for text in texts] == found
