"""What one sentence says of each label, and by which rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cxr_datasets.labels.names import PARENTS
from cxr_datasets.labels.text.claims import Claim, claims_of
from cxr_datasets.labels.text.phrases import Item, clauses_of, items_of
from cxr_datasets.labels.text.scopes import states_of
from cxr_datasets.labels.text.vocabulary import OR, SIGN, words_of

CLOSE = 6
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


class Said(NamedTuple):
    """What a sentence says of a label, and why."""

    label: str
    value: int
    claim: Claim
    by: Item | None
    """The phrase that denies or doubts it."""
    is_alternative: bool
    """Whether it is uncertain because "or" links it with another."""


def mentions(sentence: str) -> list[Mention]:
    """Read a sentence.

    Args:
        sentence: One sentence of a report.

    Returns:
        What it says, in order; one label may be there several times, and with several values.
    """
    words = words_of(sentence)
    return [
        Mention(said.label, said.value, said.claim.first, said.claim.last, _rule(said, words))
        for said in said_by(items_of(words))
    ]


def said_by(items: list[Item]) -> list[Said]:
    """Read a sentence by its phrases."""
    return [said for clause in clauses_of(items) for said in _read(clause)]


def _read(clause: list[Item]) -> list[Said]:
    claims = claims_of(clause)
    if not claims:
        return []
    states = states_of(claims, clause)
    alternatives: dict[Claim, list[Claim]] = {}
    denied: set[tuple[str, ...]] = set()
    if len(claims) > 1:
        kinds = [item.kind for item in clause]
        if OR in kinds:
            stated = [claim for claim, (value, _) in zip(claims, states, strict=True) if value == 1]
            alternatives = _alternatives(stated, clause)
        if SIGN in kinds:
            denied = {c.labels for c, (value, _) in zip(claims, states, strict=True) if value == 0}
    found = []
    for claim, (value, by) in zip(claims, states, strict=True):
        if value is None or (value == -1 and claim.rule == SIGN and claim.labels in denied):
            continue  # nothing of today; or "congestion without edema"
        others = alternatives.get(claim)
        for label in claim.labels:
            if others and any(label not in _implied(other) for other in others):
                found.append(Said(label, -1, claim, None, True))
            else:
                found.append(Said(label, value, claim, by, False))
    return found


def _alternatives(stated: list[Claim], clause: Sequence[Item]) -> dict[Claim, list[Claim]]:
    """Give the claims that "or" links, each with the others."""
    linked: dict[Claim, list[Claim]] = {}
    if len(stated) > 1:
        for link in clause:
            if link.kind != OR:
                continue
            left = [c for c in stated if 0 <= link.first - c.last <= CLOSE][-1:]
            right = [c for c in stated if 0 <= c.first - link.last <= CLOSE][:1]
            if left and right:
                linked.setdefault(left[0], []).append(right[0])
                linked.setdefault(right[0], []).append(left[0])
    return linked


def _implied(claim: Claim) -> set[str]:
    """Labels that are true if a claim is."""
    return {*claim.labels, *(PARENTS[label] for label in claim.labels if label in PARENTS)}


def _rule(said: Said, words: list[str]) -> str:
    if said.is_alternative:
        return "one of several"
    if said.by is None:
        return said.claim.rule
    return f"{said.by.kind}: {' '.join(words[said.by.first : said.by.last])}"
