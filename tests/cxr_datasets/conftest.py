"""What the tests of the shared package have in common: each of both datasets in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_datasets.testing import copy_release


@pytest.fixture(scope="session")
def export_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for all exports, as a user has."""
    return str(tmp_path_factory.mktemp("export-cache"))


@pytest.fixture
def no_logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no login of this machine's user be found."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NETRC", "PHYSIONET_USERNAME", "PHYSIONET_PASSWORD", "PHYSIONET_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["indiana_cxr", "mimic_cxr_jpg"])
def package(request: pytest.FixtureRequest) -> str:
    """Import name of a dataset."""
    return request.param


@pytest.fixture
def release(package: str, indiana_release: Path, small_release: Path, tmp_path: Path) -> Path:
    """A copy of the package's release, to be changed by putting new files in place of old."""
    original = indiana_release if package == "indiana_cxr" else small_release
    return copy_release(original, tmp_path / "release")
