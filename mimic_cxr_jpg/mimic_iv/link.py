"""The link: from the studies of a release to the rows of MIMIC-IV."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.storage.source import Stamp
from cxr_datasets.tables.keys import combined, find_keys, null_where
from cxr_datasets.tables.table import Table
from cxr_datasets.tables.workers import readers
from mimic_cxr_jpg.mimic_iv import tables
from mimic_cxr_jpg.mimic_iv.counts import say_found
from mimic_cxr_jpg.mimic_iv.holding import NONE, Held, find_holding
from mimic_cxr_jpg.mimic_iv.tables import File, Intervals
from mimic_cxr_jpg.times import moments_of

LAST_AGE, OVER_LAST_AGE = 89, 91
"""The highest age that MIMIC-IV tells, and what it has for all higher ones."""

_MOST_HITS = 127
_MS_PER_MINUTE = 60_000

_READERS = {
    "patients": tables.read_patients,
    "admissions": tables.read_admissions,
    "icustays": tables.read_stays,
    "edstays": tables.read_stays,
}

Reads = dict[str, Future[Table]]
"""Tables that are being read, by their names."""


@dataclass(frozen=True)
class MimicIv:
    """A copy of MIMIC-IV.

    Attributes:
        files: Table -> its file, for those that are there.
        ed_refusal: Why a server refuses MIMIC-IV-ED; empty if none does.
    """

    files: dict[str, File]
    ed_refusal: str = ""

    def stamps(self) -> list[Stamp]:
        """Stamps of the tables."""
        by_source: dict[str, list[File]] = {}
        for file in self.files.values():
            by_source.setdefault(file.source.root, []).append(file)
        return [
            stamp
            for files in by_source.values()
            for stamp in files[0].source.stamps([path for _, path in files])
        ]

    def begin(self) -> Reads:
        """Begin to read the tables, each in a thread if they are not small."""
        pool = readers(self.files.values())
        reads = {name: pool.submit(_READERS[name], file) for name, file in self.files.items()}
        pool.shutdown(wait=False)  # what was begun is done all the same
        return reads

    def add(self, images: pa.Table, reads: Reads) -> pa.Table:
        """Add the columns of `columns.COLUMNS` to a table of images.

        Args:
            images: A row per image of the whole release, as the index has them.
            reads: The tables.

        Raises:
            TableError: A table is broken, or is of MIMIC-III.
        """
        study, first, days, times = moments_of(images)
        subjects = combined(images["subject_id"]).take(first)
        own = pc.unique(subjects)
        read = {name: tables.of_patients(one.result(), own) for name, one in reads.items()}
        people = read["patients"]
        row = find_keys(subjects, combined(people.rows["subject_id"]))
        columns = _of_the_patient(people, row, days)
        of_the_stays, unusable = _of_the_stays(read, subjects, times, row.is_valid())
        columns |= of_the_stays
        without_ed = None if "edstays" in read else self.ed_refusal
        say_found(columns, subjects, row.is_valid(), people.address, unusable, without_ed)
        for name, column in columns.items():
            images = images.append_column(name, column.take(study))
        return images


def _of_the_patient(patients: Table, row: pa.Array, days: pa.Array) -> dict[str, pa.Array]:
    """Sex and age, for each study.

    Args:
        patients: The table.
        row: The study's row in it; null: it has none.
        days: The day of each study; null: not known.
    """
    sex, anchor_age, anchor_year = (
        combined(patients.rows[name]).take(row) for name in ("gender", "anchor_age", "anchor_year")
    )
    # As concepts/demographics/age.sql of MIT-LCP's mimic-code has it for admissions.
    years = pc.subtract(pc.cast(pc.year(days), pa.int32()), anchor_year)
    age = pc.add(anchor_age, years)
    age = null_where(pc.less(age, 0), age)
    is_over = pc.greater(age, LAST_AGE)
    age = pc.if_else(is_over, pa.scalar(OVER_LAST_AGE, pa.int32()), age)
    is_floor = pc.and_kleene(pc.or_(is_over, pc.greater(anchor_age, LAST_AGE)), age.is_valid())
    return {"sex": sex, "age": age, "age_is_floor": null_where(age.is_null(), is_floor)}


def _of_the_stays(
    read: dict[str, Table], subjects: pa.Array, times: pa.Array, known: pa.Array
) -> tuple[dict[str, pa.Array], dict[str, int]]:
    """Admission, stays and race, for each study.

    Args:
        read: The tables.
        subjects: The patient of each study.
        times: When each was made; null: not known.
        known: Whether the patient has a row in `patients`.

    Returns:
        The columns; and address of a table -> its rows that can hold no study.
    """
    asked = pc.and_(known, times.is_valid()).to_numpy(False)
    minutes = pc.fill_null(pc.cast(times, pa.int64()), 0).to_numpy() // _MS_PER_MINUTE

    def found(intervals: Intervals | None, among: np.ndarray = asked) -> _Found:
        return _Found.of(intervals, subjects.to_numpy(), minutes, among)

    admissions = read["admissions"]
    inside = found(tables.intervals(admissions, "hadm_id", "admittime", "dischtime"))
    in_ed = found(_before(admissions), among=asked & (inside.held.hits == 0))
    icu, ed = (found(_stays(read.get(name))) for name in ("icustays", "edstays"))
    hits = inside.held.hits + in_ed.held.hits
    columns = {
        "race": pc.coalesce(inside.take("race"), in_ed.take("race"), ed.take("race")),
        "hadm_id": pc.coalesce(inside.ids(), in_ed.ids()),
        "hadm_hits": _small(hits, asked),
        "hadm_in_ed": pa.array(in_ed.held.hits > 0, mask=~asked),
        "stay_id": icu.ids(),
        "stay_hits": _small(icu.held.hits, asked & icu.is_there),
        "ed_stay_id": ed.ids(),
        "ed_stay_hits": _small(ed.held.hits, asked & ed.is_there),
    }
    there = (one.intervals for one in (inside, icu, ed) if one.intervals is not None)
    return columns, {one.address: one.left_out for one in there}


def _before(admissions: Table) -> Intervals | None:
    """From the arrival in the emergency department to the minute before the admission."""
    if "edregtime" not in admissions.rows.column_names:
        return None
    return tables.intervals(admissions, "hadm_id", "edregtime", "admittime", before=True)


def _stays(table: Table | None) -> Intervals | None:
    return None if table is None else tables.intervals(table, "stay_id", "intime", "outtime")


def _small(hits: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(np.minimum(hits, _MOST_HITS).astype(np.int8), mask=~known)


@dataclass(frozen=True)
class _Found:
    """The intervals that hold the studies.

    Attributes:
        intervals: The intervals; None: their table is not there.
        held: Which of them hold which study.
    """

    intervals: Intervals | None
    held: Held

    @classmethod
    def of(
        cls,
        intervals: Intervals | None,
        subjects: np.ndarray,
        minutes: np.ndarray,
        among: np.ndarray,
    ) -> _Found:
        """Find them for those studies that are marked by `among`."""
        held = Held(np.full(len(among), NONE), np.zeros(len(among), np.int64))
        if intervals is not None:
            row, hits = find_holding(subjects[among], minutes[among], intervals)
            held.row[among], held.hits[among] = row, hits
        return cls(intervals, held)

    @property
    def is_there(self) -> bool:
        """Whether their table is there."""
        return self.intervals is not None

    def ids(self) -> pa.Array:
        """The id of the interval that holds each study; null if none does."""
        if self.intervals is None:
            return pa.nulls(len(self.held.row), pa.int64())
        return pa.array(self.intervals.ids, pa.int64()).take(self._rows())

    def take(self, name: str) -> pa.Array:
        """A column of text of the interval that holds each study; null if none does."""
        if self.intervals is None or name not in self.intervals.rows.column_names:
            return pa.nulls(len(self.held.row), pa.string())
        return combined(self.intervals.rows[name]).take(self._rows())

    def _rows(self) -> pa.Array:
        return pa.array(self.held.row, mask=self.held.row == NONE)
