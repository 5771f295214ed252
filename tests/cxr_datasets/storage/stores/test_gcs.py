"""Releases on Google Cloud: who may read a bucket, and who pays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import ReleaseError, StoreError
from cxr_datasets.testing import StoreCase
from tests.cxr_datasets.storage.stores.load_case import LoginCase, Release, load_local, rows_of
from tests.fakes.gcs import ACCESS_TOKEN, Gcs, GcsPlace


@pytest.fixture(scope="module")
def cloud() -> Iterator[Gcs]:
    with Gcs() as cloud:
        yield cloud


@pytest.fixture
def options(cloud: Gcs) -> dict[str, Any]:
    """Options of the reader, with the key that Google's JSON files hold."""
    return {"token": cloud.key, "endpoint_url": cloud.url}


class TestGoogleCloudPlace(StoreCase):
    @pytest.fixture
    def place(self, cloud: Gcs, tmp_path: Path) -> GcsPlace:
        return cloud.place("releases", tmp_path.name)

    @pytest.fixture
    def storage_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return options


class TestGoogleCloud(LoginCase):
    @pytest.fixture
    def remote(self, release: Path, cloud: Gcs, options: dict[str, Any], tmp_path: Path) -> Release:
        key = cloud.key["private_key"].splitlines()[1]
        place = cloud.place("releases", tmp_path.name, release)
        return Release(place, options, (key, ACCESS_TOKEN))


@pytest.fixture
def remote(
    tiny_releases: dict[str, Path], cloud: Gcs, options: dict[str, Any], tmp_path: Path
) -> Release:
    place = cloud.place("releases", tmp_path.name, tiny_releases["indiana_cxr"])
    return Release(place, options)


@pytest.fixture
def expected(tiny_releases: dict[str, Path], cache: str) -> list[dict[str, Any]]:
    return rows_of(load_local("indiana_cxr", tiny_releases["indiana_cxr"], f"{cache}-local"))


def rows(remote: Release, cache: str, **options: Any) -> list[dict[str, Any]]:
    return rows_of(remote.load("indiana_cxr", cache, streaming=True, **options))


# --- who pays -------------------------------------------------------------------------------------


@pytest.fixture
def paid(tiny_releases: dict[str, Path], cloud: Gcs, options: dict[str, Any]) -> Iterator[Release]:
    """A release in a bucket where the requester pays."""
    place = cloud.place("paid", "release", tiny_releases["indiana_cxr"])
    cloud.payers["paid"] = "a-project"
    yield Release(place, options)
    del cloud.payers["paid"]


def test_the_project_that_pays_is_named_in_every_request(
    paid: Release, cloud: Gcs, options: dict[str, Any], expected: list[dict[str, Any]], cache: str
) -> None:
    before = len(cloud.requests)
    paid.options = {**options, "requester_pays": "a-project"}
    assert rows(paid, cache) == expected
    kept = paid.load("indiana_cxr", cache, embed=False)["train"]
    assert kept[0]["image"].size
    asked = cloud.requests[before:]
    assert asked
    assert {tuple(request.query["userProject"]) for request in asked} == {("a-project",)}


@pytest.mark.parametrize("project", [None, "another-project"])
def test_a_bucket_whose_requester_must_pay_says_so(
    paid: Release, options: dict[str, Any], cache: str, project: str | None
) -> None:
    paid.options = {**options, "requester_pays": project} if project else options
    with pytest.raises(StoreError, match=r"may not be read: .*the requester pays") as caught:
        rows(paid, cache)
    assert paid.place.url in str(caught.value)
    assert "storage_options" in str(caught.value)


# --- who reads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["gs", "gcs"])
@pytest.mark.parametrize("scheme", ["gs", "gcs"])
def test_both_names_of_the_protocol_are_known_in_the_address_and_in_the_options(
    remote: Release,
    options: dict[str, Any],
    expected: list[dict[str, Any]],
    cache: str,
    protocol: str,
    scheme: str,
) -> None:
    remote.url = remote.place.url.replace("gs://", f"{scheme}://")
    assert rows(remote, cache, storage_options={protocol: options}) == expected


def test_the_credentials_of_the_environment_are_found(
    remote: Release,
    cloud: Gcs,
    expected: list[dict[str, Any]],
    cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remote.options = {"endpoint_url": cloud.url}
    with pytest.raises(StoreError, match="may not be read: the server answered 401"):
        rows(remote, cache)
    (tmp_path / "key.json").write_text(json.dumps(cloud.key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    assert rows(remote, cache) == expected


def test_nobody_and_a_closed_bucket_are_explained(
    remote: Release, cloud: Gcs, options: dict[str, Any], cache: str
) -> None:
    remote.options = {**options, "token": "anon"}
    with pytest.raises(StoreError, match=r"may not be read: the server answered 401.*credentials"):
        rows(remote, cache)
    cloud.place("closed", "release").put("indiana_reports.csv", b"uid")
    cloud.closed.add("closed")
    closed = Release(remote.place, options, url="gs://closed/release")
    with pytest.raises(StoreError, match=r"gs://closed/release/.* may not be read.*credentials"):
        rows(closed, cache)


def test_a_key_that_is_none_is_explained_and_not_shown(
    remote: Release, cloud: Gcs, options: dict[str, Any], cache: str
) -> None:
    key = {**cloud.key, "private_key": "not-a-private-key"}
    with pytest.raises(StoreError, match=r"could not be read: .*storage_options") as caught:
        rows(remote, cache, storage_options={**options, "token": key})
    assert "not-a-private-key" not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_no_copy(
    remote: Release, options: dict[str, Any], cache: str
) -> None:
    absent = Release(remote.place, options, url="gs://no-such-bucket/release")
    with pytest.raises(ReleaseError, match="gs://no-such-bucket/release is not a copy of"):
        rows(absent, cache)
