"""Texts whose unknown words are all the same, so that texts that differ in them only are one.

What a sentence says depends on the words of the vocabulary, on how far they stand apart, and on the
marks and capitals by which sentences are cut. A word of no phrase counts by standing there only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.labels.text.known import FARTHEST
from cxr_datasets.labels.text.sentences import is_told_apart
from cxr_datasets.labels.text.vocabulary import is_gone, vocabulary

_UNKNOWN = "q"
"""Stands for a word that is in no phrase. It is none itself, nor an abbreviation."""

_WORD = re.compile(r"[A-Za-z0-9]+")
_DIGIT = re.compile("[0-9]")
_OTHER_LETTERS = re.compile(r"[^\x00-\x7f]|'")
"""Letters that make words too, which are then left as they are."""


def masked(texts: pa.Array) -> pa.Array:
    """Put one word for all that no rule knows, and shorten long runs of it.

    Args:
        texts: Texts without a colon, which no rule reads by its characters then; no nulls.

    Returns:
        Texts of which `known.marks_of` gives the same as of those given.
    """
    pieces = pc.split_pattern(texts, " ")
    tokens = pieces.flatten().dictionary_encode()
    names = tokens.dictionary.to_pylist()
    put = pa.array([_masked(name) for name in names], texts.type)
    kept = _without_long_runs(tokens.indices.to_numpy(), put, pieces.offsets.to_numpy())
    words = put.take(tokens.indices.filter(pa.array(kept)))
    ends = np.concatenate(([0], np.cumsum(kept)))[pieces.offsets.to_numpy()]
    joined = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), words)
    return pc.binary_join(joined, pa.scalar(" ", texts.type))


def _without_long_runs(token: np.ndarray, put: pa.Array, begins: np.ndarray) -> np.ndarray:
    """Say which tokens stay: of a run of unknown words, as many as rules look over, and one."""
    unknown = pc.equal(put, _UNKNOWN).to_numpy(zero_copy_only=False)[token]
    unknown = np.concatenate((unknown, [False]))
    begin = unknown.copy()
    begin[1:] &= ~unknown[:-1]
    firsts = begins[:-1]
    begin[firsts] = unknown[firsts]  # a run ends with its text
    places = np.arange(len(token) + 1)
    into_run = places - np.maximum.accumulate(np.where(begin, places, 0))
    return ~(unknown & (into_run > FARTHEST))[:-1]


@functools.lru_cache(maxsize=100_000)
def _masked(token: str) -> str:
    """Mask the unknown words of what stands between two blanks."""
    return token if _OTHER_LETTERS.search(token) else _WORD.sub(_put, token)


def _put(found: re.Match[str]) -> str:
    word = found.group()
    lower = word.lower()
    if not word.isalpha():  # which number it is means nothing, if no phrase has it
        same = _DIGIT.sub("0", lower)
        return word if lower in _words() or same in _words() else _DIGIT.sub("0", word)
    if len(word) == 1 or lower in _words() or is_told_apart(lower) or is_gone(lower):
        return word
    return "".join(_UNKNOWN.upper() if word[at].isupper() else _UNKNOWN for at in _ends(word))


def _ends(word: str) -> tuple[int, ...]:
    """Places of the letters whose case may cut sentences; one does for a word of one case."""
    return (0,) if word.islower() or word.isupper() else (0, -1)


@functools.cache
def _words() -> frozenset[str]:
    """All words of the vocabulary."""
    known = vocabulary()
    return frozenset([*_words_below(known.words), *known.fillers])


def _words_below(node: dict[str, Any]) -> Iterator[str]:
    for word, below in node.items():
        if word:
            yield word
            yield from _words_below(below)
