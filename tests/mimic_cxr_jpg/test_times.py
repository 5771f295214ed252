"""When a study was made, from the dates and times of its images."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pytest

from mimic_cxr_jpg.times import moments_of, study_times


def images(*rows: tuple[int, str | None, str | None]) -> pa.Table:
    ids, days, clocks = zip(*rows, strict=True)
    return pa.table({
        "study_id": pa.array(ids, pa.int64()),
        "study_date": pa.array(days, pa.string()),
        "study_time": pa.array(clocks, pa.string()),
    })  # fmt: skip


def test_a_study_has_the_earliest_time_of_its_images_to_the_millisecond() -> None:
    rows = images(
        (2, "2180-05-06", "08:05:56.875"),
        (1, "2150-01-01", "00:00:00.000"),
        (2, "2180-05-06", "08:05:56.874"),
        (2, "2180-05-07", "00:00:01.000"),
    )
    second = datetime(2180, 5, 6, 8, 5, 56, 874_000)
    assert study_times(rows).to_pylist() == [second, datetime(2150, 1, 1), second, second]
    assert study_times(rows).type == pa.timestamp("ms")
    found = moments_of(rows)
    assert found.study.to_pylist() == [0, 1, 0, 0]
    assert found.first.to_pylist() == [0, 1]
    assert found.days.to_pylist() == [date(2180, 5, 6), date(2150, 1, 1)]
    assert found.times.to_pylist() == [second, datetime(2150, 1, 1)]


@pytest.mark.parametrize(
    ("day", "clock"),
    [(None, "08:00:00.000"), ("2180-05-06", None), ("2180-02-31", "08:00:00.000"),
     ("2180-05-06", "24:00:00.000"), ("2180-05-06", "8:00"), ("", ""), ("soon", "noon")],
)  # fmt: skip
def test_what_is_blank_or_no_time_does_not_count(day: str | None, clock: str | None) -> None:
    rows = images((1, day, clock), (1, "2180-05-06", "09:00:00.500"), (2, day, clock))
    known = datetime(2180, 5, 6, 9, 0, 0, 500_000)
    assert study_times(rows).to_pylist() == [known, known, None]


def test_a_day_is_known_without_a_time() -> None:
    rows = images((1, "2180-05-06", None), (2, None, None))
    assert study_times(rows).to_pylist() == [None, None]
    assert moments_of(rows).days.to_pylist() == [date(2180, 5, 6), None]


def test_no_image_gives_no_time() -> None:
    empty = images((1, "2180-05-06", None)).slice(0, 0)
    assert study_times(empty).to_pylist() == moments_of(empty).days.to_pylist() == []
