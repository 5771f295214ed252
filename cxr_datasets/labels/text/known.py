"""What texts say, each sentence read once.

What a sentence says depends on the phrases of the vocabulary in it, and on how far they stand
apart. So sentences that differ in other words only, such as sizes and dates, are one to the rules.
"""

from __future__ import annotations

from typing import TypeVar

from cxr_datasets.labels.text.mentions import mentions_of
from cxr_datasets.labels.text.phrases import Item, items_of
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
_sentences: dict[tuple[Item, ...], int] = {}

_Key = TypeVar("_Key", str, tuple[Item, ...])


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
    items = _closer(items_of(words_of(sentence)))
    votes = _sentences.get(items)
    if votes is None:
        votes = 0
        for mention in mentions_of(list(items), []):
            votes |= BITS[mention.label, mention.value]
        _keep(_sentences, items, votes)
    return votes


def _closer(items: list[Item]) -> tuple[Item, ...]:
    """Bring phrases together that stand farther apart than any rule looks."""
    moved = []
    before = at = 0
    for item in items:
        at += min(item.first - before, FARTHEST + 1)
        before, length = item.last, item.last - item.first
        moved.append(Item(item.kind, item.of, at, at + length))
        at += length
    return tuple(moved)


def _keep(store: dict[_Key, int], key: _Key, marks: int) -> None:
    if len(key) <= _LONGEST_KEPT:
        if len(store) >= _KEPT:
            store.clear()
        store[key] = marks
