"""A shuffled order that is computed from the position."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from cxr_datasets.permutation import LONGEST, Order, permuted

LENGTHS = [*range(1, 40), 1023, 1024, 1025, 1026, 1600, 4097, 65_536, 377_110]

FIXED = {
    (1, (0,)): [0, 0, 0],
    (8, (0, 0)): [5, 0, 3],
    (8, (0, 1)): [7, 4, 0],
    (8, (1, 0)): [1, 5, 3],
    (2000, (0, 0)): [274, 328, 1976],
    (377_110, (42, 3)): [14267, 114198, 198993],
    (2**32 + 1, (-1,)): [4235206260, 1420660339, 1104072787],
    (LONGEST, (7, 2**64 - 1)): [234261951184, 662870648508, 465744525342],
}
"""Rows at the first, second and last position. They stay for ever: runs are resumed by them."""


@pytest.mark.parametrize(("n", "key"), FIXED)
def test_an_order_stays_the_same_for_ever(n: int, key: tuple[int, ...]) -> None:
    assert permuted([0, min(1, n - 1), n - 1], n, key).tolist() == FIXED[n, key]


@pytest.mark.parametrize("n", LENGTHS)
def test_each_row_comes_once(n: int) -> None:
    rows = permuted(np.arange(n), n, (3, 1))
    assert rows.dtype == np.int64
    assert np.array_equal(np.sort(rows), np.arange(n))


def test_the_longest_order_repeats_nothing() -> None:
    rows = permuted(np.arange(LONGEST - 10_000, LONGEST), LONGEST, (0, 0))
    assert len(np.unique(rows)) == 10_000
    assert 0 <= rows.min() <= rows.max() < LONGEST


@pytest.mark.parametrize("n", [50, 5000])
def test_a_row_hangs_on_its_position_alone_and_keeps_the_shape(n: int) -> None:
    whole = permuted(np.arange(n), n, (1, 2))
    picked = np.array([[n - 1, 0], [7, 7]], dtype=np.int32)
    assert np.array_equal(permuted(picked, n, (1, 2)), whole[picked])
    assert permuted(3, n, (1, 2)) == whole[3]
    assert permuted(np.empty(0, np.int64), n, (1, 2)).shape == (0,)


@pytest.mark.parametrize("n", [50, 5000])
def test_every_part_of_the_key_counts(n: int) -> None:
    keys = [(), (0,), (0, 0), (0, 1), (1, 0), (0, -1), (0, 2**63)]
    orders = {tuple(permuted(np.arange(n), n, key).tolist()) for key in keys}
    assert len(orders) == len(keys)


def test_every_order_of_few_rows_is_as_likely() -> None:
    each = 200
    found = Counter(
        tuple(permuted(np.arange(4), 4, (seed, 0)).tolist()) for seed in range(24 * each)
    )
    excess = sum((found[order] - each) ** 2 / each for order in permutations(range(4)))
    assert excess < 23 + 4 * np.sqrt(2 * 23)


@pytest.mark.thorough
@pytest.mark.parametrize("n", [1088, 377_088, LONGEST])
@pytest.mark.parametrize("changed", ["seed", "epoch"])
def test_neighbouring_keys_give_orders_that_are_not_alike(n: int, changed: str) -> None:
    keys = [(i, 0) if changed == "seed" else (0, i) for i in range(2000)]
    rows = np.array([permuted([0, 1, n - 1], n, key) for key in keys])
    for values in (*rows.T, (rows[:, 1] - rows[:, 0]) % n, np.diff(rows[:, 0]) % n):
        assert _unevenness(values // (n // 64), 64) < 5


@pytest.mark.parametrize("n", [1025, 4099, 65_537])
def test_neighbouring_positions_give_rows_that_are_not_alike(n: int) -> None:
    places = np.arange(n)
    orders = np.array([permuted(places, n, (seed, 1)) for seed in range(40)])
    assert 0.4 < (orders == places).sum(axis=1).mean() < 1.6  # one row stays in its place
    pairs = orders[:, :-1] * 8 // n * 8 + orders[:, 1:] * 8 // n
    assert _unevenness(pairs.reshape(-1), 64) < 5


def _unevenness(bins: np.ndarray, count: int) -> float:
    """By how many standard deviations chi-square is above what even bins give."""
    found = np.bincount(bins, minlength=count)
    assert len(found) == count
    even = len(bins) / count
    return float((((found - even) ** 2 / even).sum() - (count - 1)) / np.sqrt(2 * (count - 1)))


@pytest.mark.parametrize(("n", "positions"), [(0, []), (LONGEST + 1, [0]), (5, [5]), (5, [-1])])
def test_what_is_out_of_range_is_refused(n: int, positions: list[int]) -> None:
    with pytest.raises(ValueError, match=r"Expected positions|An order has"):
        permuted(positions, n, (0,))


ORDERS = {
    "as they are": Order(40),
    "shuffled": Order(40).shuffled((1,)),
    "a part": Order(40).part(slice(3, None, 4)),
    "part of a part": Order(40).part(slice(30)).part(slice(5, None)).part(slice(1, None, 3)),
    "a part, shuffled": Order(40).part(slice(5, 25)).shuffled((1,)),
    "shuffled, a part": Order(40).shuffled((1, -1)).part(slice(1, None, 3)),
    "shuffled twice, and cut between": Order(40).shuffled((1,)).part(slice(9)).shuffled((2,)),
    "nothing": Order(40).shuffled((1,)).part(slice(0)),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_order_gives_what_lists_that_are_held_would(order: Order) -> None:
    held = np.arange(order.rows)
    for step in order.steps:
        if isinstance(step, range):
            held = held[step.start : step.stop : step.step]
        else:
            held = held[permuted(np.arange(len(held)), max(len(held), 1), step)]
    assert len(order) == len(held)
    assert order.at(np.arange(len(order))).tolist() == held.tolist()
    assert order.at(np.arange(len(order))[3:5]).tolist() == held[3:5].tolist()


def test_an_order_is_told_apart_from_others() -> None:
    assert len(set(map(str, ORDERS.values()))) == len(ORDERS)
    assert str(Order(40).shuffled((1, -1)).part(slice(9))) == (
        "40 rows, shuffled by 1-ffffffffffffffff, part 0:9:1"
    )


def test_parts_of_an_order_are_cut_no_further_than_it_goes() -> None:
    order = Order(10).part(slice(4)).part(slice(2, 99))
    assert order.at(np.arange(len(order))).tolist() == [2, 3]
