"""Rows of a `DataLoader` as one batch of tensors, studies of different length too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import Targets, label_matrix, to_targets
from cxr_datasets.training.later import Unscaled
from cxr_datasets.training.shared import empty, expect_collation, stacked, tensor

_UNKNOWN = VIEWS.index("unknown")

_STUDY_AXES = 4
"""Axes of the pixels of a study: images, channels, height, width."""

_OF_PRIORS = {"prior_study_ids": (np.int64, 0), "prior_days": (np.float64, np.nan),
              "prior_tied": (np.bool_, False)}  # fmt: skip
"""Lists with a number for each earlier study -> their type, and what fills them up."""

_OF_IMAGES = ("pixel_values", "image_mask", "valid_box", "seen_box", "original_size")
"""Arrays of rows of studies with a first axis as long as the study has images."""


def collate_studies(
    max_images: int | None = None,
    order: Sequence[str] | None = None,
    targets: Callable[..., Any] | None = to_targets,
) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]:
    """Make the `collate_fn` of a `DataLoader`, or the `data_collator` of a `Trainer`.

    It takes rows of config `studies`, as `ImageTransform` gives them, and pads them to the study
    with the most images. It also takes rows of `images` and `reports`, where there is nothing to
    pad. It can be pickled for workers.

    A batch has tensors of what stacks and lists of the rest:

    - `pixel_values` (n, k, c, size, size), `image_mask` (n, k), bool: true where there is an
      image. `valid_box`, `seen_box`, `original_size` in the same way. Padding is 0.
    - `views` (n, k), int64: positions in `VIEWS`, `unknown` in padding; `image_ids` and `paths`:
      lists of lists, not padded.
    - Of earlier studies (the option `priors`) `prior_study_ids`, `prior_days` and `prior_tied`
      (n, p), filled up with 0, NaN and false; and `prior_pixel_values`, `prior_image_mask` and so
      on, as above, (n, p, ...).
    - Other lists of a row stay as they are: neither ordered nor cut. `image_index` (n, k), int64,
      says which image of the row stands at each place, -1 in padding, so that they can follow.
    - `labels` (n, 14), float32, and `labels_mask` (n, 14), bool: what `targets` makes of the
      labels, and which of them count. They have these names because the `Trainer` gives a model
      the columns that its `forward` names, and a metric those with "label" in their name. Where
      `targets` gives values alone, there is no mask.
    - Texts: lists, None where a report has none.

    Args:
        max_images: Most images of a study, the first by `order`. None: all.
        order: Views, such as `("frontal", "lateral")`, in which the images of a study come; views
            that it leaves out come last. None: as the row has them, best view first.
        targets: Makes targets of labels: `to_targets`, or a `functools.partial` of it with a
            policy, such as `partial(to_targets, **U_ONES)`, or any function of labels that gives
            `Targets` or values alone. None: labels stay as they are, NaN for what is not mentioned.

    Returns:
        A function of a list of rows. It needs torch.

    Raises:
        OptionError: `max_images` is no positive integer, or a view does not exist.
    """
    if max_images is not None and (type(max_images) is not int or max_images < 1):
        raise OptionError(
            f"max_images={max_images!r} is not a number of images. Give a positive integer, or "
            "None for all."
        )
    if isinstance(order, str):
        raise OptionError(f"order={order!r} is one text. Give a sequence, such as ({order!r},).")
    if order is not None and not isinstance(order, Sequence):
        raise OptionError(f"order={order!r} is no sequence of views. Give such as ('frontal',).")
    if targets is not None and not callable(targets):
        raise OptionError(f"targets={targets!r} cannot be called. Give a function of labels.")
    for view in order or ():
        if view not in VIEWS:
            raise OptionError.unknown("view in order", view, VIEWS)
    return Collate(max_images, tuple(order) if order else None, targets)


@dataclass(frozen=True)
class Collate:
    """See `collate_studies`."""

    max_images: int | None
    order: tuple[str, ...] | None
    targets: Callable[..., Any] | None

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch of rows."""
        _check_rows(rows)
        expect_collation()
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        batch: dict[str, Any] = {}
        if "pixel_values" in columns:
            _check_pixels(columns)
        if _is_of_studies(columns):
            batch |= self._of_images(columns)
        batch |= _of_earlier_studies(columns)
        for name, values in columns.items():
            if name in batch:
                continue
            if name == "labels" and self.targets:
                batch |= _targets(self.targets(_as_labels(values)))
            else:
                batch[name] = _stacked(values)
        if isinstance(rows, Unscaled):
            batch["pixel_values"] = rows.later(batch["pixel_values"])
        return batch

    def _of_images(self, columns: Mapping[str, list[Any]]) -> dict[str, Any]:
        """What belongs to each image of a study: in order, cut and padded."""
        chosen = self._chosen(columns)
        longest = max(map(len, chosen))
        batch: dict[str, Any] = {}
        for name in _OF_IMAGES:
            if name in columns:
                batch[name] = _padded(columns[name], chosen, longest)
        if "views" in columns:
            views = [np.array(_numbers(row), np.int64) for row in columns["views"]]
            batch["views"] = _padded(views, chosen, longest, _UNKNOWN)
        for name in ("image_ids", "paths"):
            if name in columns:
                batch[name] = [
                    [row[number] for number in numbers]
                    for row, numbers in zip(columns[name], chosen, strict=True)
                ]
        if any(_is_list(values) for name, values in columns.items() if name not in batch):
            whole = [np.arange(len(images)) for images in columns["pixel_values"]]
            batch["image_index"] = _padded(whole, chosen, longest, -1)
        return batch

    def _chosen(self, columns: Mapping[str, list[Any]]) -> list[list[int]]:
        """For each study the numbers of the images to keep, in order."""
        chosen = [list(range(len(images))) for images in columns["pixel_values"]]
        if self.order:
            if "views" not in columns:
                raise OptionError("order needs the column views. Keep it when you select columns.")
            places = {VIEWS.index(view): place for place, view in enumerate(self.order)}
            for numbers, views in zip(chosen, map(_numbers, columns["views"]), strict=True):
                ranks = [places.get(view, len(places)) for view in views]
                numbers.sort(key=ranks.__getitem__)
        return [numbers[: self.max_images] for numbers in chosen]


