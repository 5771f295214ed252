"""Shuffle a stream of ours perfectly, and let it resume exactly.

`IterableDataset.shuffle` mixes the rows that come next in a buffer: rows that are far apart stay so,
the buffer has to fill before the first row comes, and what waits in it is lost when a stream
resumes. Rows of ours are files of their own, so each can be the next. Importing a package of ours
lets `shuffle` draw them from the whole index, and keeps that order where a stream is cut by `take`,
`skip` or the number of nodes. Streams of other builders stay as they are.
"""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any
from weakref import WeakSet

from datasets import IterableDataset
from datasets.iterable_dataset import (
    SkipExamplesIterable,
    StepExamplesIterable,
    TakeExamplesIterable,
)

from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.hooks.streaming import RowsAhead, ShardsAhead
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

KEEP_ROWS = frozenset({
    "FormattedExamplesIterable", "MappedExamplesIterable", "RebatchedArrowExamplesIterable",
    "SelectColumnsIterable",
})  # fmt: skip
"""Steps of a stream that make one row of each. One that sees several rows at once is left out."""

PASS_SHUFFLES_ON = KEEP_ROWS | {"FilteredExamplesIterable", "RepeatExamplesIterable"}
"""Steps that do the same to a row, whatever comes before and after it."""

_CUTS = {"TakeExamplesIterable": lambda n: slice(n), "SkipExamplesIterable": lambda n: slice(n, None)}
"""Steps that leave rows out by their positions."""

_BUFFER = "BufferShuffledExamplesIterable"

_told: WeakSet[IterableDataset] = WeakSet()
"""Streams for which it was said that rows may be lost."""


def teach_shuffle() -> None:
    """Let every later call know the rows of our builders. Again changes nothing."""
    replace_once(IterableDataset, "shuffle", _drawing_from_all)
    replace_once(IterableDataset, "state_dict", _saying_what_is_lost)
    replace_once(TakeExamplesIterable, "__init__", _taking)
    replace_once(SkipExamplesIterable, "__init__", _skipping)
    replace_once(StepExamplesIterable, "__init__", _stepping)


def _drawing_from_all(original: Any) -> Any:
    @wraps(original)
    def shuffle(self: Any, *args: Any, **kwargs: Any) -> Any:
        shuffled = original(self, *args, **kwargs)
        rows = _ordered(self._ex_iterable)
        generator = getattr(shuffled._ex_iterable, "generator", None)
        if rows is not None and generator is not None:
            shuffled._ex_iterable = rows.shuffle_data_sources(generator)
            shuffled._prepare_ex_iterable_for_iteration()  # makes the state
        return shuffled

    return shuffle


def _saying_what_is_lost(original: Any) -> Any:
    @wraps(original)
    def state_dict(self: Any) -> Any:
        if self not in _told and self._is_main_process() and _loses_rows(self._ex_iterable):
            _told.add(self)
            _logger.warning(
                "The state of this stream does not hold the rows that wait in its shuffle buffer: "
                "they are lost when it resumes. Call shuffle first, before steps that see several "
                "rows at once (concatenate_datasets, batch, map and filter with batched=True), or "
                "build the dataset"
            )
        return original(self)

    return state_dict


def _taking(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, n: int, *args: Any, **kwargs: Any) -> None:
        rows = _shuffled_part(ex_iterable, slice(max(n, 0)))
        if rows is None:
            original(self, ex_iterable, n, *args, **kwargs)
        else:
            original(self, rows, n, False, False)

    return __init__


def _skipping(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, n: int, *args: Any, **kwargs: Any) -> None:
        rows = _shuffled_part(ex_iterable, slice(max(n, 0), None))
        if rows is None:
            original(self, ex_iterable, n, *args, **kwargs)
        else:
            original(self, rows, 0, False, False)

    return __init__


def _stepping(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, step: int, offset: int) -> None:
        rows = _shuffled_part(ex_iterable, slice(offset, None, step))
        if rows is None:
            original(self, ex_iterable, step, offset)
        else:
            original(self, rows, 1, 0)

    return __init__


def _ordered(steps: Any) -> Any:
    """The same steps over single rows of ours, which can be shuffled; None if they cannot."""
    if isinstance(steps, RowsAhead):
        return steps
    if isinstance(steps, ShardsAhead):
        return steps.ordered()
    name = type(steps).__name__
    if name in _CUTS:
        rows = _ordered(steps.ex_iterable)
        return None if rows is None else _part(rows, _CUTS[name](steps.n))
    return _changed(steps, PASS_SHUFFLES_ON, _ordered)


def _shuffled_part(steps: Any, places: slice) -> Any:
    """The same steps over some rows of a shuffled stream of ours; None if it is none."""
    source = steps
    while not isinstance(source, RowsAhead):
        source = getattr(source, "ex_iterable", None)
        if source is None:
            return None
    return _part(steps, places)


def _part(steps: Any, places: slice) -> Any:
    """The same steps over some rows of ours; None if a step gives other rows, or as many again."""
    if isinstance(steps, RowsAhead):
        return None if steps.skips else steps.part(places)
    if type(steps).__name__ in _CUTS:  # of our rows by now, and cuts nothing any more
        return _changed(steps, frozenset(_CUTS), lambda inner: _part(inner, places))
    return _changed(steps, KEEP_ROWS, lambda inner: _part(inner, places))


def _changed(steps: Any, allowed: frozenset[str], change: Any) -> Any:
    """A copy of a step over changed ones; None if it is not allowed, or they cannot be changed."""
    sees_others = getattr(steps, "batched", False) or getattr(steps, "with_indices", False)
    if type(steps).__name__ not in allowed or sees_others:
        return None
    inner = change(steps.ex_iterable)
    if inner is None:
        return None
    changed = copy.copy(steps)
    changed.ex_iterable = inner
    return changed


def _loses_rows(steps: Any, in_buffer: bool = False) -> bool:
    """Whether rows of ours wait in a shuffle buffer."""
    if isinstance(steps, (ShardsAhead, RowsAhead)):
        return in_buffer
    in_buffer = in_buffer or type(steps).__name__ == _BUFFER
    inner = [getattr(steps, "ex_iterable", None), *getattr(steps, "ex_iterables", ())]
    return any(_loses_rows(step, in_buffer) for step in inner if step is not None)
