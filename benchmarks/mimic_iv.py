"""What does the link to MIMIC-IV cost, beside reading the columns that it needs with pyarrow?

MIMIC-IV is invented, with as many rows as release 3.1 has, and MIMIC-IV-ED 2.2. Both contenders
begin with packed CSV files. Ours checks them, and links the 227,835 studies of the release.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from build import build
from harness import Ratio, clock, main
from pyarrow import csv
from release import folder, full_release, made, scale

from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.join import TableReads, read_index
from mimic_cxr_jpg.mimic_iv import open_mimic_iv

PATIENTS, ADMISSIONS, ICUSTAYS, EDSTAYS = 364_627, 546_028, 94_458, 425_087
SEED = 31
READ = {
    "hosp/patients.csv.gz": ["subject_id", "gender", "anchor_age", "anchor_year"],
    "hosp/admissions.csv.gz": [
        "subject_id", "hadm_id", "admittime", "dischtime", "race", "edregtime"
    ],
    "icu/icustays.csv.gz": ["subject_id", "stay_id", "intime", "outtime"],
    "ed/edstays.csv.gz": ["subject_id", "stay_id", "intime", "outtime", "race"],
}  # fmt: skip


def records() -> Path:
    """Root of MIMIC-IV; made if it is not there."""
    return made(folder() / f"mimic-iv-{scale():g}", _write)


def _write(root: Path) -> None:
    rng = np.random.default_rng(SEED)
    subjects = np.unique(_images()["subject_id"].to_numpy())
    others = np.setdiff1d(np.arange(10_000_000, 20_000_000), subjects)
    known = rng.permutation(subjects)[: int(0.95 * len(subjects))]
    subjects = np.concatenate([known, rng.permutation(others)[: PATIENTS - len(known)]])
    patients = pa.table({
        "subject_id": subjects, "gender": rng.choice(["F", "M"], PATIENTS),
        "anchor_age": rng.integers(18, 92, PATIENTS), "anchor_year": _years(PATIENTS, rng),
        "anchor_year_group": ["2011 - 2013"] * PATIENTS, "dod": [""] * PATIENTS,
    })  # fmt: skip
    # Those with films are in the hospital more often than others.
    often = np.concatenate([np.repeat(known, 4), subjects])
    _write_csv(root / "hosp/patients.csv.gz", patients)
    _write_csv(root / "hosp/admissions.csv.gz", _admissions(often, rng))
    _write_csv(root / "icu/icustays.csv.gz", _stays(often, ICUSTAYS, rng))
    _write_csv(root / "ed/edstays.csv.gz", _stays(often, EDSTAYS, rng))


def _admissions(subjects: np.ndarray, rng: np.random.Generator) -> pa.Table:
    start, end = _times(ADMISSIONS, rng)
    words = dict.fromkeys(
        ("admission_type", "admission_location", "discharge_location", "insurance", "language",
         "marital_status"), ["SOME WORDS OF IT"] * ADMISSIONS,
    )  # fmt: skip
    return pa.table({
        "subject_id": rng.choice(subjects, ADMISSIONS),
        "hadm_id": 20_000_000 + rng.permutation(ADMISSIONS),
        "admittime": start, "dischtime": end, "deathtime": [""] * ADMISSIONS, **words,
        "race": rng.choice(["WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN - CHINESE"], ADMISSIONS),
        "edregtime": start, "edouttime": end,
        "hospital_expire_flag": rng.integers(0, 2, ADMISSIONS),
    })  # fmt: skip


def _stays(subjects: np.ndarray, rows: int, rng: np.random.Generator) -> pa.Table:
    start, end = _times(rows, rng)
    return pa.table({
        "subject_id": rng.choice(subjects, rows),
        "hadm_id": 20_000_000 + rng.integers(0, ADMISSIONS, rows),
        "stay_id": 30_000_000 + rng.permutation(rows),
        "first_careunit": ["Medical Intensive Care Unit (MICU)"] * rows,
        "intime": start, "outtime": end, "race": ["WHITE"] * rows,
    })  # fmt: skip


def _years(rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(2110, 2196, rows)


def _times(rows: int, rng: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    low, high = (np.datetime64(day, "s").astype(int) for day in ("2105-01-01", "2205-01-01"))
    start = rng.integers(low // 60, high // 60, rows) * 60
    end = start + 60 * rng.integers(60, 60 * 24 * 10, rows)
    return tuple(
        pc.strftime(pa.array(some, pa.int64()).cast(pa.timestamp("s")), format="%Y-%m-%d %H:%M:%S")
        for some in (start, end)
    )


def _write_csv(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.CompressedOutputStream(str(path), "gzip") as out:
        csv.write_csv(table, out, csv.WriteOptions(quoting_style="none"))


def _images() -> pa.Table:
    source = open_place(str(full_release()))
    return read_index(TableReads(source, tables.find_tables(source)), None, str(folder()))


def bare() -> float:
    """Read the columns with pyarrow, one table after another."""
    root = records()
    start = clock()
    for path, names in READ.items():
        csv.read_csv(root / path, convert_options=csv.ConvertOptions(include_columns=names))
    return clock() - start


def linked() -> float:
    """Read and link them."""
    images, root = _images(), records()
    start = clock()
    found = open_mimic_iv(str(root))
    found.add(images, found.begin())
    return clock() - start


CONTENDERS = {
    "pyarrow": bare,
    "linked": linked,
    "images": lambda: build("images"),
    "images, mimic_iv": lambda: build("images", mimic_iv=str(records())),
}
RATIOS = [
    Ratio("linked / pyarrow reads the columns", "linked", "pyarrow", "<= 2.0"),
    Ratio("images: with mimic_iv / without", "images, mimic_iv", "images"),
]

if __name__ == "__main__":
    records()
    main("the link to MIMIC-IV, of the whole release", CONTENDERS, RATIOS, rounds=3)
