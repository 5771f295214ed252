"""When studies were made, and the days between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.errors import TableError
from cxr_datasets.preview.kinds import DATE, TIME

_TYPE = pa.timestamp("us")
_DAY = 86_400_000_000


def moments(date: pa.Array, time: pa.Array | None) -> pa.Array:
    """Put dates and times of day together.

    Args:
        date: Text such as 2180-05-06, or dates.
        time: Text such as 08:05:56.875; a null one, or None, counts as the beginning of the day.

    Returns:
        Timestamps in microseconds; null where the date is null.

    Raises:
        TableError: They are not of this form.
    """
    try:
        if not _is_text(date):
            return date.cast(_TYPE)
        if time is None or not _is_text(time):
            return date.cast(_TYPE)
        time = pc.fill_null(time, "00:00:00")
        return pc.binary_join_element_wise(date, time, " ").cast(_TYPE)
    except pa.ArrowInvalid as error:
        raise TableError(
            f"The columns {DATE} and {TIME} hold what is no date or time ({wording.said(error)}). "
            "Expected text such as 2180-05-06 and 08:05:56.875. Leave these columns out, or mend "
            "them."
        ) from error


def _is_text(column: pa.Array) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def earliest(moment: pa.Array, study: pa.Array, studies: int) -> pa.Array:
    """Give of each study the first of the times of its rows.

    Args:
        moment: Time of each row.
        study: Number of its study, from 0 on.
        studies: How many studies there are.

    Returns:
        A time for each study; null where no row has one.
    """
    known = moment.is_valid()
    late = np.iinfo(np.int64).max
    first = np.full(studies, late)
    values = moment.filter(known).cast(pa.int64()).to_numpy()
    np.minimum.at(first, study.filter(known).to_numpy(), values)
    return pa.array(first, pa.int64(), mask=first == late).cast(_TYPE)


@dataclass(frozen=True)
class Gaps:
    """Between consecutive studies of patients.

    Attributes:
        days: Whole days from one date to the next, 0 or more, for each pair.
        same_time: How many pairs have the same date and time.
        patients: How many patients have a pair.
    """

    days: np.ndarray
    same_time: int
    patients: int


def days_between(studies: pa.Table, moment: str) -> Gaps:
    """Find the days between consecutive studies of a patient.

    Args:
        studies: Rows with `subject_id`, `study_id` and the column `moment`. Of each patient they
            are put in the order of date, time and `study_id`; those without a date are left out.
        moment: Name of that column.
    """
    known = pc.and_(studies[moment].is_valid(), studies["subject_id"].is_valid())
    studies = studies.filter(known)
    ids, subjects = (studies[name].to_numpy() for name in ("study_id", "subject_id"))
    times = studies[moment].cast(pa.int64()).to_numpy()
    order = np.lexsort((ids, times, subjects))
    subjects, times = subjects[order], times[order]
    same = subjects[1:] == subjects[:-1]
    return Gaps(
        days=np.diff(times // _DAY)[same],
        same_time=int(np.count_nonzero(same & (times[1:] == times[:-1]))),
        patients=len(np.unique(subjects[1:][same])),
    )
