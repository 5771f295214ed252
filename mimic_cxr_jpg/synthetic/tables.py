"""Writing the tables of an invented release, each with its rows in an order of its own.

The headers are written out here, not taken from the loader, so that a slip in one of the two shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic.studies import Study


def _columns(header: str) -> tuple[str, ...]:
    return tuple(header.split(","))


_METADATA = _columns(
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,"
    "StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,"
    "PatientOrientationCodeSequence_CodeMeaning"
)
_SPLIT = _columns("dicom_id,study_id,subject_id,split")
_LABELS = _columns(
    "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,"
    "Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,"
    "Pneumothorax,Support Devices"
)
_RADIOLOGIST = _columns(
    "study_id,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Airspace Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,"
    "Fracture,Support Devices"
)

_VIEW_CODES = {
    "PA": "postero-anterior",
    "AP": "antero-posterior",
    "LATERAL": "lateral",
    "LL": "left lateral",
    "PA LLD": "postero-anterior",
    "AP LLD": "antero-posterior",
    "PA RLD": "postero-anterior",
    "AP RLD": "antero-posterior",
    "AP AXIAL": "antero-posterior axial",
    "XTABLE LATERAL": "lateral",
    "SWIMMERS": "lateral",
    "LAO": "left anterior oblique",
    "RAO": "right anterior oblique",
    "LPO": "left posterior oblique",
    "": "",
}


def write_csv_tables(
    root: Path, studies: Sequence[Study], seed: int, release: str, form: str
) -> None:
    """Write every table of a release.

    Args:
        root: The release's root.
        studies: What the tables are about.
        seed: Gives the order of the rows.
        release: `2.1.0`, or `2.0.0`, which has no radiologists' labels.
        form: `csv.gz` or `csv`; the radiologists' labels are never packed.
    """
    # In release 2.1.0 these four keep the names that they have in 2.0.0.
    rows_of: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
        "metadata": (_METADATA, _metadata_rows(studies)),
        "split": (_SPLIT, _split_rows(studies)),
        "chexpert": (_LABELS, _label_rows((study, study.chexpert) for study in studies)),
        "negbio": (_LABELS, _label_rows((study, study.negbio) for study in studies)),
    }
    for name, (header, rows) in rows_of.items():
        data = synthetic.csv_bytes(header, _shuffled(rows, seed, name))
        if form == "csv.gz":
            data = synthetic.gzip_bytes(data)
        (root / f"mimic-cxr-2.0.0-{name}.{form}").write_bytes(data)
    if release == "2.1.0":
        radiologists = _shuffled(_radiologist_rows(studies), seed, "radiologists")
        data = synthetic.csv_bytes(_RADIOLOGIST, radiologists)
        (root / "mimic-cxr-2.1.0-test-set-labeled.csv").write_bytes(data)


def _shuffled(rows: Iterable[Sequence[object]], seed: int, table: str) -> list[Sequence[object]]:
    """Put the rows in an order of the table's own, so that joining two tables by order fails."""
    shuffled = list(rows)
    synthetic.random_stream(seed, "row order", table).shuffle(shuffled)
    return shuffled


def _metadata_rows(studies: Iterable[Study]) -> Iterator[Sequence[object]]:
    for study in studies:
        procedure = _procedure([image.view for image in study.images])
        for image in study.images:
            yield (
                image.dicom_id,
                study.subject_id,
                study.study_id,
                procedure,
                image.view,
                *image.size,
                study.date,
                repr(study.time if image.time is None else image.time),
                procedure,
                _VIEW_CODES[image.view],
                image.orientation,
            )


def _procedure(views: Sequence[str]) -> str:
    if len(views) > 1 and "PA" in views:
        return "CHEST (PA AND LAT)"
    if all(view == "AP" for view in views):
        return "CHEST (PORTABLE AP)"
    return "CHEST (SINGLE VIEW)" if len(views) == 1 else ""


def _split_rows(studies: Iterable[Study]) -> Iterator[Sequence[object]]:
    for study in studies:
        for image in study.images:
            yield image.dicom_id, study.study_id, study.subject_id, study.split


def _label_rows(
    labelled: Iterable[tuple[Study, dict[str, int] | None]],
) -> Iterator[Sequence[object]]:
    for study, labels in labelled:
        if labels is not None:
            yield study.subject_id, study.study_id, *_label_cells(labels, _LABELS[2:])


def _radiologist_rows(studies: Iterable[Study]) -> Iterator[Sequence[object]]:
    for study in studies:
        if study.radiologist is not None:
            yield study.study_id, *_label_cells(study.radiologist, _RADIOLOGIST[1:])


def _label_cells(labels: dict[str, int], columns: Iterable[str]) -> list[str]:
    """Write labels as `1.0`, `0.0`, `-1.0` or nothing."""
    return [f"{labels[name]:.1f}" if name in labels else "" for name in columns]
