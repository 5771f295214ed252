"""MIMIC-CXR-JPG: 377,110 chest radiographs of 227,835 studies, with labels and reports.

The data are credentialed: they are read from a user's own copy and nothing of them is here. See
README.md beside this file for the columns and options.
"""

from __future__ import annotations

from dataclasses import dataclass

import datasets

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.features import Column, label_feature
from cxr_datasets.columns import CONFIGS, SECTIONS
from mimic_cxr_jpg.release import HOMEPAGE, MimicRelease, open_release
from mimic_cxr_jpg.reports import REPORT_SECTIONS
from mimic_cxr_jpg.views import VIEW_POSITIONS


@dataclass
class MimicCxrJpgConfig(CxrConfig):
    """Options of `CxrConfig`, and where the reports are.

    Attributes:
        reports: Address of the reports of the separate project MIMIC-CXR:
            `mimic-cxr-reports.zip`, a `.tar.gz` of them, or the folder that holds their `files/`.
            None: looked for in `data_dir`, above it and beside it.
    """

    reports: str | None = None


class MimicCxrJpg(CxrBuilder):
    """Builder of MIMIC-CXR-JPG, releases 2.0.0 and 2.1.0."""

    BUILDER_CONFIG_CLASS = MimicCxrJpgConfig
    BUILDER_CONFIGS = [MimicCxrJpgConfig(name=name, version=CxrBuilder.VERSION) for name in CONFIGS]

    RAW_VIEWS = tuple(VIEW_POSITIONS)
    RAW_VIEW_COLUMN = "view_position"
    COLUMNS = (
        # From the metadata table, one value an image.
        Column("view_position", datasets.Value("string"), "image"),
        # From the NegBio table, and from the radiologist's labels of part of the test split.
        Column("labels_negbio", label_feature(), "study"),
        Column("labels_radiologist", label_feature(), "study"),
        # From the metadata table again.
        Column("procedure", datasets.Value("string"), "image"),
        Column("view_code", datasets.Value("string"), "image"),
        Column("orientation", datasets.Value("string"), "image"),
        Column("height", datasets.Value("int32"), "image"),
        Column("width", datasets.Value("int32"), "image"),
        Column("study_date", datasets.Value("date32"), "study"),
        Column("study_time", datasets.Value("time32[ms]"), "study"),
        # Parsed from the report, beyond the four core sections.
        *(
            Column(name, datasets.Value("string"), "study")
            for name in REPORT_SECTIONS
            if name not in SECTIONS
        ),
    )

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
        """Find the tables, and the reports if they are about."""
        needs_reports = config.name == "reports"
        return open_release(
            config.data_dir, config.reports, needs_reports, self.options, config.connections
        )
