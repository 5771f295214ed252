"""A worker uses the memory of a batch again once nobody reads it any more, and never before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from cxr_datasets.training import collate_studies, lent
from cxr_datasets.training.shared import empty

torch = pytest.importorskip("torch")

if not hasattr(os, "memfd_create"):
    pytest.skip("needs memory that is a file", allow_module_level=True)

BATCH = 4


class Rows:
    """Rows whose pixels are their number; the memory that the worker wrote them to goes along."""

    def __init__(self, rows: int, sizes: tuple[int, ...] = (96,), batch: int = BATCH):
        self.rows, self.sizes, self.batch = rows, sizes, batch

    def __len__(self) -> int:
        return self.rows

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        size = self.sizes[numbers[0] // self.batch % len(self.sizes)]
        pixels = empty((len(numbers), 1, size, size), np.float32)
        pixels[:] = np.reshape(numbers, (-1, 1, 1, 1))
        place = np.int64(pixels.__array_interface__["data"][0])
        return [
            {"pixel_values": image, "place": place, "number": np.int64(number), "text": str(number)}
            for image, number in zip(pixels, numbers, strict=True)
        ]


def loader(rows: Rows, **options: Any) -> Any:
    return torch.utils.data.DataLoader(
        rows, **{"batch_size": rows.batch, "num_workers": 1, "multiprocessing_context": "fork",
                 "collate_fn": collate_studies(), **options},
    )  # fmt: skip


def checked(batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        assert type(batch) is dict
        assert batch["text"] == [str(number) for number in batch["number"].tolist()]
        expected = batch["number"].reshape(-1, 1, 1, 1).expand_as(batch["pixel_values"])
        assert torch.equal(batch["pixel_values"], expected.float())
        yield batch


def test_memory_is_used_again_and_its_content_is_right() -> None:
    places = [int(batch["place"][0]) for batch in checked(loader(Rows(40 * BATCH)))]
    assert len(places) == 40
    assert len(set(places[1:])) <= lent.MOST_PIECES  # the first was made before the collation


def test_two_workers_lend_their_own_memory() -> None:
    numbers = [
        number
        for batch in checked(loader(Rows(30 * BATCH), num_workers=2, shuffle=True))
        for number in batch["number"].tolist()
    ]
    assert sorted(numbers) == list(range(30 * BATCH))


def test_batches_that_are_kept_stay_as_they_were() -> None:
    kept = list(checked(loader(Rows(20 * BATCH))))
    assert len(list(checked(kept))) == 20


def test_a_part_of_a_batch_keeps_its_memory_from_being_used_again() -> None:
    rows = [batch["pixel_values"][1, 0, 5] for batch in checked(loader(Rows(20 * BATCH)))]
    assert [row.unique().tolist() for row in rows] == [[4 * batch + 1] for batch in range(20)]


def test_batches_outlive_their_worker() -> None:
    batches = iter(loader(Rows(3 * BATCH)))
    kept = [next(batches), next(batches)]
    del batches  # ends the worker
    assert len(list(checked(kept))) == 2


@pytest.mark.parametrize("sizes", [(96, 160, 130), (160, 8, 96)])
def test_batches_of_several_sizes_and_a_short_last_one(sizes: tuple[int, ...]) -> None:
    rows = Rows(20 * BATCH + 1, sizes)
    assert sum(len(batch["number"]) for batch in checked(loader(rows))) == len(rows)


class Wrapped:
    """A collation around ours, whose batch is no longer of the kind that ours sends."""

    def __init__(self) -> None:
        self.collate = collate_studies()

    def __call__(self, rows: list[Any]) -> dict[str, Any]:
        return dict(self.collate(rows).items())


def test_a_collation_around_ours_gets_memory_that_is_never_used_again() -> None:
    kept = list(checked(loader(Rows(20 * BATCH), collate_fn=Wrapped())))
    assert len(list(checked(kept))) == 20


def test_a_worker_that_keeps_a_batch_sees_no_later_one_in_it() -> None:
    kept: list[Any] = []

    def keep(rows: list[Any]) -> Any:
        kept.append(collate_studies()(rows))
        assert len(list(checked(map(dict, kept)))) == len(kept)
        return kept[-1]

    assert len(list(checked(loader(Rows(12 * BATCH), collate_fn=keep)))) == 12


def test_without_such_memory_batches_come_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> int:
        raise OSError("not allowed")

    monkeypatch.setattr(os, "memfd_create", refused)
    assert len(list(checked(loader(Rows(8 * BATCH))))) == 8
    monkeypatch.delattr(os, "memfd_create")
    assert len(list(checked(loader(Rows(8 * BATCH))))) == 8


def test_workers_that_stay_lend_in_each_epoch() -> None:
    batches = loader(Rows(8 * BATCH), persistent_workers=True)
    for _ in range(2):
        assert len(list(checked(batches))) == 8
