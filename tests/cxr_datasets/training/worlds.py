"""Invented datasets, and worlds of ranks that read them, are killed, and go on elsewhere."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from datasets import Dataset

from cxr_datasets.training import ElasticBatchSampler

Batches = list[list[int]]


def invented(patients: int, most_studies: int, most_images: int, seed: int = 0) -> Dataset:
    """A dataset with ids only, its rows in the order of a release."""
    dice = random.Random(seed)
    rows: dict[str, list[Any]] = {"image_id": [], "study_id": [], "subject_id": []}
    study = 50_000_000
    for patient in range(patients):
        for _ in range(dice.randint(1, most_studies)):
            study += 1
            for number in range(dice.randint(1, most_images)):
                rows["image_id"].append(f"{study}-{number}")
                rows["study_id"].append(study)
                rows["subject_id"].append(10_000_000 + patient)
    return Dataset.from_dict(rows)


class World:
    """Ranks that read one dataset, step by step, as a loop of training does.

    Attributes:
        samplers: One for each rank.
        steps: The batches of all ranks, step by step.
    """

    def __init__(self, dataset: Dataset, ranks: int, batch_size: int, **options: Any):
        self.samplers = [
            ElasticBatchSampler(dataset, batch_size, rank=rank, world_size=ranks, **options)
            for rank in range(ranks)
        ]
        self.steps: list[Batches] = []

    def resume(self, state: dict[str, Any]) -> World:
        for sampler in self.samplers:
            sampler.load_state_dict(state)
        return self

    def run(self, steps: int | None = None, read_ahead: int = 0) -> dict[str, Any]:
        """Take steps, or the rest of the epoch, and give the state that each rank saves then.

        Workers of a loader read ahead: what they read is lost when the world is killed.
        """
        taken = [
            (list(islice(batches, steps)), list(islice(batches, read_ahead)))[0]
            for batches in map(iter, self.samplers)
        ]
        assert len(set(map(len, taken))) == 1, "a rank has more steps than another"
        self.steps = [list(step) for step in zip(*taken, strict=True)]
        states = [sampler.state_dict(len(self.steps)) for sampler in self.samplers]
        assert all(state == states[0] for state in states)
        return states[0]

    @property
    def batches(self) -> Batches:
        """The global batches, each as its ranks have it."""
        return [[row for share in step for row in share] for step in self.steps]


def global_batches(dataset: Dataset, batch_size: int, **options: Any) -> Batches:
    """The batches of one epoch."""
    return list(ElasticBatchSampler(dataset, batch_size, **options))


def as_sets(batches: Sequence[Sequence[int]]) -> list[frozenset[int]]:
    return [frozenset(batch) for batch in batches]


def once_each(batches: Batches) -> Iterator[tuple[int, int]]:
    """How often each row came, for those that did not come once."""
    counts = Counter(row for batch in batches for row in set(batch))
    return ((row, count) for row, count in counts.items() if count != 1)
