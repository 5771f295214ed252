"""The place of a sampler in the checkpoints of Lightning.

Lightning saves the place of a loader, and does not load it again if it counts an epoch as done: so
after `max_steps` in the middle of an epoch, the rest of it would be lost without a word. Where
training stands is therefore taken from Lightning's own counts, which also know nothing of what
workers read ahead. Lightning itself is not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxr_datasets.errors import ResumeError
from cxr_datasets.training.sampler import ElasticBatchSampler


def lightning_state(trainer: Any, sampler: ElasticBatchSampler) -> dict[str, Any]:
    """Give the place to be saved: after the last batch that was trained on.

    Args:
        trainer: The `Trainer` of Lightning.
        sampler: The sampler of its training batches.
    """
    epochs = trainer.fit_loop.epoch_progress.current
    batches = trainer.fit_loop.epoch_loop.batch_progress
    if epochs.started > epochs.processed:  # in the middle of an epoch
        return sampler.state_at(epochs.processed, batches.current.processed)
    if epochs.processed == 0 or batches.is_last_batch:
        return sampler.state_at(epochs.processed, 0)
    return sampler.state_at(epochs.processed - 1, batches.current.processed)


def load_lightning_state(
    trainer: Any, sampler: ElasticBatchSampler, state: Mapping[str, Any]
) -> None:
    """Go on from a place that was saved; to be called in `train_dataloader`.

    Args:
        trainer: The `Trainer` of Lightning, which has loaded its own counts.
        sampler: The sampler of its training batches, which is new.
        state: What `lightning_state` gave.

    Raises:
        ResumeError: The state is of another dataset or order; or Lightning would leave out batches:
            the run had ended in the middle of an epoch, or the batch size is another one there.
    """
    sampler.load_state_dict(state)
    done = sampler.steps_done
    epochs = trainer.fit_loop.epoch_progress.current
    if done and epochs.processed != sampler.epoch:
        raise ResumeError(
            f"The checkpoint was saved when `fit` had ended after {done} of {len(sampler)} batches "
            f"of epoch {sampler.epoch}. Lightning counts that epoch as done and would leave the "
            "rest out. Resume from a checkpoint that was saved while it trained, by "
            "`ModelCheckpoint(every_n_train_steps=...)`; or let `max_steps` end with an epoch."
        )
    if sampler.recut and trainer.reload_dataloaders_every_n_epochs != 1:
        raise ResumeError(
            f"The checkpoint was saved after {done} batches of another size in epoch "
            f"{sampler.epoch}. Lightning would take as many batches of each later epoch as of this "
            "one. Resume with the batch size it had; or give "
            "`Trainer(reload_dataloaders_every_n_epochs=1)`."
        )
    if not done:
        sampler.follow_epochs()  # what is left of an epoch may be its validation
        if epochs.ready > epochs.started:
            # It was saved when an epoch began, and Lightning still has the counts of the one
            # before: it would end this one after its first batch.
            trainer.fit_loop.epoch_loop.batch_progress.reset_on_run()
