"""The release's CSV tables: their names, columns and checks.

The split table is the spine: it has a row for every image, and `join` joins the others to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import EMPTY, Source
from cxr_datasets.tables.characters import written
from cxr_datasets.tables.keys import numbered
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

SPLIT_NAMES = {"train": "train", "validate": "validation", "test": "test"}
"""Name in the split table -> one of `cxr_datasets.columns.SPLITS`."""

REQUIRED_TABLES = ("split", "metadata")
TABLES = (*REQUIRED_TABLES, "chexpert", "negbio", "test-set-labeled")
VERSIONS = ("2.0.0", "2.1.0")

DICOM_ID = r"[0-9a-f]{8}(-[0-9a-f]{8}){4}"
SUBJECT_IDS = (10_000_000, 19_999_999)
STUDY_IDS = (50_000_000, 59_999_999)
LARGEST_SIDE = 65_535
"""Longest side that a JPEG can have, in pixels."""

_NOISE = 1e-4
"""Milliseconds that the rounding of floats can add to a time; in fact it adds far less."""

METADATA_COLUMNS = {
    "view_position": "ViewPosition",
    "procedure": "PerformedProcedureStepDescription",
    "view_code": "ViewCodeSequence_CodeMeaning",
    "orientation": "PatientOrientationCodeSequence_CodeMeaning",
}
"""Our column -> its name in the metadata table, for columns that are taken as they are."""

_RADIOLOGIST_NAMES = {"Lung Opacity": "Airspace Opacity"}
"""Label -> its name in the table of the radiologists' labels, where it differs."""

LABEL_TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "labels": ("chexpert", {}),
    "labels_negbio": ("negbio", {}),
    "labels_radiologist": ("test-set-labeled", _RADIOLOGIST_NAMES),
}
"""Our column -> its table, and the labels that have another name there."""

LABELS_OF_EVERY_STUDY = ("labels", "labels_negbio")
"""Those made by a program. The radiologist labelled a few hundred studies."""

UNLABELLED_STUDIES = 8
"""Studies of the whole release that both tables of such labels leave out."""

OF_EVERY_RELEASE = TABLES[:-1]
"""Tables that release 2.0.0 has, too."""


def find_tables(source: Source) -> dict[str, str]:
    """Look for the tables by name, gzipped or not. Of both, the release's own `.csv.gz` counts.

    An empty file is an unfinished download and counts only where there is no other.

    In release 2.1.0 the tables of 2.0.0 keep the prefix `mimic-cxr-2.0.0`. Only release 2.1.0 has
    the radiologists' labels.

    Returns:
        Name of `TABLES` -> file, for those that are there.
    """
    usual = [(table, usual_name(table)) for table in TABLES]
    # Over a network each look takes time, and those at once as long as one. So other names are
    # looked for only where a table is not found; but at once of the one that release 2.0.0 lacks.
    found = _existing(source, [*usual, *_other_names(set(TABLES) - set(OF_EVERY_RELEASE))])
    lacking = {t for t in OF_EVERY_RELEASE if t not in found or found[t][1] == EMPTY}
    found |= _existing(source, _other_names(lacking))
    return {table: found[table][0] for table in TABLES if table in found}


def _other_names(of: Collection[str]) -> list[tuple[str, str]]:
    return [
        (table, file_name(table, version, suffix))
        for table in TABLES if table in of
        for version in VERSIONS for suffix in (".gz", "")
        if file_name(table, version, suffix) != usual_name(table)
    ]  # fmt: skip


def _existing(source: Source, files: Iterable[tuple[str, str]]) -> dict[str, tuple[str, int]]:
    """Give for each table the first of its files that is there, and its size.

    Args:
        source: The release.
        files: Tables, each with a file that it may be in; the best file of a table comes first.
    """
    files = list(files)
    sizes = source.few_sizes([name for _, name in files])
    there = [
        (table, (name, size))
        for (table, name), size in zip(files, sizes, strict=True)
        if size is not None
    ]
    there.sort(key=lambda found: found[1][1] == EMPTY)
    return dict(reversed(there))


