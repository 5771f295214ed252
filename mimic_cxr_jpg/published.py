"""What PhysioNet says of MIMIC-CXR-JPG: its tables, what holds between them, and its counts.

The counts are those of the project's page, https://physionet.org/content/mimic-cxr-jpg/2.1.0/.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import (
    Cells,
    Copy,
    Counts,
    Listed,
    Nested,
    Published,
    PublishedTable,
    Same,
    Texts,
)
from cxr_datasets.builder.relations import Relation
from cxr_datasets.columns import LABELS
from cxr_datasets.storage.source import EMPTY
from cxr_datasets.tables.index import folder_in
from cxr_datasets.tables.keys import combined, find_keys, numbered
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.reports import find_reports
from mimic_cxr_jpg.reports.store import SAMPLE, Studies
from mimic_cxr_jpg.reports.tree import ReportTree

FILE_NAMES = "IMAGE_FILENAMES"
"""The list of all images, a path a line; release 2.0.0 has none."""

PROJECT_FOLDERS = (
    "",
    "mimic-cxr-jpg/",
    "files/mimic-cxr-jpg/",
    "physionet.org/files/mimic-cxr-jpg/",
)
"""Where the folders of versions lie below a folder that users pass by mistake."""

_NEWEST_FIRST = tables.VERSIONS[::-1]

_ROWS = {
    "split": 377_110,
    "metadata": 377_110,
    "chexpert": 227_827,
    "negbio": 227_827,
    "test-set-labeled": 687,
}

_COUNTS = {
    "train": Counts(images=368_960, studies=222_758, patients=64_586),
    "validation": Counts(images=2_991, studies=1_808, patients=500),
    "test": Counts(images=5_159, studies=3_269, patients=293),
    "all": Counts(images=377_110, studies=227_835, patients=65_379),
}

_DICOM_ID = Cells(pa.string(), pattern=tables.DICOM_ID)
_STUDY_ID = Cells(pa.int64(), low=tables.STUDY_IDS[0], high=tables.STUDY_IDS[1])
_SUBJECT_ID = Cells(pa.int64(), low=tables.SUBJECT_IDS[0], high=tables.SUBJECT_IDS[1])
_SIDE = Cells(pa.int32(), filled=False, low=1, high=tables.LARGEST_SIDE)
_LABEL = Cells(pa.float64(), filled=False, values=(1.0, 0.0, -1.0))

_OF_A_STUDY = {
    "study_id": _STUDY_ID, "subject_id": _SUBJECT_ID, **dict.fromkeys(LABELS, _LABEL),
}  # fmt: skip
_CELLS: dict[str, dict[str, Cells]] = {
    "split": {
        "dicom_id": _DICOM_ID, "study_id": _STUDY_ID, "subject_id": _SUBJECT_ID,
        "split": Cells(pa.string(), values=tuple(tables.SPLIT_NAMES)),
    },
    "metadata": {
        "dicom_id": _DICOM_ID, "study_id": _STUDY_ID, "subject_id": _SUBJECT_ID,
        "Rows": _SIDE, "Columns": _SIDE,
    },
    "chexpert": _OF_A_STUDY,
    "negbio": _OF_A_STUDY,
    "test-set-labeled": {"study_id": _STUDY_ID},
}  # fmt: skip

_OF_IMAGES = tables.REQUIRED_TABLES
_OF_STUDIES = tuple(table for table in tables.TABLES if table not in _OF_IMAGES)

_RELATIONS: tuple[Relation, ...] = (
    Nested("patient_in_two_splits", "split", "subject_id", "split"),
    Nested("study_of_two_patients", "split", "study_id", "subject_id"),
    Listed("no_metadata", "split", "dicom_id", "metadata", "dicom_id"),
    Listed("not_in_split_table", "metadata", "dicom_id", "split", "dicom_id"),
    Same("other_study", "metadata", "split", "dicom_id", "study_id"),
    Same("other_patient", "metadata", "split", "dicom_id", "subject_id"),
    Listed(
        "no_chexpert_labels", "split", "study_id", "chexpert", "study_id", tables.UNLABELLED_STUDIES
    ),
    Listed(
        "no_negbio_labels", "split", "study_id", "negbio", "study_id", tables.UNLABELLED_STUDIES
    ),
    *(
        Listed("labels_without_images", table, "study_id", "split", "study_id")
        for table in _OF_STUDIES
    ),
    # Both programs were run on the same reports.
    Listed("only_negbio_labels", "negbio", "study_id", "chexpert", "study_id"),
    Listed("only_chexpert_labels", "chexpert", "study_id", "negbio", "study_id"),
    Same("other_patient", "chexpert", "split", "study_id", "subject_id"),
    Same("other_patient", "negbio", "split", "study_id", "subject_id"),
)


def _table(table: str) -> PublishedTable:
    known = (tables.file_name(table, *kind) for kind in product(tables.VERSIONS, (".gz", "")))
    is_in_all = table in tables.OF_EVERY_RELEASE
    return PublishedTable(
        name=table,
        files=tuple(dict.fromkeys([tables.usual_name(table), *known])),
        rows=dict.fromkeys(tables.VERSIONS if is_in_all else tables.VERSIONS[1:], _ROWS[table]),
        required=table in tables.REQUIRED_TABLES,
        cells=_CELLS[table],
        key="dicom_id" if table in _OF_IMAGES else "study_id",
        image_id="dicom_id" if table in _OF_IMAGES else None,
        study_id="study_id",
    )


def _images(read: Mapping[str, pa.Table]) -> pa.Table:
    """Make the rows of images: of the split table, with the sizes of the metadata."""
    split = read["split"]
    dicom_id, study_id, subject_id = (
        combined(split[name]) for name in ("dicom_id", "study_id", "subject_id")
    )
    sizes: dict[str, pa.Array] = dict.fromkeys(
        ("height", "width"), pa.nulls(len(dicom_id), pa.int32())
    )
    if "metadata" in read:
        metadata = read["metadata"]
        rows = find_keys(dicom_id, combined(metadata["dicom_id"]))
        sizes = {"height": combined(metadata["Rows"]).take(rows),
                 "width": combined(metadata["Columns"]).take(rows)}  # fmt: skip
    names = pc.index_in(combined(split["split"]), value_set=pa.array(list(tables.SPLIT_NAMES)))
    return pa.table({
        "image_id": dicom_id,
        "study_id": study_id,
        "subject_id": subject_id,
        "path": tables.image_paths(subject_id, study_id, dicom_id),
        "split": pa.array(list(tables.SPLIT_NAMES.values())).take(names),
        **sizes,
    })  # fmt: skip


def _texts(copy: Copy) -> Texts | None:
    """Look for the reports, and which studies have one. Of a tree in the copy the list tells."""
    split = copy.tables["split"]
    study_ids = combined(split["study_id"])
    _, first = numbered(study_ids)
    study_ids = study_ids.take(first)
    subject_ids = combined(split["subject_id"]).take(first)
    studies = Studies(subject_ids, study_ids)
    cache = folder_in(None, credentialed="mimic_cxr_jpg")
    store = find_reports(copy.source, copy.reports, lambda: studies.some(SAMPLE), cache)
    if store is None:
        return None
    store.prepare(cache)
    places = store.locate(subject_ids, study_ids)
    if isinstance(store, ReportTree) and store.source.root == copy.source.root:
        listed = copy.listing.filter(pc.not_equal(copy.listing["size"], EMPTY))
        there = pc.is_in(places, value_set=combined(listed["path"]))
    else:
        there = pc.invert(store.lacks(places))
    return Texts(store.address, study_ids, there, of_every_study=store.of_every_study)


PUBLISHED = Published(
    versions=_NEWEST_FIRST,
    tables=tuple(map(_table, tables.TABLES)),
    counts=dict.fromkeys(tables.VERSIONS, _COUNTS),
    folders=tuple(f"{project}{version}" for project, version in product(
        PROJECT_FOLDERS, _NEWEST_FIRST
    )),
    only_in={"2.1.0": (FILE_NAMES, *_table("test-set-labeled").files)},
    checksums="SHA256SUMS.txt",
    relations=_RELATIONS,
    images=_images,
    texts=_texts,
)  # fmt: skip
