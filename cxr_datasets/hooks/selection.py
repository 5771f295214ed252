"""Streams whose images nobody wants read none.

`IterableDataset.select_columns` drops columns from rows that are complete, so it would fetch every
image to throw it away. Importing a package of ours lets it tell the builder instead. Streams of
other builders are left as they are.
"""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from datasets import iterable_dataset

from cxr_datasets.hooks.streaming import ShardsAhead

_IMAGES = frozenset({"image", "images"})

_PASS_ROWS_ON = frozenset({
    "BufferShuffledExamplesIterable", "InterleavedShardsExamplesIterable",
    "RebatchedArrowExamplesIterable", "RepeatExamplesIterable", "SelectColumnsIterable",
    "SkipExamplesIterable", "StepExamplesIterable", "TakeExamplesIterable",
})  # fmt: skip
"""Steps of a stream that look at no column."""


def teach_select_columns() -> None:
    """Let every later `select_columns` without images reach our builders; once is enough."""
    step = iterable_dataset.SelectColumnsIterable
    if not hasattr(step.__init__, "__cxr_hook__"):
        step.__init__ = _reaching_down(step.__init__)


def _reaching_down(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, column_names: list[str]) -> None:
        if not _IMAGES.intersection(column_names):
            ex_iterable = _without_pixels(ex_iterable)
        original(self, ex_iterable, column_names)

    __init__.__cxr_hook__ = True  # type: ignore[attr-defined]
    return __init__


def _without_pixels(steps: Any) -> Any:
    """The same steps of a stream, reading no image where the first is one of our builders."""
    if isinstance(steps, ShardsAhead):
        return steps.without_pixels()
    if type(steps).__name__ not in _PASS_ROWS_ON:
        return steps
    inner = _without_pixels(steps.ex_iterable)
    if inner is steps.ex_iterable:
        return steps
    changed = copy.copy(steps)
    changed.ex_iterable = inner
    return changed
