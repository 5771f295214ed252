"""Find the phrases of the vocabulary in a sentence."""

from __future__ import annotations

from typing import Any, NamedTuple

from cxr_datasets.labels.text.vocabulary import (
    AND,
    COMMA,
    FRESH,
    MAYBE_AFTER,
    NOT_AFTER,
    PLAIN,
    STOP,
    Entry,
    vocabulary,
)

_LONGEST = 64
"""Phrases in a clause; a longer one is read in parts, so that work grows with the length only."""

_SKIPPED = 3
"""Fillers that may stand between two words of a phrase."""


Found = tuple[str, tuple[str, ...], int, int]
"""A plain `Item`."""


class Item(NamedTuple):
    """A phrase of the vocabulary in a sentence."""

    kind: str
    of: tuple[str, ...]
    first: int
    """Place of its first word among the words of the sentence."""
    last: int
    """Place after its last one."""


def items_of(words: list[str]) -> list[Item]:
    """Find the phrases in a sentence, from left to right, at each place the longest.

    Args:
        words: The words of a sentence, in lower case.
    """
    return list(map(Item._make, found_in(words)))


def found_in(words: list[str]) -> list[Found]:
    """Find the same, as plain tuples, which cost less to make and to keep."""
    return _ended(_found(words), words)


def _found(words: list[str]) -> list[Found]:
    """Give the phrases that mean something, most of them by one word.

    A quarter of all are `FRESH` where they mean nothing: not behind a comma. To leave these out
    here spares the rules as much work.
    """
    _, fillers, _, heads = vocabulary()
    found: list[Found] = []
    end, count = 0, len(words)
    comma = -1  # where the words behind a comma begin, or behind "and" that stands behind one
    head_of = heads.get
    for at, word in enumerate(words):
        head = head_of(word)
        if head is None or at < end:
            continue
        entry, node = head
        end = at + 1
        # Most phrases are one word: they end with it, or nothing that goes on with them follows.
        if node and end < count and (words[end] in node or words[end] in fillers):
            entry, end = _longest(node, words, end, fillers)
        if entry is None:
            continue
        kind, of = entry
        if kind == COMMA or (kind == AND and at == comma):
            comma = end
        elif kind == PLAIN or (kind == FRESH and at != comma):
            continue
        found.append((kind, of, at, end))
    return found


def _ended(found: list[Found], words: list[str]) -> list[Found]:
    """Turn round what ends a sentence: "Effusion: No." denies and "Pneumonia?" doubts."""
    last = len(words)
    if words[-1:] == ["?"]:
        return [*found[:-1], (MAYBE_AFTER, (), last - 1, last)]
    if words[-2:] == [":", "no"]:
        return [*found[:-1], (NOT_AFTER, (), last - 2, last)]
    return found


def _longest(
    node: dict[str, Any], words: list[str], to: int, fillers: frozenset[str]
) -> tuple[Entry | None, int]:
    """Give the longest phrase that begins with the words that lead to a node, and its end."""
    entry, last, end = node.get(""), to, len(words)
    skipped = 0
    while to < end:
        word = words[to]
        to += 1
        if word in node:
            node = node[word]
            if "" in node:
                entry, last = node[""], to
        elif word in fillers and skipped < _SKIPPED:
            skipped += 1
        else:
            break
    return entry, last


def clauses_of(items: list[Item]) -> list[list[Item]]:
    """Part the phrases of a sentence where every scope ends."""
    clause: list[Item] = []
    clauses = [clause]
    for item in items:
        if item.kind == STOP or len(clause) == _LONGEST:
            clause = []
            clauses.append(clause)
        if item.kind != STOP:
            clause.append(item)
    return clauses
