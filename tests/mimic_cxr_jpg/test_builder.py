"""MIMIC-CXR-JPG passes the common builder case, whatever the release and its reports look like."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.testing import BuilderCase, PackageCase, read_table
from mimic_cxr_jpg.synthetic import write_release

SPLITS = {"train": "train", "validate": "validation", "test": "test"}


class MimicCase(BuilderCase):
    package = "mimic_cxr_jpg"

    def spine(self, release: Path) -> pd.DataFrame:
        (table,) = release.glob("mimic-cxr-2.0.0-split.csv*")
        rows = read_table(table)
        path = [
            f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"
            for image, study, subject in zip(
                rows.dicom_id, rows.study_id, rows.subject_id, strict=True
            )
        ]
        return pd.DataFrame(
            {
                "image_id": rows.dicom_id,
                "study_id": rows.study_id.astype(int),
                "subject_id": rows.subject_id.astype(int),
                "path": path,
                "split": rows.split.map(SPLITS),
            }
        )


class TestRelease210WithZippedReports(MimicCase):
    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, mimic_release: Path) -> Path:
        return mimic_release


class TestRelease200WithUnpackedTablesAndTarredReports(MimicCase):
    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("release") / "mimic"
        return write_release(
            out, patients=12, seed=5, release="2.0.0", tables="csv", reports="tar.gz"
        )


class TestReleaseWithReportsInTheTreeOfImages(MimicCase):
    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("release") / "mimic"
        return write_release(out, patients=12, seed=6, reports="tree")


class TestPackage(PackageCase):
    package = "mimic_cxr_jpg"
    small = {"patients": 3}
