"""Random worlds: any number of ranks, killed at any step, go on as any other world."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from datasets import Dataset

from tests.cxr_datasets.training.worlds import World, as_sets, global_batches, invented, once_each

MODES = (None, "subject_id", "study_id")
CASES = range(8)


def drawn(mode: str | None, case: int) -> tuple[random.Random, Dataset, dict[str, Any], int]:
    """A dataset, options of a sampler, and a batch size that it allows."""
    dice = random.Random(f"{mode} {case}")
    patients = dice.choice([dice.randint(1, 30), 200])
    dataset = invented(patients, dice.randint(1, 5), dice.randint(1, 4), seed=case)
    options = {"seed": dice.randrange(2**40), "by": mode}
    return dice, dataset, options, batch_size(dice, dataset, mode)


def batch_size(dice: random.Random, dataset: Dataset, mode: str | None) -> int:
    """A batch size that a dataset allows: few patients need small batches, large studies large."""
    rows = len(dataset)
    if mode == "subject_id":
        most = max(Counter(dataset["subject_id"]).values())
        return dice.randint(1, -(-rows // (most - 1)) - 1 if most > 1 else rows + 3)
    if mode == "study_id":
        return dice.randint(max(Counter(dataset["study_id"]).values()), rows + 3)
    return dice.randint(1, rows + 3)


def ranks(dice: random.Random, batch_size: int) -> int:
    return min(dice.choice([1, 2, 3, 8, dice.randint(1, 64)]), batch_size)


def check_batches(batches: list[list[int]], size: int, dataset: Dataset, mode: str | None) -> None:
    """Each batch holds what its mode promises."""
    assert all(0 < len(set(batch)) <= size for batch in batches)
    if mode == "subject_id":
        subjects = dataset["subject_id"][:]
        for batch in batches:
            rows = set(batch)
            assert len({subjects[row] for row in rows}) == len(rows)
    if mode == "study_id":
        studies = dataset["study_id"][:]
        whole = Counter(studies)
        for batch in batches:
            there = Counter(studies[row] for row in set(batch))
            assert all(count == whole[study] for study, count in there.items())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_every_world_sees_the_same_batches_in_as_many_steps(mode: str | None, case: int) -> None:
    dice, dataset, options, size = drawn(mode, case)
    alone = global_batches(dataset, size, **options)
    assert sorted(row for batch in alone for row in batch) == list(range(len(dataset)))
    check_batches(alone, size, dataset, mode)
    world = World(dataset, ranks(dice, size), size, **options)
    world.run()  # every rank has as many steps
    assert len(world.steps) == len(alone)
    assert as_sets(world.batches) == as_sets(alone)
    studies = dataset["study_id"][:]
    for step, batch in zip(world.steps, alone, strict=True):
        assert all(step)  # no rank goes without
        units = len({studies[row] for row in batch}) if mode == "study_id" else len(batch)
        assert sum(map(len, step)) == len(batch) or units < len(step)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_a_world_killed_at_any_steps_sees_the_rest_of_the_epoch(
    mode: str | None, case: int
) -> None:
    dice, dataset, options, size = drawn(mode, case)
    alone = global_batches(dataset, size, **options)
    batches, state = [], None
    for _ in range(dice.randint(1, 4)):  # lives
        world = World(dataset, ranks(dice, size), size, **options)
        if state is not None and state["epoch"] == 0:
            world.resume(state)
        if len(batches) == len(alone):
            break
        workers = dice.randint(0, 4)
        state = world.run(dice.randint(0, len(alone) - len(batches)), read_ahead=2 * workers)
        batches += world.batches
    if len(batches) < len(alone):
        assert state is not None
        world = World(dataset, ranks(dice, size), size, **options).resume(state)
        state = world.run()
        batches += world.batches
    assert as_sets(batches) == as_sets(alone)
    assert state is not None
    assert (state["epoch"], state["parts"]) == (1, [[size, 0]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_with_another_batch_size_the_rest_is_the_rows_not_yet_seen(
    mode: str | None, case: int
) -> None:
    dice, dataset, options, size = drawn(mode, case)
    batches: list[list[int]] = []
    state = None
    while state is None or state["epoch"] == 0:
        world = World(dataset, ranks(dice, size), size, **options)
        if state is not None:
            world.resume(state)
        steps_before = len(batches)
        left = len(world.samplers[0]) - steps_before
        state = world.run(dice.randint(1, max(left, 1)), read_ahead=dice.randint(0, 8))
        check_batches(world.batches, size, dataset, mode)
        batches += world.batches
        size = batch_size(dice, dataset, mode)
    assert not list(once_each(batches))
    assert {row for batch in batches for row in batch} == set(range(len(dataset)))


@pytest.mark.parametrize("mode", [None, "subject_id"])
@pytest.mark.parametrize("case", CASES)
def test_a_short_last_batch_is_dropped_or_filled_as_said(mode: str | None, case: int) -> None:
    dice, dataset, options, size = drawn(mode, case)
    size = min(size, len(dataset))
    whole = global_batches(dataset, size, **options)
    dropped = global_batches(dataset, size, drop_last=True, **options)
    filled = global_batches(dataset, size, drop_last="pad", **options)
    short = len(set(map(len, whole))) > 1 and len(dataset) % size == len(whole[-1])
    assert dropped == (whole[:-1] if short else whole)
    assert len(filled) == len(whole)
    assert filled[:-1] == whole[:-1]
    assert set(whole[-1]) <= set(filled[-1])
    check_batches(filled, size, dataset, mode)
    if mode is None:
        assert len(filled[-1]) == size
    for drop_last, expected in ((True, dropped), ("pad", filled)):
        world = World(dataset, ranks(dice, size), size, drop_last=drop_last, **options)
        world.run()
        assert as_sets(world.batches) == as_sets(expected)
