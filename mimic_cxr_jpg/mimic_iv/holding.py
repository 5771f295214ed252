"""Which of a patient's intervals hold a moment, for all moments at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mimic_cxr_jpg.mimic_iv.tables import Intervals

NONE = -1

_MINUTE_BITS = 32
"""Bits of a minute since 1970, in a number that begins with the patient."""


class Held(NamedTuple):
    """For each moment what holds it.

    Attributes:
        row: The row of the interval that holds it; of several, the one that began last, of these
            the one that ended last, of these the one with the highest id. `NONE`: none does.
        hits: How many do.
    """

    row: np.ndarray
    hits: np.ndarray


def find_holding(subjects: np.ndarray, minutes: np.ndarray, intervals: Intervals) -> Held:
    """Find the intervals that hold some moments.

    Args:
        subjects: The patient of each moment.
        minutes: The minute of each, since 1970.
        intervals: The intervals. Both their first and their last minute belong to them.
    """
    order, begun = _ordered(intervals)
    first = np.searchsorted(begun, subjects << _MINUTE_BITS)
    count = np.searchsorted(begun, (subjects << _MINUTE_BITS) + minutes, side="right") - first
    # Each moment with each interval of its patient that has begun: there are few of them.
    moment = np.repeat(np.arange(len(subjects)), count)
    place = np.arange(len(moment)) + np.repeat(first - (np.cumsum(count) - count), count)
    row = order[place]
    holds = minutes[moment] <= intervals.end[row]
    moment, row = moment[holds], row[holds]
    best = np.full(len(subjects), NONE)
    # Of several rows of one moment the last one written stays: the last in `order`.
    best[moment] = row
    return Held(best, np.bincount(moment, minlength=len(subjects)))


def _ordered(intervals: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """Order intervals by patient, start, end and id.

    Returns:
        The rows in this order, and for each of them one number that grows with patient and start.
    """
    begun = (intervals.subjects << _MINUTE_BITS) + np.maximum(intervals.start, 0)
    order = np.argsort(begun, kind="stable")
    ordered = begun[order]
    if np.any(ordered[1:] == ordered[:-1]):
        order = np.lexsort((intervals.ids, intervals.end, begun))
    return order, ordered
