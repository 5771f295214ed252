"""Releases in S3: buckets and access points, and who may read them."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import ReleaseError, ReportsError, StoreError
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import StoreCase
from tests.cxr_datasets.storage.stores.load_case import (
    LoginCase,
    Release,
    check_kept,
    load_local,
    rows_of,
)
from tests.fakes.s3 import S3, S3Place
from tests.helpers import run_python

REPORTS = "mimic-cxr-reports.zip"
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as s3:
        yield s3


@pytest.fixture(scope="module")
def reader(s3: S3) -> dict[str, Any]:
    """Options of a user who may read and list the bucket `releases`."""
    return {**s3.user("reader", read=["releases"]), "endpoint_url": s3.url}


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """A place in the bucket of the test's own."""
    return f"{tmp_path.name}/mimic-cxr-jpg/2.1.0"


def without_reports(release: Path, folder: Path) -> Path:
    """A copy of a release that lacks its reports."""
    shutil.copytree(release, folder, ignore=shutil.ignore_patterns(REPORTS))
    return folder


class TestS3Place(StoreCase):
    @pytest.fixture
    def place(self, s3: S3, prefix: str) -> S3Place:
        return s3.place("releases", prefix)

    @pytest.fixture
    def storage_options(self, reader: dict[str, Any]) -> dict[str, Any]:
        return reader


class TestS3(LoginCase):
    @pytest.fixture
    def remote(self, release: Path, s3: S3, reader: dict[str, Any], prefix: str) -> Release:
        place = s3.place("releases", prefix, release)
        return Release(place, reader, (reader["key"], reader["secret"]))


# --- who reads ------------------------------------------------------------------------------------


@pytest.fixture
def mimic(tiny_releases: dict[str, Path]) -> Path:
    return tiny_releases["mimic_cxr_jpg"]


@pytest.fixture
def remote(mimic: Path, s3: S3, reader: dict[str, Any], prefix: str) -> Release:
    return Release(s3.place("releases", prefix, mimic), reader, (reader["key"], reader["secret"]))


def paths(remote: Release, cache: str, **options: Any) -> list[str]:
    splits = remote.load("mimic_cxr_jpg", cache, streaming=True, **options)
    return [row["path"] for row in rows_of(splits)]


@pytest.fixture
def expected(mimic: Path, cache: str) -> list[str]:
    return [row["path"] for row in rows_of(load_local("mimic_cxr_jpg", mimic, f"{cache}-local"))]


def test_the_options_given_are_left_as_they_were(
    remote: Release, cache: str, reader: dict[str, Any]
) -> None:
    given = dict(reader)
    paths(remote, cache, storage_options=given)
    assert given == reader


@pytest.mark.parametrize("protocol", ["s3", "s3a"])
def test_options_may_be_keyed_by_the_protocol(
    remote: Release, cache: str, expected: list[str], reader: dict[str, Any], protocol: str
) -> None:
    given = {protocol: dict(reader)}
    assert paths(remote, cache, storage_options=given) == expected
    assert given == {protocol: reader}


