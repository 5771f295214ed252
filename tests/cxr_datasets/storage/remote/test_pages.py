"""A page that a server sends in place of a file, with status 200, is a fault of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import CxrError, StoreError
from cxr_datasets.export import export
from cxr_datasets.storage import retry
from cxr_datasets.testing import datasets_under
from tests.fakes.physionet import Page, Status
from tests.remote import Remote, rows, rows_of, until_it_fails

pytestmark = pytest.mark.usefixtures("login")

JSON = '{"detail": "Authentication credentials were not provided."}'

LENIENT: dict[str, Any] = {"missing": "skip", "damaged": "skip"}


@pytest.fixture(autouse=True)
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MOST_TRIES", 3)


@pytest.fixture
def path(remote: Remote) -> str:
    """An image in the middle of the first split."""
    return remote.local(split="train")["path"][9]


def check_told(error: Exception, address: str, kind: str = "HTML") -> None:
    """Check that an error says what came and what to do."""
    for said in (address, f"a page of {kind} came in its place, 3 times", "log in again", "netrc"):
        assert said in str(error)
    assert "Your session ended" not in str(error)


@pytest.mark.parametrize(
    "options",
    [LENIENT, {**LENIENT, "image_size": 32}, {"missing": "null", "damaged": "null"}],
    ids=["skip", "resized", "null"],
)
def test_a_page_is_never_an_image_nor_an_absent_or_damaged_one(
    remote: Remote, path: str, options: dict[str, Any]
) -> None:
    remote.server.fail(path, Page(), times=None)
    with pytest.raises(StoreError) as caught:
        remote.load(**options)
    check_told(caught.value, f"{remote.address}/{path}")
    assert datasets_under(remote.cache) == []
    remote.server.reset()
    found, error = until_it_fails(iter(remote.stream(**options)), StoreError)
    check_told(error, f"{remote.address}/{path}")
    assert len(remote.asked(path)) == 3
    assert len(found) == 9


def test_a_page_that_passes_costs_no_row(remote: Remote) -> None:
    remote.server.fail(remote.images, Page(), Page(JSON), times=2, after=20)
    assert rows_of(remote.load(streaming=True, **LENIENT)) == rows_of(remote.local())
    assert len(remote.asked(remote.suffix)) > sum(map(len, remote.local().values()))


def test_a_page_of_json_is_told_as_such(remote: Remote, path: str) -> None:
    remote.server.fail(path, Page(JSON), times=None)
    _, error = until_it_fails(iter(remote.stream(**LENIENT)), StoreError)
    check_told(error, f"{remote.address}/{path}", "JSON")


def test_a_page_in_place_of_an_image_that_is_read_with_its_row(remote: Remote, path: str) -> None:
    built = remote.load(split="train", embed=False)
    remote.server.fail(path, Page(), times=None)
    with pytest.raises(StoreError) as caught:
        built[9]
    check_told(caught.value, f"{remote.address}/{path}")


def test_a_page_met_while_looking_for_images_is_no_absence(remote: Remote, path: str) -> None:
    there = f"{remote.address}/"  # the page that lists this folder
    for fault in (Page(), Status(302, {"Location": there})):
        remote.server.fail(path, fault, times=None)
        with pytest.raises(StoreError) as caught:
            remote.load(missing="skip", embed=False)
        check_told(caught.value, f"{remote.address}/{path}")
        remote.server.heal()


@pytest.mark.parametrize("file", [r"split\.csv\.gz$", r"reports\.zip$"])
def test_a_page_in_place_of_a_table_or_an_archive(remote_mimic: Remote, file: str) -> None:
    remote_mimic.server.fail(file, Page(), times=2)
    expected = rows_of(remote_mimic.local("reports"))
    assert rows_of(remote_mimic.load("reports")) == expected
    remote_mimic.server.fail(file, Page(), times=None)
    with pytest.raises(CxrError) as caught:
        remote_mimic.load("reports", cache_dir=f"{remote_mimic.cache}-2")
    check_told(caught.value, remote_mimic.server.address())


def test_a_page_in_place_of_an_archive_read_in_place(
    remote_indiana: Remote, tmp_path: Path
) -> None:
    from indiana_cxr.synthetic import write_release

    release = write_release(tmp_path / "zipped", studies=5, layout="zip")
    remote_indiana.server.folders[remote_indiana.place] = release
    remote_indiana.server.fail(r"archive\.zip$", Page(), times=None)
    with pytest.raises(StoreError) as caught:
        remote_indiana.load(data_dir=remote_indiana.address + "/archive.zip")
    check_told(caught.value, "archive.zip")


def test_a_login_that_runs_out_ends_an_export_and_the_same_command_goes_on(
    remote_mimic: Remote, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "data_dir": remote_mimic.address, "rows_per_file": 8, "progress": False, **LENIENT,
        "cache_dir": remote_mimic.cache,
    }  # fmt: skip
    out, whole = tmp_path / "out", tmp_path / "whole"
    remote_mimic.server.fail(remote_mimic.images, Page(), times=None, after=20)
    with pytest.raises(StoreError, match="log in again"):
        export("mimic-cxr-jpg", out=out, **given)
    assert not (out / "README.md").exists()
    remote_mimic.server.heal()
    summary = export("mimic-cxr-jpg", out=out, **given)
    export("mimic-cxr-jpg", out=whole, **given)
    assert summary.skipped == 0
    assert summary.rows == sum(len(list(rows(split))) for split in remote_mimic.local().values())
    for file in whole.glob("images/*.parquet"):
        assert (out / "images" / file.name).read_bytes() == file.read_bytes()
