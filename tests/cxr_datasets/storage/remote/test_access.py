"""Our name for servers, the login that each server gets, and what users are told of a refusal."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cxr_datasets.errors import ReleaseError, ReportsError, StoreError, TableError
from tests.fakes.physionet import PASSWORD, USER, PhysioNet, Request
from tests.helpers import netrc_line
from tests.remote import MIMIC, MIMIC_REPORTS, Remote, rows_of

WRONG = "an invented mistake"


def user(password: str = PASSWORD) -> dict[str, Any]:
    """A login as options of a file system; a new one each time, as `datasets` adds to it."""
    return {"username": USER, "password": password}


def users(server: PhysioNet) -> set[str | None]:
    """Whose logins were accepted where a file or folder was served."""
    return {request.user for request in server.requests if request.status in (200, 206)}


pytestmark = [
    # A user may give aiohttp's own object.
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


def authorized(server: PhysioNet) -> list[Request]:
    return [request for request in server.requests if "Authorization" in request.headers]


def refusal(load: Callable[[], Any]) -> str:
    """What the user is told, on one line."""
    with pytest.raises(StoreError) as caught:
        load()
    return " ".join(str(caught.value).split())


@pytest.fixture
def elsewhere(remote_mimic: Remote) -> Iterator[PhysioNet]:
    """Another host with the same files, which asks for no login. Its name is `localhost`."""
    with PhysioNet(remote_mimic.server.folders, open_access=True) as running:
        yield running


def named(server: PhysioNet, path: str) -> str:
    return server.address(path).replace("127.0.0.1", "localhost")


# ------------------------------------------------------------------ the agent


@pytest.mark.usefixtures("login")
def test_we_send_our_own_agent_with_every_request(remote: Remote) -> None:
    remote.load()
    agents = {request.headers["User-Agent"] for request in remote.server.requests}
    assert len(agents) == 1
    assert agents.pop().startswith("cxr-datasets/")


@pytest.mark.usefixtures("login")
def test_an_agent_that_is_not_listed_is_told_both_causes_and_the_ways_out(remote: Remote) -> None:
    remote.server.agents = ("Wget/", "libwfdb/")
    message = refusal(remote.load)
    assert f"{remote.address}/" in message
    for words in (
        "answered 403",
        "User-Agent ('cxr-datasets/",
        "data use agreement",
        'storage_options={"headers": {"User-Agent"',
        "S3 access point",
        "Google Cloud",
        "wget",
    ):
        assert words in message
    assert len(remote.server.requests) < 100


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"User-Agent": "Listed/1.0"}},
        {"headers": {"user-agent": "Listed/1.0"}},
        {"http": {"headers": {"User-Agent": "Listed/1.0"}}},
        {"https": {"headers": {"User-Agent": "Listed/1.0"}}},
        {"client_kwargs": {"headers": {"User-Agent": "Listed/1.0"}}},
    ],
)
def test_the_user_can_set_the_agent(remote_mimic: Remote, options: dict[str, Any]) -> None:
    remote_mimic.server.agents = ("Listed/",)
    found = remote_mimic.load(storage_options=options)
    assert {r.headers["User-Agent"] for r in remote_mimic.server.requests} == {"Listed/1.0"}
    assert rows_of(found) == rows_of(remote_mimic.local())
    remote_mimic.server.agents = ()
    message = refusal(lambda: remote_mimic.load(storage_options=options))
    assert "User-Agent ('Listed/1.0')" in message


# ------------------------------------------------------------------ the login


def in_environment(patch: pytest.MonkeyPatch, home: Path, password: str) -> str:
    patch.setenv("PHYSIONET_HOST", "127.0.0.1")
    patch.setenv("PHYSIONET_USERNAME", USER)
    patch.setenv("PHYSIONET_PASSWORD", password)
    return "PHYSIONET_USERNAME and PHYSIONET_PASSWORD"


def in_netrc(patch: pytest.MonkeyPatch, home: Path, password: str) -> str:
    (home / ".netrc").write_text(netrc_line(USER, password))
    (home / ".netrc").chmod(0o600)
    return "~/.netrc"


def in_other_netrc(patch: pytest.MonkeyPatch, home: Path, password: str) -> str:
    file = home / "logins.txt"
    file.write_text(netrc_line(USER, password))
    patch.setenv("NETRC", str(file))
    return str(file)


SOURCES = [in_environment, in_netrc, in_other_netrc]


@pytest.mark.parametrize("source", SOURCES)
def test_a_login_is_found_where_users_keep_it(
    source: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(monkeypatch, Path.home(), PASSWORD)
    assert rows_of(remote.load()) == rows_of(remote.local())
    assert users(remote.server) == {USER}


@pytest.mark.parametrize(
    "options",
    [
        user(),
        {"https": user()},
        {"http": user()},
        {"https": user(), "http": user(WRONG)},
    ],
)
def test_a_login_may_be_a_storage_option(remote_mimic: Remote, options: dict[str, Any]) -> None:
    expected = rows_of(remote_mimic.local())
    assert rows_of(remote_mimic.load(storage_options=options, num_proc=2)) == expected
    assert rows_of(remote_mimic.load(storage_options=options, streaming=True)) == expected


def test_a_login_may_be_aiohttps_own(remote_mimic: Remote) -> None:
    options = {"client_kwargs": {"auth": aiohttp.BasicAuth(USER, PASSWORD)}}
    remote_mimic.load("reports", storage_options=options)
    assert users(remote_mimic.server) == {USER}


def test_storage_options_come_before_the_environment_and_that_before_netrc(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_netrc(monkeypatch, Path.home(), WRONG)
    in_environment(monkeypatch, Path.home(), PASSWORD)
    remote_mimic.load("reports")
    in_environment(monkeypatch, Path.home(), WRONG)
    remote_mimic.load("studies", storage_options=user())
    assert users(remote_mimic.server) == {USER}


@pytest.mark.parametrize("source", SOURCES)
def test_a_wrong_login_is_told_with_its_source_and_not_shown(
    source: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = source(monkeypatch, Path.home(), WRONG)
    message = refusal(remote.load)
    assert "answered 401" in message
    assert f"The login from {found} is not accepted" in message
    assert WRONG not in message


def test_a_wrong_storage_option_is_told(remote: Remote) -> None:
    message = refusal(lambda: remote.load(storage_options=user(WRONG)))
    assert "The login from storage_options is not accepted" in message
    assert WRONG not in message
    options = {"client_kwargs": {"auth": aiohttp.BasicAuth(USER, WRONG)}}
    message = refusal(lambda: remote.load(storage_options=options))
    assert "client_kwargs is not accepted" in message


def test_without_a_login_the_user_is_told_where_to_put_one(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    message = refusal(remote.load)
    assert f"{remote.address}/" in message
    for words in (
        "answered 401", "No login was sent", "~/.netrc", "PHYSIONET_USERNAME",
        "PHYSIONET_PASSWORD", 'storage_options={"username"', "`cxr access mimic-cxr-jpg`",
    ):  # fmt: skip
        assert words in message


def test_a_netrc_that_is_not_utf_8_is_said_and_not_quoted(
    remote_mimic: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path.home() / ".netrc"
    file.write_bytes(f"# Schl\u00fcssel\n{netrc_line(USER, PASSWORD)}".encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(StoreError, match="No login was sent"):
        remote_mimic.load()
    assert "no login is taken from ~/.netrc: it is not a text in UTF-8" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_netrc_that_python_refuses_is_said(
    remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path.home() / ".netrc"
    file.write_text(netrc_line(USER, "invented"))
    file.chmod(0o644)
    assert "No login was sent" in refusal(remote.load)
    assert "no login is taken from ~/.netrc" in caplog.text
    assert "permissive" in caplog.text
    caplog.clear()
    file.chmod(0o600)
    file.write_text(f"machine 127.0.0.1 login {USER} word {WRONG.split()[-1]}\n")
    refusal(remote.load)
    assert "line 1 is not understood" in caplog.text
    assert "mistake" not in caplog.text


@pytest.mark.usefixtures("login")
def test_a_user_who_has_not_signed_is_told_both_causes(remote: Remote) -> None:
    remote.server.signed = ()
    message = refusal(remote.load)
    assert "answered 403" in message
    assert "has not signed the data use agreement" in message
    assert "`cxr access mimic-cxr-jpg` says which step is missing" in message
    assert "User-Agent" in message


@pytest.mark.usefixtures("login")
def test_reports_whose_agreement_is_not_signed_are_named_and_the_images_read(
    remote_mimic: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    remote_mimic.server.signed = {MIMIC: [USER]}
    address = f"{remote_mimic.server.address(MIMIC_REPORTS)}/mimic-cxr-reports.zip"
    assert remote_mimic.load(split="train")["report"][0] is None
    assert f"{address} may not be read: the server answered 403" in caplog.text
    assert "data use agreement" in caplog.text
    with pytest.raises(ReportsError, match=f"{address} may not be read"):
        remote_mimic.load("reports")
    with pytest.raises(StoreError, match=f"{address} may not be read"):
        remote_mimic.load(reports=address)


@pytest.mark.usefixtures("login")
def test_a_missing_folder_or_table_is_named(remote: Remote) -> None:
    wrong = f"{remote.address}-no"
    with pytest.raises(ReleaseError, match=f"data_dir={wrong} is not a copy"):
        remote.load(data_dir=wrong)
    gone = {"indiana_cxr": "indiana_reports.csv"}.get(
        remote.package, "mimic-cxr-2.0.0-metadata.csv.gz"
    )
    (remote.release / gone).unlink()
    with pytest.raises(TableError, match=gone) as caught:
        remote.load()
    assert remote.address in str(caught.value)


@pytest.mark.usefixtures("login")
def test_an_archive_that_is_refused_is_explained_too(remote_indiana: Remote) -> None:
    remote_indiana.server.signed = ()
    address = f"{remote_indiana.address}/archive.zip"
    message = refusal(lambda: remote_indiana.load(data_dir=address))
    assert address in message
    assert "has not signed" in message


# ------------------------------------------------------------------ other hosts


@pytest.mark.parametrize("options", [user(), {"http": user()}, {"https": user()}])
def test_the_login_for_data_dir_is_not_sent_to_the_host_of_the_reports(
    remote_mimic: Remote, elsewhere: PhysioNet, options: dict[str, Any]
) -> None:
    reports = named(elsewhere, f"{MIMIC_REPORTS}/mimic-cxr-reports.zip")
    found = rows_of(remote_mimic.load(reports=reports, storage_options=options))
    assert found == rows_of(remote_mimic.local())
    assert elsewhere.requests
    assert not authorized(elsewhere)


def test_no_header_of_the_user_and_no_cookie_goes_to_the_host_of_the_reports(
    remote_mimic: Remote, elsewhere: PhysioNet
) -> None:
    token = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    options = {
        "headers": {
            "authorization": token,
            "Cookie": "a=b",
            "X-Key": "word",
            "User-Agent": "Own/1",
        },
        "client_kwargs": {"cookies": {"secret": "value"}},
    }  # fmt: skip
    remote_mimic.server.agents = ("Own/",)
    reports = named(elsewhere, MIMIC_REPORTS)
    remote_mimic.load("reports", reports=reports, storage_options=options)
    assert not authorized(elsewhere)
    for request in elsewhere.requests:
        assert "X-Key" not in request.headers
        assert "Cookie" not in request.headers
        assert request.headers["User-Agent"] == "Own/1"


def test_each_host_gets_its_own_login_of_a_netrc(
    remote_mimic: Remote, elsewhere: PhysioNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere.open_access, elsewhere.agents = False, ("cxr-datasets/",)
    elsewhere.users = {"another": "secret"}
    in_netrc(monkeypatch, Path.home(), PASSWORD)
    with (Path.home() / ".netrc").open("a") as file:
        file.write("machine localhost login another password secret\n")
    remote_mimic.load("reports", reports=named(elsewhere, MIMIC_REPORTS))
    assert users(elsewhere) == {"another"}
    assert users(remote_mimic.server) == {USER}


# ------------------------------------------------------------------ cookies


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("tests_cookies", [True, False])
def test_cookies_are_kept_so_that_the_login_is_checked_a_few_times_only(
    remote: Remote, tests_cookies: bool
) -> None:
    """At most once for each of the connections that are opened before the first answer."""
    remote.server.tests_cookies = tests_cookies
    remote.load(views="frontal")
    remote.load("studies", streaming=True)
    assert 1 <= remote.server.logins <= 8 < len(remote.server.requests)
    remote.server.reset()
    assert rows_of(remote.load(streaming=True)) == rows_of(remote.local())
    assert remote.server.logins == 0
