"""What the Indiana collection on Kaggle has: its two tables, and how many rows and images."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import Cells, Copy, Counts, Listed, Published, PublishedTable, Texts
from cxr_datasets.columns import SECTIONS
from cxr_datasets.tables.keys import combined
from indiana_cxr.layouts import IMAGE_FOLDER, PNG_SUFFIX

PROJECTIONS = "indiana_projections.csv"
REPORTS = "indiana_reports.csv"

_KAGGLEHUB = ("", *(f"{folder}chest-xrays-indiana-university/" for folder in ("", "raddar/",
              "datasets/raddar/", "kagglehub/datasets/raddar/")))  # fmt: skip
_VERSIONS = ("2", "1")
"""Where kagglehub puts the release below its own folders, and the versions that it has."""

FILE_NAME = r"\d+_IM-\d{4}-\d+(-\d+)?\.dcm\.png"
"""Name of an image: its uid, which is that of its report, and more numbers."""

_UID = Cells(pa.int64())
_TEXT = Cells(pa.string(), filled=False)


def _images(read: Mapping[str, pa.Table]) -> pa.Table:
    """Make the rows of images. The release tells neither splits nor sizes."""
    projections = read["projections"]
    file, uid = combined(projections["filename"]), combined(projections["uid"])
    return pa.table({
        "image_id": pc.utf8_slice_codeunits(file, 0, -len(PNG_SUFFIX)),
        "study_id": uid,
        "subject_id": uid,
        "path": pc.binary_join_element_wise(IMAGE_FOLDER, file, ""),
        "split": pa.nulls(len(file), pa.string()),
        "height": pa.nulls(len(file), pa.int32()),
        "width": pa.nulls(len(file), pa.int32()),
    })  # fmt: skip


def _texts(copy: Copy) -> Texts | None:
    """Look which reports have a section that is not empty."""
    if "reports" not in copy.tables:
        return None
    reports = copy.tables["reports"]
    lengths = (pc.fill_null(pc.binary_length(combined(reports[name])), 0) for name in SECTIONS)
    there = pa.array([False] * reports.num_rows)
    for length in lengths:
        there = pc.or_(there, pc.greater(length, 0))
    return Texts(copy.source.shown(REPORTS), combined(reports["uid"]), there)


PUBLISHED = Published(
    versions=("2",),
    tables=(
        PublishedTable(
            "projections",
            (PROJECTIONS,),
            rows={"2": 7_466},
            sha256={"2": "7af9c8a6b4f8ae695c654ecd4208edd193a37892a5607b7cb9e609dc997e6b7a"},
            required=True,
            cells={
                "uid": _UID,
                "filename": Cells(pa.string(), pattern=FILE_NAME),
                "projection": Cells(pa.string(), values=("Frontal", "Lateral")),
            },
            key="filename",
            image_id="filename",
            study_id="uid",
        ),
        PublishedTable(
            "reports",
            (REPORTS,),
            rows={"2": 3_851},
            sha256={"2": "cd7257716f7be4aaf46e55a9ea266b69095372a2f23dc0e19e32a95b0f02e2e6"},
            required=True,
            cells={"uid": _UID, **dict.fromkeys(SECTIONS, _TEXT)},
            key="uid",
            study_id="uid",
        ),
    ),
    # The release names no patients, and its studies are in no split.
    counts={"2": {"all": Counts(images=7_466, studies=3_851, patients=3_851)}},
    folders=tuple(f"{folder}versions/{version}" for folder, version in product(
        _KAGGLEHUB, _VERSIONS
    )),
    relations=(
        Listed("no_report", "projections", "uid", "reports", "uid"),
        Listed("report_without_images", "reports", "uid", "projections", "uid"),
    ),
    images=_images,
    texts=_texts,
    unlisted=4,  # known to be broken, or badly turned
)  # fmt: skip
