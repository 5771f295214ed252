"""The forms in which lists and tables of other people name an image, a study or a patient."""

from __future__ import annotations

from cxr_datasets.tables.id_forms import IdForm
from mimic_cxr_jpg.tables import DICOM_ID

ID_FORMS = (
    IdForm(
        "image_id",
        (f"(?P<id>{DICOM_ID.replace('(', '(?:')})",),
        "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d",
        ("dicom_id", "dicom", "dicom_ids", "image_path", "file_name"),
    ),
    IdForm("study_id", (r"s?(?P<id>5\d{7})",), "s50000000", ("study", "studies", "study_ids")),
    IdForm(
        "subject_id", (r"p?(?P<id>1\d{7})",), "p10000000",
        ("subject", "patient", "patient_id", "subject_ids", "patient_ids"),
    ),
)  # fmt: skip
"""As in `s50000000`, `files/p10/p10000000/s50000000/<dicom_id>.jpg`, `<dicom_id>.dcm`."""
