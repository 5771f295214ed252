"""The sampler under Lightning, the Trainer of transformers, accelerate and torch.distributed."""

from __future__ import annotations

import json
import socket
from contextlib import nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

import cxr_datasets
from cxr_datasets.errors import CxrError
from cxr_datasets.training import ElasticBatchSampler
from tests.helpers import run_python

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

ROOT = Path(cxr_datasets.__file__).parents[1]
ROWS = Dataset.from_dict({"row": range(53)}).with_format("torch")
SIZE = 10
STEPS = 6
"""Of an epoch."""


def sampler_of(epochs: int) -> list[list[int]]:
    """The global batches of some epochs."""
    sampler = ElasticBatchSampler(ROWS, SIZE)
    return [batch for _ in range(epochs) for batch in sampler]


# --- Lightning ------------------------------------------------------------------------------------


class Killed(Exception):
    """What ends a training here."""


SAVED_IN = (
    "on_train_batch_start", "on_train_batch_end", "on_validation_start", "on_validation_end",
    "on_train_epoch_end", "on_train_epoch_start",
)  # fmt: skip
"""Where checkpoints are saved: at the end of an epoch one after another."""


def lightning_run(
    folder: Path, killed: tuple[str, int] = ("", 0), checkpoint: str | None = None,
    size: int = SIZE, workers: int = 0, validate: bool = False, **options: Any,
) -> Any:  # fmt: skip
    """A tiny training of three epochs, which is saved and killed in a hook after some steps."""
    lightning = pytest.importorskip("lightning")
    from tests.cxr_datasets.training.with_lightning import Rows, trainer

    class Model(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(1, 1)
            self.rows: list[list[int]] = []

        def training_step(self, batch: Any, _: int) -> Any:
            self.rows.append(batch["row"].tolist())
            return ((self.layer(batch["row"][:, None] / 100) - 1) ** 2).mean()

        def validation_step(self, *_: Any) -> None:
            pass

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.01)

    def save(*_: Any) -> None:
        if model.trainer.global_step == killed[1] and not model.trainer.sanity_checking:
            model.trainer.save_checkpoint(folder / "last.ckpt")
            raise Killed

    model = Model()
    if killed[0]:
        setattr(model, killed[0], save)
    run = trainer(**{
        "max_epochs": 3, "accelerator": "cpu", "devices": 1, "logger": False,
        "enable_progress_bar": False, "enable_model_summary": False,
        "enable_checkpointing": False, "default_root_dir": folder, **options,
    })  # fmt: skip
    data = Rows(ROWS, size, workers)
    if validate:
        data.val_dataloader = lambda: DataLoader(ROWS.select(range(2)))
    with pytest.raises(Killed) if killed[0] else nullcontext():
        run.fit(model, datamodule=data, ckpt_path=checkpoint)
    if not killed[0]:
        run.save_checkpoint(folder / "last.ckpt")
    return model


@pytest.mark.filterwarnings("ignore")
def test_lightning_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    undisturbed = lightning_run(tmp_path)
    assert undisturbed.rows == sampler_of(3)
    for killed in (4, STEPS, STEPS + 1):
        before = lightning_run(tmp_path, ("on_train_batch_end", killed))
        after = lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"))
        assert before.rows + after.rows == undisturbed.rows
        assert torch.equal(after.layer.weight, undisturbed.layer.weight)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("hook", SAVED_IN)
