"""The rival of build.py: a loader as they are written by hand.

pandas reads and merges the tables, `zipfile` reads the reports, and for each row a generator looks
whether the image is there and yields a Python dict of the same columns as ours. It is a
`GeneratorBasedBuilder`, as every loading script for `datasets` is.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import datasets
import pandas as pd

from cxr_datasets.builder.features import config_features
from cxr_datasets.columns import LABELS, VIEWS
from mimic_cxr_jpg import MimicCxrJpg
from mimic_cxr_jpg.views import VIEW_POSITIONS

REPORTS = "zip/mimic-cxr-reports.zip"
FEATURES = config_features("images", MimicCxrJpg.COLUMNS)
VIEW_NUMBERS = {raw: VIEWS.index(view) for raw, view in VIEW_POSITIONS.items()}
HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")


@dataclass
class UsualConfig(datasets.BuilderConfig):
    """`rows`: how many to yield."""

    rows: int = 0


class Usual(datasets.GeneratorBasedBuilder):
    """Yields a dict a row."""

    BUILDER_CONFIG_CLASS = UsualConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator("train")]

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from _examples(self.config.data_dir, self.config.rows)


def _examples(root: str, rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    split, metadata, chexpert, negbio = (
        pd.read_csv(f"{root}/mimic-cxr-2.0.0-{name}.csv.gz")
        for name in ("split", "metadata", "chexpert", "negbio")
    )
    table = split.merge(metadata.drop(columns=["subject_id", "study_id"]), on="dicom_id")
    table = table.merge(chexpert, on=["subject_id", "study_id"], how="left")
    table = table.merge(negbio, on=["subject_id", "study_id"], how="left", suffixes=("", "_negbio"))
    with zipfile.ZipFile(f"{root}/{REPORTS}") as archive:
        for row in table.head(rows).to_dict("records"):
            folder = f"files/p{str(row['subject_id'])[:2]}/p{row['subject_id']}"
            report = archive.read(f"{folder}/s{row['study_id']}.txt").decode()
            path = f"{folder}/s{row['study_id']}/{row['dicom_id']}.jpg"
            example = {
                "image": f"{root}/{path}",
                "image_id": row["dicom_id"],
                "study_id": row["study_id"],
                "subject_id": row["subject_id"],
                "view": VIEW_NUMBERS.get(row["ViewPosition"], 3),
                "report": report,
                "labels": _labels(row, ""),
                "view_position": _present(row["ViewPosition"]),
                "labels_negbio": _labels(row, "_negbio"),
                "procedure": _present(row["PerformedProcedureStepDescription"]),
                "view_code": _present(row["ViewCodeSequence_CodeMeaning"]),
                "orientation": _present(row["PatientOrientationCodeSequence_CodeMeaning"]),
                "height": row["Rows"],
                "width": row["Columns"],
                "study_date": datetime.strptime(str(row["StudyDate"]), "%Y%m%d").date().isoformat(),
                "study_time": _time(row["StudyTime"]),
                "path": path,
                **_sections(report),
            }
            if os.path.exists(example["image"]):
                yield row["dicom_id"], {name: example.get(name) for name in FEATURES}


def _present(value: Any) -> Any:
    return None if pd.isna(value) else value


def _labels(row: dict[str, Any], suffix: str) -> dict[str, int | None]:
    values = {label: row[label + suffix] for label in LABELS}
    return {label: None if pd.isna(value) else int(value) for label, value in values.items()}


def _time(value: float) -> str:
    return datetime.strptime(f"{value:013.6f}", "%H%M%S.%f").time().isoformat("milliseconds")


def _sections(report: str) -> dict[str, str]:
    """Header and text in turn, as a loader without the official rules' details has them."""
    parts = HEADER.split(report)
    names = [name.strip().lower() for name in parts[1::2]]
    return {name: text.strip() for name, text in zip(names, parts[2::2], strict=True)}
