"""MIMIC-CXR-JPG: 377,110 chest radiographs of 227,835 studies of 65,379 patients.

The data are credentialed. They are read from a user's own copy, and nothing of them is here. The
README.md beside this file describes every column at length.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import datasets

from cxr_datasets.builder import (
    Column,
    CxrBuilder,
    CxrConfig,
    TaskNames,
    check_priors,
    label_feature,
    prior_columns,
    priors_option,
    text_labels_column,
    text_labels_option,
)
from cxr_datasets.columns import CONFIGS, SECTIONS
from mimic_cxr_jpg.access import ACCESS
from mimic_cxr_jpg.ids import ID_FORMS
from mimic_cxr_jpg.layers import LAYERS
from mimic_cxr_jpg.layouts import IMAGE_FORMS
from mimic_cxr_jpg.mimic_iv import COLUMNS as OF_MIMIC_IV
from mimic_cxr_jpg.mimic_iv import checked_address, mimic_iv_option, open_mimic_iv
from mimic_cxr_jpg.physionet import HOMEPAGE
from mimic_cxr_jpg.published import PUBLISHED
from mimic_cxr_jpg.publisher import PUBLISHER
from mimic_cxr_jpg.release import MimicRelease, open_release
from mimic_cxr_jpg.reports import REPORT_SECTIONS, RULES
from mimic_cxr_jpg.reports.rules import rules_of
from mimic_cxr_jpg.views import VIEW_POSITIONS

_TEXT = datasets.Value("string")

_SECTIONS_TOLD = {
    "last_paragraph": "last paragraph of a report that has neither findings nor impression"
}


@dataclass
class MimicCxrJpgConfig(CxrConfig):
    """Options of `CxrConfig`, and what is made of the reports."""

    reports: str | None = field(
        default=None,
        metadata={
            "help": "Address of the reports, which are a separate project, MIMIC-CXR: "
            "mimic-cxr-reports.zip, a .tar.gz or .tar of it, or the folder that holds its files/; "
            "or mimic_cxr_sectioned.csv, which has four sections only. Default: they are looked "
            "for in data_dir, above it and beside it, but not the last.",
            "place": True,
        },
    )
    section_rules: str = field(
        default=RULES[0],
        metadata={
            "help": "How reports are cut into sections: corrected loses no words, official does "
            "exactly what MIT-LCP's parser does. It changes nothing of mimic_cxr_sectioned.csv, "
            "which that parser made."
        },
    )
    labels_text: bool = text_labels_option(default=False)
    mimic_iv: str | None = mimic_iv_option()
    priors: int = priors_option()

    def check(self, raw_views: tuple[str, ...]) -> None:
        """Check the options' values.

        Raises:
            OptionError: One of them is not known.
        """
        super().check(raw_views)
        rules_of(self.section_rules, "section_rules")
        check_priors(self.priors)
        if self.mimic_iv is not None:
            self.mimic_iv = checked_address(self.mimic_iv)


class MimicCxrJpg(CxrBuilder):
    """Builder of MIMIC-CXR-JPG, releases 2.0.0 and 2.1.0.

    Its splits are the release's own: `train`, `validate`, which is called `validation` here, and
    `test`. Its core columns come from

    - the split table, which has a row for every image: `image_id`, `study_id` and `subject_id`,
      which make up the path of the JPEG;
    - the metadata table: `view`, from ViewPosition;
    - the CheXpert table: `labels`;
    - MIMIC-CXR, the project that has the reports: `report`, and the sections parsed from it.

    With `mimic_iv`, MIMIC-IV adds who the patient is, and in which stay the study was made.

    `height` and `width` are those of the release's file, also where `image_size` made the image
    smaller, or `images` names smaller ones.
    """

    BUILDER_CONFIG_CLASS = MimicCxrJpgConfig
    BUILDER_CONFIGS = [MimicCxrJpgConfig(name=name, version=CxrBuilder.VERSION) for name in CONFIGS]

    MEAN_IMAGE_BYTES = 1_624_000  # 570.3 GiB of 377,110 files
    IMAGE_SUFFIX = ".jpg"
    IMAGE_FORMS = IMAGE_FORMS
    ID_FORMS = ID_FORMS
    PUBLISHED = PUBLISHED
    ACCESS = ACCESS
    PUBLISHER = PUBLISHER
    TASK_NAMES = TaskNames(image_folder="files/", view_words="view_code")
    LAYERS = LAYERS
    SIZE_COLUMNS = ("width", "height")
    RAW_VIEWS = tuple(VIEW_POSITIONS)
    RAW_VIEW_COLUMN = "view_position"
    SOURCES = {
        "image": "the JPEG: 8-bit greyscale",
        "image_id": "`dicom_id`",
        "study_id": "`study_id`",
        "subject_id": "`subject_id`",
        "view": "from `ViewPosition`",
        "report": "untouched",
        "labels": "CheXpert's, from `mimic-cxr-2.0.0-chexpert.csv.gz`",
        "path": "`files/pXX/p<subject_id>/s<study_id>/<dicom_id>.jpg`; in a copy of another form, "
        "the place there",
    }
    COLUMNS = (
        Column("view_position", _TEXT, "image", "`ViewPosition` as it is"),
        Column(
            "labels_negbio", label_feature(), "study",
            "as `labels`, by NegBio: `mimic-cxr-2.0.0-negbio.csv.gz`",
        ),
        Column(
            "labels_radiologist", label_feature(), "study",
            "as `labels`, by a radiologist: `mimic-cxr-2.1.0-test-set-labeled.csv`, 687 studies",
        ),
        # From the section from which the release's own labels were read.
        text_labels_column("impression", "findings", "last_paragraph", "comparison"),
        # From the metadata table: what was done, how the patient stood or lay, size and time.
        Column("procedure", _TEXT, "image", "`PerformedProcedureStepDescription`"),
        Column("view_code", _TEXT, "image", "`ViewCodeSequence_CodeMeaning`"),
        Column("orientation", _TEXT, "image", "`PatientOrientationCodeSequence_CodeMeaning`"),
        Column(
            "height", datasets.Value("int32"), "image",
            "`Rows`: pixels of the release's file, not of what `image_size` or `images` gives",
        ),
        Column("width", datasets.Value("int32"), "image", "`Columns`: likewise"),
        # Text: `datasets` has no tensor of a date or a time.
        Column(
            "study_date", _TEXT, "study",
            "`StudyDate` as `2180-05-06`; shifted into the years 2100 to 2200",
        ),
        Column("study_time", _TEXT, "study", "`StudyTime` as `08:05:56.875`"),
        # Parsed from the report, beyond the core sections.
        *(
            Column(
                section, _TEXT, "study", _SECTIONS_TOLD.get(section, "section of the report"),
                is_section=True,
            )
            for section in REPORT_SECTIONS
            if section not in SECTIONS
        ),
        *OF_MIMIC_IV,
        # Of the patient's other studies, by `study_date`, `study_time`, then `study_id`.
        *prior_columns(),
    )  # fmt: skip

    INFO = {
        "description": "Chest radiographs with labels from free-text reports, de-identified.",
        "homepage": HOMEPAGE,
        "license": "PhysioNet Credentialed Health Data License 1.5.0",
        "citation": (
            "Johnson A, Lungren M, Peng Y, Lu Z, Mark R, Berkowitz S, Horng S. MIMIC-CXR-JPG - "
            "chest radiographs with structured labels (version 2.1.0). PhysioNet, 2024. "
            "doi:10.13026/jsn5-t979"
        ),
    }
    AGREEMENT = "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/"

    def open_release(self, config: MimicCxrJpgConfig) -> MimicRelease:
        """Find the tables, the reports if there are any, and MIMIC-IV if it is asked for."""
        needs_reports = config.name == "reports"
        release = open_release(
            config.data_dir, config.reports, needs_reports, self.options, config.connections,
            self._index_folder, config.section_rules,
        )  # fmt: skip
        if config.mimic_iv is not None:
            release.mimic_iv = open_mimic_iv(config.mimic_iv, self.options, config.connections)
        return release