def test_lightning_loses_nothing_if_it_is_saved_at_the_end_of_an_epoch(
    hook: str, tmp_path: Path
) -> None:
    before = lightning_run(tmp_path, (hook, STEPS), validate=True)
    after = lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"), validate=True)
    assert len(before.rows) == STEPS
    assert before.rows + after.rows == sampler_of(3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ended", [{"max_steps": STEPS}, {"max_steps": 12}, {"max_epochs": 1}])
def test_lightning_goes_on_after_fit_ended_with_an_epoch(
    ended: dict[str, int], tmp_path: Path
) -> None:
    before = lightning_run(tmp_path, **ended)
    after = lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"))
    assert before.rows + after.rows == sampler_of(3)


@pytest.mark.filterwarnings("ignore")
def test_lightning_is_refused_where_it_would_leave_the_rest_of_an_epoch_out(
    tmp_path: Path,
) -> None:
    for steps, done in ((4, "4 of 6 batches of epoch 0"), (STEPS + 1, "1 of 6 .* epoch 1")):
        lightning_run(tmp_path, max_steps=steps)
        with pytest.raises(CxrError, match=rf"{done}.*every_n_train_steps"):
            lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"))


@pytest.mark.filterwarnings("ignore")
def test_lightning_with_workers_saves_what_was_trained_on_and_not_what_they_read(
    tmp_path: Path,
) -> None:
    before = lightning_run(tmp_path, ("on_train_batch_end", 2), workers=1)
    after = lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"))
    assert before.rows + after.rows == sampler_of(3)


@pytest.mark.filterwarnings("ignore")
def test_lightning_takes_another_batch_size_if_it_counts_each_epoch_anew(tmp_path: Path) -> None:
    before = lightning_run(tmp_path, ("on_train_batch_end", 4))
    last = str(tmp_path / "last.ckpt")
    with pytest.raises(CxrError, match=r"4 batches of another size.*every_n_epochs=1"):
        lightning_run(tmp_path, checkpoint=last, size=5)
    after = lightning_run(tmp_path, checkpoint=last, size=5, reload_dataloaders_every_n_epochs=1)
    rows = [row for batch in before.rows + after.rows for row in batch]
    assert sorted(rows) == sorted([*range(len(ROWS))] * 3)


@pytest.mark.filterwarnings("ignore")
def test_lightning_begins_the_next_epoch_where_it_takes_a_part_of_each(tmp_path: Path) -> None:
    before = lightning_run(tmp_path, ("on_train_epoch_end", 4), limit_train_batches=4)
    after = lightning_run(tmp_path, checkpoint=str(tmp_path / "last.ckpt"), limit_train_batches=4)
    whole = sampler_of(3)
    assert before.rows + after.rows == [*whole[:4], *whole[6:10], *whole[12:16]]


def test_lightning_is_told_not_to_put_its_own_sampler_in() -> None:
    data = pytest.importorskip("lightning.pytorch.utilities.data")
    loader = DataLoader(ROWS, batch_sampler=ElasticBatchSampler(ROWS, SIZE))
    distributed = DistributedSampler(ROWS, num_replicas=2, rank=0)
    with pytest.raises(CxrError, match=r"Trainer\(use_distributed_sampler=False\)"):
        data._update_dataloader(loader, distributed)  # as it does by default with two ranks


# --- transformers ---------------------------------------------------------------------------------


def hugging_face_run(
    folder: Path, steps: int, resume: bool = False, save: str = "steps"
) -> tuple[Any, list[list[int]]]:
    """A tiny training that saves itself at each step or epoch, and ends after some steps.

    One that saves itself at each epoch is killed there: else it would save itself once more.
    """
    # Of older ones, 4.40 cannot read its own checkpoints with torch 2.13, and looks for the sampler
    # of a batch sampler without an end.
    transformers = pytest.importorskip("transformers", minversion="5")
    pytest.importorskip("accelerate")
    from tests.cxr_datasets.training.with_transformers import ElasticTrainer

    seen: list[list[int]] = []

    class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, row: Any) -> dict[str, Any]:
            seen.append(row.tolist())
            return {"loss": ((self.layer(row[:, None] / 100) - 1) ** 2).mean()}

    class Stop(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step == steps
            if control.should_training_stop and save == "epoch":
                raise Killed

    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=3, save_steps=1, save_strategy=save,
        per_device_train_batch_size=SIZE, seed=0, learning_rate=0.01, report_to=[], use_cpu=True,
        disable_tqdm=True, save_total_limit=1,
    )  # fmt: skip
    model = Model()
    trainer = ElasticTrainer(model, arguments, train_dataset=ROWS, callbacks=[Stop()])
    with suppress(Killed):
        trainer.train(resume_from_checkpoint=resume)
    return model, seen


@pytest.mark.filterwarnings("ignore")
def test_the_hugging_face_trainer_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    undisturbed, whole = hugging_face_run(tmp_path / "undisturbed", 15)
    assert whole == sampler_of(3)[:15]
    for killed in (4, STEPS, STEPS + 1):
        _, before = hugging_face_run(tmp_path / str(killed), killed)
        model, after = hugging_face_run(tmp_path / str(killed), 15, resume=True)
        assert before + after == whole
        assert torch.equal(model.layer.weight, undisturbed.layer.weight)


@pytest.mark.filterwarnings("ignore")
def test_the_hugging_face_trainer_that_saves_each_epoch_goes_on_with_the_next_one(
    tmp_path: Path,
) -> None:
    _, before = hugging_face_run(tmp_path, STEPS + 2, save="epoch")
    assert [folder.name for folder in tmp_path.iterdir()] == [f"checkpoint-{STEPS}"]
    _, after = hugging_face_run(tmp_path, 2 * STEPS + 3, resume=True, save="epoch")
    assert before == sampler_of(2)[: STEPS + 2]
    assert after == sampler_of(3)[STEPS : 2 * STEPS + 3]


