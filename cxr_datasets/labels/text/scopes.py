"""Which phrase denies or doubts a claim.

After NegEx (Chapman et al., J Biomed Inform 2001) and ConText (Harkema et al., J Biomed Inform
2009): such a phrase has a scope, which ends with the clause, or where an assertion begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from cxr_datasets.labels.text.claims import Claim
from cxr_datasets.labels.text.phrases import Item
from cxr_datasets.labels.text.vocabulary import (
    ABNORMAL,
    AND,
    COMMA,
    FRESH,
    HINT_BEFORE,
    MAYBE_AFTER,
    MAYBE_BEFORE,
    NORMAL,
    NOT_AFTER,
    NOT_BEFORE,
    OR,
    RESET,
    SKIP,
    UNCLEAR,
)

_BEFORE = (NOT_BEFORE, MAYBE_BEFORE, HINT_BEFORE, SKIP)
SCOPES = frozenset((*_BEFORE, NOT_AFTER, MAYBE_AFTER))
"""What denies, doubts or takes away."""
_ANEW = (RESET, FRESH, UNCLEAR)
"""What may begin an assertion."""
_ENDS = (*_BEFORE, RESET, NORMAL, ABNORMAL)
"""What no phrase behind it can reach over."""


def states_of(
    claims: Sequence[Claim], clause: Sequence[Item]
) -> list[tuple[int | None, Item | None]]:
    """Give what `state_of` gives of each claim of a clause."""
    if SCOPES.isdisjoint([item.kind for item in clause]):
        return [(claim.value, None) for claim in claims]
    return [state_of(claim, clause) for claim in claims]


def state_of(claim: Claim, clause: Sequence[Item]) -> tuple[int | None, Item | None]:
    """Give the value of a claim in its clause, and the phrase that decided, if one did.

    Returns:
        The value 1, 0, -1, or None if the claim is none of today.
    """
    before = _before(claim, clause)
    if claim.value == 0:
        denied = before is not None and before.first >= claim.first  # "is not normal"
        return (None if denied else 0), None
    after = _after(claim, clause)
    if before is not None and before.kind == SKIP:
        return None, before
    if after is not None and (before is None or after.kind == MAYBE_AFTER):
        return (0 if after.kind == NOT_AFTER else -1), after
    if before is not None:
        return (0 if before.kind == NOT_BEFORE else -1), before
    return claim.value, None


def _before(claim: Claim, clause: Sequence[Item]) -> Item | None:
    """Give the phrase in whose scope a claim stands."""
    scope: Item | None = None
    comma = -1
    for item in clause:
        if item.first >= claim.last:
            break
        if item.first < claim.begin:
            continue
        if item.kind == COMMA or (item.kind == AND and item.first == comma):
            comma = item.last
        elif item.kind in _ANEW and scope and _begins_anew(item, scope, comma, clause):
            scope = None
        elif item.kind in _BEFORE and _takes_over(item, scope, comma):
            scope = item
    return scope


def _begins_anew(item: Item, scope: Item, comma: int, clause: Sequence[Item]) -> bool:
    """Whether an assertion begins that a scope does not reach: not in "if there is"."""
    if item.kind == RESET:
        return item.first > scope.last
    return item.first == comma and not _list_goes_on(item, clause)


def _takes_over(item: Item, scope: Item | None, comma: int) -> bool:
    """Whether a scope begins although another one is open."""
    if scope is None:
        return True
    if scope.kind == SKIP:
        return comma > scope.last
    return not (item.kind == HINT_BEFORE and scope.kind == NOT_BEFORE)


def _list_goes_on(start: Item, clause: Sequence[Item]) -> bool:
    """Whether a list ends with "or" behind a phrase: "no effusion, small or large"."""
    return any(item.kind == OR and item.first > start.first for item in clause)


def _after(claim: Claim, clause: Sequence[Item]) -> Item | None:
    """Give the phrase behind a claim that denies or doubts it.

    It reaches over a comma only in a list that ends with "and" or "or".
    """
    commas = linked = False
    for item in clause:
        if item.first < claim.last:
            continue
        if item.kind in (NOT_AFTER, MAYBE_AFTER):
            return item if linked or not commas else None
        if item.kind in _ENDS:
            return None
        commas = commas or item.kind == COMMA
        linked = linked or item.kind in (OR, AND)
    return None
