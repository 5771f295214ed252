"""What the tests of remote reading share: a loopback PhysioNet, a login, and short waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.testing import copy_release
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.remote import INDIANA, MIMIC, MIMIC_REPORTS, Remote

AGENTS = ("cxr-datasets/",)
ARCHIVE = "mimic-cxr-reports.zip"


@pytest.fixture(autouse=True)
def alone_and_quick(no_logins: None, short_waits: None) -> None:
    """Find no login of this machine's user, and wait milliseconds before a second try."""


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log in by the environment, to a PhysioNet that ends on this machine."""
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    monkeypatch.setenv("PHYSIONET_USERNAME", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)


@pytest.fixture
def mimic(small_release: Path, tmp_path: Path) -> Path:
    """A copy of the release without its reports, to be changed by new files in place of old."""
    copy = copy_release(small_release, tmp_path / "mimic")
    (tmp_path / "reports").mkdir()
    (copy / ARCHIVE).rename(tmp_path / "reports" / ARCHIVE)
    return copy


@pytest.fixture
def indiana(indiana_release: Path, tmp_path: Path) -> Path:
    """A copy of the release, to be changed alike."""
    return copy_release(indiana_release, tmp_path / "indiana")


@pytest.fixture
def server(mimic: Path, indiana: Path, tmp_path: Path) -> Iterator[PhysioNet]:
    """A PhysioNet that knows our agent and gives sessions as the real one does."""
    folders = {MIMIC: mimic, MIMIC_REPORTS: tmp_path / "reports", INDIANA: indiana}
    with PhysioNet(folders, agents=AGENTS, tests_cookies=True, encrypted=True) as running:
        yield running


@pytest.fixture
def remote_mimic(server: PhysioNet, mimic: Path, cache: str, tmp_path: Path) -> Remote:
    """MIMIC-CXR-JPG, its reports in the project beside it."""
    archive = tmp_path / "reports" / ARCHIVE
    return Remote("mimic_cxr_jpg", server, mimic, MIMIC, cache, archive)


@pytest.fixture
def remote_indiana(server: PhysioNet, indiana: Path, cache: str) -> Remote:
    """The Indiana collection."""
    return Remote("indiana_cxr", server, indiana, INDIANA, cache)


@pytest.fixture
def remote(package: str, remote_mimic: Remote, remote_indiana: Remote) -> Remote:
    """Each of both datasets in turn."""
    return remote_indiana if package == "indiana_cxr" else remote_mimic
