"""Turn a row per image into a row per study."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import plural
from cxr_datasets.tables.keys import combined


def group_by_study(images: pa.Table, image_columns: Collection[str], rank: pa.Array) -> pa.Table:
    """Make one row of all images of a study.

    Args:
        images: A row per image, with `study_id`.
        image_columns: Columns with a value for each image. They become lists, named in the plural.
            Every other column has one value for the whole study, and keeps it.
        rank: Integer for each image; a study's images are ordered by it, then by their row.

    Returns:
        A row per study, in the order in which studies first appear.
    """
    study = combined(images["study_id"]).dictionary_encode().indices
    order = pc.sort_indices(
        pa.table({"study": study, "rank": rank, "row": np.arange(images.num_rows)}),
        sort_keys=[("study", "ascending"), ("rank", "ascending"), ("row", "ascending")],
    )
    counts = np.bincount(study.to_numpy())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    first_image = order.take(offsets[:-1])
    columns = {}
    for name in images.column_names:
        if name in image_columns:
            values = combined(images[name]).take(order)
            columns[plural(name)] = pa.ListArray.from_arrays(offsets, values)
        else:
            columns[name] = combined(images[name]).take(first_image)
    return pa.table(columns)


def filter_lists(studies: pa.Table, lists: Collection[str], keep: pa.Array) -> pa.Table:
    """Take images out of studies.

    Args:
        studies: A row per study.
        lists: Its columns that hold a value for each image.
        keep: Boolean for each image of all studies, in order.

    Returns:
        The studies that keep at least one image.
    """
    counts = pc.list_value_length(combined(studies[next(iter(lists))])).to_numpy()
    study = np.repeat(np.arange(len(counts)), counts)
    left = np.bincount(study[keep.to_numpy(zero_copy_only=False)], minlength=len(counts))
    offsets = pa.array(np.concatenate([[0], np.cumsum(left)]), pa.int32())
    for position, name in enumerate(studies.column_names):
        if name in lists:
            values = combined(studies[name]).flatten().filter(keep)
            filtered = pa.ListArray.from_arrays(offsets, values)
            studies = studies.set_column(position, name, filtered)
    return studies.filter(pa.array(left > 0))
