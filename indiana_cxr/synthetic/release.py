"""Writing the invented release: the two tables and the images."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cxr_datasets import synthetic
from indiana_cxr.synthetic.studies import Study, StudyImage, draw_studies

LAYOUTS = {
    "images_normalized": "images/images_normalized/",
    "images": "images/",
    "flat": "",
    "zip": "images/images_normalized/",
}
"""Layout -> folder of the images, from the root or within `archive.zip`."""

_PROJECTIONS = ("uid", "filename", "projection")
_REPORTS = (
    *("uid", "MeSH", "Problems", "image"),
    *("indication", "comparison", "findings", "impression"),
)


def write_release(
    out: str | os.PathLike[str],
    *,
    studies: int = 60,
    seed: int = 0,
    layout: str = "images_normalized",
    scale: float = 1 / 16,
) -> Path:
    """Write an invented copy of the Indiana University chest X-rays.

    Args:
        out: The folder that becomes the release's root; empty or not there yet.
        studies: Studies, each a patient with one report and 1 to 5 images; 3 to 3,500.
        seed: Another seed gives other uids, texts and pixels; the same gives the same bytes.
        layout: Where the images are: `images_normalized` for `images/images_normalized/`,
            `images` for `images/`, `flat` for beside the tables; `zip` for one `archive.zip` that
            holds what `images_normalized` would write.
        scale: Share of the real image size, 1/64 to 1; at 1 an image has about 1.5 MB.

    Returns:
        The release's root.

    Raises:
        OptionError: An option's value is not allowed, or `out` is not empty.
    """
    synthetic.check_count("studies", studies, low=3, high=3500)
    synthetic.check_choice("layout", layout, LAYOUTS)
    synthetic.check_scale(scale)
    root = synthetic.new_root(out)
    drawn = draw_studies(studies, seed, scale)
    if layout == "zip":
        synthetic.write_zip(root / "archive.zip", _members(drawn, seed, LAYOUTS[layout]))
    else:
        synthetic.write_files(root, _members(drawn, seed, LAYOUTS[layout]))
    return root


def _members(studies: Sequence[Study], seed: int, folder: str) -> Iterator[tuple[str, bytes]]:
    """Give every file of the release: first the tables, then the images."""
    yield "indiana_projections.csv", synthetic.csv_bytes(_PROJECTIONS, _projection_rows(studies))
    yield "indiana_reports.csv", synthetic.csv_bytes(_REPORTS, map(_report_row, studies))
    cut = next(image for study in studies for image in study.unlisted)
    for study in studies:
        for image in study.images:
            yield folder + image.name, _png(image, study.signs, seed)
        for image in study.unlisted:
            data = _png(image, study.signs, seed, turned=True)
            yield folder + image.name, data[: len(data) // 2] if image is cut else data


def _projection_rows(studies: Sequence[Study]) -> Iterator[Sequence[object]]:
    for study in studies:
        for image in study.images:
            yield study.uid, image.name, image.projection


def _report_row(study: Study) -> Sequence[object]:
    headings = (term.split("/")[0] for term in study.terms)
    texts = (study.texts[column] for column in _REPORTS[3:])
    return study.uid, ";".join(study.terms), ";".join(headings), *texts


def _png(image: StudyImage, signs: Collection[str], seed: int, *, turned: bool = False) -> bytes:
    height, width = image.size
    pixels = synthetic.paint_radiograph(
        height,
        width,
        view=image.shown.lower(),
        rng=synthetic.random_stream(seed, "pixels", image.name),
        signs=signs,
    )
    return synthetic.png_bytes(Image.fromarray(np.rot90(pixels) if turned else pixels))
