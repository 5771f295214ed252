"""Many mentions of a label become one value, as the CheXpert labeler decides.

Irvin et al., AAAI 2019, and its code: a positive mention outweighs all others; negative and
uncertain together are uncertain.
"""

from __future__ import annotations

import functools

from cxr_datasets.columns import LABELS
from cxr_datasets.labels.names import NO_FINDING, OBSERVATIONS
from cxr_datasets.labels.text.vocabulary import OTHER

_VALUES = (1, -1, 0)
"""What outweighs what, in order."""

BITS = {
    (label, value): 1 << (3 * place + at)
    for place, label in enumerate((*LABELS, OTHER))
    for at, value in enumerate(_VALUES)
}
"""A bit for each label and value, so that the mentions of a text are one number."""

_SPEAKS_AGAINST = sum(BITS[label, value] for label in (*OBSERVATIONS, OTHER) for value in (1, -1))


@functools.lru_cache(maxsize=20_000)
def values(marks: int) -> tuple[int | None, ...]:
    """Give the value of each of `LABELS` from the bits of all mentions.

    No Finding is 1 if something is mentioned and no abnormality is positive or uncertain; else
    None, never 0.
    """
    return tuple(_value(label, marks) for label in LABELS)


def _value(label: str, marks: int) -> int | None:
    if label == NO_FINDING:
        return 1 if marks and not marks & _SPEAKS_AGAINST else None
    for value in _VALUES:
        if marks & BITS[label, value]:
            return value
    return None
