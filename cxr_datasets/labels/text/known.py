"""What sentences say, each read once.

What a sentence says hangs on the words of the vocabulary in it, and on how far they stand apart. So
sentences that differ in other words only, such as sizes and sides, are one to the rules.
"""

from __future__ import annotations

import functools
import re

from cxr_datasets.labels.text.mentions import mentions_in
from cxr_datasets.labels.text.sentences import spans
from cxr_datasets.labels.text.verdict import BITS
from cxr_datasets.labels.text.vocabulary import GONE, TOKEN, known_words

FARTHEST = 6
"""Words between two phrases beyond which no rule looks."""

_OTHER = "*"
"""Stands for a word that is in no phrase."""

_TOO_MANY = re.compile(r"(?:\* ){%d,}" % (FARTHEST + 2))
_FAR = f"{_OTHER} " * (FARTHEST + 1)

_KEPT = 50_000
"""Sentences, and pieces of texts, that are kept: reports repeat theirs. Some 10 MB each."""

_LONGEST_KEPT = 500
"""Characters of the longest that is kept."""

_sentences: dict[str, int] = {}
_pieces: dict[str, int] = {}


class _Words(dict[str, str]):
    """Word in lower case -> what it is to the rules."""

    def __missing__(self, word: str) -> str:
        return "" if GONE.fullmatch(word) else _OTHER


def marks_of(text: str) -> int:
    """Give the bits of all that a text says; see `verdict.BITS`."""
    marks = _pieces.get(text)
    if marks is None:
        marks = 0
        for begin, end in spans(text):
            marks |= _votes(text[begin:end])
        _keep(_pieces, text, marks)
    return marks


def reduced(sentence: str) -> str:
    """Leave of a sentence what counts: its known words, and how far they stand apart."""
    words = " ".join(TOKEN.findall(sentence)).lower().split(" ")
    known = " ".join(filter(None, map(_words().__getitem__, words)))
    if _OTHER * 2 in known.replace(" ", ""):
        known = _TOO_MANY.sub(_FAR, f"{known} ")
    return known.strip("* ")


def _votes(sentence: str) -> int:
    key = reduced(sentence)
    votes = _sentences.get(key)
    if votes is None:
        votes = 0
        for mention in mentions_in(key.split(" ")):
            votes |= BITS[mention.label, mention.value]
        _keep(_sentences, key, votes)
    return votes


def _keep(store: dict[str, int], text: str, marks: int) -> None:
    if len(text) <= _LONGEST_KEPT:
        if len(store) >= _KEPT:
            store.clear()
        store[text] = marks


@functools.cache
def _words() -> _Words:
    return _Words({word: word for word in known_words()})
