"""Writing the invented release: tables, images, checksums and reports."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, ImageOps

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic.frontal import Frontal
from mimic_cxr_jpg.synthetic.layers import write_layers
from mimic_cxr_jpg.synthetic.mimic_iv import write_records
from mimic_cxr_jpg.synthetic.studies import Study, StudyImage, draw_studies
from mimic_cxr_jpg.synthetic.tables import write_csv_tables
from mimic_cxr_jpg.synthetic.times import arrange_times

_RELEASES = ("2.1.0", "2.0.0")
_TABLES = ("csv.gz", "csv")
_LAYERS = ("none", "all")
_REPORTS = ("zip", "tar.gz", "tree", "none")

_LATERAL = {"LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"}
_OBLIQUE = {"LAO", "RAO", "LPO"}

# Label -> what of it is painted into the images.
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
    mimic_iv: str = "",
    layers: str = "none",
) -> Path:
    """Write an invented release of MIMIC-CXR-JPG.

    Args:
        out: The folder that becomes the release's root; empty or not there yet.
        patients: Patients, 3 to 100,000; each has about 2.2 studies and 3.8 images.
        seed: Another seed gives other ids, labels, texts and pixels; the same gives the same bytes.
        release: `2.1.0`, or `2.0.0`, which has no `IMAGE_FILENAMES` and no radiologists' labels.
        tables: `csv.gz`, or `csv` for unpacked tables.
        reports: `zip` or `tar.gz` for `mimic-cxr-reports.zip` or `.tar.gz` in the root, `tree` for
            text files in the patients' folders among the images, or `none`.
        scale: Share of the real image size, 1/64 to 1; at 1 an image has about 1.3 MB.
        mimic_iv: Folder for MIMIC-IV of the same patients, empty or not there yet; without one none
            is written. The release is the same with it and without.
        layers: `all` for a folder `layers` in the root, with invented annotations in the forms that
            the dataset knows: MS-CXR, Chest ImaGenome, CXR-LT, LLaVA-Rad, CheXmask, R2Gen; or
            `none`.

    Returns:
        The release's root.

    Raises:
        OptionError: An option's value is not allowed, or a folder is not empty.
    """
    synthetic.check_count("patients", patients, low=3, high=100_000)
    synthetic.check_choice("release", release, _RELEASES)
    synthetic.check_choice("tables", tables, _TABLES)
    synthetic.check_choice("reports", reports, _REPORTS)
    synthetic.check_choice("layers", layers, _LAYERS)
    synthetic.check_scale(scale)
    root = synthetic.new_root(out)
    records = synthetic.new_root(mimic_iv) if mimic_iv else None
    studies = draw_studies(patients, seed, scale)
    arrange_times(studies)
    write_csv_tables(root, studies, seed, release, tables)
    _write_images(root, studies, seed, release)
    _write_reports(root, studies, reports)
    if records is not None:
        write_records(records, studies, seed)
    if layers == "all":
        write_layers(root, studies, list(_frontals(studies, seed)), seed)
    synthetic.write_files(
        root,
        [
            ("README", _README.format(release=release, seed=seed).encode()),
            ("LICENSE.txt", _LICENSE.encode()),
        ],
    )
    return root


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
    view, rng = _view(image, seed)
    height, width = image.size
    pixels = synthetic.paint_radiograph(height, width, view=view, rng=rng, signs=_signs(study))
    return synthetic.jpeg_bytes(ImageOps.equalize(Image.fromarray(pixels)), quality=95)


def _view(image: StudyImage, seed: int) -> tuple[str, random.Random]:
    """The view that is painted, and the random stream from which the rest is drawn."""
    rng = synthetic.random_stream(seed, "pixels", image.dicom_id)
    if image.view in _LATERAL or (not image.view and rng.random() < 0.5):
        return "lateral", rng
    return ("oblique" if image.view in _OBLIQUE else "frontal"), rng


def _signs(study: Study) -> set[str]:
    """The findings that are painted."""
    return {_SIGNS[name] for name, value in study.labels.items() if value == 1 and name in _SIGNS}


def _frontals(studies: Iterable[Study], seed: int) -> Iterator[Frontal]:
    """The images that are painted from the front, and where in them the findings are."""
    for study in studies:
        for image in study.images:
            view, rng = _view(image, seed)
            if view == "frontal":
                build = synthetic.draw_build(view, rng)
                parts = synthetic.frontal_parts(build, _signs(study))
                yield Frontal(
                    study, image,
                    {name: build.in_pixels(box, *image.size) for name, box in parts.items()},
                )  # fmt: skip


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
