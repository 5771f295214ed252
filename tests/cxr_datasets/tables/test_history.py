"""The order of studies, and the earlier ones of each, against a slow count in plain Python."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.tables.history import best_of_study, earlier, in_order

START = datetime(2150, 1, 1)
Study = tuple[int, int, datetime | None]


def drawn(seed: int, studies: int = 60) -> list[Study]:
    """Studies with a patient and a time each: few patients, many ties, some without a time."""
    rng = random.Random(seed)
    ids = rng.sample(range(50_000_000, 59_999_999), studies)
    return [
        (
            study,
            rng.choice((7, 8, 9, *range(10, 30))),
            None if rng.random() < 0.1 else START + timedelta(hours=7 * rng.randint(0, 12)),
        )
        for study in ids
    ]


def table_of(studies: list[Study]) -> pa.Table:
    ids, patients, times = zip(*studies, strict=True) if studies else ((), (), ())
    return in_order(
        pa.array(ids, pa.int64()),
        pa.array(patients, pa.int64()),
        pa.array(times, pa.timestamp("ms")),
    )


def slow_order(studies: list[Study], patient: int) -> list[Study]:
    own = [one for one in studies if one[1] == patient and one[2] is not None]
    return sorted(own, key=lambda one: (one[2], one[0]))


@pytest.mark.parametrize("seed", range(8))
def test_the_order_is_by_patient_time_and_id(seed: int) -> None:
    studies = drawn(seed)
    rows = table_of(studies).to_pylist()
    assert sorted(row["study"] for row in rows) == list(range(len(studies)))
    assert [row["time"] for row in rows] == [studies[row["study"]][2] for row in rows]
    for row in rows:
        study, patient, time = studies[row["study"]]
        order = slow_order(studies, patient)
        assert row["of_patient"] == sum(one[1] == patient for one in studies)
        if time is None:
            assert (row["number"], row["tied"], row["days_to_next"]) == (None, None, None)
            continue
        place = order.index((study, patient, time))
        assert row["number"] == place + 1
        assert row["tied"] == ([one[2] for one in order].count(time) > 1)
        after = order[place + 1 :]
        days = (after[0][2] - time) / timedelta(days=1) if after and after[0][2] else None
        assert row["days_to_next"] == days


@pytest.mark.parametrize("most", [1, 3, 100, 2**70])
@pytest.mark.parametrize("seed", range(4))
def test_earlier_studies_are_the_newest_before_it(seed: int, most: int) -> None:
    studies = drawn(seed)
    table = table_of(studies)
    places = random.Random(seed).choices(range(len(studies)), k=90)
    found = earlier(pa.array(places, pa.int64()), table, most)
    numbers = table["study"].to_pylist()
    lists = found.lists(pa.array([studies[numbers[at]][0] for at in found.places.to_pylist()],
                                 pa.int64())).to_pylist()  # fmt: skip
    days = found.lists(found.days).to_pylist()
    for place, ids, days_before in zip(places, lists, days, strict=True):
        study = studies[numbers[place]]
        order = slow_order(studies, study[1])
        before = order[: order.index(study)][::-1][:most] if study in order else []
        assert ids == [one[0] for one in before]
        assert days_before == [(study[2] - one[2]) / timedelta(days=1) for one in before]  # type: ignore[operator]


def test_of_no_study_there_is_no_earlier_one() -> None:
    nothing: Any = pa.array([], pa.int64())
    found = earlier(nothing, table_of(drawn(0)), 2)
    assert found.lists(found.days).to_pylist() == []
    assert table_of([]).num_rows == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_best_image_is_that_of_lowest_rank_then_the_first(seed: int) -> None:
    rng = random.Random(seed)
    images = [(rng.randrange(9), rng.randrange(4), rng.random() < 0.6) for _ in range(40)]
    study, rank, among = (pa.array(list(column)) for column in zip(*images, strict=True))
    expected = [
        min(
            (number for number, image in enumerate(images) if image[0] == one and image[2]),
            key=lambda number: (images[number][1], number),
            default=None,
        )
        for one in range(9)
    ]
    assert best_of_study(study, rank, among, 9).to_pylist() == expected
