"""The studies of each patient in the order of time, and for each study those before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.tables.keys import combined, numbered

_MS_PER_DAY = 86_400_000.0
_UNKNOWN = np.iinfo(np.int64).max


def in_order(study_ids: pa.Array, subject_ids: pa.Array, times: pa.Array) -> pa.Table:
    """Put the studies of each patient in the order of time: date, time of day, then study id.

    A study without a time has no place in that order: it comes after all others of its patient, and
    has no number.

    Args:
        study_ids: Each study once, int64.
        subject_ids: The patient of each, int64.
        times: When each was made, timestamp[ms]; null where that is not known.

    Returns:
        A row per study, those of a patient together:

            - `study`: its place in the arguments.
            - `time`: as given.
            - `number`: 1 for the patient's first; null without a time.
            - `of_patient`: how many studies the patient has, with a time or without.
            - `tied`: whether another study of the patient has the same time, so that the id alone
              gives the order; null without a time.
            - `days_to_next`: days to the patient's next study, float64; null for the last.
    """
    ids, subject = study_ids.to_numpy(), subject_ids.to_numpy()
    time = pc.fill_null(pc.cast(times, pa.int64()), _UNKNOWN).to_numpy()
    order = np.lexsort((ids, time, subject))
    subject, time = subject[order], time[order]
    is_known = time != _UNKNOWN
    begins = np.ones(len(order), bool)
    begins[1:] = subject[1:] != subject[:-1]
    starts = np.flatnonzero(begins)
    counts = np.diff([*starts.tolist(), len(order)])
    has_next = np.zeros(len(order), bool)  # with a time
    has_next[:-1] = ~begins[1:] & is_known[1:]
    to_next = np.zeros(len(order), np.int64)
    to_next[:-1] = np.where(has_next[:-1], time[1:], time[:-1]) - time[:-1]
    tied = has_next & (to_next == 0)
    tied[1:] |= tied[:-1]
    unknown = ~is_known
    return pa.table(
        {
            "study": order,
            "time": combined(times).take(pa.array(order)),
            "number": pa.array(np.arange(len(order)) - np.repeat(starts, counts) + 1, mask=unknown),
            "of_patient": np.repeat(counts, counts),
            "tied": pa.array(tied, mask=unknown),
            "days_to_next": pa.array(to_next / _MS_PER_DAY, mask=~has_next),
        }
    )


@dataclass(frozen=True)
class Earlier:
    """For some studies their patients' earlier ones, newest first.

    Attributes:
        places: Places of the earlier studies in the table of all, those of each study together.
        offsets: Where those of each study begin; one more than there are studies, int32.
        days: How many days before the study each was made, float64.
    """

    places: pa.Array
    offsets: pa.Array
    days: pa.Array

    def lists(self, values: pa.Array) -> pa.ListArray:
        """Make a list for each study of values that are as long as `places`."""
        return pa.ListArray.from_arrays(self.offsets, combined(values))


def earlier(places: pa.Array, studies: pa.Table, most: int) -> Earlier:
    """Find the earlier studies of some.

    Args:
        places: Places of the studies in `studies`, repeated or not.
        studies: All studies, as `in_order` gives them.
        most: Most earlier studies of one; the newest count.
    """
    here = places.to_numpy()
    # A study without a number is neither after another nor before it.
    before = pc.fill_null(combined(studies["number"]).take(places), 1).to_numpy() - 1
    counts = np.minimum(before, min(most, studies.num_rows))  # `most` may be beyond an int64
    offsets = np.concatenate([[0], np.cumsum(counts)])
    steps = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + 1
    found = pa.array(np.repeat(here, counts) - steps, pa.int64())
    time = combined(studies["time"])
    then = pc.cast(time.take(found), pa.int64()).to_numpy()
    now = np.repeat(pc.fill_null(pc.cast(time.take(places), pa.int64()), 0).to_numpy(), counts)
    return Earlier(found, pa.array(offsets, pa.int32()), pa.array((now - then) / _MS_PER_DAY))


def best_of_study(study: pa.Array, rank: pa.Array, among: pa.Array, studies: int) -> pa.Array:
    """Find the best image of each study.

    Args:
        study: Number of each image's study.
        rank: Integer for each image, the lowest is best; of equals the first counts.
        among: Boolean for each image: whether it may be chosen.
        studies: How many studies there are.

    Returns:
        For each study the row of its image, int64; null where none may be chosen.
    """
    rows = np.flatnonzero(among.to_numpy(zero_copy_only=False))
    order = np.lexsort((rows, rank.to_numpy()[rows], study.to_numpy()[rows]))[::-1]
    best = np.full(studies, -1)
    # Of several rows of one study the last one written stays: the best, as all go backwards.
    best[study.to_numpy()[rows][order]] = rows[order]
    return pa.array(best, mask=best < 0)


def studies_of(images: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Number the studies of some images; see `numbered`."""
    return numbered(combined(images["study_id"]))