def test_the_credentials_of_the_environment_are_found(
    remote: Release,
    cache: str,
    expected: list[str],
    reader: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(StoreError, match="may not be read"):  # whatever was asked before
        paths(remote, cache, storage_options={"endpoint_url": reader["endpoint_url"]})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader["secret"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", reader["endpoint_url"])
    assert paths(remote, cache, storage_options=None) == expected


@pytest.mark.parametrize(
    "changed", [{"secret": "not-the-secret"}, {"key": "AKIAINVENTED"}, {"key": None, "anon": True}]
)
def test_a_wrong_login_is_explained(
    remote: Release, cache: str, reader: dict[str, Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="may not be read") as caught:
        paths(remote, cache, storage_options={**reader, **changed})
    assert "storage_options" in str(caught.value)
    assert remote.place.url in str(caught.value)
    assert not any(value and str(value) in str(caught.value) for value in changed.values())


def test_no_login_at_all_is_explained(remote: Release, cache: str, reader: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="may not be read") as caught:
        paths(remote, cache, storage_options={"endpoint_url": reader["endpoint_url"]})
    assert "credentials" in str(caught.value)


@pytest.mark.parametrize("package", ["indiana_cxr", "mimic_cxr_jpg"])
def test_a_bucket_that_is_closed_to_the_user_is_explained(
    package: str, release: Path, s3: S3, reader: dict[str, Any], prefix: str, cache: str
) -> None:
    closed = Release(s3.place("closed", prefix, release), reader)
    with pytest.raises(StoreError, match=r"s3://closed/.* may not be read: .*may read this place"):
        closed.load(package, cache, streaming=True)


@pytest.mark.parametrize("url", ["s3://no-such-bucket/release", "s3://releases/no-such-folder"])
def test_a_bucket_or_folder_that_does_not_exist_is_no_copy(url: str, s3: S3, cache: str) -> None:
    place = s3.place("releases", "elsewhere")
    owner = s3.user(f"owner-{url[-6:]}", allow=["*"])  # others are not told what does not exist
    remote = Release(place, {**owner, "endpoint_url": s3.url}, url=url)
    with pytest.raises(ReleaseError, match=rf"{url} is not a copy of .* does not exist"):
        remote.load("indiana_cxr", cache, streaming=True)


@pytest.mark.parametrize("package", ["indiana_cxr", "mimic_cxr_jpg"])
def test_a_user_who_may_read_files_but_list_nothing_gets_all_rows(
    package: str, release: Path, s3: S3, tmp_path: Path, cache: str
) -> None:
    place = s3.place("releases", tmp_path.name, release)
    user = s3.user(f"no-list-{package}", read=[f"releases/{tmp_path.name}/*"])
    remote = Release(place, {**user, "endpoint_url": s3.url})
    expected = rows_of(load_local(package, release, f"{cache}-local"))
    assert rows_of(remote.load(package, cache, streaming=True)) == expected


@pytest.mark.thorough
def test_a_pickle_read_elsewhere_says_that_the_options_did_not_come_along(
    remote: Release, cache: str, tmp_path: Path
) -> None:
    stream = remote.load("mimic_cxr_jpg", cache, streaming=True)["train"]
    (tmp_path / "stream.pickle").write_bytes(pickle.dumps(stream))
    program = f"""
import os, pickle
from pathlib import Path
from cxr_datasets.errors import StoreError
pickled = Path({str(tmp_path / "stream.pickle")!r}).read_bytes()
try:
    next(iter(pickle.loads(pickled)))
except StoreError as error:
    print(error)
os.environ["AWS_SECRET_ACCESS_KEY"] = {remote.options["secret"]!r}
print(next(iter(pickle.loads(pickled)))["path"])
"""
    environment = {
        "AWS_ENDPOINT_URL": remote.options["endpoint_url"],
        "AWS_ACCESS_KEY_ID": remote.options["key"],
        "AWS_SECRET_ACCESS_KEY": "another",
    }
    finished = run_python(program, cwd=tmp_path, pythonpath=ROOT, **environment)
    refusal, path = finished.stdout.splitlines()
    assert "storage_options that were given did not reach this process" in refusal
    assert path == next(iter(stream))["path"]


# --- reports elsewhere ----------------------------------------------------------------------------


def test_reports_may_be_in_another_bucket(
    mimic: Path, s3: S3, prefix: str, tmp_path: Path, cache: str
) -> None:
    place = s3.place("releases", prefix, without_reports(mimic, tmp_path / "bare"))
    texts = s3.place("texts", prefix)
    texts.put(REPORTS, (mimic / REPORTS).read_bytes())
    both = {**s3.user("reads-both", read=["releases", "texts"]), "endpoint_url": s3.url}
    expected = rows_of(load_local("mimic_cxr_jpg", mimic, f"{cache}-local", "reports"))
    for reports in (f"{texts.url}/{REPORTS}", texts.url):
        found = Release(place, both).load("mimic_cxr_jpg", cache, "reports", reports=reports)
        assert rows_of(found) == expected
    assert any(row["report"] for row in expected)


def test_reports_that_the_user_may_not_read_or_that_are_not_there_are_explained(
    remote: Release, s3: S3, mimic: Path, prefix: str, cache: str
) -> None:
    s3.place("closed", prefix).put(REPORTS, (mimic / REPORTS).read_bytes())
    with pytest.raises(StoreError, match=rf"s3://closed/{prefix}/{REPORTS} may not be read"):
        paths(remote, cache, reports=f"s3://closed/{prefix}/{REPORTS}")
    absent = f"{remote.place.url}/absent.zip"
    with pytest.raises(ReportsError, match=f"reports={absent} is not there"):
        paths(remote, cache, reports=absent)


def test_reports_beside_the_images_are_found(
    mimic: Path, s3: S3, reader: dict[str, Any], tmp_path: Path, cache: str
) -> None:
    root = f"{tmp_path.name}/files"
    place = s3.place(
        "releases", f"{root}/mimic-cxr-jpg/2.1.0", without_reports(mimic, tmp_path / "bare")
    )
    beside = s3.place("releases", f"{root}/mimic-cxr/2.1.0")
    beside.put(REPORTS, (mimic / REPORTS).read_bytes())
    found = Release(place, reader).load("mimic_cxr_jpg", cache, "reports", streaming=True)
    expected = load_local("mimic_cxr_jpg", mimic, f"{cache}-local", "reports")
    assert rows_of(found) == rows_of(expected)


# --- access points --------------------------------------------------------------------------------


def test_an_access_point_is_read_as_its_bucket(
    remote: Release, s3: S3, reader: dict[str, Any], expected: list[str], prefix: str, cache: str
) -> None:
    arn = s3.access_point("mimic-cxr-jpg-v2-1-0-99", "releases")
    url = f"s3://{arn}/{prefix}"
    login = {name: reader[name] for name in ("key", "secret")}
    point = Release(remote.place, {**login, **s3.through_proxy()}, url=url)
    before = len(s3.requests)
    assert paths(point, cache) == expected
    hosts = {asked.host for asked in s3.requests[before:]}
    assert hosts == {"mimic-cxr-jpg-v2-1-0-99-123456789012.s3-accesspoint.us-east-1.amazonaws.com"}
    rows = point.load("mimic_cxr_jpg", cache, embed=False)["train"]
    assert rows[0]["image"].size
    assert rows[0]["path"] == expected[0]


def test_reports_are_not_looked_for_outside_an_access_point(
    mimic: Path, s3: S3, reader: dict[str, Any], tmp_path: Path, cache: str
) -> None:
    prefix = f"{tmp_path.name}"
    place = s3.place("releases", prefix, without_reports(mimic, tmp_path / "bare"))
    arn = s3.access_point("without-reports", "releases")
    login = {name: reader[name] for name in ("key", "secret")}
    point = Release(place, {**login, **s3.through_proxy()}, url=f"s3://{arn}/{prefix}")
    rows = rows_of(point.load("mimic_cxr_jpg", cache, streaming=True))
    assert rows
    assert {row["report"] for row in rows} == {None}


@pytest.mark.parametrize(
    "store",
    [
        "s3://arn:aws:s3:us-east-1:000000000000:accesspoint/mimic-cxr-jpg-v2-1-0-99",
        "s3://arn:aws:s3-outposts:us-east-1:000000000000:outpost/op-0/accesspoint/releases",
        "s3://releases",
        "gs://releases",
        "hf://datasets/lab/films",
        "hf://datasets/lab/films@main",
        "sftp://reader@host.example:2222",
        "https://host.example",
    ],
)
def test_an_address_stays_in_its_store(store: str) -> None:
    source = open_place(f"{store}/mimic-cxr-jpg/2.1.0/")
    assert source.root == f"{store}/mimic-cxr-jpg/2.1.0"
    assert source.address("files/a.jpg") == f"{store}/mimic-cxr-jpg/2.1.0/files/a.jpg"
    assert source.path_of(source.address("files/a.jpg")) == "files/a.jpg"
    assert source.folder("..").root == f"{store}/mimic-cxr-jpg"
    for levels in range(2, 6):
        assert source.folder("/".join([".."] * levels)).root == store
    assert source.folder("../../../../mimic-cxr/2.1.0").root == f"{store}/mimic-cxr/2.1.0"


# --- requests -------------------------------------------------------------------------------------


def test_an_image_is_read_by_one_request(remote: Release, s3: S3, cache: str) -> None:
    stream = remote.load("mimic_cxr_jpg", cache, streaming=True)["train"]
    before = len(s3.requests)
    rows = rows_of({"train": stream})
    asked = [request for request in s3.requests[before:] if request.path.endswith(".jpg")]
    assert len(asked) == len(rows)


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
def test_images_in_a_bucket_of_their_own_are_found_in_their_form_by_who_may_list_nothing(
    package: str, release: Path, s3: S3, tmp_path: Path, cache: str
) -> None:
    """S3 refuses such a user what is not there, as it refuses what is there and is closed."""
    place = s3.place("small-images", tmp_path.name)
    suffixes = (".jpg", ".png")
    files = {file.name: file for file in release.rglob("*") if file.suffix in suffixes}
    for name, file in files.items():
        place.put(f"images/{name}", file.read_bytes())
    options = {**s3.user(tmp_path.name, read=["small-images/*"]), "endpoint_url": s3.url}
    found = Release(place, {"s3": options}, url=str(release)).load(package, cache, images=place.url)
    for split in rows_of(load_local(package, release, f"{cache}-local")), rows_of(found):
        assert len(split) > 10
    for row in rows_of(found):
        assert row["image"] == files[row["path"].rpartition("/")[2]].read_bytes()


def test_images_once_fetched_are_read_from_the_disk_until_they_change(
    mimic: Path, remote: Release, cache: str
) -> None:
    check_kept(remote, mimic, cache)
