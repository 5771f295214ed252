"""A data frame of everything but images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError

_VIEWS = ("view", "views")
_SOURCE = "labels"

_TYPES = {
    pa.int8(): pd.Int8Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype("pyarrow"),
    pa.large_string(): pd.StringDtype("pyarrow"),
}
"""Types that know null: an int8 with one would become a float, and a text an object."""


def frame(dataset: datasets.Dataset | Mapping[str, datasets.Dataset]) -> pd.DataFrame:
    """Give a dataset as a data frame, without its images: none is read.

    Args:
        dataset: A split, or several by name as `load_dataset` gives them; of any config.

    Returns:
        A row for each row. Each source of labels is 14 columns of `Int8`, 1, 0, -1 or `<NA>`: those
        of `labels` have the label's name, those of another, such as `labels_negbio`, that source's
        name and a dot before it. Views are their names, as a category in `view` and as lists in
        `views`. Several splits give a column `split` before the others.

    Raises:
        OptionError: It is a stream, or no dataset.
    """
    if isinstance(dataset, Mapping):
        parts = {name: frame(split) for name, split in dataset.items()}
        whole = pd.concat(parts.values(), ignore_index=True)
        names = np.repeat(list(parts), [len(part) for part in parts.values()])
        whole.insert(0, "split", pd.Series(pd.Categorical(names, categories=list(parts))))
        return whole
    if not isinstance(dataset, datasets.Dataset):
        raise OptionError(
            f"frame takes a split or several that are built, not a {type(dataset).__name__}. Load "
            "without streaming=True: a build copies no pixels."
        )
    kept = [name for name, feature in dataset.features.items() if not _is_image(feature)]
    rows = dataset.select_columns(kept).with_format("arrow")[:]
    columns: dict[str, Any] = {}
    for name in kept:
        columns |= _columns(name, rows[name], dataset.features[name])
    return pd.DataFrame(columns)


def _columns(name: str, column: pa.ChunkedArray, feature: Any) -> dict[str, Any]:
    """Give what a column of the dataset becomes."""
    if name.startswith(_SOURCE) and pa.types.is_struct(column.type):
        before = "" if name == _SOURCE else f"{name}."
        return {f"{before}{label}": _series(pc.struct_field(column, label)) for label in LABELS}
    if name in _VIEWS:
        return {name: _views(column, feature)}
    return {name: _series(column)}


def _series(column: pa.ChunkedArray) -> pd.Series:
    return column.to_pandas(types_mapper=_TYPES.get)


def _views(column: pa.ChunkedArray, feature: Any) -> Any:
    if isinstance(feature, datasets.ClassLabel):
        codes = pc.fill_null(column, -1).to_numpy()
        return pd.Categorical.from_codes(codes, feature.names)
    lists = column.combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    names = pa.array(feature.feature.names if hasattr(feature, "feature") else feature[0].names)
    named = names.take(lists.flatten())
    return pa.ListArray.from_arrays(_offsets(lists), named).to_pandas()


def _offsets(lists: pa.ListArray) -> pa.Array:
    """Where each list begins among the values of all; a slice of an array begins at 0 again."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())


def _is_image(feature: Any) -> bool:
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else feature)
    return isinstance(inner, datasets.Image)
