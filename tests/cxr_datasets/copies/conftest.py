"""Releases of a few images, whole, to be broken in a copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.testing import copy_release
from tests.helpers import made_once


@pytest.fixture(scope="session")
def tiny_mimic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some fifteen images of MIMIC-CXR-JPG, with a report each study. Read only."""
    from mimic_cxr_jpg.synthetic import write_release

    return made_once(
        tmp_path_factory, "copies-mimic",
        lambda out: write_release(out, patients=6, seed=3, scale=1 / 64, tables="csv"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_indiana(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some ten images of Indiana, and the four that no table lists. Read only."""
    from indiana_cxr.synthetic import write_release

    return made_once(
        tmp_path_factory, "copies-indiana",
        lambda out: write_release(out, studies=6, scale=1 / 64),
    )  # fmt: skip


@pytest.fixture
def mimic(tiny_mimic: Path, tmp_path: Path) -> Path:
    """A copy to be changed by putting new files in place of old."""
    return copy_release(tiny_mimic, tmp_path / "mimic")


@pytest.fixture
def indiana(tiny_indiana: Path, tmp_path: Path) -> Path:
    """A copy to be changed by putting new files in place of old."""
    return copy_release(tiny_indiana, tmp_path / "indiana")


@pytest.fixture
def state_of() -> Callable[[Path], dict[str, tuple[int, int]]]:
    """Gives size and time of change of all files and folders below one."""

    def state(folder: Path) -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in (folder, *folder.rglob("*"))
        }

    return state
