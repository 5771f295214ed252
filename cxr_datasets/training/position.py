"""Where in a run of training a sampler stands, and how that is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cxr_datasets.errors import ResumeError
from cxr_datasets.training.batches import Part

_VERSION = 1


@dataclass(frozen=True)
class Position:
    """A place in an epoch.

    Attributes:
        epoch: Which epoch.
        parts: What was taken of it with batches of other sizes.
        batch_size: Rows of a batch now.
        batches: How many of these were taken since.
    """

    epoch: int
    parts: tuple[Part, ...]
    batch_size: int
    batches: int = 0

    @property
    def steps(self) -> int:
        """Batches that were taken of the epoch."""
        return sum(part.batches for part in self.parts) + self.batches

    def after(self, batches: int) -> Position:
        """The place so many batches later in the epoch."""
        return replace(self, batches=self.batches + batches)

    def start(self, epoch: int) -> Position:
        """The place where an epoch begins."""
        return Position(epoch, (), self.batch_size)

    def with_batch_size(self, batch_size: int) -> Position:
        """The same place, from which the batches have another size."""
        if batch_size == self.batch_size:
            return self
        part = (Part(self.batch_size, self.batches),) if self.batches else ()
        return Position(self.epoch, (*self.parts, *part), batch_size)


@dataclass(frozen=True)
class Source:
    """What an order depends on beside the place in it.

    Attributes:
        seed: The seed.
        rows: How many rows the dataset has.
        ids: What `digest_of` gives for it.
        by: By which column rows are kept together or apart.
        weighted: Whether rows are drawn by weights.
    """

    seed: int
    rows: int
    ids: int | None
    by: str | None
    weighted: bool


def to_state(source: Source, position: Position) -> dict[str, Any]:
    """Write both as a dictionary of numbers, which `json` and `torch.save` can write."""
    parts = [*position.parts, Part(position.batch_size, position.batches)]
    return {
        "version": _VERSION,
        "seed": source.seed,
        "epoch": position.epoch,
        "parts": [list(part) for part in parts],
        "rows": source.rows,
        "ids": source.ids,
        "by": source.by,
        "weighted": source.weighted,
    }


def from_state(state: Mapping[str, Any]) -> tuple[Source, Position]:
    """Read what `to_state` wrote.

    Raises:
        ResumeError: It is nothing of the kind.
    """
    try:
        version, seed, epoch, parts = (
            state[name] for name in ("version", "seed", "epoch", "parts")
        )
        *before, last = (Part(*map(_number, part)) for part in parts)
        if version != _VERSION or any(part.batch_size < 1 for part in (*before, last)):
            raise ValueError
        ids, by = state["ids"], state["by"]
        source = Source(int(seed), _number(state["rows"]), ids, by, bool(state["weighted"]))
        return source, Position(_number(epoch), tuple(before), last.batch_size, last.batches)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise ResumeError(
            "This is no state of an ElasticBatchSampler. Expected what its `state_dict` gave, of "
            f"version {_VERSION}; the state of a whole loader goes into the loader's own "
            "`load_state_dict`."
        ) from None


def _number(value: Any) -> int:
    number = int(value)
    if number != value or number < 0:
        raise ValueError
    return number


def check_same(found: Source, here: Source) -> None:
    """Check that a state is of the dataset and the order at hand.

    Raises:
        ResumeError: It is of another one.
    """
    for what, other, ours in (
        ("by", found.by, here.by),
        ("weights", _given(found.weighted), _given(here.weighted)),
    ):
        if other != ours:
            raise ResumeError(
                f"The state was saved with {what}={other!r}, and the sampler has {what}={ours!r}. "
                "Make the sampler as it was made then: only then is the rest of the epoch known."
            )
    if found.rows != here.rows:
        raise ResumeError(
            f"The state is of a dataset with {found.rows} rows, and this one has {here.rows}. "
            "Load the split with the options it had then."
        )
    if None not in (found.ids, here.ids) and found.ids != here.ids:
        raise ResumeError(
            f"The state is of a dataset with other ids, or in another order, though it has "
            f"{here.rows} rows too. Load the split with the options it had then, and sort, filter "
            "and shuffle it as then."
        )


def _given(weighted: bool) -> str | None:
    return "given" if weighted else None
