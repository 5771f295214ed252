"""What texts say, each sentence read once.

What a sentence says depends on the phrases of the vocabulary in it, and on how far they stand
apart. So sentences that differ in other words only, such as sizes and dates, are one to the rules.
"""

from __future__ import annotations

from typing import TypeVar

from cxr_datasets.labels.text.mentions import said_by
from cxr_datasets.labels.text.phrases import Found, Item, found_in
from cxr_datasets.labels.text.sentences import spans
from cxr_datasets.labels.text.verdict import BITS
from cxr_datasets.labels.text.vocabulary import words_of

FARTHEST = 6
"""Words between two phrases beyond which no rule looks."""

_KEPT = 50_000
"""Texts, and sentences as the rules see them, that are kept: reports repeat theirs. Some 20 MB."""

_LONGEST_KEPT = 500
"""Characters of the longest text, and phrases of the longest sentence, that are kept."""

_texts: dict[str, int] = {}
_sentences: dict[tuple[Found, ...], int] = {}

_Key = TypeVar("_Key", str, tuple[Found, ...])


def marks_of(text: str) -> int:
    """Give the bits of all that a text says; see `verdict.BITS`."""
    marks = _texts.get(text)
    if marks is None:
        marks = 0
        for begin, end in spans(text):
            marks |= _votes(text[begin:end])
        _keep(_texts, text, marks)
    return marks


def _votes(sentence: str) -> int:
    found = _closer(found_in(words_of(sentence)))
    votes = _sentences.get(found)
    if votes is None:
        votes = 0
        for said in said_by(list(map(Item._make, found))):
            votes |= BITS[said.label, said.value]
        _keep(_sentences, found, votes)
    return votes


def _closer(found: list[Found]) -> tuple[Found, ...]:
    """Bring phrases together that stand farther apart than any rule looks."""
    moved = []
    before = at = 0
    for kind, of, first, last in found:
        gap = first - before
        at += gap if gap <= FARTHEST else FARTHEST + 1
        start, before = at, last
        at += last - first
        moved.append((kind, of, start, at))
    return tuple(moved)


def _keep(store: dict[_Key, int], key: _Key, marks: int) -> None:
    if len(key) <= _LONGEST_KEPT:
        if len(store) >= _KEPT:
            store.clear()
        store[key] = marks
