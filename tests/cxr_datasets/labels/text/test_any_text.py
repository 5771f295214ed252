"""What holds for every text, also for one that is no report."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import explain, label_text, label_texts
from cxr_datasets.labels.text import known
from cxr_datasets.labels.text.vocabulary import vocabulary

PIECES = [
    *(" ", " ", " ", ". ", ", ", "\n", "\n\n", "\n- ", "\n1. ", ": ", "; ", "?", "(", "/", "XXXX"),
    *(
        "___",
        "No",
        "or",
        "and",
        "heart",
        "lungs",
        "FINDINGS:",
        "İ",
        "\u017f",
        "\u212a",
        "\x00",
        "\ud800",
    ),
    *("é", "\u2028", "3.5 cm", "'", '"'),
]


def words(node) -> Iterator[str]:
    for word, below in node.items():
        if word:
            yield word
            yield from words(below)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Invented texts of words that the rules know and of what stands between them."""
    rng = random.Random(0)
    known = sorted(set(words(vocabulary().words)))
    return [
        "".join(
            rng.choice(known) + " " if rng.random() < 0.7 else rng.choice(PIECES)
            for _ in range(rng.randrange(40))
        )
        for _ in range(300)
    ]


def test_every_text_has_14_values_of_1_0_uncertain_and_none(texts: list[str]):
    for text in texts:
        labels = label_text(text)
        assert tuple(labels) == LABELS
        assert set(labels.values()) <= {1, 0, -1, None}
        assert labels["No Finding"] in (1, None)


def test_a_row_of_a_column_says_what_its_text_alone_says(texts: list[str]):
    plain = [text for text in texts if text.isprintable() or text.isascii()]
    assert label_texts(plain).to_pylist() == [label_text(text) for text in plain]
    assert (
        label_texts(pa.array(plain, pa.large_string())).to_pylist()
        == label_texts(plain).to_pylist()
    )


def test_an_explanation_agrees_with_the_labels_of_every_text(texts: list[str]):
    for text in texts:
        said = {label: value for label, value in label_text(text).items() if value is not None}
        reasons = explain(text)
        assert {reason.label: reason.value for reason in reasons if reason.decides} == said
        for reason in reasons:
            assert text[reason.start : reason.end] == reason.phrase
        assert len(str(reasons).splitlines()) == len(reasons) + 1


def test_no_finding_stands_beside_nothing_that_is_positive_or_uncertain(texts: list[str]):
    for text in texts:
        labels = label_text(text)
        if labels["No Finding"] == 1:
            others = {*LABELS} - {"No Finding", "Support Devices"}
            assert {labels[label] for label in others} <= {0, None}


def test_upper_and_lower_case_say_the_same(texts: list[str]):
    for text in texts:
        if text.isascii() and not set(text) & set("\n.:?"):  # capitals help to find sentences
            assert label_text(text.upper()) == label_text(text)


def test_the_stores_of_known_texts_and_sentences_have_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known, "_KEPT", 10)
    monkeypatch.setattr(known, "_texts", {})
    monkeypatch.setattr(known, "_sentences", {})
    for number in range(35):
        assert label_text(f"Nodule of {'small ' * number} size.")["Lung Lesion"] == 1
        assert len(known._texts) <= 10
        assert len(known._sentences) <= 10
    label_text("No effusion " * 1000)
    assert all(len(key) <= 500 for store in (known._texts, known._sentences) for key in store)


def test_threads_agree(texts: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known, "_KEPT", 50)
    expected = [label_text(text) for text in texts]
    found: list[list] = []
    threads = [
        threading.Thread(target=lambda: found.append([label_text(text) for text in texts]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


LONG = {
    "a sentence of findings": "no effusion ",
    "alternatives": "nodule or mass ",
    "structures": "heart normal ",
    "commas": "effusion, ",
    "doubts": "may may not ",
    "a phrase that never ends": "no significant definite ",
}


def calls(text: str) -> int:
    """Count the calls of functions that reading a text takes."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        label_text(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG)
def test_work_grows_with_the_length_and_not_with_its_square(piece: str):
    short, long = calls(piece * 300), calls(piece * 1200)
    assert long < 4.5 * short


@pytest.mark.parametrize(
    "text",
    [
        "." * 10**6 + "x",
        "\n" + " " * 10**6 + "x",
        "\n" * 10**6,
        "." + '"' * 10**6 + "x",
        "1. " * 50_000,
        "- " * 500_000,
        "history" * 140_000 + ":",
        "\n history " * 20_000 + ":",
        "No a:\n" * 10_000,
        "A.B" * 50_000,
        "x" * 10**6,
    ],
    ids=lambda text: repr(text[:9]),
)
def test_a_long_text_is_read_to_its_end(text: str):
    """A pattern that tries each end from each start would take hours, or days."""
    assert set(label_text(text).values()) == {None}
