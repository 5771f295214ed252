"""Find the phrases of the vocabulary in a sentence."""

from __future__ import annotations

from typing import Any, NamedTuple

from cxr_datasets.labels.text.vocabulary import (
    MAYBE_AFTER,
    NOT_AFTER,
    STOP,
    Entry,
    vocabulary,
)

_LONGEST = 64
"""Phrases in a clause; a longer one is read in parts, so that work grows with the length only."""

_SKIPPED = 3
"""Fillers that may stand between two words of a phrase."""


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
    root, fillers, _ = vocabulary()
    items = []
    end = 0
    for at in [at for at, word in enumerate(words) if word in root]:
        if at < end:
            continue
        entry, end = _longest(root[words[at]], words, at + 1, fillers)
        if entry is not None:
            items.append(Item(entry.kind, entry.of, at, end))
    return _ended(items, words)


def _ended(items: list[Item], words: list[str]) -> list[Item]:
    """Turn round what ends a sentence: "Effusion: No." denies and "Pneumonia?" doubts."""
    last = len(words)
    if words[-1:] == ["?"]:
        return [*items[:-1], Item(MAYBE_AFTER, (), last - 1, last)]
    if words[-2:] == [":", "no"]:
        return [*items[:-1], Item(NOT_AFTER, (), last - 2, last)]
    return items


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
    clauses: list[list[Item]] = [[]]
    for item in items:
        if item.kind == STOP or len(clauses[-1]) == _LONGEST:
            clauses.append([])
        if item.kind != STOP:
            clauses[-1].append(item)
    return clauses
