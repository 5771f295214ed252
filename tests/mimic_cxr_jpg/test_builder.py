"""MIMIC-CXR-JPG passes the common builder case; in other forms too, see test_builder_forms."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.testing import BuilderCase, PackageCase, read_table
from mimic_cxr_jpg import MimicCxrJpg

SPLIT_NAMES = {"train": "train", "validate": "validation", "test": "test"}


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
                "split": rows.split.map(SPLIT_NAMES),
            }
        )


class TestRelease210WithZippedReports(MimicCase):
    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, mimic_release: Path) -> Path:
        return mimic_release


def test_the_mean_image_is_that_of_the_release_and_its_suffix_that_of_every_file(
    small_release: Path,
) -> None:
    total = 570.3 * 2**30  # PhysioNet's page counts in units of 1024
    assert pytest.approx(total, rel=1e-3) == 377_110 * MimicCxrJpg.MEAN_IMAGE_BYTES
    paths = (small_release / "IMAGE_FILENAMES").read_text().split()
    assert all(path.endswith(MimicCxrJpg.IMAGE_SUFFIX) for path in paths)


class TestPackage(PackageCase):
    package = "mimic_cxr_jpg"
    small = {"patients": 3}
