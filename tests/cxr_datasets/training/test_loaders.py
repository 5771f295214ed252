"""The sampler in the loaders and trainers that people use."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from cxr_datasets.errors import CxrError
from cxr_datasets.training import ElasticBatchSampler
from tests.cxr_datasets.training.worlds import invented

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

ROWS = Dataset.from_dict({"row": range(103)}).with_format("torch")
SIZE = 10
EPOCHS = [list(sampler) for sampler in [ElasticBatchSampler(ROWS, SIZE)] for _ in range(3)]
"""The global batches of the first epochs, undisturbed."""


def loader(sampler: ElasticBatchSampler, workers: int = 0, kind: Any = DataLoader) -> Any:
    return kind(sampler.dataset, batch_sampler=sampler, num_workers=workers)


def rows_of(batches: Any) -> list[list[int]]:
    return [batch["row"].tolist() for batch in batches]


# --- DataLoader -----------------------------------------------------------------------------------


def test_a_plain_loader_goes_on_where_the_loop_was_not_where_its_workers_were() -> None:
    sampler = ElasticBatchSampler(ROWS, SIZE)
    before = rows_of(islice(loader(sampler, workers=2), 4))
    state = sampler.state_dict(batches_done=4)
    again = ElasticBatchSampler(ROWS, SIZE)
    again.load_state_dict(state)
    after = loader(again)  # with another number of workers
    assert [*before, *rows_of(after)] == EPOCHS[0]
    assert rows_of(after) == EPOCHS[1]


def test_without_workers_the_sampler_knows_by_itself() -> None:
    sampler = ElasticBatchSampler(ROWS, SIZE)
    before = rows_of(islice(loader(sampler), 4))
    assert sampler.state_dict() == sampler.state_dict(batches_done=4)
    sampler.load_state_dict(sampler.state_dict())
    assert [*before, *rows_of(loader(sampler))] == EPOCHS[0]


# --- torchdata ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_saves_the_place_by_itself(workers: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    first = loader(ElasticBatchSampler(ROWS, SIZE), workers, stateful)
    before = rows_of(islice(first, 4))
    second = loader(ElasticBatchSampler(ROWS, SIZE), workers, stateful)
    second.load_state_dict(first.state_dict())
    assert [*before, *rows_of(second)] == EPOCHS[0]
    end = second.state_dict()
    assert rows_of(second) == EPOCHS[1]
    third = loader(ElasticBatchSampler(ROWS, SIZE), workers, stateful)
    third.load_state_dict(end)  # of an epoch that was read to its end
    assert rows_of(third) == EPOCHS[1]


def test_a_stateful_loader_goes_on_with_other_workers_by_the_state_of_the_sampler() -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    sampler = ElasticBatchSampler(ROWS, SIZE)
    before = rows_of(islice(loader(sampler, 2, stateful), 4))
    again = ElasticBatchSampler(ROWS, SIZE)
    again.load_state_dict(sampler.state_dict(batches_done=4))
    assert [*before, *rows_of(loader(again, 0, stateful))] == EPOCHS[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_saved_at_the_last_batch_goes_on_with_the_next_epoch(
    workers: int,
) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    first = loader(ElasticBatchSampler(ROWS, SIZE), workers, stateful)
    batches = iter(first)
    assert rows_of(islice(batches, len(EPOCHS[0]))) == EPOCHS[0]
    state = first.state_dict()  # the loop has not asked for more
    second = loader(ElasticBatchSampler(ROWS, SIZE), workers, stateful)
    second.load_state_dict(state)
    assert [*rows_of(second), *rows_of(second)][: len(EPOCHS[1])] == EPOCHS[1]


# --- accelerate -----------------------------------------------------------------------------------


def prepared(ranks: int, **options: Any) -> list[Any]:
    """A loader for each rank, of which each has the global batches, cut up by accelerate."""
    accelerate = pytest.importorskip("accelerate.data_loader")
    accelerate.PartialState(cpu=True)
    return [
        accelerate.prepare_data_loader(
            loader(ElasticBatchSampler(ROWS, SIZE, **options)),
            num_processes=ranks,
            process_index=rank,
            split_batches=True,
            put_on_device=False,
        )
        for rank in range(ranks)
    ]


@pytest.mark.parametrize("drop_last", [True, "pad"])
def test_accelerate_cuts_global_batches_up_as_split_batches(drop_last: Any) -> None:
    expected = list(ElasticBatchSampler(ROWS, SIZE, drop_last=drop_last))
    for epoch in range(2):
        loaders = prepared(2, drop_last=drop_last)
        for each in loaders:
            each.set_epoch(epoch)
        steps = zip(*map(rows_of, loaders), strict=True)
        sampler = ElasticBatchSampler(ROWS, SIZE, drop_last=drop_last)
        sampler.set_epoch(epoch)
        assert [left + right for left, right in steps] == list(sampler)
    assert len(expected) == len(loaders[0])


def test_accelerate_refuses_to_cut_up_whole_studies() -> None:
    accelerate = pytest.importorskip("accelerate.data_loader")
    whole = loader(ElasticBatchSampler(invented(9, 2, 2), SIZE, by="study_id"))
    with pytest.raises(ValueError, match="batch_size"):
        accelerate.prepare_data_loader(
            whole, num_processes=2, process_index=0, split_batches=True, put_on_device=False
        )


def test_a_loader_that_accelerate_prepared_is_resumed_with_its_epoch() -> None:
    (first,) = prepared(1)
    first.set_epoch(2)
    before = rows_of(islice(first, 4))  # accelerate has read one batch ahead
    state = first.batch_sampler.state_dict(batches_done=4)
    (second,) = prepared(1)
    second.batch_sampler.load_state_dict(state)
    with pytest.raises(CxrError, match=r"loader\.set_epoch\(2\)"):
        next(iter(second))
    second.set_epoch(2)
    assert [*before, *rows_of(second)] == EPOCHS[2]


def test_a_prepared_loader_saved_at_the_last_batch_goes_on_with_the_next_epoch() -> None:
    (first,) = prepared(1)
    assert rows_of(first) == EPOCHS[0]
    state = first.batch_sampler.state_dict(batches_done=len(EPOCHS[0]))
    (second,) = prepared(1)
    second.batch_sampler.load_state_dict(state)
    second.set_epoch(second.batch_sampler.epoch)
    assert rows_of(second) == EPOCHS[1]


# --- a tiny training ------------------------------------------------------------------------------


class Run:
    """A tiny training in a plain loop; dropout makes every draw of random numbers count."""

    def __init__(self, workers: int = 0, **options: Any):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(1, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)
        self.sampler = ElasticBatchSampler(ROWS, SIZE, **options)
        # A generator of its own: a loader draws a seed for its workers whenever it begins.
        self.loader = DataLoader(
            ROWS, batch_sampler=self.sampler, num_workers=workers, generator=torch.Generator()
        )
        self.rows: list[list[int]] = []

    def until(self, steps: int) -> dict[str, Any]:
        """Train up to a step, and give the checkpoint that is written then."""
        while True:
            for done, batch in enumerate(self.loader, 1):
                values = batch["row"][:, None] / 100
                loss = ((self.model(values) - values.sin()) ** 2).mean()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.rows.append(batch["row"].tolist())
                if len(self.rows) == steps:
                    return {
                        "model": self.model.state_dict(),
                        "optimizer": self.optimizer.state_dict(),
                        "random": torch.get_rng_state(),
                        "order": self.sampler.state_dict(batches_done=done),
                        "rows": self.rows,
                    }

    def resume(self, checkpoint: dict[str, Any]) -> Run:
        self.model.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.sampler.load_state_dict(checkpoint["order"])
        self.rows = checkpoint["rows"]
        torch.set_rng_state(checkpoint["random"])
        return self

    def weights(self) -> list[Any]:
        return [value.clone() for value in self.model.state_dict().values()]


def test_a_training_killed_and_resumed_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    undisturbed = Run()
    undisturbed.until(30)
    file = tmp_path / "checkpoint.pt"
    torch.save(Run().until(4), file)
    for steps, workers in ((11, 2), (17, 0), (30, 0)):  # 11: the end of an epoch
        run = Run(workers).resume(torch.load(file))
        torch.save(run.until(steps), file)
    assert run.rows == undisturbed.rows == [*EPOCHS[0], *EPOCHS[1], *EPOCHS[2]][:30]
    for ours, theirs in zip(run.weights(), undisturbed.weights(), strict=True):
        assert torch.equal(ours, theirs)
