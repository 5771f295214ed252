"""MIMIC-IV for an invented release: who its patients are, and their stays around its studies.

What is true to MIMIC-IV 3.1 and MIMIC-IV-ED 2.2: the names of files and columns, their order, the
forms of ids and times; ages above 89 as 91; a race that differs from stay to stay of one patient;
patients who were only ever in the emergency department, without an admission; patients without any
row; times of admissions without seconds; a few rows without an end, or one before their start.

What is not: shares, and all columns that no loader here reads are filled plainly.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic.studies import Study

SITUATIONS = (
    "admitted", "intensive", "emergency", "before", "overlap", "none", "first_minute",
    "last_minute", "no_end", "backwards", "two_visits",
)  # fmt: skip
"""What a study may be in: an admission; intensive care in one; the emergency department, and home
again; the emergency department, and admitted from there; two admissions; nothing; the first or the
last minute of an admission; one without an end; one that ends before it begins; an admission with
two stays in intensive care, one after the other, that share a minute."""

PERSONS = ("usual", "usual", "over_89", "usual", "no_row", "turns_90", "usual", "emergency_only")
"""Patient by patient: those above 89 at the anchor, without a row, above 89 later, and those who
were in the emergency department only."""

_SAME_VISIT = timedelta(hours=12)
_MINUTE = timedelta(minutes=1)
_RACES = ("WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN", "HISPANIC/LATINO - PUERTO RICAN", "OTHER",
          "UNKNOWN")  # fmt: skip
_UNITS = ("Medical Intensive Care Unit (MICU)", "Surgical Intensive Care Unit (SICU)")

_PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"
_ADMISSIONS = (
    "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,"
    "admission_location,discharge_location,insurance,language,marital_status,race,edregtime,"
    "edouttime,hospital_expire_flag"
)
_ICUSTAYS = "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los"
_EDSTAYS = "subject_id,hadm_id,stay_id,intime,outtime,gender,race,arrival_transport,disposition"

_FILES: dict[str, tuple[str, str]] = {
    "patients": ("hosp/patients.csv.gz", _PATIENTS),
    "admissions": ("hosp/admissions.csv.gz", _ADMISSIONS),
    "icustays": ("icu/icustays.csv.gz", _ICUSTAYS),
    "edstays": ("ed/edstays.csv.gz", _EDSTAYS),
}

_README = """\
This is NOT MIMIC-IV. It belongs to a synthetic release of MIMIC-CXR-JPG: every patient, stay and
date in it was invented by a program (seed {seed}).
"""


@dataclass
class Records:
    """The rows of the tables, and what was planned.

    Attributes:
        persons: Patient -> one of `PERSONS`.
        situations: Study -> one of `SITUATIONS`, for patients with rows.
        tables: Table -> its rows.
    """

    persons: dict[int, str] = field(default_factory=dict)
    situations: dict[int, str] = field(default_factory=dict)
    tables: dict[str, list[tuple[object, ...]]] = field(
        default_factory=lambda: {name: [] for name in _FILES}
    )


def write_records(root: Path, studies: Sequence[Study], seed: int) -> Records:
    """Write MIMIC-IV, with the folder `ed/` of MIMIC-IV-ED, for the patients of some studies.

    Args:
        root: The folder, which is there and empty.
        studies: The studies of an invented release.
        seed: The release's.

    Returns:
        What was written.
    """
    records = draw_records(studies, seed)
    files = [("README.txt", _README.format(seed=seed).encode())]
    for name, (path, header) in _FILES.items():
        rows = list(records.tables[name])
        synthetic.random_stream(seed, "row order", name).shuffle(rows)
        files.append((path, synthetic.gzip_bytes(synthetic.csv_bytes(header.split(","), rows))))
    synthetic.write_files(root, files)
    return records


def draw_records(studies: Sequence[Study], seed: int) -> Records:
    """Draw the patients and their stays."""
    drawing = _Drawing(synthetic.random_stream(seed, "records"))
    by_patient: dict[int, list[Study]] = {}
    for study in sorted(studies, key=_moment):
        by_patient.setdefault(study.subject_id, []).append(study)
    for number, subject in enumerate(sorted(by_patient)):
        drawing.add_patient(subject, PERSONS[number % len(PERSONS)], by_patient[subject])
    drawing.add_others()
    return drawing.records


def _moment(study: Study) -> datetime:
    """When the first of its images was made."""
    time = min(study.time if image.time is None else image.time for image in study.images)
    clock, thousandths = divmod(round(time * 1000), 1000)
    day = datetime.strptime(str(study.date), "%Y%m%d")
    hours, rest = divmod(clock, 10_000)
    return day + timedelta(
        hours=hours, minutes=rest // 100, seconds=rest % 100, milliseconds=thousandths
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


@dataclass
class _Visit:
    """Studies of one patient that were made at nearly the same time, and the time that is free."""

    studies: list[Study]
    first: datetime
    last: datetime
    room: timedelta = timedelta(days=3)


def _visits(studies: Sequence[Study]) -> list[_Visit]:
    visits: list[_Visit] = []
    for study in studies:
        moment = _moment(study)
        if visits and moment - visits[-1].last < _SAME_VISIT:
            visits[-1].studies.append(study)
            visits[-1].last = moment
        else:
            visits.append(_Visit([study], moment, moment))
    for one, other in itertools.pairwise(visits):
        for visit in (one, other):
            visit.room = min(visit.room, (other.first - one.last) / 3)
    return visits


class _Drawing:
    """Draws patient after patient."""

    def __init__(self, rng: random.Random):
        self.records = Records()
        self._rng = rng
        self._hadm_ids = _ids(20_000_000, rng)
        self._stay_ids = _ids(30_000_000, rng)
        self._turn = 0

    def add_patient(self, subject: int, person: str, studies: Sequence[Study]) -> None:
        self.records.persons[subject] = person
        if person == "no_row":
            return
        year = _moment(studies[0]).year
        age = {"over_89": 91, "turns_90": 89}.get(person, self._rng.randint(18, 80))
        # The first admission may be before the first film or after it.
        year += 0 if person == "turns_90" else self._rng.randint(-2, 2)
        if person == "turns_90":
            year -= 3
        self._gender = self._rng.choice("FM")
        self._add("patients", subject, self._gender, age, year, "2011 - 2013", "")
        for visit in _visits(studies):
            if person == "emergency_only":
                situation = "emergency"
            else:
                situation = SITUATIONS[self._turn % len(SITUATIONS)]
                self._turn += 1
            self.records.situations |= {study.study_id: situation for study in visit.studies}
            self._add_visit(subject, situation, visit)

    def _add_visit(self, subject: int, situation: str, visit: _Visit) -> None:
        some = visit.room / 4
        start, end = _minute(visit.first - some), _minute(visit.last + some)
        early, late = _minute(visit.first - 2 * some), _minute(visit.last + 2 * some)
        first, last = _minute(visit.first), _minute(visit.last)
        if situation in ("admitted", "intensive", "two_visits"):
            hadm_id = self._admission(subject, early, late)
            if situation == "intensive":
                self._icu(subject, hadm_id, start, end + timedelta(seconds=17))
            if situation == "two_visits":
                self._icu(subject, hadm_id, start, first)
                self._icu(subject, hadm_id, first, end)
        elif situation == "emergency":
            self._ed(subject, "", start, end)
        elif situation == "before":
            hadm_id = self._admission(subject, end, late, arrived=start)
            self._ed(subject, hadm_id, start, end + _MINUTE)
        elif situation == "overlap":
            self._admission(subject, early, end)
            self._admission(subject, start, late)
        elif situation == "first_minute":
            self._admission(subject, first, end)
        elif situation == "last_minute":
            self._admission(subject, start, last)
        elif situation == "no_end":
            self._admission(subject, start, None)
        elif situation == "backwards":
            self._admission(subject, end, start)

    def add_others(self) -> None:
        """Add a patient who has no film, as most have none."""
        others = {10_000_000 + number for number in range(9)} - set(self.records.persons)
        subject = min(others)
        self._gender = "F"
        self._add("patients", subject, "F", 40, 2150, "2014 - 2016", "")
        self._admission(subject, datetime(2150, 3, 1, 8, 30), datetime(2150, 3, 4, 12, 0))

    def _admission(
        self, subject: int, start: datetime, end: datetime | None, arrived: datetime | None = None
    ) -> int:
        hadm_id = next(self._hadm_ids)
        self._add(
            "admissions", subject, hadm_id, start, end or "", "", "EW EMER.", "P00AB1",
            "EMERGENCY ROOM", "HOME", "Medicare", "English", "SINGLE", self._race(),
            arrived or "", start + _MINUTE if arrived else "", 0,
        )  # fmt: skip
        return hadm_id

    def _icu(self, subject: int, hadm_id: int, start: datetime, end: datetime) -> None:
        days = (end - start).total_seconds() / 86_400
        self._add("icustays", subject, hadm_id, next(self._stay_ids), *_UNITS, start, end, days)

    def _ed(self, subject: int, hadm_id: int | str, start: datetime, end: datetime) -> None:
        disposition = "ADMITTED" if hadm_id else "HOME"
        self._add("edstays", subject, hadm_id, next(self._stay_ids), start, end, self._gender,
                  self._race(), "AMBULANCE", disposition)  # fmt: skip

    def _race(self) -> str:
        return self._rng.choice(_RACES)

    def _add(self, table: str, *cells: object) -> None:
        self.records.tables[table].append(cells)


def _ids(low: int, rng: random.Random) -> Iterator[int]:
    """Ids that do not follow time, none of them twice."""
    seen: set[int] = set()
    while True:
        found = rng.randrange(low, low + 10_000_000)
        if found not in seen:
            seen.add(found)
            yield found