def _check_rows(rows: Any) -> None:
    """Check that these are rows, all with the same columns."""
    if isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows):
        raise OptionError(
            "a list of rows is wanted; a batch is a dictionary of columns. Give the function to a "
            "DataLoader as its collate_fn, or call it with [dataset[0], dataset[1]]."
        )
    if not rows:
        raise OptionError("there are no rows to make a batch of.")
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            differ = sorted(map(str, row.keys() ^ rows[0].keys()))
            raise OptionError(
                f"row {number} of the batch differs from the first in its columns: {differ} are "
                "in one alone. Give rows of one dataset."
            )


def _check_pixels(columns: Mapping[str, list[Any]]) -> None:
    """Check that the pixels are of one shape, and each column of a study as long as they are."""
    pixels = columns["pixel_values"]
    axes = 1 if _is_of_studies(columns) else 0
    shapes = {np.shape(array)[axes:] for array in pixels}
    if len(shapes) > 1:
        raise OptionError(
            f"pixel_values of the rows have several shapes: {sorted(shapes)}. Make all rows of a "
            "batch with one ImageTransform."
        )
    for name in (*_OF_IMAGES, "views", "image_ids", "paths"):
        for images, values in zip(pixels, columns.get(name, ()) if axes else (), strict=False):
            if values is None or len(values) != len(images):
                found = "null" if values is None else f"{len(values)} values"
                raise OptionError(
                    f"a study has {len(images)} images and in {name!r} {found}; expected one for "
                    "each. Leave that column out, or give rows as ImageTransform makes them."
                )


def _of_earlier_studies(columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Numbers and images of earlier studies, filled up to the row that has most of them."""
    given: dict[str, tuple[list[np.ndarray], Any]] = {}
    for name, (kind, filler) in _OF_PRIORS.items():
        if name in columns:
            given[name] = [np.asarray(row or (), kind) for row in columns[name]], filler
    for name in (f"prior_{one}" for one in _OF_IMAGES):
        if name in columns:
            given[name] = [np.asarray(row) for row in columns[name]], 0
    return {
        name: _padded(rows, [list(range(len(row))) for row in rows], max(map(len, rows)), filler)
        for name, (rows, filler) in given.items()
    }


def _is_of_studies(columns: Mapping[str, list[Any]]) -> bool:
    pixels = columns.get("pixel_values")
    return pixels is not None and np.ndim(pixels[0]) == _STUDY_AXES


def _is_list(values: list[Any]) -> bool:
    return any(isinstance(value, list) for value in values)


def _targets(made: Any) -> dict[str, Any]:
    """What became of labels, under the names that the `Trainer` looks for."""
    if isinstance(made, Targets):
        return {"labels": tensor(made.values), "labels_mask": tensor(made.mask)}
    values = np.asarray(made)
    if values.dtype.kind not in "biuf":
        raise OptionError(
            f"targets gave a {type(made).__name__} of {values.dtype}; expected Targets or numbers."
        )
    return {"labels": tensor(values)}


def _numbers(values: Iterable[Any] | None) -> list[int]:
    """Positions in `VIEWS`; unknown where one is null."""
    return [_UNKNOWN if value is None else int(value) for value in values or ()]


def _as_labels(values: list[Any]) -> Any:
    """Labels of rows in a form that `to_targets` takes, whichever labels it is to give."""
    if all(value is None or isinstance(value, Mapping) for value in values):
        return pd.DataFrame(label_matrix(values), columns=list(LABELS))
    arrays = [np.asarray(value) for value in values]
    for array in arrays:
        if array.shape != (len(LABELS),) or array.dtype.kind not in "biuf":
            raise OptionError(
                f"labels of a row have shape {array.shape} and type {array.dtype}; expected "
                f"{len(LABELS)} numbers, or a dictionary of labels, in each row. With "
                "`targets=None` labels are handed over as they are."
            )
    return pd.DataFrame(np.stack(arrays), columns=list(LABELS))


def _padded(arrays: list[Any], chosen: list[list[int]], longest: int, filler: float = 0) -> Any:
    """Stack arrays of different length: (n, longest, ...)."""
    given = [np.asarray(array) for array in arrays]
    padded = empty((len(given), longest, *given[0].shape[1:]), given[0].dtype)
    for row, (array, numbers) in enumerate(zip(given, chosen, strict=True)):
        padded[row, : len(numbers)] = array[numbers]
        padded[row, len(numbers) :] = filler
    return tensor(padded)


def _stacked(values: list[Any]) -> Any:
    """A tensor of numbers, or of arrays of one shape; else the values as they are."""
    arrays = [np.asarray(value) for value in values]
    first = arrays[0]
    stacks = all(array.shape == first.shape and array.dtype == first.dtype for array in arrays)
    return stacked(arrays) if stacks and first.dtype.kind in "biuf" else values
