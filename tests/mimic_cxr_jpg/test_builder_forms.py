"""The common builder case passes with other releases, and wherever the reports are."""

from __future__ import annotations

from pathlib import Path

import pytest

from mimic_cxr_jpg.synthetic import write_release
from tests.mimic_cxr_jpg.test_builder import MimicCase


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
