"""The release's tables as one: a row for every image of the split table, joined by key.

Nothing is dropped: an image without labels keeps its row. Threads read the tables and join their
columns side by side, because one gzip file is decompressed by one thread; see `tables.workers`.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.keys import (
    count_places,
    find_rows,
    has_repeats,
    numbered,
    take_struct,
)
from cxr_datasets.tables.table import Table
from cxr_datasets.tables.workers import are_small, readers, workers
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.reports import ReportStore
from mimic_cxr_jpg.views import normalised_views, view_ranks

_logger = get_logger(__name__)


@dataclass(frozen=True)
class _Joined:
    """Columns of another table in the order of the spine, and what it does not share with it.

    Attributes:
        columns: They are as long as the spine.
        address: Where the table is.
        rows: How many rows it has.
        unused: How many of them no row of the spine takes.
        lacking: How many studies of the spine have no row in it; 0 if it need not have them.
    """

    columns: dict[str, pa.Array]
    address: str
    rows: int
    unused: int
    lacking: int = 0


class TableReads:
    """The tables of a release, each of them read by a thread from now on, or small ones here.

    Attributes:
        are_small: Whether they are small.
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
        places = [(source, path) for path in files.values()]
        self.are_small = are_small(places)
        pool = readers(places)
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
    with workers(reads.are_small) as pool:
        ready = pool.submit(reports.prepare_to_locate, cache) if reports else None
        spine = reads.split.result()
        ids = [spine[name] for name in ("subject_id", "study_id", "dicom_id")]
        # Each of these waits for one of the readers, which have a pool of their own.
        of_metadata = pool.submit(_metadata_columns, spine, reads.metadata)
        of_labels = [
            pool.submit(_label_column, spine, name, read) for name, read in reads.labels.items()
        ]
        paths = pool.submit(tables.image_paths, *ids)
        report_at = pool.submit(_locate, reports, ready, *ids[:2]) if reports and ready else None
        # Always in this order, so that of several broken tables the same one is named.
        joined = [of_metadata.result(), *(column.result() for column in of_labels)]
        columns = {
            "image_id": spine["dicom_id"],
            "study_id": spine["study_id"],
            "subject_id": spine["subject_id"],
            **dict.fromkeys(tables.LABEL_TABLES, _no_labels(spine)),
            **{name: column for table in joined for name, column in table.columns.items()},
            "path": paths.result(),
            "split": _split_names(spine),
        }
        if report_at:
            columns["report_at"] = report_at.result()
    _say_what_differs(spine, joined)
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


def _metadata_columns(spine: Table, read: Future[Table]) -> _Joined:
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
    for column in ("study_id", "subject_id"):
        _check_same(column, spine, metadata, rows, "dicom_id")
    columns = {name: metadata[raw] for name, raw in tables.METADATA_COLUMNS.items()}
    columns["view"] = normalised_views(columns["view_position"])
    columns["rank"] = view_ranks(columns["view_position"])
    columns["height"] = metadata["Rows"]
    columns["width"] = metadata["Columns"]
    columns["study_date"] = tables.study_dates(metadata)
    columns["study_time"] = tables.study_times(metadata)
    columns = {name: column.take(rows) for name, column in columns.items()}
    _say_where_times_differ(spine["study_id"], metadata, rows)
    unused = metadata.rows.num_rows - len(rows)
    return _Joined(columns, metadata.address, metadata.rows.num_rows, unused)


def _check_same(column: str, spine: Table, other: Table, rows: pa.Array, key: str) -> None:
    """Require that a table says of each row's owner what the spine says.

    Args:
        column: The id that is compared.
        spine: The table that counts.
        other: The table that is compared with it.
        rows: The row of `other` for each row of the spine; null where there is none.
        key: The column by which they were found.
    """
    differs = pc.indices_nonzero(pc.not_equal(spine[column], other[column].take(rows)))
    if len(differs):
        row = differs[0].as_py()
        raise TableError(
            f"{other.address}: {key} {spine[key][row].as_py()} has {column} "
            f"{other[column][rows[row].as_py()].as_py()}, but {spine[column][row].as_py()} in "
            f"{spine.address}. The two tables are not of one release: fetch both again."
        )


def _say_where_times_differ(study_ids: pa.Array, metadata: Table, rows: pa.Array) -> None:
    """Say how many studies have images of more than one date or time."""
    times = tables.comparable_times(metadata).take(rows)
    study, first = numbered(study_ids)
    differs = pc.not_equal(times, times.take(first).take(study))
    studies = len(pc.unique(study_ids.filter(differs)))
    if studies:
        _logger.warning(
            "%d of %d studies in %s have images of more than one StudyDate or StudyTime. In config "
            "images each image has its own; in studies and reports a study has those of its best "
            "view",
            studies, len(first), metadata.address,
        )  # fmt: skip


def _label_column(spine: Table, name: str, read: Future[Table]) -> _Joined:
    """Give each image its labels; a study that the table lacks has null."""
    table = read.result()
    rows = find_rows(spine["study_id"], table, "study_id")
    if "subject_id" in table.rows.column_names:
        _check_same("subject_id", spine, table, rows, "study_id")
    without = spine["study_id"].filter(rows.is_null())
    return _Joined(
        columns={name: take_struct(rows, table, LABELS)},
        address=table.address,
        rows=table.rows.num_rows,
        unused=table.rows.num_rows - count_places(rows),
        lacking=len(pc.unique(without)) if name in tables.LABELS_OF_EVERY_STUDY else 0,
    )


def _no_labels(spine: Table) -> pa.Array:
    return pa.nulls(spine.rows.num_rows, pa.struct(dict.fromkeys(LABELS, pa.int8())))


def _say_what_differs(spine: Table, joined: Iterable[_Joined]) -> None:
    """Say in one line what no row of the spine takes, and in one which labels are not there."""
    joined = list(joined)
    unused = [f"{one.unused} of {one.rows} rows of {one.address}" for one in joined if one.unused]
    if unused:
        _logger.warning(
            "%s are of images or studies that %s does not list: ignored. If that table was cut "
            "short, fetch it again",
            ", ".join(unused), spine.address,
        )  # fmt: skip
    lacking = [one for one in joined if one.lacking > tables.UNLABELLED_STUDIES]
    if lacking:
        studies = pc.count_distinct(spine["study_id"]).as_py()
        _logger.warning(
            "%s, and so null in place of labels; in the whole release these are %d. If a table was "
            "cut short, fetch it again",
            ", ".join(
                f"{one.lacking} of {studies} studies have no row in {one.address}"
                for one in lacking
            ),
            tables.UNLABELLED_STUDIES,
        )  # fmt: skip
