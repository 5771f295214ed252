"""A release with MIMIC-IV of its patients, tables written by hand, and what was planned."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from cxr_datasets.testing import rewrite
from mimic_cxr_jpg.mimic_iv import open_mimic_iv
from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic.mimic_iv import Records, draw_records
from mimic_cxr_jpg.synthetic.studies import Study, draw_studies
from mimic_cxr_jpg.synthetic.times import arrange_times
from tests.helpers import made_once

PATIENTS, SEED, SCALE = 18, 3, 1 / 64


@dataclass(frozen=True)
class Linked:
    """A release, and MIMIC-IV.

    Attributes:
        release: Its folder.
        records: That of MIMIC-IV.
        studies: The studies that were drawn.
        planned: What was drawn for MIMIC-IV.
    """

    release: Path
    records: Path
    studies: list[Study]
    planned: Records


@pytest.fixture(scope="session")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    """Read only."""

    def make(out: Path) -> None:
        write_release(
            out / "release", patients=PATIENTS, seed=SEED, scale=SCALE, mimic_iv=str(out / "iv")
        )

    folder = made_once(tmp_path_factory, "linked-mimic", make)
    studies = draw_studies(PATIENTS, SEED, SCALE)
    arrange_times(studies)
    return Linked(folder / "release", folder / "iv", studies, draw_records(studies, SEED))


SUBJECT, OTHER = 10_000_032, 10_000_048
PATIENT = {"subject_id": SUBJECT, "gender": "F", "anchor_age": 52, "anchor_year": 2180}

Rows = Sequence[Mapping[str, object]]


def admission(hadm_id: int, start: str, end: str, **more: object) -> dict[str, object]:
    """A row of `admissions`, of `SUBJECT`."""
    return {
        "subject_id": SUBJECT, "hadm_id": hadm_id, "admittime": start, "dischtime": end,
        "edregtime": "", "race": f"RACE {hadm_id % 10}", **more,
    }  # fmt: skip


def stay(stay_id: int, start: str, end: str, **more: object) -> dict[str, object]:
    """A row of `icustays` or `edstays`, of `SUBJECT`."""
    return {"subject_id": SUBJECT, "stay_id": stay_id, "intime": start, "outtime": end, **more}


LONG_AGO = admission(20_000_009, "2100-01-01 00:00:00", "2100-01-01 00:01:00")
STAY_LONG_AGO = stay(30_000_009, "2100-01-01 00:00:00", "2100-01-01 00:01:00")


def write_tables(
    root: Path,
    patients: Rows = (PATIENT,),
    admissions: Rows = (LONG_AGO,),
    icustays: Rows = (STAY_LONG_AGO,),
    edstays: Rows = (),
) -> Path:
    """Write MIMIC-IV of a few rows; of `edstays` without rows no table."""
    for place, rows in (("hosp/patients", patients), ("hosp/admissions", admissions),
                        ("icu/icustays", icustays), ("ed/edstays", edstays)):  # fmt: skip
        if rows:
            lines = [list(rows[0]), *(row.values() for row in rows)]
            text = "".join(",".join(map(str, line)) + "\n" for line in lines)
            rewrite(root / f"{place}.csv.gz", gzip.compress(text.encode(), mtime=0))
    return root


def linked_columns(root: Path, *moments: str | None, subject: int = SUBJECT) -> pa.Table:
    """Link studies of one patient, made at such times, to the tables in a folder."""
    parted = [(moment or " ").split(" ") for moment in moments]
    images = pa.table({
        "study_id": pa.array(range(50_000_000, 50_000_000 + len(moments)), pa.int64()),
        "subject_id": pa.array([subject] * len(moments), pa.int64()),
        "study_date": pa.array([day or None for day, _ in parted], pa.string()),
        "study_time": pa.array([clock or None for _, clock in parted], pa.string()),
    })  # fmt: skip
    found = open_mimic_iv(str(root))
    return found.add(images, found.begin())
