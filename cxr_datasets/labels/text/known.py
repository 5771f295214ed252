"""What texts say, each sentence read once.

What a sentence says depends on the phrases of the vocabulary in it, and on how far they stand
apart. So sentences that differ in other words only, such as sizes and dates, are one to the rules.
"""

from __future__ import annotations

from typing import TypeVar

from cxr_datasets.labels.text.claims import NEAR
from cxr_datasets.labels.text.mentions import CLOSE, said_by
from cxr_datasets.labels.text.phrases import Found, Item, found_in
from cxr_datasets.labels.text.scopes import SCOPES
from cxr_datasets.labels.text.sentences import is_one, spans
from cxr_datasets.labels.text.verdict import BITS
from cxr_datasets.labels.text.vocabulary import AND, FRESH, OR, RESET, words_of

FARTHEST = max(NEAR, CLOSE)
"""Words between two phrases beyond which no rule looks."""

_OF_SCOPES = frozenset((AND, FRESH, RESET))
"""Kinds of phrases that tell how far a scope reaches, and nothing else."""

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
        if is_one(text):
            marks = _votes(text)
        else:
            marks = 0
            for begin, end in spans(text):
                marks |= _votes(text[begin:end])
        _keep(_texts, text, marks)
    return marks


def _votes(sentence: str) -> int:
    found = _seen(found_in(words_of(sentence)))
    votes = _sentences.get(found)
    if votes is None:
        votes = 0
        for said in said_by(list(map(Item._make, found))):
            votes |= BITS[said.label, said.value]
        _keep(_sentences, found, votes)
    return votes


def _seen(found: list[Found]) -> tuple[Found, ...]:
    """Give phrases as the rules see them, so that few sentences differ.

    Those that stand farther apart than any rule looks come together. Where nothing has a scope,
    what tells how far one reaches is left out.
    """
    kinds = {kind for kind, _, _, _ in found}
    farthest = CLOSE if OR in kinds else NEAR  # only what "or" links may stand so far apart
    without = _OF_SCOPES if SCOPES.isdisjoint(kinds) else ()
    moved: list[Found] = []
    before = at = 0
    for kind, of, first, last in found:
        if kind in without:
            continue
        if moved:
            gap = first - before
            at += gap if gap <= farthest else farthest + 1
        start, before = at, last
        at += last - first
        moved.append((kind, of, start, at))
    return tuple(moved)


def _keep(store: dict[_Key, int], key: _Key, marks: int) -> None:
    if len(key) <= _LONGEST_KEPT:
        if len(store) >= _KEPT:
            store.clear()
        store[key] = marks
