"""`cxr access`: the steps to a dataset, and which of them its server accepts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cxr_datasets
from cxr_datasets.cli import main
from cxr_datasets.copies import access
from cxr_datasets.errors import OptionError
from tests.fakes.physionet import PASSWORD, USER, PhysioNet, Refuse, Status
from tests.helpers import netrc_line
from tests.remote import MIMIC, MIMIC_REPORTS

CHECKOUT = Path(cxr_datasets.__file__).parents[1]

WRONG = "an invented mistake"


@pytest.fixture(autouse=True)
def alone(no_logins: None) -> None:
    """Find no login of this machine's user, before a test brings its own."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhysioNet]:
    """A PhysioNet at the host that the site's variable names; it knows wget, and not us."""
    for folder in ("images", "reports"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "LICENSE.txt").write_text("terms")
    folders = {MIMIC: tmp_path / "images", MIMIC_REPORTS: tmp_path / "reports"}
    with PhysioNet(folders, tests_cookies=True, encrypted=True) as running:
        monkeypatch.setenv("PHYSIONET_HOST", f"127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHYSIONET_USERNAME", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)


def states(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, str]:
    """What `cxr access` says of each step, by the first words of its title."""
    assert main(["access", "mimic-cxr-jpg", "--json"]) == code
    steps = json.loads(capsys.readouterr().out)["steps"]
    names = ["account", "credentialed", "training", "images", "reports", "cloud"]
    return dict(zip(names, (step["state"] for step in steps), strict=True))


def test_it_lists_every_step_with_address_and_time_and_where_to_ask(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["access", "mimic-cxr-jpg", "--no-ask"]) == 0
    said = capsys.readouterr().out
    for words in (
        "https://physionet.org/register/", "https://physionet.org/settings/credentialing/",
        "up to eight days", "https://physionet.org/about/citi-course/",
        "Data or Specimens Only Research", "three to six hours", "up to a day",
        "https://physionet.org/sign-dua/mimic-cxr-jpg/2.1.0/",
        "https://physionet.org/sign-dua/mimic-cxr/2.1.0/", "the reports",
        "https://physionet.org/settings/cloud/", "(optional)",
        "https://github.com/MIT-LCP/mimic-code/discussions",
        "https://github.com/MIT-LCP/mimic-code/issues",
    ):  # fmt: skip
        assert words in said
    assert len(set(re.findall(r"^ +- .+ \(ID (\d+)\)$", said, re.MULTILINE))) == 14
    assert len(re.findall(r"^\[ \] \d\. ", said, re.MULTILINE)) == 6


def test_the_page_lists_the_same_steps() -> None:
    page = (CHECKOUT / "docs" / "access.md").read_text("utf-8")
    steps = access("mimic-cxr-jpg", ask=False).access.steps
    assert steps
    for step in steps:
        assert step.address in page
        assert all(part in page for part in step.parts)


@pytest.mark.usefixtures("login")
def test_a_login_that_may_read_both_projects_has_done_every_step(
    server: PhysioNet, capsys: pytest.CaptureFixture[str]
) -> None:
    told = states(capsys, 0)
    assert told.pop("cloud") == "unknown"
    assert set(told.values()) == {"accepted"}
    asked = [(request.method, request.path) for request in server.requests]
    assert asked == [("HEAD", f"/{MIMIC}/LICENSE.txt"), ("HEAD", f"/{MIMIC_REPORTS}/LICENSE.txt")]


@pytest.mark.usefixtures("login")
def test_an_agreement_that_is_not_signed_is_the_step_that_is_missing(
    server: PhysioNet, capsys: pytest.CaptureFixture[str]
) -> None:
    server.signed = {MIMIC: [USER]}
    told = states(capsys, 1)
    assert told == {"account": "accepted", "credentialed": "accepted", "training": "accepted",
                    "images": "accepted", "reports": "missing", "cloud": "unknown"}  # fmt: skip
    assert main(["access", "mimic-cxr-jpg"]) == 1
    said = capsys.readouterr().out
    assert "[!] 5. Sign the data use agreement of MIMIC-CXR 2.1.0\n" in said
    assert "MIMIC-CXR 2.1.0: the login is accepted, but may not read this project yet" in said


