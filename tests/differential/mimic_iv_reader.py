"""A slow reader of MIMIC-IV, in plain Python with the csv module, by the page docs/mimic_iv.md.

It must not import the project: what both would take from one place could be wrong in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from tests.differential.reading import Row, read_csv

COLUMNS = (
    *("sex", "age", "age_is_floor", "race", "hadm_id", "hadm_hits", "hadm_in_ed"),
    *("stay_id", "stay_hits", "ed_stay_id", "ed_stay_hits"),
)


def with_records(images: Sequence[Row], root: Path) -> list[Row]:
    """Add to rows of images what MIMIC-IV tells of their studies.

    Args:
        images: All images of the release, with `study_date` and `study_time`.
        root: The folder that holds the tables of MIMIC-IV.
    """
    tables = {
        name: _table(root, name) for name in ("patients", "admissions", "icustays", "edstays")
    }
    of_study: dict[int, Row] = {}
    for image in images:
        study = of_study.setdefault(image["study_id"], {"days": [], "times": []})
        study["subject_id"] = str(image["subject_id"])
        if image["study_date"] is not None:
            study["days"].append(date.fromisoformat(image["study_date"]))
            if image["study_time"] is not None:
                text = f"{image['study_date']} {image['study_time']}"
                study["times"].append(datetime.fromisoformat(text))
    told = {study_id: _told(study, tables) for study_id, study in of_study.items()}
    return [{**image, **told[image["study_id"]]} for image in images]


def _table(root: Path, name: str) -> list[Row] | None:
    for file in sorted(root.rglob(f"{name}.csv*")):
        return read_csv(file.read_bytes())
    return None


def _told(study: Row, tables: dict[str, list[Row] | None]) -> Row:
    told: Row = dict.fromkeys(COLUMNS)
    subject = study["subject_id"]
    found = [row for row in tables["patients"] or [] if row["subject_id"] == subject]
    if not found:
        return told
    told["sex"] = found[0]["gender"]
    anchor_age = int(found[0]["anchor_age"])
    if study["days"]:
        age = anchor_age + min(study["days"]).year - int(found[0]["anchor_year"])
        if age >= 0:
            told["age"] = 91 if age > 89 else age
            told["age_is_floor"] = age > 89 or anchor_age > 89
    if not study["times"]:
        return told
    minute = min(study["times"]).replace(second=0, microsecond=0)

    def holding(table: str, start: str, end: str, with_last: bool = True) -> list[Row]:
        key = "hadm_id" if table == "admissions" else "stay_id"
        held = []
        for row in tables[table] or []:
            first, last = _minute(row.get(start)), _minute(row.get(end))
            if row["subject_id"] != subject or first is None or last is None:
                continue
            if first <= minute and (minute <= last if with_last else minute < last):
                held.append((first, last, int(row[key]), row))
        return [row for *_, row in sorted(held, key=lambda one: one[:3])]

    inside = holding("admissions", "admittime", "dischtime")
    before = [] if inside else holding("admissions", "edregtime", "admittime", with_last=False)
    icu, ed = (holding(table, "intime", "outtime") for table in ("icustays", "edstays"))
    admissions = inside or before
    races = [row.get("race") or row.get("ethnicity") for row in (*admissions[-1:], *ed[-1:])]
    told |= {
        "race": next(filter(None, races), None),
        "hadm_id": int(admissions[-1]["hadm_id"]) if admissions else None,
        "hadm_hits": len(admissions),
        "hadm_in_ed": bool(before),
    }
    for name, held, table in (("stay", icu, "icustays"), ("ed_stay", ed, "edstays")):
        if tables[table] is not None:
            told[f"{name}_hits"] = len(held)
            told[f"{name}_id"] = int(held[-1]["stay_id"]) if held else None
    return told


def _minute(cell: str | None) -> datetime | None:
    return None if cell is None else datetime.fromisoformat(cell).replace(second=0)
