"""What a clause would say if nothing in it denied or doubted anything."""

from __future__ import annotations

from collections.abc import Sequence
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

NEAR = 3
"""Words that may stand between "normal" and the structure that it speaks of."""

_VALUES = {NORMAL: 0, ABNORMAL: 1, UNCLEAR: -1}
_QUALITIES = tuple(_VALUES)
_NAMES = (FINDING, OTHER)
_READ = frozenset((*_NAMES, *_QUALITIES, STRUCTURE, SIGN, COMMA))
"""Kinds of phrases that a claim is made of."""


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


class _Clause:
    """Reads a clause, phrase by phrase: which structure is called what."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self._waiting: list[Item] = []
        """Structures, and signs, of which nothing is said yet."""
        self._spoken: list[Item] = []
        """Structures of which something was said last."""
        self._ready: list[Item] = []
        """What is said of structures to come."""
        self._parted = False
        """Whether a comma stands behind `_ready`."""

    def read(self, item: Item, clause: Sequence[Item], place: int) -> None:
        """Take the next phrase; the phrases behind it say whom an adjective belongs to."""
        if item.kind in _NAMES:
            self.claims.append(Claim(item.of or (OTHER,), 1, item.first, item.last, 0, item.kind))
            self._waiting, self._spoken, self._ready = [], [], []
        elif item.kind == COMMA:
            self._parted = True
            self._ready = [quality for quality in self._ready if quality.kind == NORMAL]
        elif item.kind == STRUCTURE:
            self._structure(item)
        elif item.kind in _QUALITIES:
            self._quality(item, clause[place + 1 :])
        elif item.kind == SIGN:
            self.claims.append(Claim(item.of, -1, item.first, item.last, 0, SIGN))
            self._waiting.append(item)

    def _structure(self, item: Item) -> None:
        if self._ready and item.first - self._ready[-1].last <= NEAR:
            self.claims += _joined([item], self._ready)
            self._ready[-1] = self._ready[-1]._replace(last=item.last)
            self._spoken.append(item)
        else:
            self._waiting.append(item)

    def _quality(self, item: Item, following: Sequence[Item]) -> None:
        if self._waiting and not _leads(item, following, 0):
            self.claims = _without_normal_sign(self.claims, self._waiting[-1], item)
            self.claims += _joined(self._waiting, [item])
            self._waiting, self._spoken, self._ready = [], self._waiting, []
        elif self._spoken and not _leads(item, following, NEAR):
            self.claims += _joined(self._spoken, [item])
        else:
            last = None if self._parted or not self._ready else self._ready[-1].last
            close = last is not None and item.first - last < NEAR
            self._ready = [*self._ready, item] if close else [item]
            self._spoken, self._parted = [], False


def claims_of(clause: Sequence[Item]) -> list[Claim]:
    """Give what a clause names: findings, and structures with what is said of them."""
    reader = _Clause()
    for place, item in enumerate(clause):
        if item.kind in _READ:
            reader.read(item, clause, place)
    return _settled(reader.claims)


def _leads(quality: Item, following: Sequence[Item], near: int) -> bool:
    """Whether what is said belongs to a structure behind it, not to those before it."""
    for place, item in enumerate(following):
        if item.kind == STRUCTURE:
            later = any(other.kind in _QUALITIES for other in following[place + 1 :])
            return item.first - quality.last <= near and (near > 0 or not later)
        if item.kind == COMMA or item.kind in _QUALITIES:
            return False
    return False


def _joined(structures: list[Item], qualities: list[Item]) -> list[Claim]:
    claims = []
    for quality in qualities:
        for structure in structures:
            first = min(structure.first, quality.first)
            last = max(structure.last, quality.last)
            begin = structure.first if structure.first < quality.first else 0
            for name in structure.of:
                labels = vocabulary().states.get((name, quality.kind), ())
                if labels and name in quality.of:
                    rule = f"{quality.kind} {name}"
                    claims.append(Claim(labels, _VALUES[quality.kind], first, last, begin, rule))
    return claims


def _without_normal_sign(claims: list[Claim], before: Item, quality: Item) -> list[Claim]:
    """Take back a sign that turns out to be normal: "engorgement within normal limits"."""
    if before.kind == SIGN and quality.kind == NORMAL and quality.first - before.last < NEAR:
        normal = Claim((OTHER,), 0, before.first, quality.last, 0, f"{NORMAL} {SIGN}")
        return [*(claim for claim in claims if claim.first != before.first), normal]
    return claims


def _settled(claims: list[Claim]) -> list[Claim]:
    """Leave out what the clause itself makes clear: "stable and normal" is normal."""
    if -1 not in [claim.value for claim in claims]:
        return claims
    clear = {
        label
        for claim in claims
        if claim.rule.startswith((NORMAL, ABNORMAL))
        for label in claim.labels
    }
    return [claim for claim in claims if claim.value != -1 or not clear.issuperset(claim.labels)]
