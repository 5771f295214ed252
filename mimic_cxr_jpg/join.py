"""The release's tables as one: a row for every image of the split table, joined by key.

Nothing is dropped: an image without labels keeps its row. Threads read the tables and join their
columns side by side, because one gzip file is decompressed by one thread.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.keys import count_unused, find_rows, has_repeats, numbered, take_struct
from cxr_datasets.tables.table import Table
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.reports import ReportStore
from mimic_cxr_jpg.views import normalised_views, view_ranks

_logger = logging.getLogger(__name__)


class TableReads:
    """The tables of a release, each of them read by a thread from now on.

    Attributes:
        split: The spine.
        metadata: What is known of each image.
        labels: Our column of labels -> the table it is from, for those that are there.
    """

    def __init__(self, source: Source, files: dict[str, str]):
        """Begin to read.

        Args:
            source: The release.
            files: Its tables as `find_tables` gives them, the required ones among them.
        """
        pool = ThreadPoolExecutor()
        self.split = pool.submit(tables.read_split, source, files["split"])
        self.metadata = pool.submit(tables.read_metadata, source, files["metadata"])
        self.labels = {
            column: pool.submit(tables.read_labels, source, files[table], names)
            for column, (table, names) in tables.LABEL_TABLES.items()
            if table in files
        }
        pool.shutdown(wait=False)  # what was begun is done all the same


def read_index(reads: TableReads, reports: ReportStore | None, cache: str) -> pa.Table:
    """Join all tables.

    Args:
        reads: The tables, which are being read.
        reports: The reports, which are made ready meanwhile and add the column `report_at`.
        cache: Folder in which they may write.

    Returns:
        A row per image in the split table's order; see `Release.index`.

    Raises:
        TableError: A table is broken or contradicts another.
        ReportsError: The reports are damaged.
    """
    with ThreadPoolExecutor() as pool:
        ready = pool.submit(reports.prepare, cache) if reports else None
        spine = reads.split.result()
        ids = [spine[name] for name in ("subject_id", "study_id", "dicom_id")]
        # Each of these waits for one of the readers, which have a pool of their own.
        of_metadata = pool.submit(_metadata_columns, spine, reads.metadata)
        of_labels = {
            name: pool.submit(_label_column, spine, read) for name, read in reads.labels.items()
        }
        paths = pool.submit(tables.image_paths, *ids)
        report_at = pool.submit(_locate, reports, ready, *ids[:2]) if reports and ready else None
        # Always in this order, so that of several broken tables the same one is named.
        columns = {
            "image_id": spine["dicom_id"],
            "study_id": spine["study_id"],
            "subject_id": spine["subject_id"],
            **of_metadata.result(),
            **_label_columns(spine, of_labels),
            "path": paths.result(),
            "split": _split_names(spine),
        }
        if report_at:
            columns["report_at"] = report_at.result()
    return pa.table(columns)


def _locate(
    reports: ReportStore, ready: Future[None], subject_ids: pa.Array, study_ids: pa.Array
) -> pa.Array:
    study, first = numbered(study_ids)
    ready.result()
    places = reports.locate(subject_ids.take(first), study_ids.take(first))
    reports.say_lacking(places)
    return places.take(study)


def _split_names(spine: Table) -> pa.Array:
    row = pc.index_in(spine["split"], value_set=pa.array(list(tables.SPLIT_NAMES)))
    return pa.array(list(tables.SPLIT_NAMES.values())).take(row)


def _metadata_columns(spine: Table, read: Future[Table]) -> dict[str, pa.Array]:
    metadata = read.result()
    rows = find_rows(spine["dicom_id"], metadata, "dicom_id")
    # If every image finds a row of its own, no id of the spine repeats; if there are no other rows,
    # none of the metadata does. To see that is much faster than to compare the ids.
    if rows.null_count or has_repeats(rows):
        spine.check_unique("dicom_id")
    if rows.null_count or metadata.rows.num_rows != len(rows):
        metadata.check_unique("dicom_id")
    if rows.null_count:
        image = spine["dicom_id"].filter(rows.is_null())[0].as_py()
        raise TableError(
            f"{metadata.address}: {rows.null_count} images of {spine.address} have no row here, "
            f"first dicom_id {image}. The two tables are not of one release: fetch both again."
        )
    _check_same_owner(spine, metadata, rows)
    columns = {name: metadata[raw] for name, raw in tables.METADATA_COLUMNS.items()}
    columns["view"] = normalised_views(columns["view_position"])
    columns["rank"] = view_ranks(columns["view_position"])
    columns["height"] = metadata["Rows"]
    columns["width"] = metadata["Columns"]
    columns["study_date"] = tables.study_dates(metadata)
    columns["study_time"] = tables.study_times(metadata)
    return {name: column.take(rows) for name, column in columns.items()}


def _check_same_owner(spine: Table, other: Table, rows: pa.Array) -> None:
    for column in ("study_id", "subject_id"):
        differs = pc.indices_nonzero(pc.not_equal(spine[column], other[column].take(rows)))
        if len(differs):
            row = differs[0].as_py()
            raise TableError(
                f"{other.address}: dicom_id {spine['dicom_id'][row].as_py()} has {column} "
                f"{other[column][rows[row].as_py()].as_py()}, but {spine[column][row].as_py()} in "
                f"{spine.address}. The two tables are not of one release: fetch both again."
            )


def _label_column(spine: Table, read: Future[Table]) -> tuple[pa.StructArray, str, int]:
    """Give each image its labels; and the table's address, and how many rows no image uses."""
    table = read.result()
    rows = find_rows(spine["study_id"], table, "study_id")
    unused = count_unused(spine["study_id"], table, "study_id")
    return take_struct(rows, table, LABELS), table.address, unused


def _label_columns(
    spine: Table, joined: dict[str, Future[tuple[pa.StructArray, str, int]]]
) -> dict[str, pa.Array]:
    absent = pa.nulls(spine.rows.num_rows, pa.struct(dict.fromkeys(LABELS, pa.int8())))
    columns = dict.fromkeys(tables.LABEL_TABLES, absent)
    ignored = []
    for name, column in joined.items():
        columns[name], address, unused = column.result()
        if unused:
            ignored.append(f"{unused} in {address}")
    if ignored:
        _logger.warning(
            "Ignored labels of studies that %s does not list: %s",
            spine.address,
            ", ".join(ignored),
        )
    return columns
