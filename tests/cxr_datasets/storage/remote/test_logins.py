"""The login of a site goes only over https, and only to the hosts that the site names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.logins import find_login
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.fakes.recorder import Answer, Recorder
from tests.helpers import netrc_line
from tests.remote import MIMIC, Remote


@pytest.fixture
def plain(remote_mimic: Remote) -> Iterator[PhysioNet]:
    """A PhysioNet that is asked over http."""
    folders = remote_mimic.server.folders
    with PhysioNet(folders, agents=("cxr-datasets/",)) as running:
        yield running


def in_environment(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setenv("PHYSIONET_USERNAME", USER)
    patch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    return {}


def in_netrc(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    file = Path.home() / ".netrc"
    machines = ("physionet.org", "127.0.0.1")
    file.write_text("".join(netrc_line(USER, PASSWORD, host) for host in machines))
    file.chmod(0o600)
    return {}


def in_options(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"username": USER, "password": PASSWORD}


def in_client(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"client_kwargs": {"headers": {"Authorization": f"Basic {PASSWORD}"}}}


def in_cookies(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"client_kwargs": {"cookies": {"sessionid": PASSWORD}}}


SOURCES = [in_environment, in_netrc, in_options, in_client, in_cookies]


@pytest.mark.parametrize(
    "address", ["http://physionet.org/files/a", "{plain}", "zip://::{plain}/a"]
)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_login_of_a_site_is_not_sent_over_http(
    source: Any, address: str, streaming: bool, plain: PhysioNet, cache: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PHYSIONET_HOST", f"127.0.0.1:{plain.port}")
    given = source(monkeypatch)
    address = address.format(plain=plain.address(MIMIC))
    with pytest.raises(StoreError, match=r"goes only over https\. Give the") as caught:
        datasets.load_dataset(
            "mimic_cxr_jpg", data_dir=address, cache_dir=cache, streaming=streaming,
            storage_options=given or None,
        )  # fmt: skip
    assert PASSWORD not in str(caught.value)
    assert not plain.requests


@pytest.mark.parametrize("name", ["reports", "images"])
def test_a_login_of_a_site_is_not_sent_over_http_for_another_part_of_the_release(
    name: str, remote_mimic: Remote, plain: PhysioNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    in_environment(monkeypatch)
    with pytest.raises(StoreError, match="goes only over https"):
        remote_mimic.load(**{name: plain.address(MIMIC)})
    assert not plain.requests


def test_a_site_without_a_login_may_be_asked_over_http(
    plain: PhysioNet, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    plain.open_access = True
    address = plain.address(MIMIC)
    found = datasets.load_dataset("mimic_cxr_jpg", "reports", data_dir=address, cache_dir=cache)
    assert len(found["train"]) > 0


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_whatever_listens_on_this_machine_gets_no_login_of_a_site(
    host: str, encrypted: bool, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(monkeypatch)
    with Recorder(lambda asked: Answer(401), encrypted=encrypted) as server:
        monkeypatch.setenv("PHYSIONET_HOST", f"{host}:{server.port + 1}")
        address = f"{server.scheme}://{host}:{server.port}/files"
        with pytest.raises(StoreError, match="No login was sent") as caught:
            datasets.load_dataset("mimic_cxr_jpg", data_dir=address, cache_dir=cache)
    assert server.asked
    assert not any({"Authorization", "Cookie"} & asked.headers.keys() for asked in server.asked)
    assert (
        "PHYSIONET_USERNAME and PHYSIONET_PASSWORD go to physionet.org and to the host that "
        "PHYSIONET_HOST names only, and over https only." in str(caught.value)
    )


def test_a_server_of_ones_own_gets_the_login_that_was_given_for_it_over_http_too(
    plain: PhysioNet, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = in_options(monkeypatch)
    address = plain.address(MIMIC)
    found = datasets.load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=address, cache_dir=cache, storage_options=login
    )
    assert len(found["train"]) > 0
    assert {request.user for request in plain.requests if request.status == 200} == {USER}


def test_the_environments_login_goes_to_physionet_and_the_host_that_is_named_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_environment(monkeypatch)
    for host in ("physionet.org", "alpha.physionet.org"):
        assert find_login(host, {}) is not None
    others = ("example.org", "physionet.org.example.org", "notphysionet.org", "localhost")
    for host in others:
        assert find_login(host, {}) is None
    monkeypatch.setenv("PHYSIONET_HOST", "localhost:8443")
    assert find_login("localhost:8443", {}) is not None
    assert find_login("localhost:8444", {}) is None
    assert find_login("example.org", {}) is None


def test_what_a_netrc_has_for_all_other_machines_goes_nowhere(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path.home() / ".netrc"
    file.write_text(f'machine example.org login a password b\ndefault login {USER} password "c"\n')
    file.chmod(0o600)
    with pytest.raises(StoreError, match="No login was sent"):
        remote_mimic.load()
    assert not any("Authorization" in request.headers for request in remote_mimic.server.requests)


@pytest.mark.parametrize("data_dir", ["web", "disk"])
def test_options_for_the_web_go_to_one_server(
    data_dir: str, remote_mimic: Remote, plain: PhysioNet
) -> None:
    """To that of `data_dir`; where that is a disk, to that of the images."""
    plain.open_access = True
    login = {"https": {"username": USER, "password": PASSWORD}}
    place = remote_mimic.address if data_dir == "web" else str(remote_mimic.release)
    remote_mimic.load(
        data_dir=place, images=remote_mimic.address, storage_options=login,
        reports=plain.address("files/mimic-cxr/2.1.0"),
    )  # fmt: skip
    assert any("Authorization" in request.headers for request in remote_mimic.server.requests)
    assert plain.requests
    assert not any("Authorization" in request.headers for request in plain.requests)
