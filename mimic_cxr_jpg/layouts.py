"""The forms in which people have the images: other suffixes, other folders, other projects."""

from __future__ import annotations

from cxr_datasets.builder.forms import ImageForms
from mimic_cxr_jpg.physionet import HOMEPAGE

_TREE, _FLAT = "pXX/p<subject_id>/s<study_id>/<dicom_id>", "<dicom_id>"
_LAYOUTS = {
    f"files/{_TREE}": r"files/\1/\2",
    _TREE: r"\1/\2",
    _FLAT: r"\2",
    f"images/{_TREE}": r"images/\1/\2",
    f"images/{_FLAT}": r"images/\2",
    f"files/{_FLAT}": r"files/\2",
    f"files/files/{_TREE}": r"files/files/\1/\2",
}

IMAGE_FORMS = ImageForms(
    path=r"files/(p\d+/p\d+/s\d+)/([^/]+)",
    layouts=_LAYOUTS,
    others={
        r".*\.dcm": (
            "These are the DICOM files of MIMIC-CXR, another project: pass as images= a copy of "
            "the JPEGs of MIMIC-CXR-JPG, or of PNGs made from either."
        ),
        r"cxr-(record|study)-list.*": (
            "This is MIMIC-CXR, the project of DICOM files and reports; pass it as reports=, and "
            f"as data_dir a copy of MIMIC-CXR-JPG from {HOMEPAGE}."
        ),
        r"annotation\.json": (
            "This is another release: the folder that R2Gen and others made of MIMIC-CXR "
            f"(annotation.json and images/). Pass as data_dir a copy of MIMIC-CXR-JPG, which has "
            f"the tables, from {HOMEPAGE}, and this folder as images=."
        ),
    },
)
"""Smaller copies keep the tree, leave out its `files/`, or are flat; R2Gen's has `images/`."""
