"""Which of a patient's intervals hold a moment, for all moments at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mimic_cxr_jpg.mimic_iv.tables import Intervals

NONE = -1


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
    order = np.lexsort((intervals.ids, intervals.end, intervals.start, intervals.subjects))
    of_subject = intervals.subjects[order]
    first = np.searchsorted(of_subject, subjects, side="left")
    count = np.searchsorted(of_subject, subjects, side="right") - first
    # Each moment with each interval of its patient: there are few of them.
    moment = np.repeat(np.arange(len(subjects)), count)
    ends = np.cumsum(count)
    place = np.arange(len(moment)) - np.repeat(ends - count, count) + np.repeat(first, count)
    row, minute = order[place], minutes[moment]
    holds = (intervals.start[row] <= minute) & (minute <= intervals.end[row])
    moment, row = moment[holds], row[holds]
    best = np.full(len(subjects), NONE)
    # Of several rows of one moment the last one written stays: the last in `order`.
    best[moment] = row
    return Held(best, np.bincount(moment, minlength=len(subjects)))