@pytest.mark.usefixtures("login")
def test_where_no_project_may_be_read_only_the_account_is_known(
    server: PhysioNet, capsys: pytest.CaptureFixture[str]
) -> None:
    server.signed = ()
    assert states(capsys, 1) == {
        "account": "accepted", "credentialed": "unknown", "training": "unknown",
        "images": "missing", "reports": "missing", "cloud": "unknown",
    }  # fmt: skip


@pytest.mark.parametrize("place", ["environment", "netrc"])
def test_a_wrong_password_is_told_with_where_it_is_and_not_shown(
    place: str, server: PhysioNet, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if place == "environment":
        monkeypatch.setenv("PHYSIONET_USERNAME", USER)
        monkeypatch.setenv("PHYSIONET_PASSWORD", WRONG)
    else:
        file = Path.home() / ".netrc"
        file.write_text(netrc_line(USER, WRONG))
        file.chmod(0o600)
    assert main(["access", "mimic-cxr-jpg"]) == 1
    said = capsys.readouterr().out
    found = "~/.netrc" if place == "netrc" else "PHYSIONET_USERNAME and PHYSIONET_PASSWORD"
    assert f"Asked with the login from {found}:" in said
    assert "[!] 1. Make an account" in said
    assert "the name or the password is wrong" in said
    assert "mistake" not in said
    assert {request.status for request in server.requests} == {401}


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("how", ["down", "refuses", "503"])
def test_a_server_that_does_not_answer_tells_nothing(
    how: str, server: PhysioNet, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "down":
        server.stop()
    else:
        server.fail("", Status(503) if how == "503" else Refuse(), times=None)
    assert set(states(capsys, 0).values()) == {"unknown"}
    assert main(["access", "mimic-cxr-jpg"]) == 0
    said = capsys.readouterr().out
    assert ("the server answered 503" if how == "503" else "no answer came") in said


def test_without_a_login_it_says_so_and_asks_nobody(
    server: PhysioNet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(states(capsys, 0).values()) == {"unknown"}
    assert main(["access", "mimic-cxr-jpg"]) == 0
    said = capsys.readouterr().out
    assert "No login was found" in said
    assert "~/.netrc" in said
    assert server.requests == []


@pytest.mark.usefixtures("login", "server")
def test_without_wget_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["access", "mimic-cxr-jpg"]) == 0
    assert "Install GNU wget" in capsys.readouterr().out


@pytest.mark.usefixtures("server")
def test_a_password_that_wget_cannot_be_told_is_not_handed_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHYSIONET_USERNAME", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", "word\nuse_proxy = on")
    assert main(["access", "mimic-cxr-jpg"]) == 0
    assert "wget cannot be told" in capsys.readouterr().out


@pytest.mark.usefixtures("login")
def test_the_login_is_in_no_word_environment_or_named_file_of_the_program(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "bin" / "wget"
    spy.parent.mkdir()
    real = next(path for path in os.environ["PATH"].split(":") if Path(path, "wget").exists())
    spy.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} >>{tmp_path}/seen\nexec {real}/wget "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    assert access("mimic-cxr-jpg").problems == 0
    assert {request.user for request in server.requests} == {USER}
    seen = (tmp_path / "seen").read_text()
    assert "--spider" in seen
    assert USER not in seen
    assert PASSWORD not in seen
    named = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in named if PASSWORD.encode() in file.read_bytes()]


def test_a_public_dataset_needs_no_account(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["access", "indiana_cxr"]) == 0
    assert "No account is needed" in capsys.readouterr().out
    assert access("indiana-cxr").states == ()


def test_an_unknown_dataset_is_wrong_usage() -> None:
    with pytest.raises(OptionError, match="mimic-cxr-jpg"):
        access("mimic")
