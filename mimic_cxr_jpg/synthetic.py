"""A small, wholly invented release of MIMIC-CXR-JPG, for tests and for trying out training code.

True to the release (2.1.0 or 2.0.0): every file name, path, table header, column order and form of
value; four tables that keep the prefix `2.0.0` in 2.1.0; the checksums (one space) and the list of
images; JPEGs that are greyscale, histogram-equalised, of quality 95 and of real sizes times
`scale`; every `ViewPosition`; blank views; study times with lost zeros and float noise; rows in
another order in each table; studies of one to four images; patient-disjoint splits; train studies
without label rows, CheXpert rows without labels, radiologists' labels for a part of the test
studies, without `subject_id` and under their own column order; reports as the separate project
gives them (see `mimic_cxr_jpg.synthetic_reports`). With 10 patients or more each of these is there.

Not true to it: counts and shares (`train`, `validate` and `test` are about 80, 10 and 10 % of the
patients; the real ones 98.8, 0.8 and 0.4 %; rare things are common here); one report or two are
missing on purpose, none is in the real release; the meanings written for rare view codes and the
names of procedures are only plausible; the column order of the radiologists' file is a guess; the
CheXpert and NegBio labels are drawn and not computed from the text. Ids are drawn at random, so
one may happen to be in the real release; that says nothing about it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageOps

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic_studies import Study, StudyImage, draw_studies

RELEASES = ("2.1.0", "2.0.0")
TABLES = ("csv.gz", "csv")
REPORTS = ("zip", "tar.gz", "tree", "none")


def _columns(header: str) -> tuple[str, ...]:
    return tuple(header.split(","))


# The header lines stand here on their own, and not as the loader knows them, so that a slip in one
# of the two shows.
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

_LATERAL = {"LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"}
_OBLIQUE = {"LAO", "RAO", "LPO"}
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

# What the labels show of themselves in the pixels.
_SIGNS = {
    "Cardiomegaly": "cardiomegaly",
    "Pleural Effusion": "effusion",
    "Consolidation": "opacity",
    "Lung Opacity": "opacity",
    "Pneumonia": "opacity",
    "Lung Lesion": "nodule",
    "Support Devices": "device",
}

_README = """\
This is NOT MIMIC-CXR-JPG. It is a synthetic release with the layout of MIMIC-CXR-JPG {release}:
every image, label, date, id and report in it was invented by a program (seed {seed}). No part of
it comes from a patient or from the real release, and nothing about either can be learnt from it.
"""
_LICENSE = """\
The files of this synthetic release were generated. They hold no data of any person, and may be
used, changed and shared by anyone for any purpose. They come with no warranty.
"""


def write_release(
    out: str | os.PathLike[str],
    *,
    patients: int = 50,
    seed: int = 0,
    release: str = "2.1.0",
    tables: str = "csv.gz",
    reports: str = "zip",
    scale: float = 1 / 16,
) -> Path:
    """Write an invented release of MIMIC-CXR-JPG.

    Args:
        out: The release's root, the folder that holds `files/`; empty or not there yet.
        patients: Patients, 3 or more; there are about 2.2 studies and 3.8 images to each.
        seed: Another seed gives other ids, labels, texts and pixels; the same gives the same bytes.
        release: `2.1.0`, or `2.0.0`, which has no `IMAGE_FILENAMES` and no radiologists' labels.
        tables: `csv.gz`, or `csv` for tables that were unpacked.
        reports: `zip` or `tar.gz` for `mimic-cxr-reports.<...>` in the root, `tree` for text files
            in the patients' folders of the image tree, or `none`.
        scale: Share of the real image size, 1/64 to 1; at 1 an image has about 1.3 MB.

    Returns:
        The release's root.

    Raises:
        OptionError: An option's value is not allowed, or `out` is not empty.
    """
    synthetic.check_count("patients", patients, low=3, high=100_000)
    synthetic.check_choice("release", release, RELEASES)
    synthetic.check_choice("tables", tables, TABLES)
    synthetic.check_choice("reports", reports, REPORTS)
    synthetic.check_scale(scale)
    root = synthetic.new_root(out)
    studies = draw_studies(patients, seed, scale)
    _write_tables(root, studies, seed, release, tables)
    _write_images(root, studies, seed, release)
    _write_reports(root, studies, reports)
    synthetic.write_files(
        root,
        [
            ("README", _README.format(release=release, seed=seed).encode()),
            ("LICENSE.txt", _LICENSE.encode()),
        ],
    )
    return root


def _write_tables(
    root: Path, studies: Sequence[Study], seed: int, release: str, tables: str
) -> None:
    # Release 2.1.0 kept the names of 2.0.0 for these four.
    rows_of: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
        "metadata": (_METADATA, _metadata_rows(studies)),
        "split": (_SPLIT, _split_rows(studies)),
        "chexpert": (_LABELS, _label_rows((study, study.chexpert) for study in studies)),
        "negbio": (_LABELS, _label_rows((study, study.negbio) for study in studies)),
    }
    for name, (header, rows) in rows_of.items():
        data = synthetic.csv_bytes(header, _shuffled(rows, seed, name))
        if tables == "csv.gz":
            data = synthetic.gzip_bytes(data)
        (root / f"mimic-cxr-2.0.0-{name}.{tables}").write_bytes(data)
    if release == "2.1.0":
        radiologists = _shuffled(_radiologist_rows(studies), seed, "radiologists")
        data = synthetic.csv_bytes(_RADIOLOGIST, radiologists)
        (root / "mimic-cxr-2.1.0-test-set-labeled.csv").write_bytes(data)


def _shuffled(rows: Iterable[Sequence[object]], seed: int, table: str) -> list[Sequence[object]]:
    """Put the rows in the table's own order, so that joining two tables by order fails."""
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
                repr(study.time),
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


