"""A place that a preview shows, opened: what its figures are counted from, and its studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from cxr_datasets.builder import CxrBuilder
from cxr_datasets.builder.missing import are_present
from cxr_datasets.columns import SPLITS
from cxr_datasets.copies import Place
from cxr_datasets.errors import OptionError
from cxr_datasets.preview.from_export import files_of, material_of_export, opened_file
from cxr_datasets.preview.from_release import material_of_release
from cxr_datasets.preview.material import Material
from cxr_datasets.preview.reading import open_builder
from cxr_datasets.preview.studies import Study, studies_of_export, studies_of_release
from cxr_datasets.storage import Source
from cxr_datasets.tables.keys import combined


@dataclass(frozen=True)
class Opened:
    """A release or an export.

    Attributes:
        material: What its figures are counted from.
        read: Reads studies whole, by their `study_id`.
        there: Looks for every image file, and gives the `study_id` of those studies that have one;
            None where that would take too many requests, or the images are within the rows.
    """

    material: Material
    read: Callable[[Sequence[int]], list[Study]]
    there: Callable[[], np.ndarray] | None = None


def open_dataset(
    place: Place,
    split: str | Sequence[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Opened:
    """Read the tables and texts of a release, or the columns of an export without its images.

    Args:
        place: The release or export.
        split: One split or several; None: all.
        storage_options: Options of its store.
        cache_dir: A cache of `datasets`; None: the usual one.
        progress: Whether to show a progress bar for the texts of a release, on stderr.
        options: Options of the dataset, for a release.

    Raises:
        OptionError: It has no such split.
        CxrError: It is broken, or its store is at fault.
    """
    wanted = [split] if isinstance(split, str) else list(split or ())
    for name in wanted:
        if name not in SPLITS:
            raise OptionError.unknown("split", name, SPLITS)
    if place.kind == "export":
        if options:
            raise OptionError(
                f"options={sorted(options)} are of a release, but {place}. Leave them out."
            )
        material = material_of_export(place, wanted or None)
        read = partial(_of_export, place.source, material)
        return Opened(material, read)
    builder = open_builder(place.dataset, place.address, storage_options, cache_dir, options)
    splits = builder.index_rows()
    for name in wanted:
        if name not in splits:
            raise OptionError.unknown("split", name, splits)
    splits = {name: rows for name, rows in splits.items() if not wanted or name in wanted}
    material = material_of_release(builder, place.dataset, splits, texts=None, progress=progress)
    there = None if builder.place.source.is_remote else partial(_there, builder, splits)
    return Opened(material, partial(studies_of_release, builder, splits), there)


def _there(builder: CxrBuilder, splits: Mapping[str, pa.Table]) -> np.ndarray:
    rows = pa.concat_tables([rows.select(["study_id", "path"]) for rows in splits.values()])
    files = builder.place.form.files(combined(rows["path"]))
    present = are_present(builder.place.source.sizes(files.to_pylist()))
    return np.unique(combined(rows["study_id"]).to_numpy()[present])


def _of_export(source: Source, material: Material, ids: Sequence[int]) -> list[Study]:
    return studies_of_export(_groups(source, material), ids)


def _groups(source: Source, material: Material) -> Iterator[tuple[str, Any, int]]:
    files, _ = files_of(source, material.config)
    for split in material.splits:
        for name in files[split]:
            with opened_file(source, name) as file:
                for number in range(file.num_row_groups):
                    yield split, file, number
