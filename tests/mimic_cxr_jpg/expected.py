"""The rows that a release of MIMIC-CXR-JPG must give, made one cell at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from cxr_datasets.testing import read_table
from cxr_datasets.testing.expected import LABELS
from mimic_cxr_jpg.reports import REPORT_SECTIONS, parse_sections

Row = dict[str, Any]

VIEW_OF = {
    **dict.fromkeys(("PA", "AP", "AP AXIAL", "AP LLD", "AP RLD", "PA LLD", "PA RLD"), 0),
    **dict.fromkeys(("LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"), 1),
    **dict.fromkeys(("LAO", "RAO", "LPO", "RPO"), 2),
}
ORDER = ("PA", "AP", 0, "LATERAL", 1, 2, 3)
SPLIT_NAMES = {"train": "train", "validate": "validation", "test": "test"}
OF_STUDY = (
    *("study_id", "subject_id", "split", "report", "labels", "labels_negbio"),
    *("labels_radiologist", "study_date", "study_time", *REPORT_SECTIONS),
)


def by(key: str, table: pd.DataFrame) -> dict[str, Row]:
    return {row[key]: row for row in table.to_dict("records")}


def label_struct(row: Row | None, names: dict[str, str] | None = None) -> Row | None:
    if row is None:
        return None
    cells = {label: row[(names or {}).get(label, label)] for label in LABELS}
    return {label: int(float(cell)) if cell else None for label, cell in cells.items()}


def clock(text: str) -> str | None:
    """Read `80556.875` as `08:05:56.875`, in decimal arithmetic."""
    if not text:
        return None
    exact = Decimal(text).quantize(Decimal("0.001"), ROUND_HALF_EVEN)
    digits = f"{exact:010.3f}"
    return f"{digits[0:2]}:{digits[2:4]}:{digits[4:]}"


def day(text: str) -> str | None:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if text else None


def zipped_texts(archive: Path) -> dict[str, str]:
    """Study id -> the text of its report."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.endswith(".txt")]
        return {Path(name).stem[1:]: opened.read(name).decode() for name in names}


def find(root: Path, table: str) -> Path:
    (file,) = root.glob(f"mimic-cxr-*-{table}.csv*")
    return file


def expected_images(root: Path) -> list[Row]:
    """Give all rows of config `images`."""
    metadata = by("dicom_id", read_table(find(root, "metadata")))
    chexpert = by("study_id", read_table(find(root, "chexpert")))
    negbio = by("study_id", read_table(find(root, "negbio")))
    has_radiologist = list(root.glob("*test-set-labeled*"))
    radiologist = (
        by("study_id", read_table(find(root, "test-set-labeled"))) if has_radiologist else {}
    )
    archive = root / "mimic-cxr-reports.zip"
    texts = zipped_texts(archive) if archive.exists() else {}
    rows = []
    for spine in read_table(find(root, "split")).to_dict("records"):
        about, study = metadata[spine["dicom_id"]], spine["study_id"]
        rows.append(
            {
                "split": SPLIT_NAMES[spine["split"]],
                "image_id": spine["dicom_id"],
                "study_id": int(study),
                "subject_id": int(spine["subject_id"]),
                "view": VIEW_OF.get(about["ViewPosition"], 3),
                "report": texts.get(study),
                "labels": label_struct(chexpert.get(study)),
                "view_position": about["ViewPosition"] or None,
                "labels_negbio": label_struct(negbio.get(study)),
                "labels_radiologist": label_struct(
                    radiologist.get(study), {"Lung Opacity": "Airspace Opacity"}
                ),
                "procedure": about["PerformedProcedureStepDescription"] or None,
                "view_code": about["ViewCodeSequence_CodeMeaning"] or None,
                "orientation": about["PatientOrientationCodeSequence_CodeMeaning"] or None,
                "height": int(about["Rows"]),
                "width": int(about["Columns"]),
                "study_date": day(about["StudyDate"]),
                "study_time": clock(about["StudyTime"]),
                "path": f"files/p{spine['subject_id'][:2]}/p{spine['subject_id']}/s{study}/"
                f"{spine['dicom_id']}.jpg",
            }
        )
    rows = [row for split in SPLIT_NAMES.values() for row in rows if row["split"] == split]
    sections = parse_sections(pa.array([row["report"] for row in rows], pa.string()))
    for name, column in sections.items():
        for row, text in zip(rows, column.to_pylist(), strict=True):
            row[name] = text
    return rows


def expected_studies(images: Iterable[Row]) -> list[Row]:
    """Give all rows of config `studies`, made of those of `images`."""
    studies: dict[int, list[Row]] = {}
    for image in images:
        studies.setdefault(image["study_id"], []).append(image)
    rows = []
    for of_study in studies.values():
        best_first = sorted(of_study, key=rank)
        row = {name: best_first[0][name] for name in OF_STUDY}
        for name in set(of_study[0]) - set(OF_STUDY):
            row[f"{name}s"] = [image[name] for image in best_first]
        rows.append(row)
    return rows


def rank(image: Row) -> int:
    """Rank a view in the documented order: PA, AP, other frontal, LATERAL or LL, other, unknown."""
    position = "LATERAL" if image["view_position"] == "LL" else image["view_position"]
    return ORDER.index(position if position in ORDER else image["view"])
