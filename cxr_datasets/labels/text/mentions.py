"""What one sentence says of each label, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr_datasets.labels.names import PARENTS
from cxr_datasets.labels.text.claims import Claim, claims_of
from cxr_datasets.labels.text.phrases import Item, clauses_of, items_of
from cxr_datasets.labels.text.scopes import state_of
from cxr_datasets.labels.text.vocabulary import OR, tokens

_CLOSE = 6
"""Words that may stand between "or" and the alternatives that it links."""


class Mention(NamedTuple):
    """A label that a sentence speaks of."""

    label: str
    value: int
    first: int
    """Place of its first word among the words of the sentence."""
    last: int
    """Place after its last one."""
    rule: str


def mentions(sentence: str) -> list[Mention]:
    """Read a sentence.

    Args:
        sentence: One sentence of a report.

    Returns:
        What it says, in order; one label may be there several times, and with several values.
    """
    return mentions_in([word for word, _, _ in tokens(sentence)])


def mentions_in(words: list[str]) -> list[Mention]:
    """Read a sentence of which the words are given, in lower case."""
    return [mention for clause in clauses_of(items_of(words)) for mention in _read(clause, words)]


def _read(clause: list[Item], words: list[str]) -> Iterator[Mention]:
    claims = claims_of(clause)
    states = [state_of(claim, clause) for claim in claims]
    stated = [claim for claim, (value, by) in zip(claims, states, strict=True) if value == 1]
    for claim, (value, by) in zip(claims, states, strict=True):
        if value is None:
            continue
        others = _alternatives(claim, stated, clause) if value == 1 else []
        for label in claim.labels:
            if any(label not in _implied(other) for other in others):
                yield Mention(label, -1, claim.first, claim.last, "one of several")
            else:
                yield Mention(label, value, claim.first, claim.last, _rule(claim, by, words))


def _alternatives(claim: Claim, stated: Sequence[Claim], clause: Sequence[Item]) -> list[Claim]:
    """Give the claims that "or" links to a claim."""
    found = []
    for link in clause:
        if link.kind != OR:
            continue
        left = [c for c in stated if 0 <= link.first - c.last <= _CLOSE]
        right = [c for c in stated if 0 <= c.first - link.last <= _CLOSE]
        if left and right and claim in (left[-1], right[0]):
            found += [left[-1], right[0]]
    return found


def _implied(claim: Claim) -> set[str]:
    """Labels that are true if a claim is."""
    return {*claim.labels, *(PARENTS[label] for label in claim.labels if label in PARENTS)}


def _rule(claim: Claim, by: Item | None, words: list[str]) -> str:
    if by is None:
        return claim.rule
    return f"{by.kind}: {' '.join(words[by.first : by.last])}"
