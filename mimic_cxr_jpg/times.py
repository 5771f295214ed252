"""When a study was made: the earliest date and time of its images.

The release tells a date and a time for each image, and those of one study can differ. The earliest
one counts, for that is when the exam began.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.tables.keys import combined, null_where, numbered

_MS_PER_DAY = 86_400_000
_CLOCK = r"\A([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?\z"
_LATEST = np.iinfo(np.int64).max


class Moments(NamedTuple):
    """When each study of some images was made.

    Attributes:
        study: The number of each image's study, from 0 on, in the order of their first images.
        first: The first image of each study.
        days: date32 for each study: the earliest day of its images; null if none has one.
        times: timestamp[ms] for each study: the earliest moment of its images that have both a date
            and a time; null if none has.
    """

    study: pa.Array
    first: pa.Array
    days: pa.Array
    times: pa.Array


def moments_of(images: pa.Table) -> Moments:
    """Find out when each study was made.

    Args:
        images: A row per image, with `study_id`, and as text `study_date` (`2180-05-06`) and
            `study_time` (`08:05:56.875`), as the index has them. What is no day or no time of day
            counts as blank.
    """
    study, first = numbered(combined(images["study_id"]))
    number = study.to_numpy()
    days = _days(combined(images["study_date"]))
    clocks = _clocks(combined(images["study_time"]))
    times = pc.add(pc.multiply(pc.cast(days, pa.int64()), _MS_PER_DAY), clocks)
    day = pc.cast(_earliest(number, len(first), days), pa.int32())
    return Moments(
        study,
        first,
        pc.cast(day, pa.date32()),
        pc.cast(_earliest(number, len(first), times), pa.timestamp("ms")),
    )


def study_times(images: pa.Table) -> pa.Array:
    """Give each image the date and time of its study, as `moments_of` finds them."""
    found = moments_of(images)
    return found.times.take(found.study)


def _days(dates: pa.Array) -> pa.Array:
    """Read days, as days since 1970 in int32; null for what is none."""
    encoded = dates.dictionary_encode()  # there are far more images than days
    text = pc.cast(encoded.dictionary, pa.string())
    days = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True)
    # strptime reads 31 February as 3 March, so write it and compare.
    same = pc.equal(pc.strftime(days, format="%Y-%m-%d"), text)
    days = pc.cast(null_where(pc.invert(same), days), pa.date32())
    return pc.cast(days, pa.int32()).take(encoded.indices)


def _clocks(times: pa.Array) -> pa.Array:
    """Read times of day, as milliseconds since midnight in int64; null for what is none."""
    try:
        return _on_first_day(times)
    except pa.ArrowInvalid:  # the check of each text takes longer than to read it
        is_time = pc.match_substring_regex(times, _CLOCK)
        return _on_first_day(null_where(pc.invert(is_time), times))


def _on_first_day(times: pa.Array) -> pa.Array:
    """Read times as those of 1 January 1970: pyarrow reads no time of day from a text."""
    moments = pc.binary_join_element_wise("1970-01-01", times, "T")
    return pc.cast(pc.cast(moments, pa.timestamp("ms")), pa.int64())


def _earliest(study: np.ndarray, studies: int, values: pa.Array) -> pa.Array:
    """Give each study the least value of its images, int64; null if it has none."""
    known = values.is_valid().to_numpy(zero_copy_only=False)
    least = np.full(studies, _LATEST)
    np.minimum.at(least, study[known], values.drop_null().to_numpy())
    return pa.array(least, mask=least == _LATEST)
