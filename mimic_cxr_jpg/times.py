"""When a study was made: the earliest date and time of its images.

The release tells a date and a time for each image, and those of one study can differ. The earliest
one counts, for that is when the exam began.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.tables.keys import combined, numbered

_MS_PER_DAY = 86_400_000
_CLOCK = r"\A([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?\z"
_LATEST = np.iinfo(np.int64).max


def study_times(images: pa.Table) -> pa.Array:
    """Give each image the date and time of its study.

    Args:
        images: A row per image, with `study_id`, and as text `study_date` (`2180-05-06`) and
            `study_time` (`08:05:56.875`), as the index has them.

    Returns:
        timestamp[ms], as long as `images`: the earliest over the study's images that have both a
        date and a time; null if none has. What is no day or no time of day counts as blank.
    """
    days = _days(combined(images["study_date"]))
    clocks = _clocks(combined(images["study_time"]))
    moments = pc.add(pc.multiply(pc.cast(days, pa.int64()), _MS_PER_DAY), clocks)
    earliest = _earliest(combined(images["study_id"]), moments)
    return pc.cast(earliest, pa.timestamp("ms"))


def study_days(images: pa.Table) -> pa.Array:
    """Give each image the day of its study, also where no time is known.

    Args:
        images: As for `study_times`; `study_time` is not needed.

    Returns:
        date32, as long as `images`: the earliest over the study's images; null if none has one.
    """
    days = pc.cast(_days(combined(images["study_date"])), pa.int64())
    earliest = _earliest(combined(images["study_id"]), days)
    return pc.cast(pc.cast(earliest, pa.int32()), pa.date32())


def _days(dates: pa.Array) -> pa.Array:
    """Read days, as days since 1970 in int32; null for what is none."""
    encoded = dates.dictionary_encode()  # there are far more images than days
    text = pc.cast(encoded.dictionary, pa.string())
    days = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True)
    # strptime reads 31 February as 3 March, so write it and compare.
    same = pc.equal(pc.strftime(days, format="%Y-%m-%d"), text)
    days = pc.cast(pc.if_else(same, days, None), pa.date32())
    return pc.cast(days, pa.int32()).take(encoded.indices)


def _clocks(times: pa.Array) -> pa.Array:
    """Read times of day, as milliseconds since midnight in int64; null for what is none."""
    try:
        return _on_first_day(times)
    except pa.ArrowInvalid:  # the check of each text takes longer than to read it
        is_time = pc.match_substring_regex(times, _CLOCK)
        return _on_first_day(pc.if_else(is_time, times, None))


def _on_first_day(times: pa.Array) -> pa.Array:
    """Read times as those of 1 January 1970: pyarrow reads no time of day from a text."""
    moments = pc.binary_join_element_wise("1970-01-01", times, "T")
    return pc.cast(pc.cast(moments, pa.timestamp("ms")), pa.int64())


def _earliest(study_ids: pa.Array, values: pa.Array) -> pa.Array:
    """Give each row the least value of all rows of its study, int64; null if it has none."""
    study, first = numbered(study_ids)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    least = np.full(len(first), _LATEST)
    np.minimum.at(least, study.to_numpy()[known], values.drop_null().to_numpy())
    return pa.array(least, mask=least == _LATEST).take(study)
