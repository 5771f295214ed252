"""The tables of MIMIC-IV: the columns that are read, and their checks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table
from mimic_cxr_jpg.tables import SUBJECT_IDS

_KEYS = ("hadm_id", "stay_id")
"""Columns of ids of rows; of a table without them a patient has one row."""

_OLDEST = 120
_YEARS = (1900, 2300)
_SECONDS_A_MINUTE = 60


class File(NamedTuple):
    """A file of a table, and where it is."""

    source: Source
    path: str


class Intervals(NamedTuple):
    """Rows of a table that each last from one time to another.

    Attributes:
        address: Where the table is.
        rows: Its rows.
        subjects: The patient of each, int64.
        ids: Its id, int64.
        start: The minute in which it began, since 1970, int64.
        end: The minute in which it ended; it is not before `start`.
        left_out: How many rows are not here because they have no such start and end.
    """

    address: str
    rows: pa.Table
    subjects: np.ndarray
    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    left_out: int


def read_patients(file: File) -> Table:
    """Read who the patients are: `subject_id`, `gender`, `anchor_age`, `anchor_year`.

    Raises:
        TableError: The table is broken, or is of MIMIC-III.
    """
    columns = {
        "subject_id": pa.int64(), "gender": pa.string(),
        "anchor_age": pa.int32(), "anchor_year": pa.int32(),
    }  # fmt: skip
    table = read_table(*file, columns)
    table.check_filled("subject_id")
    _refuse_others(table)
    table.check_values("gender", ("F", "M"))
    return table.check_range("anchor_age", 0, _OLDEST).check_range("anchor_year", *_YEARS)


def _refuse_others(table: Table) -> None:
    """Require that the ids can be those of MIMIC-IV."""
    highest = pc.max(table["subject_id"]).as_py()
    if highest < SUBJECT_IDS[0]:
        raise TableError(
            f"{table.address}: the highest subject_id is {highest}; expected ids from "
            f"{SUBJECT_IDS[0]} to {SUBJECT_IDS[1]}, which are those of MIMIC-CXR. This may be "
            "MIMIC-III, whose ids are of other patients: pass a copy of MIMIC-IV."
        )
    table.check_range("subject_id", *SUBJECT_IDS)


def read_admissions(file: File) -> Table:
    """Read the admissions: `subject_id`, `hadm_id`, `race`, and when they began and ended.

    Before release 2.0 the race is called `ethnicity`; `edregtime` may be absent.

    Raises:
        TableError: The table is broken.
    """
    times = ("admittime", "dischtime", "edregtime")
    table = _read_stays(file, "hadm_id", times, ("race", "ethnicity"))
    names = table.rows.column_names
    if "race" in names:
        return table
    if "ethnicity" not in names:
        raise TableError(
            f"{table.address} has no column 'race' (nor 'ethnicity', its name before release 2.0). "
            "Use the release's own file, with its header unchanged."
        )
    renamed = ["race" if name == "ethnicity" else name for name in names]
    return Table(table.address, table.rows.rename_columns(renamed))


def read_stays(file: File) -> Table:
    """Read stays in intensive care or in the emergency department, which may tell a `race`.

    Raises:
        TableError: The table is broken.
    """
    return _read_stays(file, "stay_id", ("intime", "outtime"), ("race",))


def _read_stays(file: File, key: str, times: Collection[str], texts: Collection[str]) -> Table:
    columns = {
        "subject_id": pa.int64(), key: pa.int64(), **dict.fromkeys(times, pa.timestamp("s")),
        **dict.fromkeys(texts, pa.string()),
    }  # fmt: skip
    table = read_table(*file, columns, optional=[*texts, "edregtime"])
    return table.check_filled("subject_id", key)


def of_patients(table: Table, subjects: pa.Array) -> Table:
    """Keep the rows of some patients.

    Raises:
        TableError: An id of theirs stands twice.
    """
    kept = pc.is_in(table["subject_id"], value_set=subjects)
    some = Table(table.address, table.rows.filter(kept).combine_chunks())
    key = next((name for name in _KEYS if name in some.rows.column_names), "subject_id")
    return some.check_unique(key) if some.rows.num_rows else some


def intervals(table: Table, key: str, start: str, end: str, before: bool = False) -> Intervals:
    """Give the rows that last from one time to another.

    Args:
        table: The rows.
        key: Its column of ids.
        start: Its column of when each began.
        end: Its column of when each ended.
        before: Whether the last minute does not belong to it.
    """
    first, last = (_minutes(combined(table.rows[name])) for name in (start, end))
    if before:
        last = pc.subtract(last, 1)
    usable = pc.fill_null(pc.less_equal(first, last), False)
    rows = table.rows.filter(usable)
    ids, subjects = (combined(rows[name]).to_numpy() for name in (key, "subject_id"))
    return Intervals(
        table.address, rows, subjects, ids, start=first.filter(usable).to_numpy(),
        end=last.filter(usable).to_numpy(), left_out=table.rows.num_rows - rows.num_rows,
    )  # fmt: skip


def _minutes(times: pa.Array) -> pa.Array:
    """Give moments as minutes since 1970, int64; null where there is none."""
    seconds = pc.fill_null(pc.cast(times, pa.int64()), 0).to_numpy()
    return pa.array(seconds // _SECONDS_A_MINUTE, mask=times.is_null().to_numpy(False))
