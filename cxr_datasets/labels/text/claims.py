"""What a clause would say if nothing in it denied or doubted anything."""

from __future__ import annotations

from typing import NamedTuple

from cxr_datasets.labels.text.phrases import Item
from cxr_datasets.labels.text.vocabulary import (
    ABNORMAL,
    COMMA,
    FINDING,
    NORMAL,
    OTHER,
    SIGN,
    STRUCTURE,
    UNCLEAR,
    vocabulary,
)

_NEAR = 3
"""Words that may stand between "normal" and the structure that it speaks of."""

_QUALITIES = (NORMAL, ABNORMAL, UNCLEAR)
_VALUES = {NORMAL: 0, ABNORMAL: 1, UNCLEAR: -1, FINDING: 1, OTHER: 1, SIGN: -1}


class Claim(NamedTuple):
    """Labels that have a value, before scopes are looked at."""

    labels: tuple[str, ...]
    value: int
    first: int
    """Place of its first word among the words of the sentence."""
    last: int
    """Place after its last one."""
    begin: int
    """Place from which on a phrase before it can deny or doubt it."""
    rule: str


def claims_of(clause: list[Item]) -> list[Claim]:
    """Give what a clause names: findings, and structures with what is said of them."""
    claims: list[Claim] = []
    waiting: list[Item] = []  # structures of which nothing is said yet
    spoken: list[Item] = []  # structures of which something was said last
    ready: Item | None = None  # what is said of structures to come
    for place, item in enumerate(clause):
        if item.kind == STRUCTURE:
            if ready is not None and item.first - ready.last <= _NEAR:
                claims += _joined([item], ready)
                ready = ready._replace(last=item.last)
                spoken.append(item)
            else:
                waiting.append(item)
        elif item.kind in _QUALITIES:
            if waiting:
                claims += _joined(waiting, item)
                waiting, spoken, ready = [], waiting, None
            elif spoken and not _leads(item, clause[place + 1 :]):
                claims += _joined(spoken, item)
            else:
                ready, spoken = item, []
        elif item.kind in (FINDING, SIGN, OTHER):
            labels = item.of or (OTHER,)
            value = _VALUES[item.kind]
            claims.append(Claim(labels, value, item.first, item.last, 0, item.kind))
            waiting, spoken, ready = [], [], None
    return _without_unclear(claims)


def _leads(quality: Item, following: list[Item]) -> bool:
    """Whether what is said belongs to a structure right behind it."""
    for item in following:
        if item.kind == STRUCTURE:
            return item.first - quality.last <= _NEAR
        if item.kind == COMMA or item.kind in _QUALITIES:
            return False
    return False


def _joined(structures: list[Item], quality: Item) -> list[Claim]:
    claims = []
    for structure in structures:
        for name in structure.of:
            if name not in quality.of:
                continue
            labels = vocabulary().states.get((name, quality.kind), ())
            if labels:
                first = min(structure.first, quality.first)
                last = max(structure.last, quality.last)
                begin = structure.first if structure.first < quality.first else 0
                rule = f"{quality.kind} {name}"
                claims.append(Claim(labels, _VALUES[quality.kind], first, last, begin, rule))
    return claims


def _without_unclear(claims: list[Claim]) -> list[Claim]:
    """Leave out "stable" where the clause also calls the structure normal or abnormal."""
    clear = {label for claim in claims if not claim.rule.startswith(UNCLEAR) for label in claim.labels}
    return [
        claim
        for claim in claims
        if not (claim.rule.startswith(UNCLEAR) and clear.issuperset(claim.labels))
    ]
