"""What one sentence says of each label, and by which rule.

After NegEx (Chapman et al., J Biomed Inform 2001) and ConText (Harkema et al., J Biomed Inform
2009): a phrase that denies or doubts has a scope, which ends with the clause.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cxr_datasets.labels.text.vocabulary import (
    ABNORMAL,
    FINDING,
    HINT_BEFORE,
    MAYBE_AFTER,
    MAYBE_BEFORE,
    NORMAL,
    NOT_AFTER,
    NOT_BEFORE,
    OTHER,
    RESET,
    SKIP,
    STOP,
    STRUCTURE,
    Entry,
    tokens,
    vocabulary,
)

_NEAR = 3
"""Words that may stand between "normal" and the structure that it speaks of."""


class Mention(NamedTuple):
    """A label that a sentence speaks of."""

    label: str
    value: int
    first: int
    """Place of its first word among the words of the sentence."""
    last: int
    """Place after its last one."""
    rule: str


class _Item(NamedTuple):
    """A phrase of the vocabulary in a sentence."""

    entry: Entry
    first: int
    last: int

    @property
    def kind(self) -> str:
        return self.entry.kind


class _Claim(NamedTuple):
    """Labels that are found if nothing denies or doubts them."""

    labels: tuple[str, ...]
    first: int
    last: int
    kind: str


def mentions(sentence: str) -> list[Mention]:
    """Read a sentence.

    Args:
        sentence: One sentence of a report.

    Returns:
        What it says, in order; one label may be there several times, and with several values.
    """
    words = [word for word, _, _ in tokens(sentence)]
    found: list[Mention] = []
    for clause in _clauses(_items(words)):
        found += _read(clause, words)
    return found


def _items(words: list[str]) -> list[_Item]:
    """Find the longest phrases of the vocabulary, from left to right."""
    root = vocabulary().words
    items = []
    at, end = 0, len(words)
    while at < end:
        node, to, entry, last = root.get(words[at]), at + 1, None, at + 1
        while node is not None:
            if "" in node:
                entry, last = node[""], to
            node = node.get(words[to]) if to < end else None
            to += 1
        if entry is not None:
            items.append(_Item(entry, at, last))
        at = last
    return items


def _clauses(items: list[_Item]) -> Iterator[list[_Item]]:
    clause: list[_Item] = []
    for item in items:
        if item.kind == STOP:
            yield clause
            clause = []
        else:
            clause.append(item)
    yield clause


def _read(clause: list[_Item], words: list[str]) -> Iterator[Mention]:
    claims, said = _claims(clause)
    yield from said
    for claim in claims:
        value, rule = _state(claim, clause, words)
        if value is not None:
            for label in claim.labels:
                yield Mention(label, value, claim.first, claim.last, rule)


# --- structures and what is said of them ----------------------------------------------------------


def _claims(clause: list[_Item]) -> tuple[list[_Claim], list[Mention]]:
    """Give what is found in a clause, and what is normal."""
    claims: list[_Claim] = []
    said: list[Mention] = []
    waiting: list[_Item] = []
    ready: _Item | None = None

    def join(structures: list[_Item], quality: _Item) -> None:
        for structure in structures:
            name = structure.entry.of[0]
            if name not in quality.entry.of:
                continue
            labels = vocabulary().normal.get((name, quality.kind), ())
            first, last = min(structure.first, quality.first), max(structure.last, quality.last)
            if quality.kind == ABNORMAL:
                claims.append(_Claim(labels, first, last, ABNORMAL))
            else:
                said.extend(Mention(label, 0, first, last, f"normal: {name}") for label in labels)

    for item in clause:
        if item.kind == STRUCTURE:
            if ready is not None and item.first - ready.last <= _NEAR:
                join([item], ready)
                ready = ready._replace(last=item.last)
            else:
                waiting.append(item)
        elif item.kind in (NORMAL, ABNORMAL):
            if waiting:
                join(waiting, item)
                waiting, ready = [], None
            else:
                ready = item
        elif item.kind in (FINDING, OTHER):
            labels = item.entry.of if item.kind == FINDING else (OTHER,)
            claims.append(_Claim(labels, item.first, item.last, item.kind))
            waiting, ready = [], None
    return claims, said


# --- scopes ---------------------------------------------------------------------------------------


def _state(claim: _Claim, clause: list[_Item], words: list[str]) -> tuple[int | None, str]:
    """Give the value of what is found, and the rule."""
    scope: _Item | None = None
    after: _Item | None = None
    for item in clause:
        if (
            item.first >= claim.first
            and item.last <= claim.last
            and item.kind in (FINDING, OTHER, STRUCTURE, ABNORMAL)
        ):
            continue
        if item.first < claim.last:
            if item.kind in (NOT_BEFORE, MAYBE_BEFORE, SKIP):
                scope = item
            elif item.kind == HINT_BEFORE and (scope is None or scope.kind != NOT_BEFORE):
                scope = item
            elif item.kind == RESET:
                scope = None
        elif item.kind in (NOT_AFTER, MAYBE_AFTER):
            after = item
            break
        elif item.kind in (NOT_BEFORE, MAYBE_BEFORE, HINT_BEFORE, RESET, NORMAL, ABNORMAL):
            break
    if scope is not None and scope.kind == SKIP:
        return None, ""
    if after is not None:
        value = 0 if after.kind == NOT_AFTER else -1
        if scope is None or value == -1:
            return value, _rule(after, words)
    if scope is None:
        return 1, "stated"
    return (0 if scope.kind == NOT_BEFORE else -1), _rule(scope, words)


def _rule(item: _Item, words: list[str]) -> str:
    return f"{item.kind}: {' '.join(words[item.first : item.last])}"
