"""The order of training: global batches that depend on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from functools import cached_property
from typing import Any, Literal

import numpy.typing as npt

from cxr_datasets.errors import OptionError, ResumeError
from cxr_datasets.training.apart import Apart
from cxr_datasets.training.arguments import checked, one_of, rows_of, whole
from cxr_datasets.training.batches import Batches, Order, Plain, Weighted
from cxr_datasets.training.groups import digest_of, groups_of
from cxr_datasets.training.position import Position, Source, check_same, from_state, to_state
from cxr_datasets.training.shares import share
from cxr_datasets.training.together import Together

_BY: dict[str, type[Apart] | type[Together]] = {"subject_id": Apart, "study_id": Together}


class ElasticBatchSampler:
    """Batches of row numbers, the same for any number of ranks (GPUs) and workers.

    It goes into a loader as `DataLoader(dataset, batch_sampler=sampler)`. A *global batch* is cut
    out of the whole dataset, and each rank gets its share of it. The row at a place is computed
    from seed, epoch and place: so no list of the order is kept, and training goes on in the middle
    of an epoch as fast as it begins.

    One epoch follows another: when the batches of one have come, the next `iter` gives the next.
    An epoch that was left in the middle begins anew, unless a state was loaded.

    Attributes:
        dataset: The dataset.
        seed: The seed; after `load_state_dict` that of the state.
        rank: Number of this rank.
        world_size: How many ranks there are.
        drop_last: As given.
        by: As given.
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool | Literal["pad"] = False,
        weights: npt.ArrayLike | None = None,
        by: Literal["subject_id", "study_id"] | None = None,
    ):
        """Make the order; of the dataset only its length is read, and the column of `by`.

        Args:
            dataset: A built dataset of any config, or whatever has a length and rows by number.
            batch_size: Rows of a global batch, that is of all ranks together; at least one for
                each rank. With a multiple of `world_size`, all ranks get equally many.
            seed: Each seed gives another order.
            rank: Number of this rank, from 0.
            world_size: How many ranks there are.
            drop_last: What becomes of the last batch of an epoch if it is short. False: it is
                shared out to the ranks, and each row comes once; only where it has fewer rows than
                there are ranks, some rows go to more than one. True: it is left out. "pad": it is
                filled up with rows that came before.
            weights: A weight for each row, shape (n,), at least 0: rows are drawn with replacement,
                n in an epoch, each as often as its weight says. `sample_weights` of
                `cxr_datasets.labels` gives such weights, by the prevalence of labels.
            by: "subject_id": no two images of a patient are in one global batch. "study_id": all
                images of a study are in one batch, and at one rank; batches then have about equally
                many rows, `batch_size` at most, and none is short.

        Raises:
            OptionError: An argument is out of range, or the dataset does not allow it: there are
                fewer batches than images of a patient, or a study is larger than a batch.
        """
        self.dataset = dataset
        self.rows = rows_of(dataset)
        self.seed = whole("seed", seed)
        self.world_size = whole("world_size", world_size, 1)
        self.rank = whole("rank", rank, 0, self.world_size - 1)
        self._size = whole("batch_size", batch_size, self.world_size)
        self.drop_last = one_of("drop_last", drop_last, (False, True, "pad"))
        self.by = None if by is None else one_of("by", by, tuple(_BY))
        self.weighted = weights is not None
        self._order = self._make_order(weights)
        self._at = self._begin = self._origin = Position(0, (), self._size)
        self._loaded = False
        self._made: tuple[object, Batches] | None = None

    def __repr__(self) -> str:
        at = self._at
        return (
            f"ElasticBatchSampler({self.rows} rows, batch_size={self._size}, seed={self.seed}, "
            f"rank {self.rank} of {self.world_size}, epoch {at.epoch} after {at.steps} batches)"
        )

    @property
    def batch_size(self) -> int:
        """Rows of a global batch.

        Raises:
            AttributeError: Their number varies, as with `by="study_id"`. By this accelerate knows
                that it cannot cut such batches up.
        """
        if self.by == "study_id":
            raise AttributeError("Batches of whole studies have no one size.")
        return self._size

    @property
    def epoch(self) -> int:
        """The epoch at hand, from 0."""
        return self._at.epoch

    @property
    def steps_done(self) -> int:
        """Batches of the epoch at hand that were done before the loop began to iterate."""
        return self._origin.steps

    @property
    def recut(self) -> bool:
        """Whether the epoch at hand was begun with another batch size."""
        return bool(self._origin.parts)

    # --- batches ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[list[int]]:
        """Give the batches of this rank, from where the epoch begins or a state was saved."""
        # What stands here happens when the first batch is asked for: loaders make several iterators
        # and use one.
        at = self._at = self._origin = self._begin
        self._begin, self._loaded = at.start(at.epoch), False
        batches = self._batches(at)
        for number in range(at.batches, self._steps(batches)):
            filled = batches.short and self.drop_last == "pad" and number == len(batches) - 1
            batch = batches.filled() if filled else batches[number]
            at = self._at = at.after(1)
            yield share(batch, self.rank, self.world_size).tolist()
        self._at = self._begin = at.start(at.epoch + 1)

    def __len__(self) -> int:
        """Steps of the epoch at hand, those before a state was saved too; the same at each rank."""
        before = sum(part.batches for part in self._at.parts)
        return before + self._steps(self._batches(self._at))

    def _steps(self, batches: Batches) -> int:
        return len(batches) - (batches.short and self.drop_last is True)

    def _batches(self, position: Position) -> Batches:
        """What the parts before it leave of the epoch of a position."""
        made = (self.seed, position.epoch, position.parts, position.batch_size)
        if self._made is None or self._made[0] != made:
            key = (self.seed, position.epoch)
            self._made = made, self._order.batches(key, position.parts, position.batch_size)
        return self._made[1]

    def _make_order(self, weights: npt.ArrayLike | None) -> Order:
        if self.drop_last is True and self.rows < self._size and self.by != "study_id":
            raise OptionError(
                f"batch_size={self._size} with drop_last=True leaves no batch of the {self.rows} "
                f"rows. Expected a batch_size of at most {self.rows}."
            )
        if self.by is None:
            return Plain(self.rows) if weights is None else Weighted(checked(weights, self.rows))
        if weights is not None:
            raise OptionError(
                f"weights and by={self.by!r} are given, and rows drawn with replacement are "
                "neither kept together nor apart. Give one of them."
            )
        return _BY[self.by](groups_of(self.dataset, self.by), self.by, self._size)

    # --- epochs and states ------------------------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, in loops and trainers that count epochs for themselves.

        If it is the epoch that comes anyway, nothing changes: a loaded state stays.

        Raises:
            ResumeError: A state of another epoch was loaded, and would be lost.
        """
        if whole("epoch", epoch, 0) == self._begin.epoch:
            return
        if self._loaded:
            raise ResumeError(
                f"set_epoch({epoch}) would lose the state that was loaded, which is of epoch "
                f"{self._begin.epoch}, after {self._begin.steps} batches. Let the loop or the "
                f"trainer begin with epoch {self._begin.epoch}; a loader that accelerate prepared "
                f"takes it by `loader.set_epoch({self._begin.epoch})`."
            )
        self._at = self._begin = self._origin = self._begin.start(epoch)

    @property
    def sampler(self) -> ElasticBatchSampler:
        """This sampler: Lightning and accelerate look here for a `set_epoch`."""
        return self

    @property
    def batch_sampler(self) -> ElasticBatchSampler:
        """This sampler: the Trainer of transformers looks here for a `set_epoch`."""
        return self

    def state_dict(self, batches_done: int | None = None) -> dict[str, Any]:
        """Give the place in the run as a few numbers, the same at each rank.

        Args:
            batches_done: How many batches the loop has used since it began to iterate. A loader
                with workers reads ahead, and so does one that accelerate prepared: the sampler
                cannot know how many of its batches were trained on. Without it: as many as the
                sampler gave, which is right for a `DataLoader` without workers, and what
                torchdata's `StatefulDataLoader` asks for.

        Raises:
            OptionError: The epoch has no such number of batches.
        """
        position = self._at
        if batches_done is not None:
            left = self._steps(self._batches(self._origin)) - self._origin.batches
            position = self._origin.after(whole("batches_done", batches_done, 0, left))
        return to_state(self._source(), self._or_next(position))

    def state_at(self, epoch: int, steps: int) -> dict[str, Any]:
        """Give the state for a loop that counts for itself.

        Args:
            epoch: The epoch it is in, from 0.
            steps: How many batches of this epoch it has used, those before a state was loaded too.

        Raises:
            OptionError: The epoch has no such number of batches.
        """
        start = self._origin
        if whole("epoch", epoch, 0) != start.epoch:
            start = start.start(epoch)
        most = start.steps + self._steps(self._batches(start)) - start.batches
        position = start.after(whole("steps", steps, start.steps, most) - start.steps)
        return to_state(self._source(), self._or_next(position))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place that was saved, on any number of ranks and workers.

        With another batch size, the rest of the epoch is cut anew, into batches of this size. The
        seed becomes that of the state. It counts from the next `iter` on.

        Args:
            state: What `state_dict` gave.

        Raises:
            ResumeError: The state is of another dataset or order, or is no state.
        """
        source, position = from_state(state)
        check_same(source, self._source())
        self.seed = source.seed
        here = self._or_next(position.with_batch_size(self._size))
        self._at = self._begin = self._origin = here
        self._loaded = True

    def follow_epochs(self) -> None:
        """Let `set_epoch` leave a state that was loaded, for a loop that itself knows its epoch."""
        self._loaded = False

    def _source(self) -> Source:
        return Source(self.seed, self.rows, self._ids, self.by, self.weighted)

    @cached_property
    def _ids(self) -> int | None:
        return digest_of(self.dataset)

    def _or_next(self, position: Position) -> Position:
        """A position, or the start of the next epoch if nothing is left of its own."""
        ended = position.batches >= self._steps(self._batches(position))
        return position.start(position.epoch + 1) if ended else position
