"""A column is read in pieces, each once; what it says is what a plain reading of each text says."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import label_texts
from cxr_datasets.labels.text import column, known, masks, phrases, sentences
from cxr_datasets.labels.text.masks import masked
from cxr_datasets.labels.text.mentions import mentions
from cxr_datasets.labels.text.sentences import spans
from cxr_datasets.labels.text.verdict import BITS, values
from cxr_datasets.labels.text.vocabulary import (
    AND,
    COMMA,
    FINDING,
    FRESH,
    NOT_BEFORE,
    vocabulary,
)
from mimic_cxr_jpg.synthetic.sentences import SENTENCES

BETWEEN = (*(" ",) * 12, "\n", "\n ", " \n", "\n \n", "; ", ", ", ". ", ": ", "\t", "\x1e",
           "\u00a0", "\r\n", " 1. ", "\n2) ", "\n- ", " Dr. ", " p.m. ", " approx. ",
           " approximately. ", " thorax. ", " 4. ", " XXXX ", " ___ ", ".No ", "? ")  # fmt: skip


def plainly(text: str | None) -> dict[str, int | None] | None:
    """Read a text sentence by sentence, word by word, and keep nothing."""
    if text is None:
        return None
    return dict(zip(LABELS, values(marks_of_mentions(text)), strict=True))


def marks_of_mentions(text: str) -> int:
    marks = 0
    for begin, end in spans(text):
        for mention in mentions(text[begin:end]):
            marks |= BITS[mention.label, mention.value]
    return marks


def drawn(seed: int, count: int) -> list[str]:
    """Invented reports whose words are cut and joined anywhere, with others thrown in."""
    rng = random.Random(seed)
    sentences = [said for of_values in SENTENCES.values() for some in of_values for said in some]
    texts = []
    for _ in range(count):
        words = " ".join(rng.choices(sentences, k=rng.randint(1, 4))).split()
        text = ""
        for word in words:
            text += word + rng.choice(BETWEEN)
            if rng.random() < 0.1:
                text += "blah " * rng.randint(1, 9)
        texts.append(text)
    return texts


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known from other tests."""
    monkeypatch.setattr(known, "_texts", {})
    monkeypatch.setattr(known, "_sentences", {})


@pytest.mark.parametrize("seed", range(4))
def test_a_column_says_what_a_plain_reading_of_each_text_says(seed: int) -> None:
    texts = drawn(seed, 400)
    found = label_texts(texts).to_pylist()
    wrong = [text for text, labels in zip(texts, found, strict=True) if labels != plainly(text)]
    assert not wrong
    said = {(label, value) for labels in found for label, value in labels.items()}
    assert len(said) > 50  # every label with every value, but for No Finding


def test_phrases_that_are_left_out_would_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    by_kind = phrases_by_kind()
    texts = []
    for number in range(10_000):
        kinds = sorted(by_kind) if number % 2 else [NOT_BEFORE, COMMA, AND, FRESH, FINDING]
        words = [rng.choice(by_kind[rng.choice(kinds)]) for _ in range(rng.randint(1, 9))]
        for _ in range(rng.randint(0, 3)):
            words.insert(rng.randint(0, len(words)), "blah " * rng.randint(1, 7))
        texts.append(" ".join(words))
    found = [known.marks_of(text) for text in texts]
    assert len(set(found)) > 300
    for kind in ("FRESH", "PLAIN"):  # and so none is left out
        monkeypatch.setattr(phrases, kind, "")
    assert [marks_of_mentions(text) for text in texts] == found


def phrases_by_kind() -> dict[str, list[str]]:
    """Kind -> all phrases of the vocabulary of it."""
    found: dict[str, list[str]] = defaultdict(list)
    below: list[tuple[str, Any]] = [("", vocabulary().words)]
    for before, node in below:
        for word, more in node.items():
            if word:
                below.append((f"{before} {word}", more))
            else:
                found[more.kind].append(before)
    return found


@pytest.mark.parametrize("gap", range(12))
def test_words_that_no_rule_knows_count_by_their_number_alone(gap: int) -> None:
    for text in (
        f"Heart {'blah ' * gap}normal.", f"Normal {'blah ' * gap}heart.",
        f"No nodule {'blah ' * gap}or {'blah ' * gap}fracture.",
        f"Nodule {'blah ' * gap}or {'blah ' * gap}mass {'blah ' * gap}or pneumonia.",
        f"No {'blah ' * gap}edema, {'blah ' * gap}effusion {'blah ' * gap}but pneumonia.",
    ):  # fmt: skip
        assert label_texts([text, text.upper()])[0].as_py() == plainly(text), text


def test_sentences_that_differ_in_other_words_are_read_once() -> None:
    texts = [f"A {size} mm nodule at level {size + 7}, seen on {size}/{size}." for size in range(9)]
    assert {row["Lung Lesion"] for row in label_texts(texts).to_pylist()} == {1}
    assert len(known._texts) == 2  # of a number, only how many digits it has counts
    several = [f"The {word} shows a nodule, {word}." for word in ("blah", "flibber", "Third")]
    assert {row["Lung Lesion"] for row in label_texts(several).to_pylist()} == {1}
    assert len(known._texts) == 4
    assert len(known._sentences) == 2


@pytest.mark.parametrize("seed", range(2))
def test_masked_texts_say_the_same(seed: int) -> None:
    rng = random.Random(seed)
    others = ("blah", "Blah", "BLAH", "bLaH", "blah.", "blah-blah,", "(blah", "XXXX", "___", "T12",
              "L9", "3.5", "12.", "don't", "na\u00efve", "a.m.", "dr.", "q", "qq", "blah.No", "ad",
              "?", "\n", "\nThe", "\n the", "\x1e", "of", "blah/blah")  # fmt: skip
    texts = [
        " ".join(
            w for word in text.split(" ") for w in (word, *rng.choices(others, k=rng.randint(0, 9)))
        )
        for text in (report.replace(":", ",") for report in drawn(seed + 50, 200))
    ]
    hidden = masked(pa.array(texts)).to_pylist()
    assert [known.marks_of(text) for text in hidden] == [known.marks_of(text) for text in texts]
    assert sum(len(text) for text in hidden) < 0.9 * sum(map(len, texts))


def test_the_word_for_unknown_words_is_itself_unknown() -> None:
    assert masked(pa.array(["unknown Unknown UNKNOWN 47 effusion"])).to_pylist() == [
        "q Qq Q 00 effusion"
    ]
    for word in ("q", "qq", "00"):
        assert word not in masks._words()
        assert not sentences.is_told_apart(word) or word.isdigit()


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_arrays_of_any_kind_are_read_alike(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column, "_AT_ONCE", at_once)
    texts = ["Nodule.", None, "", " ", "No effusion seen. Heart size normal.", None, "Edema."]
    expected = [plainly(text) for text in texts]
    whole = pa.array(texts)
    for array in (
        whole, whole.cast(pa.large_string()), pa.array(["x", *texts, "y"]).slice(1, 7),
        pa.chunked_array([whole.slice(0, 2), whole.slice(2, 0), whole.slice(2)]),
    ):  # fmt: skip
        labels = label_texts(array)
        assert isinstance(labels, pa.StructArray)
        assert labels.to_pylist() == expected
    assert label_texts(pa.nulls(3)).to_pylist() == [None] * 3
    assert label_texts([]).to_pylist() == label_texts(pa.chunked_array([], pa.string())).to_pylist()
    assert len(label_texts([])) == 0


def test_text_that_is_none_is_an_error() -> None:
    with pytest.raises(OptionError, match="expected an Arrow array or list of texts"):
        label_texts(["half a character: \ud800"])
