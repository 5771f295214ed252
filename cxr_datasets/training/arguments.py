"""What a sampler is given, checked."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import datasets
import numpy as np
import numpy.typing as npt

from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError

_Value = TypeVar("_Value")

_MEANS = {
    "batch_size": "; it counts the rows of all ranks together, and each needs one",
    "rank": "; ranks are counted from 0",
    "batches_done": "; it counts the batches since the loop began to iterate",
}
"""What is often mistaken about an argument."""


def rows_of(dataset: Any) -> int:
    """Give the number of rows of a dataset.

    Raises:
        OptionError: It has none, or is something else.
    """
    kind = type(dataset).__name__
    if isinstance(dataset, datasets.IterableDataset):
        raise OptionError(
            "The dataset is a stream, which has an order of its own: use its `shuffle(seed=...)`, "
            "or load it without `streaming=True`."
        )
    if isinstance(dataset, Mapping):
        raise OptionError(
            f"The dataset is a {kind} with {list(dataset)}; expected one split, such as "
            f'`dataset["{next(iter(dataset), "train")}"]`.'
        )
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise OptionError(
            f"The dataset is a {kind}; expected one with a length and rows by number. If a trainer "
            "made this sampler again around a sampler of its own, tell it not to: Lightning by "
            "`Trainer(use_distributed_sampler=False)`."
        )
    if not len(dataset):
        raise OptionError("The dataset has no row. Look at the options it was loaded with.")
    return len(dataset)


def whole(name: str, value: object, least: int | None = None, most: int | None = None) -> int:
    """Give a whole number within bounds, where there are any.

    Raises:
        OptionError: It is none, or out of bounds.
    """
    if is_whole(value, least, most):
        return operator.index(value)  # type: ignore[arg-type]
    bounds = "" if least is None else f" of at least {least}"
    bounds = bounds if most is None else f" from {least} to {most}"
    shown = repr(value) if isinstance(value, (int, float, str)) else f"a {type(value).__name__}"
    raise OptionError(f"{name}={shown}: expected a whole number{bounds}{_MEANS.get(name, '')}.")


def one_of(name: str, value: _Value, allowed: Sequence[_Value]) -> _Value:
    """Give a value that is allowed.

    Raises:
        OptionError: It is not.
    """
    for choice in allowed:
        if type(value) is type(choice) and value == choice:
            return choice
    raise OptionError.unknown(name, value, allowed)


def checked(weights: npt.ArrayLike, rows: int) -> np.ndarray:
    """Give weights as numbers, one for each row.

    Raises:
        OptionError: They are no such numbers.
    """
    try:
        numbers = np.asarray(weights)
    except ValueError as error:
        raise OptionError(
            f"weights is of lists of several lengths; expected a number for each of the {rows} "
            "rows. `sample_weights(to_targets(dataset))` makes them."
        ) from error
    if numbers.shape != (rows,) or numbers.dtype.kind not in "fiub":
        raise OptionError(
            f"weights has shape {numbers.shape} and type {numbers.dtype}; expected a number for "
            f"each of the {rows} rows. `sample_weights(to_targets(dataset))` makes them."
        )
    numbers = numbers.astype(np.float64)
    bad = np.flatnonzero(~((numbers >= 0) & np.isfinite(numbers)))
    if len(bad):
        raise OptionError(
            f"weights has {len(bad)} of {rows} values below 0, infinite or NaN, the first at row "
            f"{bad[0]}; expected finite numbers from 0 on."
        )
    if not numbers.any():
        raise OptionError("weights are 0 for every row; expected at least one above 0.")
    if numbers.max() > np.finfo(np.float64).max / rows:  # their sum may be infinite
        numbers /= numbers.max()
    return numbers
