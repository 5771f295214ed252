"""Exports to Google Cloud and by SFTP have the same bytes, and go on after a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.export import ExportError, ExportSummary, export
from cxr_datasets.export.folder import Folder
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.testing import files_under
from tests.fakes.gcs import Gcs
from tests.fakes.sftp import Sftp

Store = tuple[str, dict[str, Any]]
"""An address to write to, and options that allow it."""


@pytest.fixture
def google() -> Iterator[Store]:
    with Gcs() as cloud:
        place = cloud.place("exports", "mimic")
        yield f"{place.url}/out", {"token": cloud.key, "endpoint_url": cloud.url}


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "served").mkdir()
    with Sftp(tmp_path / "served") as server:
        yield f"{server.place('out').url}", server.options


@pytest.fixture(params=["google", "sftp"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


@pytest.fixture
def write(small_release: Path, export_cache: str) -> Callable[..., ExportSummary]:
    def write(out: str | Path, **options: Any) -> ExportSummary:
        return export("mimic-cxr-jpg", small_release, out, rows_per_file=16, progress=False,
                      cache_dir=export_cache, **options)  # fmt: skip

    return write


def stored(store: Store) -> dict[str, bytes | None]:
    out, options = store
    folder = Folder(out, StorageOptions(options, out))
    inner = ["", ".cxr", ".cxr/unfinished", "images"]
    names = [f"{part}/{name}".lstrip("/") for part in inner for name in folder.sizes(part)]
    return {name: folder.read(name) for name in names}


def test_a_store_gets_the_same_bytes_as_a_disk_and_nothing_else(
    store: Store, write: Callable[..., ExportSummary], tmp_path: Path
) -> None:
    out, options = store
    assert write(out, out_options=options).files > 3
    write(tmp_path / "local")
    local = {
        name: (tmp_path / "local" / name).read_bytes()
        for name in files_under(tmp_path / "local")
        if name != ".cxr/lock"
    }
    assert stored(store) == local


def test_a_stopped_export_goes_on_there(store: Store, write: Callable[..., ExportSummary]) -> None:
    out, options = store
    write(out, out_options=options)
    whole = stored(store)
    folder = Folder(out, StorageOptions(options, out))
    lost, cut_off, *_ = sorted(name for name in whole if name.startswith("images/"))
    folder.remove(lost)
    folder.write(cut_off, (whole[cut_off] or b"")[:-50])
    assert write(out, out_options=options).written == 2
    assert stored(store) == whole
    assert write(out, out_options=options).written == 0


def test_a_login_that_is_refused_says_where_to_correct_it(
    sftp: Store, write: Callable[..., ExportSummary]
) -> None:
    out, options = sftp
    with pytest.raises(
        ExportError, match=r"may not be read: permission denied.*out_options"
    ) as told:
        write(out, out_options={**options, "password": "invented-wrong-word"})
    assert "invented-wrong-word" not in str(told.value)


def test_a_server_that_is_not_there_is_named(write: Callable[..., ExportSummary]) -> None:
    with pytest.raises(ExportError, match=r"sftp://127\.0\.0\.1:9/out.* could not be read"):
        write("sftp://127.0.0.1:9/out", out_options={"username": "nobody", "password": "nothing"})
