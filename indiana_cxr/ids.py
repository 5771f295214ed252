"""The forms in which lists and tables of other people name an image or a study."""

from __future__ import annotations

from cxr_datasets.tables.id_forms import IdForm

_STUDY = (
    r"0*(?P<id>\d{1,9})(?:\.0+)?",
    r"(?:.*/)?CXR0*(?P<id>\d{1,9})(?:_[\dA-Z_-]+)?(?:/\d|/|)(?:\.[A-Za-z]+)*",
)
"""The uid, or what Open-i and R2Gen make of it: `CXR12`, `CXR12_IM-0001`, `CXR12_IM-0001/0.png`."""

ID_FORMS = (
    IdForm(
        "image_id",
        (r"(?P<id>\d+_IM-\d{4}-\d+(?:-\d+)?)",),
        "1_IM-0001-4001",
        ("image", "filename", "file_name", "image_path", "image_ids"),
    ),
    IdForm(
        "study_id", _STUDY, "1", ("uid", "study", "uids", "study_ids"),
        in_path=False,
    ),
    # The release does not name patients: each study is another one's.
    IdForm(
        "subject_id", _STUDY, "1", ("subject", "patient", "patient_id"),
        by_pattern=False, in_path=False,
    ),
)  # fmt: skip