# --- two ranks ------------------------------------------------------------------------------------

TWO_RANKS = """
import json, os
import torch
import torch.multiprocessing
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from datasets import Dataset
from torch.utils.data import DataLoader
from cxr_datasets.training import ElasticBatchSampler
from tests.cxr_datasets.training.with_accelerate import train

rows = Dataset.from_dict({"row": range(53)}).with_format("torch")

seen = []

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, row):  # a rank with one step more would wait for the other for ever
        seen.append(row.tolist())
        return ((self.layer(row[:, None] / 100) - 1) ** 2).mean()

def work(rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1"}
    torch.set_num_threads(1)
    accelerator = Accelerator(
        cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=True)
    )
    assert accelerator.num_processes == 2
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = train(accelerator, rows, 10, model, optimizer, json.loads(os.environ["STATE"]))
    whole = ElasticBatchSampler(rows, 10, drop_last="pad")
    cut = accelerator.prepare(DataLoader(rows, batch_sampler=whole))
    cut = [batch["row"].tolist() for batch in cut]
    found = {"own": seen, "cut": cut, "state": state, "weight": model.layer.weight.item()}
    with open(f"{rank}.json", "w") as file:
        json.dump(found, file)
    torch.distributed.destroy_process_group()

if __name__ == "__main__":
    import torch._dynamo  # else each rank imports it, for seconds
    torch.multiprocessing.start_processes(work, nprocs=2, start_method="fork")
"""


def test_two_ranks_go_on_where_one_was_killed(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    alone = ElasticBatchSampler(ROWS, SIZE)
    before = list(islice(alone, 2))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    state = json.dumps(alone.state_dict())
    done = run_python(
        TWO_RANKS, cwd=tmp_path, pythonpath=ROOT, timeout=240, STATE=state, MASTER_PORT=port
    )
    assert done.returncode == 0, done.stderr
    left, right = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    both = [a + b for a, b in zip(left["own"], right["own"], strict=True)]
    assert before + both == sampler_of(1)
    assert left["weight"] == right["weight"]
    assert left["state"] == right["state"]
    assert left["state"]["epoch"] == 1
    cut = [a + b for a, b in zip(left["cut"], right["cut"], strict=True)]
    assert cut == list(ElasticBatchSampler(ROWS, SIZE, drop_last="pad"))


# --- torchrun -------------------------------------------------------------------------------------

KILLED_RANKS = """
import json, os, signal
import torch
import torch.multiprocessing
from datasets import Dataset
from tests.cxr_datasets.training.with_torchrun import train

rows = Dataset.from_dict({"row": range(53)})

class Model(torch.nn.Module):
    def __init__(self, killed):
        super().__init__()
        self.layer, self.killed, self.seen = torch.nn.Linear(1, 1), killed, []

    def forward(self, pixel_values, labels, labels_mask):
        if len(self.seen) == self.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append((pixel_values[:, 0] * 100).round().int().tolist())
        return ((self.layer(pixel_values) - labels) ** 2)[labels_mask].mean()

def collate(rows):
    values = torch.tensor([[row["row"] / 100] for row in rows])
    return {"pixel_values": values, "labels": values * 2 - 1, "labels_mask": values >= 0}

def work(rank, ranks, name, killed):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{os.getcwd()}/{name}{ranks}",
                                         rank=rank, world_size=ranks)
    torch.manual_seed(0)
    model = Model(killed)
    train(model, rows, 10, 3, f"{name}.pt", collate, every=2, workers=int(ranks == 2))
    with open(f"{name}.json", "w") as file:
        json.dump({"seen": model.seen, "weight": model.layer.weight.item()}, file)
    torch.distributed.destroy_process_group()

def run(*arguments):
    torch.multiprocessing.start_processes(work, arguments, arguments[0], start_method="fork")

if __name__ == "__main__":
    run(1, "undisturbed", None)
    try:
        run(2, "killed", 9)
    except torch.multiprocessing.ProcessExitedException:
        run(1, "killed", None)
"""


@pytest.mark.thorough
def test_ranks_that_are_killed_go_on_from_the_checkpoint_as_one(tmp_path: Path) -> None:
    done = run_python(KILLED_RANKS, cwd=tmp_path, pythonpath=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    undisturbed, killed = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("undisturbed", "killed")
    )
    assert undisturbed["seen"] == sampler_of(3)
    assert killed["seen"] == sampler_of(3)[8:]  # it was saved after every second step
    assert killed["weight"] == pytest.approx(undisturbed["weight"], abs=1e-4)
