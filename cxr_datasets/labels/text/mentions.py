"""What one sentence says of each label, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr_datasets.labels.names import PARENTS
from cxr_datasets.labels.text.claims import Claim, claims_of
from cxr_datasets.labels.text.phrases import Item, clauses_of, items_of
from cxr_datasets.labels.text.scopes import state_of
from cxr_datasets.labels.text.vocabulary import OR, SIGN, words_of

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
    words = words_of(sentence)
    return mentions_of(items_of(words), words)


def mentions_of(items: list[Item], words: list[str]) -> list[Mention]:
    """Read a sentence by its phrases; its words are what rules are named by."""
    return [mention for clause in clauses_of(items) for mention in _read(clause, words)]


def _read(clause: list[Item], words: list[str]) -> Iterator[Mention]:
    claims = claims_of(clause)
    states = [state_of(claim, clause) for claim in claims]
    stated = [claim for claim, (value, _) in zip(claims, states, strict=True) if value == 1]
    denied = {c.labels for c, (value, _) in zip(claims, states, strict=True) if value == 0}
    alternatives = _alternatives(stated, clause)
    for claim, (value, by) in zip(claims, states, strict=True):
        if value is None or (value == -1 and claim.rule == SIGN and claim.labels in denied):
            continue  # nothing of today; or "congestion without edema"
        for label in claim.labels:
            if any(label not in _implied(other) for other in alternatives.get(claim, ())):
                yield Mention(label, -1, claim.first, claim.last, "one of several")
            else:
                yield Mention(label, value, claim.first, claim.last, _rule(claim, by, words))


def _alternatives(stated: list[Claim], clause: Sequence[Item]) -> dict[Claim, list[Claim]]:
    """Give the claims that "or" links, each with the others."""
    linked: dict[Claim, list[Claim]] = {}
    if len(stated) > 1:
        for link in clause:
            if link.kind != OR:
                continue
            left = [c for c in stated if 0 <= link.first - c.last <= _CLOSE][-1:]
            right = [c for c in stated if 0 <= c.first - link.last <= _CLOSE][:1]
            if left and right:
                linked.setdefault(left[0], []).append(right[0])
                linked.setdefault(right[0], []).append(left[0])
    return linked


def _implied(claim: Claim) -> set[str]:
    """Labels that are true if a claim is."""
    return {*claim.labels, *(PARENTS[label] for label in claim.labels if label in PARENTS)}


def _rule(claim: Claim, by: Item | None, words: list[str]) -> str:
    if by is None:
        return claim.rule
    return f"{by.kind}: {' '.join(words[by.first : by.last])}"
