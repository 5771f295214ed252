"""The studies that a page shows, read whole: their rows with texts and stored images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import CxrBuilder
from cxr_datasets.columns import VIEWS, plural
from cxr_datasets.preview.boxes import boxes_of_row
from cxr_datasets.preview.material import SPLIT
from cxr_datasets.tables.keys import combined


@dataclass
class Study:
    """One study.

    Attributes:
        row: Its columns of a study.
        images: Of each image its split, `image_id`, `view` and `image`, as it is stored, and the
            `boxes` of layers in it; the frontal ones first.
    """

    row: Mapping[str, Any]
    images: list[dict[str, Any]] = field(default_factory=list)


def studies_of_release(
    builder: CxrBuilder, splits: Mapping[str, pa.Table], ids: Sequence[int]
) -> list[Study]:
    """Read studies of a release.

    Args:
        builder: Its builder, of config `images`.
        splits: What its `index_rows` gave, or some of these splits.
        ids: `study_id` of each, in the order wanted.

    Raises:
        CxrError: The reports are broken.
    """
    found = {name: _of_studies(rows, ids) for name, rows in splits.items()}
    found = {
        name: pa.concat_tables(builder.complete([rows]))
        for name, rows in found.items()
        if rows.num_rows
    }
    return grouped(found.items(), ids)


def studies_of_export(groups: Iterable[tuple[str, Any, int]], ids: Sequence[int]) -> list[Study]:
    """Read studies of an export.

    Args:
        groups: Of each group of rows its split, its file, opened, and its number there.
        ids: `study_id` of each, in the order wanted.
    """
    return grouped(_groups_with(groups, ids), ids)


def _groups_with(
    groups: Iterable[tuple[str, Any, int]], ids: Sequence[int]
) -> Iterator[tuple[str, pa.Table]]:
    """Read whole those groups of rows only that have one of the studies."""
    for split, file, number in groups:
        if _of_studies(file.read_row_group(number, columns=["study_id"]), ids).num_rows:
            yield split, _of_studies(file.read_row_group(number), ids)


def _of_studies(rows: pa.Table, ids: Sequence[int]) -> pa.Table:
    wanted = pa.array(ids, rows["study_id"].type)
    return rows.filter(pc.is_in(combined(rows["study_id"]), value_set=wanted))


def grouped(tables: Iterable[tuple[str, pa.Table]], ids: Sequence[int]) -> list[Study]:
    """Put the rows of each study together.

    Args:
        tables: Split and rows, of config `images`, `studies` or `reports`.
        ids: `study_id` of each, in the order wanted.
    """
    found: dict[int, Study] = {}
    for split, rows in tables:
        for row in rows.to_pylist():
            study = found.setdefault(row["study_id"], Study(row))
            study.images += [{SPLIT: split, **image} for image in _images(row)]
    for study in found.values():
        study.images.sort(key=lambda image: _rank(image["view"]))
    return [found[one] for one in ids if one in found]


def _images(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = ("image_id", "view", "image")
    of_studies = plural("view") in row
    if of_studies:
        lists = [row.get(plural(name)) or () for name in names]
        images = [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]
    else:
        images = [{name: row.get(name) for name in names}]
    boxes = boxes_of_row(row, len(images), of_studies)
    return [{**image, "boxes": own} for image, own in zip(images, boxes, strict=True)]


def _rank(view: int | None) -> int:
    return len(VIEWS) if view is None else view