def usual_name(table: str) -> str:
    """Name of a table's file in release 2.1.0."""
    return file_name(table) if table in OF_EVERY_RELEASE else file_name(table, "2.1.0", "")


def file_name(table: str, version: str = "2.0.0", suffix: str = ".gz") -> str:
    """Name that a table's file may have."""
    return f"mimic-cxr-{version}-{table}.csv{suffix}"


def read_split(source: Source, path: str) -> Table:
    """Read the spine: `dicom_id`, `study_id`, `subject_id`, `split`.

    The join checks that no `dicom_id` repeats.
    """
    columns = {
        "dicom_id": pa.string(), "study_id": pa.int64(),
        "subject_id": pa.int64(), "split": pa.string(),
    }  # fmt: skip
    table = read_table(source, path, columns)
    table.check_filled(*columns)
    table.check_pattern("dicom_id", DICOM_ID, "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d")
    table.check_range("study_id", *STUDY_IDS).check_range("subject_id", *SUBJECT_IDS)
    table.check_values("split", list(SPLIT_NAMES))
    _check_nested(table, "study_id", "subject_id")
    _check_nested(table, "subject_id", "split")
    return table


def _check_nested(table: Table, inner: str, outer: str) -> None:
    """Require that all rows of one `inner` have the same `outer`."""
    number, first = numbered(table[inner])
    same = pc.equal(table[outer], table[outer].take(first).take(number))
    broken = pc.indices_nonzero(pc.invert(same))
    if not len(broken):
        return
    value = table[inner][broken[0].as_py()].as_py()
    raise TableError(
        f"{table.address}: rows of {inner} {value} have more than one {outer}; expected one. "
        "The file is not the release's own: fetch it again."
    )


def read_metadata(source: Source, path: str) -> Table:
    """Read what is known of each image. The join checks that no `dicom_id` repeats."""
    columns = {
        "dicom_id": pa.string(), "subject_id": pa.int64(), "study_id": pa.int64(),
        "Rows": pa.int32(), "Columns": pa.int32(),
        "StudyDate": pa.int64(), "StudyTime": pa.float64(),
        **dict.fromkeys(METADATA_COLUMNS.values(), pa.string()),
    }  # fmt: skip
    table = read_table(source, path, columns, exact=["StudyTime"])
    table.check_filled("dicom_id", "subject_id", "study_id")
    return table.check_range("Rows", 1, LARGEST_SIDE).check_range("Columns", 1, LARGEST_SIDE)


def study_dates(metadata: Table) -> pa.Array:
    """Turn `StudyDate`, an integer YYYYMMDD (shifted to 2100-2200), into ISO 8601 text.

    Returns:
        Strings such as `2180-05-06`, whose order is that of the days; null where the cell is blank.

    Raises:
        TableError: A value is no day of the calendar.
    """
    encoded = metadata["StudyDate"].dictionary_encode()  # there are far more images than days
    text = pc.cast(encoded.dictionary, pa.string())
    days = pc.strptime(text, format="%Y%m%d", unit="s", error_is_null=True)
    # strptime reads 31 February as 3 March and takes 1e9 for a date, so write it and compare.
    same = pc.fill_null(pc.equal(pc.strftime(days, format="%Y%m%d"), text), False)
    metadata.require("StudyDate", same.take(encoded.indices), "a day as YYYYMMDD")
    return pc.cast(pc.cast(days, pa.date32()), pa.string()).take(encoded.indices)


