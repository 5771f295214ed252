"""Images on a server in a form of their own, the tables here; and how much is asked to find out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.errors import MissingImagesError, OptionError, StoreError
from cxr_datasets.storage import remote as remote_places
from cxr_datasets.storage.remote import Remote as RemotePlace
from cxr_datasets.testing import files_under
from tests.fakes.physionet import PASSWORD, USER, PhysioNet, Status
from tests.remote import rows, rows_of

IMAGES = "files/small"


@pytest.fixture
def copy(package: str, mimic: Path, indiana: Path) -> Path:
    """The tables on this machine's disk."""
    return mimic if package == "mimic_cxr_jpg" else indiana


@pytest.fixture
def served(package: str, copy: Path, tmp_path: Path) -> Path:
    """The images of `copy`, taken out of it: flat, or under other names."""
    place = tmp_path / "served"
    place.mkdir()
    for file in copy.rglob("*.jpg" if package == "mimic_cxr_jpg" else "*.png"):
        os.rename(file, place / file.name.replace(".dcm", ""))
    return place


@pytest.fixture
def images(served: Path) -> Iterator[PhysioNet]:
    with PhysioNet({IMAGES: served}, agents=("cxr-datasets/",), encrypted=True) as server:
        yield server


@pytest.fixture
def options(copy: Path, images: PhysioNet, cache: str, login: None) -> dict[str, Any]:
    return {"data_dir": str(copy), "cache_dir": cache, "images": images.address(IMAGES)}


def of(package: str, row: dict[str, Any]) -> str:
    return row["image_id"] + (".png" if package == "indiana_cxr" else ".jpg")


@pytest.mark.parametrize("streaming", [False, True])
def test_images_of_a_server_are_joined_to_tables_of_a_disk(
    package: str, options: dict[str, Any], served: Path, streaming: bool, caplog: Any
) -> None:
    found = datasets.load_dataset(package, streaming=streaming, **options)
    seen = 0
    for split in found.values():
        for row in rows(split):
            assert row["image"] == (served / of(package, row)).read_bytes()
            assert row["path"].endswith(".jpg" if package == "mimic_cxr_jpg" else ".dcm.png")
            assert "/" in row["path"]
            seen += 1
    assert seen > 20
    (line,) = [line for line in caplog.messages if "of a sample of" in line]
    assert line.startswith(f"4 of a sample of 4 images are in {options['images']}, as <")


def test_few_files_are_asked_for_and_at_once_and_no_folder_is_listed(
    package: str, options: dict[str, Any], images: PhysioNet
) -> None:
    images.latency = 0.1  # time enough for several requests to be in service together
    datasets.load_dataset(package, streaming=True, **options)
    asked = images.requests
    assert {request.method for request in asked} == {"HEAD"}
    forms = 7 * 3 if package == "mimic_cxr_jpg" else 8 * 6
    assert len(asked) <= 4 * forms + 2 * RemotePlace.PROBES
    assert images.max_concurrent > 1
    assert not [request for request in asked if request.path.rstrip("/").endswith(IMAGES)]


def test_the_release_s_own_form_takes_a_handful_of_requests(
    package: str, copy: Path, cache: str, login: None, server: PhysioNet, indiana: Path
) -> None:
    place = "files/indiana-cxr/1.0" if package == "indiana_cxr" else "files/mimic-cxr-jpg/2.1.0"
    found = datasets.load_dataset(
        package, data_dir=str(copy), cache_dir=cache, images=server.address(place), missing="null",
        streaming=True,
    )  # fmt: skip
    assert len(server.requests) == 4
    row = next(rows(found["train"]))
    assert row["image"] == (copy / row["path"]).read_bytes()


def test_the_addresses_alone_are_those_of_the_server(
    package: str, options: dict[str, Any], served: Path
) -> None:
    found = datasets.load_dataset(package, embed=False, **options)["train"]
    stored = found.cast_column("image", datasets.Image(decode=False))[0]
    assert stored["image"]["path"] == f"{options['images']}/{of(package, stored)}"
    assert found[0]["image"].mode == "L"


def test_a_login_given_for_the_protocol_is_used_and_kept_nowhere(
    package: str,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    served: Path,
) -> None:
    monkeypatch.delenv("PHYSIONET_USERNAME")
    monkeypatch.delenv("PHYSIONET_PASSWORD")
    with pytest.raises(StoreError, match="may not be read"):
        datasets.load_dataset(package, **options)
    login = {"http": {"username": USER, "password": PASSWORD}}
    found = datasets.load_dataset(package, storage_options=login, **options)
    row = next(rows(found["train"]))
    assert row["image"] == (served / of(package, row)).read_bytes()
    for file in files_under(tmp_path / "cache"):
        assert PASSWORD.encode() not in (tmp_path / "cache" / file).read_bytes()


def test_an_address_with_a_password_is_refused(package: str, options: dict[str, Any]) -> None:
    address = options["images"].replace("://", f"://{USER}:{PASSWORD}@")
    with pytest.raises(OptionError, match="images=") as caught:
        datasets.load_dataset(package, **{**options, "images": address})
    assert PASSWORD not in str(caught.value)


def test_a_fault_of_the_server_is_never_taken_for_absence(
    package: str, options: dict[str, Any], images: PhysioNet
) -> None:
    images.fail(r"\.(png|jpg)$", Status(503), times=None)
    with pytest.raises(StoreError, match="503"):
        datasets.load_dataset(package, missing="null", **options)


def test_none_there_is_told_with_what_the_server_lists(
    package: str, options: dict[str, Any], served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in list(served.iterdir()):
        file.rename(file.with_suffix(".tif"))
    with pytest.raises(MissingImagesError) as caught:
        datasets.load_dataset(package, **options)
    message = str(caught.value)
    assert f"None of a sample of {RemotePlace.PROBES} image files" in message
    assert f"What lies in {options['images']}: " in message
    assert ".tif" in message
    assert "skip" not in message
    monkeypatch.setattr(remote_places, "_LONGEST_LISTING", 0.0)  # a bucket that takes minutes
    with pytest.raises(MissingImagesError, match="may not be listed"):
        datasets.load_dataset(package, **options)


def test_the_second_start_reads_no_table_though_the_tables_are_remote_too(
    package: str, server: PhysioNet, options: dict[str, Any], images: PhysioNet
) -> None:
    place = "files/indiana-cxr/1.0" if package == "indiana_cxr" else "files/mimic-cxr-jpg/2.1.0"
    options = {**options, "data_dir": server.address(place), "streaming": True}
    first = rows_of(datasets.load_dataset(package, **options))
    server.reset()
    images.reset()
    datasets.load_dataset(package, **options)
    assert {request.method for request in (*server.requests, *images.requests)} == {"HEAD"}
    assert all(first.values())
