"""Releases on a server reached by SFTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import CxrError, StoreError
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import StoreCase, copy_release
from tests.cxr_datasets.storage.stores.load_case import (
    LoginCase,
    Release,
    check_kept,
    load_local,
    rows_of,
)
from tests.fakes.sftp import PASSWORD, Sftp, SftpPlace


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sftp]:
    with Sftp(tmp_path_factory.mktemp("served")) as sftp:
        yield sftp


def served(sftp: Sftp, release: Path, name: str) -> Release:
    place = sftp.place(name)
    copy_release(release, place.folder)
    return Release(place, sftp.options, (PASSWORD,))


class TestSftpPlace(StoreCase):
    @pytest.fixture
    def place(self, sftp: Sftp, tmp_path: Path) -> SftpPlace:
        return sftp.place(tmp_path.name)

    @pytest.fixture
    def storage_options(self, sftp: Sftp) -> dict[str, Any]:
        return sftp.options


class TestSftp(LoginCase):
    @pytest.fixture
    def remote(self, release: Path, sftp: Sftp, tmp_path: Path) -> Release:
        return served(sftp, release, tmp_path.name)


@pytest.fixture
def remote(tiny_releases: dict[str, Path], sftp: Sftp, tmp_path: Path) -> Release:
    return served(sftp, tiny_releases["indiana_cxr"], tmp_path.name)


@pytest.fixture
def expected(tiny_releases: dict[str, Path], cache: str) -> list[dict[str, Any]]:
    return rows_of(load_local("indiana_cxr", tiny_releases["indiana_cxr"], f"{cache}-local"))


def rows(remote: Release, cache: str, **options: Any) -> list[dict[str, Any]]:
    return rows_of(remote.load("indiana_cxr", cache, streaming=True, **options))


@pytest.mark.parametrize("protocol", ["sftp", "ssh"])
@pytest.mark.parametrize("scheme", ["sftp", "ssh"])
def test_both_names_of_the_protocol_are_known_in_the_address_and_in_the_options(
    remote: Release,
    sftp: Sftp,
    expected: list[dict[str, Any]],
    cache: str,
    protocol: str,
    scheme: str,
) -> None:
    remote.url = remote.place.url.replace("sftp://", f"{scheme}://")
    assert rows(remote, cache, storage_options={protocol: sftp.options}) == expected


def test_the_user_may_stand_in_the_address_but_is_not_shown(
    remote: Release, sftp: Sftp, expected: list[dict[str, Any]], cache: str
) -> None:
    remote.url = remote.place.url.replace("://", "://reader@")
    remote.options = {k: v for k, v in sftp.options.items() if k != "username"}
    assert rows(remote, cache) == expected
    with pytest.raises(StoreError, match="may not be read: Authentication") as caught:
        rows(remote, cache, storage_options={**remote.options, "password": "wrong-password"})
    assert "reader" not in str(caught.value)
    assert "wrong-password" not in str(caught.value)


def test_no_message_of_a_release_shows_the_user_of_its_address(
    remote: Release, sftp: Sftp, cache: str
) -> None:
    place = remote.place
    remote.url = place.url.replace("://", "://reader@")
    remote.options = {k: v for k, v in sftp.options.items() if k != "username"}
    host = place.url.partition("/release")[0]

    def message() -> str:
        with pytest.raises(CxrError) as caught:
            rows(remote, cache)
        return str(caught.value)

    image = rows(remote, cache)[0]["path"]
    place.put(image, b"")
    told = [message()]
    place.put("indiana_reports.csv", b"uid,image\n1,a\n")
    told.append(message())
    place.remove("indiana_reports.csv")
    told.append(message())
    place.remove("indiana_projections.csv")
    told.append(message())
    for text in told:
        assert host in text
        assert "reader" not in text
    assert len(set(told)) == 4


@pytest.mark.parametrize("changed", [{"password": "wrong-password"}, {"password": None}])
def test_a_login_that_is_wrong_or_missing_is_explained_at_once(
    remote: Release, sftp: Sftp, cache: str, changed: dict[str, Any]
) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"may not be read: .*credentials.*storage_options"):
        rows(remote, cache, storage_options={**sftp.options, **changed})
    assert time.monotonic() - began < 5


def test_a_key_file_that_is_not_there_is_explained(remote: Release, sftp: Sftp, cache: str) -> None:
    wrong = {**sftp.options, "password": None, "key_filename": "/nowhere/id_ed25519"}
    with pytest.raises(StoreError, match=r"could not be read: FileNotFoundError.*storage_options"):
        rows(remote, cache, storage_options=wrong)


def test_many_reads_at_once_give_each_file_its_own_bytes(sftp: Sftp, tmp_path: Path) -> None:
    place = sftp.place(tmp_path.name)
    contents = {f"{number}.bin": bytes([number]) * (number * 997) for number in range(120)}
    for name, content in contents.items():
        place.put(name, content)
    own = {**sftp.options, "timeout": 20}  # with other options, nobody else's connections
    source = open_place(place.url, StorageOptions(own, place.url))
    before = sftp.logins
    for _ in range(3):
        begun = {name: source.begin_read(name) for name in contents}
        assert {name: read.result(timeout=30) for name, read in begun.items()} == contents
    assert source.sizes(list(contents)).tolist() == [len(content) for content in contents.values()]
    assert 2 <= sftp.logins - before <= source.requests.connections + 1


def test_sources_on_one_server_share_their_connections(remote: Release, sftp: Sftp) -> None:
    options = StorageOptions(sftp.options, remote.place.url)
    source = open_place(remote.place.url, options)
    source.sizes([f"{number}" for number in range(100)])
    before = sftp.logins
    for folder in ("images", "..", "images/images_normalized", "../../.."):
        assert source.folder(folder).names()
    assert sftp.logins == before


def test_connections_that_broke_off_are_opened_again(
    remote: Release, sftp: Sftp, expected: list[dict[str, Any]], cache: str
) -> None:
    stream = remote.load("indiana_cxr", cache, streaming=True)
    assert rows_of(stream) == expected
    sftp.drop()
    began = time.monotonic()
    assert rows_of(stream) == expected
    assert time.monotonic() - began < 10


def test_a_file_that_may_not_be_read_is_explained(
    remote: Release, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncssh

    def refuse(*_: object) -> None:
        raise asyncssh.SFTPPermissionDenied("no")

    stream = remote.load("indiana_cxr", cache, streaming=True)
    monkeypatch.setattr("tests.fakes.sftp._Files.open", refuse)  # the server, not the client
    with pytest.raises(StoreError, match=rf"{remote.place.url}/images/.* may not be read"):
        rows_of(stream)


def test_images_once_fetched_are_read_from_the_disk_until_they_change(
    tiny_releases: dict[str, Path], sftp: Sftp, tmp_path: Path, cache: str
) -> None:
    mimic = tiny_releases["mimic_cxr_jpg"]
    check_kept(served(sftp, mimic, tmp_path.name), mimic, cache)
