"""Shuffle a stream of ours perfectly, and let it resume exactly.

`IterableDataset.shuffle` mixes the rows that come next in a buffer: rows that are far apart stay
so, the buffer has to fill before the first row comes, and what waits in it is lost when a stream
resumes. Images of ours are files of their own, so each row can be the next. Importing a package of
ours lets `shuffle` draw them from the whole index, and keeps that order where a stream is cut by
`take`, `skip` or the number of nodes. Streams of other builders stay as they are.
"""

from __future__ import annotations

import copy
import sys
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from datasets import IterableDataset
from datasets.iterable_dataset import (
    SkipExamplesIterable,
    StepExamplesIterable,
    TakeExamplesIterable,
    _BaseExamplesIterable,
)

from cxr_datasets.errors import OptionError, ResumeError
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

_CUTS = {
    "TakeExamplesIterable": lambda n: slice(n),
    "SkipExamplesIterable": lambda n: slice(n, None),
}
"""Steps that leave rows out by their positions."""

_IN_A_BUFFER = (
    "wait in its shuffle buffer. Call shuffle first, before steps that see several rows at once "
    "(concatenate_datasets, batch, map and filter with batched=True)"
)
_READ_AHEAD = (
    "map or filter has read ahead, for so does this version of datasets; 5.2 counts them right. "
    "Update datasets"
)

_PARTS = {"epoch", "examples_iterable"}
"""What the state of a stream has in it."""

_told: WeakSet[IterableDataset] = WeakSet()
"""Streams for which it was said that rows may be lost."""

_loaded: WeakKeyDictionary[IterableDataset, Any] = WeakKeyDictionary()
"""The state that a stream had when another one was loaded, which it has until it is read."""


def teach_shuffle() -> None:
    """Let every later call know the rows of our builders. Again changes nothing."""
    replace_once(IterableDataset, "shuffle", _drawing_from_all)
    replace_once(IterableDataset, "state_dict", _saying_what_is_lost)
    replace_once(IterableDataset, "load_state_dict", _noting_it)
    replace_once(_BaseExamplesIterable, "load_state_dict", _refusing_others)
    replace_once(TakeExamplesIterable, "__init__", _taking)
    replace_once(SkipExamplesIterable, "__init__", _skipping)
    replace_once(StepExamplesIterable, "__init__", _stepping)


def allows_it(shuffled: Any) -> bool:
    """Whether the installed `datasets` has what is needed.

    Args:
        shuffled: A stream that its own `shuffle` gave.
    """
    has_generator = hasattr(shuffled._ex_iterable, "generator")
    return has_generator and hasattr(shuffled, "_prepare_ex_iterable_for_iteration")


def _drawing_from_all(original: Any) -> Any:
    @wraps(original)
    def shuffle(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _has_ours(self._ex_iterable):
            _check_seed(args[0] if args else kwargs.get("seed"))
        shuffled = original(self, *args, **kwargs)
        rows = _ordered(self._ex_iterable) if allows_it(shuffled) else None
        if rows is not None:
            shuffled._ex_iterable = rows.shuffle_data_sources(shuffled._ex_iterable.generator)
            shuffled._prepare_ex_iterable_for_iteration()  # makes the state
        return shuffled

    return shuffle


def _check_seed(seed: Any) -> None:
    """Require what NumPy takes for a seed.

    Raises:
        OptionError: It is something else.
    """
    try:
        np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise OptionError(
            f"seed={seed!r} is no seed of a shuffle. Give a whole number from 0 on, or None "
            "for another order each time."
        ) from None


def _saying_what_is_lost(original: Any) -> Any:
    @wraps(original)
    def state_dict(self: Any) -> Any:
        if self not in _told and self._is_main_process():
            lost = _lost(self._ex_iterable)
            if lost:
                _told.add(self)
                _logger.warning(
                    "Rows may be lost when this stream resumes from its state: those that %s, or "
                    "build the dataset",
                    lost,
                )
        is_unread = self in _loaded and _loaded[self] is self._state_dict
        if is_unread and self._starting_state_dict["epoch"] == self.epoch:
            return copy.deepcopy(self._starting_state_dict)
        return original(self)

    return state_dict


def _noting_it(original: Any) -> Any:
    @wraps(original)
    def load_state_dict(self: Any, state_dict: Any) -> None:
        ours = _has_ours(self._ex_iterable)
        if (
            ours
            and state_dict
            and not (isinstance(state_dict, dict) and state_dict.keys() >= _PARTS)
        ):
            raise ResumeError.of_other_steps()
        original(self, state_dict)
        if ours:
            _loaded[self] = self._state_dict

    return load_state_dict


def _refusing_others(original: Any) -> Any:
    @wraps(original)
    def load_state_dict(self: Any, state_dict: Any) -> Any:
        try:
            return original(self, state_dict)
        except (KeyError, IndexError, TypeError) as error:
            if _has_ours(self):
                raise ResumeError.of_other_steps() from error
            raise

    return load_state_dict


def _taking(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, n: int, *args: Any, **kwargs: Any) -> None:
        rows = _shuffled_part(ex_iterable, slice(max(n, 0)))
        if rows is None:
            original(self, ex_iterable, n, *args, **kwargs)
        else:
            original(self, rows, sys.maxsize, block_sources_order_when_shuffling=False)

    return __init__


def _skipping(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, n: int, *args: Any, **kwargs: Any) -> None:
        rows = _shuffled_part(ex_iterable, slice(max(n, 0), None))
        if rows is None:
            original(self, ex_iterable, n, *args, **kwargs)
        else:
            original(self, rows, 0, block_sources_order_when_shuffling=False)

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


def _has_ours(steps: Any) -> bool:
    """Whether rows of ours come to a step."""
    return isinstance(steps, (ShardsAhead, RowsAhead)) or any(map(_has_ours, _inner(steps)))


def _lost(steps: Any) -> str:
    """Say which rows of ours a state does not hold; empty: it holds all."""
    if not _has_ours(steps):
        return ""
    if type(steps).__name__ == "BufferShuffledExamplesIterable":
        return _IN_A_BUFFER
    return next(filter(None, map(_lost, _inner(steps))), _READ_AHEAD * _reads_tables(steps))


def _inner(steps: Any) -> list[Any]:
    """The steps before a step."""
    inner = [getattr(steps, "ex_iterable", None), *getattr(steps, "ex_iterables", ())]
    return [step for step in inner if step is not None]


def _reads_tables(steps: Any) -> bool:
    """Whether a step takes rows out of whole tables, which the state then counts as used.

    `datasets` 5.2 cuts the tables first.
    """
    inner: Any = getattr(steps, "ex_iterable", None)
    if type(inner).__name__ != "FormattedExamplesIterable" or getattr(steps, "iter_arrow", None):
        return False
    tables = inner.ex_iterable
    is_cut = type(tables).__name__ == "RebatchedArrowExamplesIterable"
    return bool(tables.iter_arrow) and not is_cut
