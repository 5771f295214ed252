"""MIMIC-IV drawn at random around the studies of a release: a minute more or less decides."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

from tests.differential.material import Table, csv_bytes
from tests.differential.reading import Row

_RACES = ("WHITE", "ASIAN", "OTHER", "UNKNOWN", "")
_STEPS = (-1440, -61, -2, -1, 0, 0, 1, 2, 59, 2000)


def write_records(images: list[Row], root: Path, rng: random.Random) -> None:
    """Write the tables into one of the forms in which they come.

    Args:
        images: Rows of the release.
        root: The folder, which is not there yet.
        rng: Draws everything.
    """
    is_old = rng.random() < 0.2
    race = "ethnicity" if is_old else "race"
    moments: dict[str, set[datetime]] = {}
    for image in images:
        times = moments.setdefault(str(image["subject_id"]), set())
        if image["study_date"] and image["study_time"]:
            times.add(datetime.fromisoformat(f"{image['study_date']} {image['study_time']}"))
    known = [subject for subject in sorted(moments) if rng.random() < 0.8]
    # One patient at least is known, and one has no film.
    subjects = sorted({*known, min(moments), "19999998"})
    patients = [_patient(subject, moments.get(subject, set()), rng) for subject in subjects]
    tables = {"patients": (("hosp", "core")[is_old], patients)}
    names = {"admissions": ("hadm_id", ("admittime", "dischtime"), "core" if is_old else "hosp"),
             "icustays": ("stay_id", ("intime", "outtime"), "icu"),
             "edstays": ("stay_id", ("intime", "outtime"), "ed")}  # fmt: skip
    has_ed, has_arrival = rng.random() < 0.6, rng.random() < 0.8
    for table, (key, times, folder) in names.items():
        if table == "edstays" and not has_ed:
            continue
        rows = [
            _stay(subject, key, times, moment, rng)
            for subject in sorted(moments)
            for moment in sorted(moments[subject])
            for _ in range(rng.choice((0, 1, 1, 2)))
        ] or [_stay(subjects[0], key, times, datetime(2150, 1, 1), rng)]
        for number, row in enumerate(rng.sample(rows, len(rows))):
            row[key] = str((20_000_000 if key == "hadm_id" else 30_000_000) + number)
            if table != "icustays":
                row[race if table == "admissions" else "race"] = rng.choice(_RACES)
            if table == "admissions" and has_arrival:
                row["edregtime"] = _shifted(row["admittime"], rng)
        tables[table] = (folder, rows)
    for table, (folder, rows) in tables.items():
        rng.shuffle(rows)
        names_ = list(rows[0])
        rng.shuffle(names_)
        (root / folder).mkdir(parents=True, exist_ok=True)
        content = csv_bytes(Table(names_, rows), rng)
        (root / folder / f"{table}.csv").write_bytes(content)


def _patient(subject: str, moments: set[datetime], rng: random.Random) -> dict[str, str]:
    year = min(moments).year if moments else 2150
    return {
        "subject_id": subject,
        "gender": rng.choice(("F", "M")),
        "anchor_age": str(rng.choice((18, 40, 88, 89, 91))),
        "anchor_year": str(year + rng.choice((-30, -2, -1, 0, 1, 5))),
    }


def _stay(
    subject: str, key: str, times: tuple[str, str], moment: datetime, rng: random.Random
) -> dict[str, str]:
    start = moment + timedelta(minutes=rng.choice(_STEPS), seconds=rng.choice((0, 0, 30)))
    end = moment + timedelta(minutes=rng.choice(_STEPS), seconds=rng.choice((0, 0, 30)))
    cells = [f"{time:%Y-%m-%d %H:%M:%S}" for time in (start, end)]
    if rng.random() < 0.1:
        cells[1] = ""
    return {"subject_id": subject, key: "", times[0]: cells[0], times[1]: cells[1]}


def _shifted(cell: str, rng: random.Random) -> str:
    if rng.random() < 0.3:
        return ""
    moment = datetime.fromisoformat(cell) - timedelta(minutes=rng.choice((0, 1, 2, 60, 1500)))
    return f"{moment:%Y-%m-%d %H:%M:%S}"
