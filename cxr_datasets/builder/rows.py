"""From a release's index to the rows of one config: which images, in which split, how arranged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import missing
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.release import Release
from cxr_datasets.builder.views import keep_views
from cxr_datasets.columns import SPLITS, plural
from cxr_datasets.errors import MissingImagesError, OptionError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.studies import group_by_study


def wanted_images(
    release: Release, config: CxrConfig, raw_view_column: str | None, cache: str
) -> pa.Table:
    """Read the index of a release and keep the views that a config asks for.

    Args:
        release: The release.
        config: Its options.
        raw_view_column: Column with the dataset's own names of views.
        cache: Folder in which the release may keep what it makes.

    Raises:
        OptionError: No image is left.
        CxrError: The release's tables are broken.
    """
    images = release.index(cache)
    if config.views is None:
        return images
    raw = images[raw_view_column] if raw_view_column else None
    images = images.filter(keep_views(images["view"], raw, config.views))
    if images.num_rows == 0:
        raise OptionError(f"views={config.views} leaves no image of {release.source.root}.")
    return images


@dataclass(frozen=True)
class Found:
    """What came of looking for the image files.

    Attributes:
        images: The rows that stay, for `missing="null"` with a boolean column `present`.
        key: Which files were there: they decide the rows; with `image_size` also which are whole.
        left_out: Split -> ids of the images that `missing="skip"` leaves out of it.
    """

    images: pa.Table
    key: str
    left_out: dict[str, list[str]]


def keep_present(images: pa.Table, source: Source, config: CxrConfig) -> Found:
    """Look for every image file and do what `missing` says about those that are absent.

    Args:
        images: Rows of the index.
        source: The release.
        config: Its `missing` is `skip` or `null`.

    Raises:
        MissingImagesError: With `skip`, none exists.
    """
    sizes = source.sizes(combined(images["path"]).to_pylist())
    present = missing.are_present(sizes)
    key = missing.digest(present if config.image_size is None else sizes)
    if config.missing == "null":
        return Found(images.append_column("present", pa.array(present)), key, {})
    if not present.any():
        raise MissingImagesError(
            f"None of the {len(present)} images that the tables list is in {source.root}. Check "
            "that data_dir is the folder that holds the images, or load config 'reports', which "
            "needs none."
        )
    missing.report_skipped(present)
    left = images.filter(pa.array(present))
    # A study keeps its place, whichever of its images are there: as where that shows only later.
    if config.name != "images":
        left = _by_study(left, images["study_id"])
    return Found(left, key, _ids_by_split(images.filter(pa.array(~present))))


def _ids_by_split(images: pa.Table) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for split, image in zip(*(images[name].to_pylist() for name in ("split", "image_id")),
                            strict=True):  # fmt: skip
        ids.setdefault(split, []).append(image)
    return ids


def _by_study(images: pa.Table, order: pa.ChunkedArray) -> pa.Table:
    """Images in the order in which their studies first appear in `order`."""
    place = pc.index_in(images["study_id"], value_set=pc.unique(order))
    return images.take(pa.array(np.argsort(combined(place).to_numpy(), kind="stable")))


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
        rows = images.filter(pc.equal(images["split"], split))
        if rows.num_rows:
            splits[split] = _arrange(rows.drop_columns(["split"]), config.name, image_columns)
    if not splits:
        raise OptionError(f"The options {config.key()} leave no image in any split.")
    return splits


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
