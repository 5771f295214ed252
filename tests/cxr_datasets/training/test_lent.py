"""A worker uses the memory of a batch again once nobody reads it any more, and never before."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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


def memory_of(tensor: Any) -> int:
    """The number of the file that a tensor's memory is; 0: it is none that a worker lent."""
    with open("/proc/self/maps") as lines:
        for line in lines:
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if start <= tensor.data_ptr() < end:
                return int(line.split()[4]) if "cxr-batch" in line else 0
    return 0


def test_memory_is_used_again_and_its_content_is_right() -> None:
    batches = checked(loader(Rows(40 * BATCH)))
    memory = [memory_of(batch["pixel_values"]) for batch in batches]
    assert len(memory) == 40
    assert all(memory[1:])  # the first was made before the collation
    assert len(set(memory[1:])) <= lent.MOST_PIECES


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


Parts = Callable[[dict[str, Any]], Any]

SENT_BESIDE: dict[str, Parts] = {
    "the same tensor": lambda batch: batch["pixel_values"],
    "a view": lambda batch: batch["pixel_values"][:2],
    "a view that is not known to be one": lambda batch: batch["pixel_values"].detach()[:2],
    "a dictionary of the same": lambda batch: dict(batch),
    "an array": lambda batch: batch["pixel_values"].numpy()[:2],
}


class Beside:
    """A collation around ours that sends something of the batch beside it, or before it."""

    def __init__(self, part: str, is_first: bool):
        self.part, self.is_first = part, is_first
        self.collate = collate_studies()

    def __call__(self, rows: list[Any]) -> Any:
        batch = self.collate(rows)
        part = SENT_BESIDE[self.part](batch)
        return {"other": part, "batch": batch} if self.is_first else {"batch": batch, "other": part}


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("part", SENT_BESIDE)
def test_what_is_sent_beside_a_batch_outlives_it(part: str, is_first: bool) -> None:
    kept = []
    for both in loader(Rows(12 * BATCH), collate_fn=Beside(part, is_first)):
        other, number = both["other"], int(both["batch"]["number"][0])
        kept.append((number, other["pixel_values"] if isinstance(other, dict) else other))
    assert [float(other[0].max()) for _, other in kept] == [number for number, _ in kept]
    assert [float(other[1].min()) for _, other in kept] == [number + 1 for number, _ in kept]


@pytest.mark.parametrize("view", ["detached", "array"])
def test_a_worker_that_keeps_a_part_of_a_batch_sees_no_later_one_in_it(view: str) -> None:
    kept: list[tuple[int, Any]] = []

    def keep(rows: list[Any]) -> Any:
        assert all((part == number).all() for number, part in kept)
        batch = collate_studies()(rows)
        pixels = batch["pixel_values"]
        part = pixels.detach()[1] if view == "detached" else pixels.numpy()[1]
        kept.append((int(batch["number"][1]), part))
        return batch

    assert len(list(checked(loader(Rows(12 * BATCH), collate_fn=keep)))) == 12


def test_a_forked_process_keeps_the_batch_that_was_there_when_it_was_forked() -> None:
    children = []
    for batch in checked(loader(Rows(12 * BATCH))):
        asked, ask = os.pipe()
        child = os.fork()
        if not child:
            os.read(asked, 1)
            expected = batch["number"].numpy().reshape(-1, 1, 1, 1)
            os._exit(int((batch["pixel_values"].numpy() != expected).any()))
        children.append((child, ask))
        os.close(asked)
    for child, ask in children:
        os.write(ask, b"!")
        os.close(ask)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Odd(Wrapped):
    """A collation around ours that adds tensors that numpy has not."""

    def __call__(self, rows: list[Any]) -> Any:
        batch = self.collate(rows)
        batch["float8"] = torch.ones(2).to(torch.float8_e5m2)
        batch["bfloat16"] = torch.ones(2, dtype=torch.bfloat16)
        batch["conjugate"] = torch.ones(2, dtype=torch.complex64).conj()
        batch["parameter"] = torch.nn.Parameter(torch.ones(2), requires_grad=False)
        return batch


def test_tensors_that_numpy_has_not_come_as_they_are() -> None:
    for batch in loader(Rows(3 * BATCH), collate_fn=Odd(), timeout=60):
        assert (batch["float8"].dtype, batch["bfloat16"].dtype) == (
            torch.float8_e5m2, torch.bfloat16,
        )  # fmt: skip
        assert type(batch["parameter"]) is torch.nn.Parameter
        assert batch["conjugate"].tolist() == [1, 1]


class Saved(Wrapped):
    """A collation around ours that also writes the batch to a file."""

    def __call__(self, rows: list[Any]) -> Any:
        batch = self.collate(rows)
        file = io.BytesIO()
        torch.save(batch, file)
        assert len(list(checked([copy.deepcopy(batch)]))) == 1
        return {"file": file.getvalue(), "batch": batch}


def test_a_batch_that_a_worker_saves_can_be_read_by_others() -> None:
    files = [both["file"] for both in loader(Rows(4 * BATCH), collate_fn=Saved())]
    read = [torch.load(io.BytesIO(file), weights_only=False) for file in files]
    assert len(list(checked(read))) == 4


class Threaded(Rows):
    """Rows that a worker makes in several threads."""

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(4) as pool:
            made = list(
                pool.map(lambda number: super(Threaded, self).__getitems__([number]), numbers)
            )
        return [row for rows in made for row in rows]


def test_threads_of_a_worker_get_memory_of_their_own() -> None:
    rows = Threaded(40 * BATCH, sizes=(160,))
    assert len(list(checked(loader(rows)))) == 40


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
