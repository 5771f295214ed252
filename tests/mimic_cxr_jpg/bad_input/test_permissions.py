"""What this user may not read is named, and not taken for something that is not there."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from cxr_datasets.errors import ReleaseError, ReportsError, TableError
from cxr_datasets.testing import rewrite
from tests.mimic_cxr_jpg.bad_input.conftest import TABLES, load_everything, refused
from tests.mimic_cxr_jpg.reports.forms import ZIP
from tests.permissions import closed


@pytest.fixture
def open_root(small_release: Path, tmp_path: Path) -> Path:
    """A copy of the files themselves: a hard link shares its permissions with the original."""
    root = tmp_path / "physionet.org/files/mimic-cxr-jpg/2.1.0"
    shutil.copytree(small_release, root)
    return root


@pytest.mark.parametrize("place", [".", ".."])
def test_a_closed_folder_is_an_error_that_says_so(place: str, open_root: Path, cache: str) -> None:
    with closed((open_root / place).resolve()):
        message = refused(open_root, cache, ReleaseError, str(open_root))
    assert "ermission" in message


@pytest.mark.parametrize("table", TABLES)
def test_a_closed_table_is_an_error_that_says_so(table: str, open_root: Path, cache: str) -> None:
    with closed(open_root / table):
        message = refused(open_root, cache, TableError, str(open_root / table))
    assert "ermission" in message


def test_a_closed_archive_of_reports_is_an_error_that_says_so(open_root: Path, cache: str) -> None:
    reports = open_root / ZIP
    with closed(reports):
        message = refused(open_root, cache, ReportsError, str(reports))
    assert "ermission" in message


def test_a_closed_folder_given_as_reports_is_an_error_that_says_so(
    open_root: Path, tmp_path: Path, cache: str
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    shutil.move(open_root / ZIP, reports / ZIP)
    with closed(reports):
        for given in (reports, reports / ZIP):
            message = refused(open_root, cache, ReportsError, str(given), reports=str(given))
            assert "ermission" in message


def test_a_closed_text_in_the_tree_is_an_error_that_names_it(open_root: Path, cache: str) -> None:
    with zipfile.ZipFile(open_root / ZIP) as archive:
        archive.extractall(open_root)
        text = open_root / next(name for name in archive.namelist() if name.endswith(".txt"))
    (open_root / ZIP).unlink()
    with closed(text):
        message = refused(open_root, cache, ReportsError, str(text))
    assert "ermission" in message


def test_a_closed_folder_beside_the_release_does_not_matter(open_root: Path, cache: str) -> None:
    (open_root / ZIP).unlink()
    for name in ("mimic-cxr", "mimic-cxr-other"):
        rewrite(open_root / "../.." / name / "2.1.0" / "x", b"")
    with closed((open_root / "../../mimic-cxr").resolve()):
        assert load_everything(str(open_root), cache) > 0