def study_times(metadata: Table) -> pa.Array:
    """Turn `StudyTime` into exact ISO 8601 text.

    The table holds it as a float HHMMSS.fff, without leading zeros and with rounding noise. With
    three decimals, and six digits before them, it is exact again. A time with more decimals than
    three is rounded to milliseconds, and a warning counts such times.

    Returns:
        Strings such as `08:05:56.875`, always with three decimals, so that their order is that of
        the times; null where the cell is blank.

    Raises:
        TableError: A value is no time of a day.
    """
    expected = "a time of day as HHMMSS.fff"
    number = metadata["StudyTime"]
    # Checked first, as neither NaN nor 1e30 can become an integer.
    in_a_day = pc.and_(pc.greater_equal(number, 0.0), pc.less(number, 240_000.0))
    metadata.require("StudyTime", in_a_day, expected)
    thousandths = _thousandths(number)
    milliseconds = _remainder(thousandths, 100_000)  # SSfff
    minutes = _remainder(pc.divide(thousandths, 100_000), 100)
    hours = pc.divide(thousandths, 10_000_000)
    valid = pc.and_(pc.less(milliseconds, 60_000), pc.less(minutes, 60))
    metadata.require("StudyTime", valid, expected)
    _tell_finer_times(metadata, pc.abs(pc.subtract(pc.multiply(number, 1000.0), thousandths)))
    total = pc.add(
        pc.add(pc.multiply(hours, 3_600_000), pc.multiply(minutes, 60_000)), milliseconds
    )
    return pc.cast(pc.cast(pc.cast(total, pa.int32()), pa.time32("ms")), pa.string())


def _tell_finer_times(metadata: Table, cut: pa.Array) -> None:
    """Warn of times with more than three decimals, given what rounding cut off, in ms."""
    finer = pc.sum(pc.greater(cut, _NOISE)).as_py()
    if finer:
        _logger.warning(
            "%s: %d of %d values of 'StudyTime' have more than three decimals; study_time holds "
            "them rounded to milliseconds",
            metadata.address, finer, len(cut) - cut.null_count,
        )  # fmt: skip


def comparable_times(metadata: Table) -> pa.Array:
    """Give each row one integer for its date and time, so that rows can be compared.

    Args:
        metadata: The table, whose dates and times are checked already.

    Returns:
        int64, the same for the same day and millisecond; a blank is like no other value.
    """
    milliseconds = _thousandths(metadata["StudyTime"])
    blank = pa.scalar(-1, pa.int64())
    days = pc.multiply(pc.fill_null(metadata["StudyDate"], blank), 1_000_000_000)
    return pc.add(days, pc.fill_null(milliseconds, blank))


def _thousandths(times: pa.Array) -> pa.Array:
    """Turn floats HHMMSS.fff into exact integers HHMMSSfff."""
    return pc.cast(pc.round(pc.multiply(times, 1000.0)), pa.int64())


def _remainder(numbers: pa.Array, divisor: int) -> pa.Array:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, divisor), divisor))


def read_labels(source: Source, path: str, names: dict[str, str]) -> Table:
    """Read a table of labels, one row a study: 1, 0, -1 or blank for each of the 14.

    Args:
        source: The release.
        path: The table.
        names: Label -> its name in this table, where it differs.

    Returns:
        The table with its labels under our names, and with `subject_id` if it is in the file: the
        radiologists' table has none.
    """
    names = {names.get(label, label): label for label in LABELS}
    ids = {"study_id": pa.int64(), "subject_id": pa.int64()}
    columns = {**ids, **dict.fromkeys(names, pa.float64())}
    table = read_table(source, path, columns, optional=["subject_id"], flags=list(names))
    table.check_filled("study_id").check_unique("study_id")
    if any(table[name].type != pa.int8() for name in names):
        table.check_values(list(names), (1.0, 0.0, -1.0))
    ours = [names.get(name, name) for name in table.rows.column_names]
    return Table(table.address, table.rows.rename_columns(ours))


def image_paths(subject_ids: pa.Array, study_ids: pa.Array, dicom_ids: pa.Array) -> pa.Array:
    """Give the path of each image: `files/pXX/p<subject>/s<study>/<dicom>.jpg`."""
    return written("files/p{0:.2}/p{0}/s{1}/{2}.jpg", subject_ids, study_ids, dicom_ids)


def patient_folders(subject_ids: pa.Array) -> pa.Array:
    """Give the folder of each patient, `files/pXX/p<subject>`, which both projects have."""
    return written("files/p{0:.2}/p{0}", subject_ids)
