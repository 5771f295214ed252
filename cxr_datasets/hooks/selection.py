"""Make no column of a stream that `select_columns` leaves out: read no image, label no text.

`IterableDataset.select_columns` drops columns of complete rows, so it would fetch every image only
to throw it away. Importing a package of ours lets it tell the builder instead. Streams of other
builders stay as they are.
"""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from datasets.iterable_dataset import SelectColumnsIterable

from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.hooks.streaming import RowsAhead, ShardsAhead

PASS_ROWS_ON = frozenset({
    "BufferShuffledExamplesIterable", "InterleavedShardsExamplesIterable",
    "RebatchedArrowExamplesIterable", "RepeatExamplesIterable", "SelectColumnsIterable",
    "SkipExamplesIterable", "StepExamplesIterable", "TakeExamplesIterable",
})  # fmt: skip
"""Steps of a stream that look at no column."""


def teach_select_columns() -> None:
    """Let every later `select_columns` reach our builders. Again changes nothing."""
    replace_once(SelectColumnsIterable, "__init__", _reaching_down)


def _reaching_down(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, ex_iterable: Any, column_names: list[str]) -> None:
        original(self, _looking_at(ex_iterable, column_names), column_names)

    return __init__


def _looking_at(steps: Any, columns: list[str]) -> Any:
    """The same steps of a stream; where the first is a builder of ours, it makes these columns."""
    if isinstance(steps, (ShardsAhead, RowsAhead)):
        return steps.looking_at(columns)
    if type(steps).__name__ not in PASS_ROWS_ON:
        return steps
    inner = _looking_at(steps.ex_iterable, columns)
    if inner is steps.ex_iterable:
        return steps
    changed = copy.copy(steps)
    changed.ex_iterable = inner
    return changed
