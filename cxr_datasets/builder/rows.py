"""Turn an index into the rows of one config: the images wanted, split by split, or by study."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.columns import SPLITS, VIEWS, plural
from cxr_datasets.errors import OptionError
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.studies import group_by_study
from cxr_datasets.tables.workers import SMALL_TABLE, workers


def keep_views(view: pa.Array, raw: pa.Array | None, wanted: Sequence[str]) -> pa.Array:
    """Mark the images of the wanted views.

    Args:
        view: Normalised view of each image, as positions in `VIEWS`.
        raw: The release's own name of it, or None if the release has none.
        wanted: Names as `check_views` returns them.

    Returns:
        Boolean array.
    """
    positions = [VIEWS.index(name) for name in wanted if name in VIEWS]
    kept = pc.is_in(view, value_set=pa.array(positions, view.type))
    if raw is not None:
        kept = pc.or_(kept, pc.is_in(raw, value_set=pa.array(list(wanted), pa.string())))
    return kept


def split_rows(
    images: pa.Table, config: CxrConfig, image_columns: Collection[str]
) -> dict[str, pa.Table]:
    """Arrange the rows of each split as the index file holds them.

    Args:
        images: Rows of the index.
        config: The config asked for.
        image_columns: Columns with a value for each image.

    Returns:
        Split -> its rows. A split without rows is left out, for `datasets` cannot load one.

    Raises:
        OptionError: No split has rows.
    """
    splits = {}
    for split in SPLITS:
        rows = _rows_of(images, split)
        if rows.num_rows:
            splits[split] = _arrange(rows.drop_columns(["split"]), config.name, image_columns)
    if not splits:
        raise OptionError(f"The options {config.key()} leave no image in any split.")
    return splits


def _rows_of(images: pa.Table, split: str) -> pa.Table:
    """The rows of a split; of many rows, columns are copied side by side."""
    kept = pc.indices_nonzero(pc.equal(images["split"], split))
    with workers(images.num_rows <= SMALL_TABLE) as pool:
        columns = list(pool.map(lambda column: column.take(kept), images.columns))
    return pa.Table.from_arrays(columns, schema=images.schema)


def _arrange(images: pa.Table, config_name: str, image_columns: Collection[str]) -> pa.Table:
    rank = combined(images["rank"])
    images = images.drop_columns(["rank"])
    if config_name == "images":
        return images
    studies = group_by_study(images, image_columns, rank)
    if config_name == "studies":
        return studies
    lists = {plural(name) for name in image_columns}
    return studies.drop_columns([name for name in studies.column_names if name in lists])
