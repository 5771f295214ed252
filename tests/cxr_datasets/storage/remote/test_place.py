"""A folder on a web server that asks for a login passes `StoreCase`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.testing import StoreCase
from tests.fakes.physionet import PASSWORD, USER, PhysioNet


class WebPlace:
    """A folder on this machine's disks that a server serves."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = url

    def put(self, path: str, content: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        was = int(file.stat().st_mtime) if file.exists() else 0
        file.write_bytes(content)
        if was:  # Last-Modified is in seconds
            os.utime(file, (was + 1, was + 1))

    def remove(self, path: str) -> None:
        (self._folder / path).unlink()


class TestWebPlace(StoreCase):
    @pytest.fixture(params=[True, False], ids=["etags", "dates"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WebPlace]:
        folder = tmp_path / "served"
        folder.mkdir()
        with PhysioNet({"files/place": folder}, agents=("cxr-datasets/",)) as server:
            server.etags = request.param
            yield WebPlace(folder, server.address("files/place"))

    @pytest.fixture
    def storage_options(self) -> dict[str, Any]:
        return {"username": USER, "password": PASSWORD}
