"""One invented release for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from chexpert_small.synthetic import write_release


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 20 patients. Read only: change a copy of it."""
    return write_release(tmp_path_factory.mktemp("release") / "chexpert", patients=20)