def _write_images(root: Path, studies: Iterable[Study], seed: int, release: str) -> None:
    digests: dict[str, str] = {}
    for study in studies:
        for image in study.images:
            path, data = study.image_path(image), _jpeg(study, image, seed)
            synthetic.write_files(root, [(path, data)])
            digests[path] = hashlib.sha256(data).hexdigest()
    paths = sorted(digests)
    sums = "".join(f"{digests[path]} {path}\n" for path in paths)
    (root / "SHA256SUMS.txt").write_bytes(sums.encode())
    if release == "2.1.0":
        (root / "IMAGE_FILENAMES").write_bytes("".join(f"{path}\n" for path in paths).encode())


def _jpeg(study: Study, image: StudyImage, seed: int) -> bytes:
    rng = synthetic.random_stream(seed, "pixels", image.dicom_id)
    view = "frontal"
    if image.view in _LATERAL or (not image.view and rng.random() < 0.5):
        view = "lateral"
    elif image.view in _OBLIQUE:
        view = "oblique"
    signs = {_SIGNS[name] for name, value in study.labels.items() if value == 1 and name in _SIGNS}
    height, width = image.size
    pixels = synthetic.paint_radiograph(height, width, view=view, rng=rng, signs=signs)
    return synthetic.jpeg_bytes(ImageOps.equalize(Image.fromarray(pixels)), quality=95)


def _write_reports(root: Path, studies: Iterable[Study], reports: str) -> None:
    texts = sorted(
        (f"{study.patient_path}/s{study.study_id}.txt", study.report.encode())
        for study in studies
        if study.report is not None
    )
    if reports == "zip":
        synthetic.write_zip(root / "mimic-cxr-reports.zip", synthetic.with_folders(texts))
    elif reports == "tar.gz":
        synthetic.write_tar_gz(root / "mimic-cxr-reports.tar.gz", synthetic.with_folders(texts))
    elif reports == "tree":
        synthetic.write_files(root, texts)
