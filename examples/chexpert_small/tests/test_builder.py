"""The builder passes the shared test case, and the package has all that it needs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets.testing import BuilderCase, PackageCase, read_table


class TestBuilder(BuilderCase):
    package = "chexpert_small"

    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, invented: Path) -> Path:
        return invented

    def spine(self, release: Path) -> pd.DataFrame:
        train, valid = (read_table(release / f"{name}.csv") for name in ("train", "valid"))
        rows = pd.concat([train.assign(split="train"), valid.assign(split="validation")])
        _, folder, patient, study, file = zip(*rows.Path.str.split("/"), strict=True)
        return pd.DataFrame(
            {
                "image_id": [
                    "_".join(parts).removesuffix(".jpg")
                    for parts in zip(patient, study, file, strict=True)
                ],
                # The folders' names: the builder makes numbers of them.
                "study_id": ["/".join(parts) for parts in zip(patient, study, strict=True)],
                "subject_id": patient,
                "path": [
                    "/".join(parts) for parts in zip(folder, patient, study, file, strict=True)
                ],
                "split": rows.split.to_list(),
            }
        )


class TestPackage(PackageCase):
    package = "chexpert_small"
    small = {"patients": 3}
