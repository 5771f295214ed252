"""Getting a copy from PhysioNet: a loopback one, and the real GNU wget."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.copies import Command, Downloaded, download, gnu_wget, wget
from cxr_datasets.copies.folder import NOTE
from cxr_datasets.errors import DownloadError, OptionError, StoreError
from cxr_datasets.testing import copy_release, rewrite
from tests.fakes.physionet import (
    PASSWORD,
    USER,
    Fault,
    Flip,
    Page,
    PhysioNet,
    Refuse,
    Reset,
    Short,
    Stall,
    Status,
    Truncate,
)
from tests.forked import start
from tests.helpers import netrc_line
from tests.remote import MIMIC, MIMIC_REPORTS

pytestmark = [
    pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed"),
    pytest.mark.usefixtures("short_waits"),
]

DATASET = "mimic-cxr-jpg"
ARCHIVE = "mimic-cxr-reports.zip"


@pytest.fixture
def mimic(small_release: Path, tmp_path: Path) -> Path:
    """A release whose files may be changed, without its reports."""
    copy = copy_release(small_release, tmp_path / "served")
    (tmp_path / "reports").mkdir()
    (copy / ARCHIVE).rename(tmp_path / "reports" / ARCHIVE)
    return copy


@pytest.fixture
def server(mimic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhysioNet]:
    """A PhysioNet that lets nobody in but by a login, from wget only; and the login."""
    folders = {MIMIC: mimic, MIMIC_REPORTS: tmp_path / "reports"}
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NETRC", raising=False)
    with PhysioNet(folders, tests_cookies=True, encrypted=True) as running:
        monkeypatch.setenv("PHYSIONET_HOST", f"127.0.0.1:{running.port}")
        monkeypatch.setenv("PHYSIONET_USERNAME", USER)
        monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
        yield running


def get(out: Path, **options: Any) -> Downloaded:
    done = download(DATASET, out, progress=False, **options)
    assert isinstance(done, Downloaded)
    return done


def images_in(place: Path) -> list[str]:
    found = (place / "files").rglob("*.jpg") if (place / "files").is_dir() else ()
    return sorted(file.relative_to(place).as_posix() for file in found)


def listed(release: Path) -> list[str]:
    return (release / "IMAGE_FILENAMES").read_text("ascii").split()


def wgets() -> list[str]:
    """The command lines of all processes of wget that are running here."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"wget"):
            lines.append(b" ".join(words).decode())
    return lines


# --- what is fetched ------------------------------------------------------------------------------


def test_a_release_comes_whole_from_the_site(
    server: PhysioNet, mimic: Path, tmp_path: Path
) -> None:
    done = get(tmp_path / "out")
    assert done.faults == {}
    assert images_in(tmp_path / "out") == sorted(listed(mimic))
    for path in listed(mimic):
        assert (tmp_path / "out" / path).read_bytes() == (mimic / path).read_bytes()


def test_just_the_wanted_files_are_asked_for_and_no_page_of_a_folder(
    server: PhysioNet, tmp_path: Path
) -> None:
    get(tmp_path / "out", limit=10)
    asked = {request.path for request in server.requests}
    tables = {path for path in asked if not path.endswith(".jpg")}
    assert len(asked - tables) == 10
    assert len(tables) == 6
    assert all(request.headers["User-Agent"].startswith("Wget/") for request in server.requests)
    assert not any(request.path.endswith("/") for request in server.requests)


@pytest.mark.parametrize("connections", [1, 8])
def test_no_more_connections_than_asked_for(
    connections: int, server: PhysioNet, tmp_path: Path
) -> None:
    server.latency = 0.01
    get(tmp_path / "out", connections=connections)
    assert server.max_concurrent <= connections
    assert server.max_concurrent > connections // 4


def test_more_than_eight_connections_are_refused(server: PhysioNet, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at most 8"):
        get(tmp_path / "out", connections=9)
    assert server.requests == []


def test_reports_come_from_the_other_project_and_are_compared_with_its_list(
    server: PhysioNet, tmp_path: Path
) -> None:
    import hashlib

    archive = tmp_path / "reports" / ARCHIVE
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (tmp_path / "reports" / "SHA256SUMS.txt").write_text(f"{digest} {ARCHIVE}\n")
    server.fail(ARCHIVE, Flip())
    done = get(tmp_path / "out", images=False, reports=True)
    assert done.faults == {}
    assert (tmp_path / "out" / ARCHIVE).read_bytes() == archive.read_bytes()
    assert get(tmp_path / "out", images=False, reports=True).fetched == 0


def test_the_site_is_asked_for_a_session_once_a_process(server: PhysioNet, tmp_path: Path) -> None:
    get(tmp_path / "out", connections=1)
    assert server.logins <= 8  # and not with every file


def test_a_dry_run_measures_the_rate(
    server: PhysioNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", DATASET, str(tmp_path / "out"), "--dry-run", "--no-progress"]) == 0
    told = capsys.readouterr().out
    assert "as 8 files came" in told
    assert not (tmp_path / "out").exists()


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [Status(503, {"Retry-After": "1"}), Status(500), Status(429), Reset(700), Short(700), Refuse(),
     Flip(), Truncate(500), Page()],
    ids=lambda fault: f"{type(fault).__name__} {getattr(fault, 'code', '')}".strip(),
)  # fmt: skip
def test_a_fault_that_passes_leaves_no_trace(
    fault: Fault, server: PhysioNet, mimic: Path, tmp_path: Path
) -> None:
    server.fail(r"\.jpg$", fault, times=3)
    done = get(tmp_path / "out", limit=12, connections=2)
    assert done.faults == {}
    found = images_in(tmp_path / "out")
    assert len(found) == 12
    assert all((tmp_path / "out" / p).read_bytes() == (mimic / p).read_bytes() for p in found)


def test_a_server_that_goes_silent_is_left_and_asked_again(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gnu_wget, "SILENCE", 1)
    server.fail(r"\.jpg$", Stall(300, seconds=30))
    started = time.monotonic()
    assert get(tmp_path / "out", limit=3).faults == {}
    assert time.monotonic() - started < 20


def test_a_file_that_was_cut_is_continued(server: PhysioNet, tmp_path: Path) -> None:
    server.fail(r"\.jpg$", Reset(1500))
    assert get(tmp_path / "out", limit=1).faults == {}
    asked = [request for request in server.requests if request.path.endswith(".jpg")]
    assert any(request.headers.get("Range", "").startswith("bytes=") for request in asked)


def test_a_file_that_changes_in_between_comes_whole(
    server: PhysioNet, mimic: Path, small_release: Path, tmp_path: Path
) -> None:
    import hashlib

    path = listed(mimic)[0]
    new = (small_release / listed(small_release)[1]).read_bytes()
    server.fail(r"\.jpg$", Reset(900), times=None)  # a part of the old file came
    ids = [Path(path).stem]
    assert get(tmp_path / "out", ids=ids).problems == 1
    server.heal()
    rewrite(mimic / path, new)
    sums = (mimic / "SHA256SUMS.txt").read_text().splitlines()
    digest = hashlib.sha256(new).hexdigest()
    lines = [f"{digest} {path}" if line.endswith(path) else line for line in sums]
    rewrite(mimic / "SHA256SUMS.txt", "".join(f"{line}\n" for line in lines).encode())
    done = get(tmp_path / "out", ids=ids)
    assert done.faults == {}
    assert (tmp_path / "out" / path).read_bytes() == new


def test_what_came_whole_and_was_not_named_yet_is_not_fetched_again(
    server: PhysioNet, mimic: Path, tmp_path: Path
) -> None:
    path = listed(mimic)[0]
    part = tmp_path / "out" / NOTE / "parts" / path
    part.parent.mkdir(parents=True)
    shutil.copy(mimic / path, part)
    assert get(tmp_path / "out", ids=[Path(path).stem]).faults == {}
    assert [request for request in server.requests if request.path.endswith(".jpg")] == []
    assert images_in(tmp_path / "out") == [path]


def test_a_part_that_is_longer_than_the_file_is_now_is_begun_anew(
    server: PhysioNet, mimic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gnu_wget, "SILENCE", 1)
    path = listed(mimic)[0]
    part = tmp_path / "out" / NOTE / "parts" / path
    part.parent.mkdir(parents=True)
    part.write_bytes((mimic / path).read_bytes() + b"more")
    assert get(tmp_path / "out", ids=[Path(path).stem]).faults == {}
    assert (tmp_path / "out" / path).read_bytes() == (mimic / path).read_bytes()


def test_files_that_fail_for_good_are_counted_and_the_others_come(
    server: PhysioNet, mimic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent, broken, *_ = sorted(listed(mimic))
    (mimic / absent).unlink()
    server.fail(broken, Status(500), times=None)
    assert main(["download", DATASET, str(tmp_path / "out"), "--no-progress"]) == 1
    told = capsys.readouterr().out
    assert "2 files did not come" in told
    assert "answered 404" in told
    assert "answered 500" in told
    assert len(images_in(tmp_path / "out")) == len(listed(mimic)) - 2


def test_a_dead_server_is_told_and_what_came_is_kept(
    server: PhysioNet, mimic: Path, tmp_path: Path
) -> None:
    get(tmp_path / "out", limit=2)
    server.stop()
    done = get(tmp_path / "out", limit=5)
    assert (done.problems, done.present) == (3, 2 + 5)  # and five tables
    assert "refuses connections" in next(iter(done.faults.values()))


def test_a_certificate_that_is_not_trusted_is_no_passing_fault(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(StoreError, match="certificate"):
        get(tmp_path / "out", limit=1)


def test_a_login_goes_to_no_other_server(server: PhysioNet, mimic: Path, tmp_path: Path) -> None:
    with PhysioNet({MIMIC: mimic}, encrypted=True) as other:
        server.fail(r"\.jpg$", Status(302, {"Location": other.address(MIMIC)}), times=None)
        done = get(tmp_path / "out", limit=1)
        assert "somewhere else" in next(iter(done.faults.values()))
        assert other.requests == []


# --- logins ---------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_with_where_it_was_found(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_PASSWORD", "another-word")
    with pytest.raises(StoreError) as caught:
        get(tmp_path / "out", limit=1)
    assert caught.value.refused
    for word in ("401", USER, "PHYSIONET_PASSWORD", "https://physionet.org/login/"):
        assert word in str(caught.value)
    assert "another-word" not in str(caught.value)
    assert len(server.requests) <= 4


def test_an_agreement_that_is_not_signed_is_told_with_its_page(
    server: PhysioNet, tmp_path: Path
) -> None:
    server.signed = {MIMIC: [], MIMIC_REPORTS: [USER]}
    with pytest.raises(StoreError, match=r"403.*agreement.*content/mimic-cxr-jpg/2\.1\.0"):
        get(tmp_path / "out", limit=1)
    assert len(server.requests) <= 4


def test_the_agreement_of_the_reports_is_another_one(server: PhysioNet, tmp_path: Path) -> None:
    server.signed = {MIMIC: [USER], MIMIC_REPORTS: []}
    with pytest.raises(StoreError, match=r"403.*content/mimic-cxr/2\.1\.0"):
        get(tmp_path / "out", reports=True, limit=1)


def test_a_login_is_taken_from_netrc(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHYSIONET_USERNAME")
    monkeypatch.delenv("PHYSIONET_PASSWORD")
    file = tmp_path / "home" / ".netrc"
    file.write_text(netrc_line(USER, PASSWORD))
    file.chmod(0o600)
    assert get(tmp_path / "out", limit=1).faults == {}


def test_without_a_login_and_a_terminal_nothing_is_asked_of_the_site(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHYSIONET_PASSWORD")
    with pytest.raises(DownloadError, match=r"~/\.netrc.*PHYSIONET_USERNAME"):
        get(tmp_path / "out", limit=1)
    assert server.requests == []


def test_a_terminal_is_asked_for_the_login_without_an_echo(
    server: PhysioNet, tmp_path: Path
) -> None:
    import pty

    program = (
        "import sys; from cxr_datasets.cli import main; "
        f"sys.exit(main(['download', '{DATASET}', '{tmp_path / 'out'}', '--limit', '1']))"
    )
    leader, follower = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("PHYSIONET_USERNAME",)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=follower, stdout=follower, stderr=follower,
        env=kept, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    told = b""
    for question, answer in ((b"User name", USER), (b"not shown", PASSWORD)):
        while question not in told:
            told += os.read(leader, 1000)
        time.sleep(0.2)  # until the echo is off
        os.write(leader, f"{answer}\n".encode())
    try:
        while piece := os.read(leader, 1000):
            told += piece
    except OSError:  # the terminal ended with the program
        pass
    assert process.wait(60) == 0, told.decode()
    assert PASSWORD.encode() not in told
    assert b"load_dataset(" in told


@pytest.mark.parametrize("word", ["with \"quotes' and # $HOME %41", "ключ-пароль", "a b"])
def test_any_password_arrives_as_it_is(
    word: str, server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.users[USER] = word
    monkeypatch.setenv("PHYSIONET_PASSWORD", word)
    assert get(tmp_path / "out", limit=1).faults == {}


@pytest.mark.parametrize("word", [" blank", "two\nlines"])
def test_a_password_that_wget_cannot_be_told_is_refused(
    word: str, server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_PASSWORD", word)
    with pytest.raises(DownloadError, match="wget cannot be told"):
        get(tmp_path / "out", limit=1)


def test_the_password_is_in_no_word_environment_or_file(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at while wget runs: its words, its environment, and every file with a name."""
    secret = "an-invented-secret-word"
    server.users[USER] = secret
    monkeypatch.setenv("PHYSIONET_PASSWORD", secret)
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    seen: list[bytes] = []
    real = subprocess.Popen

    def watching(*given: Any, **options: Any) -> Any:
        process = real(*given, **options)
        time.sleep(0.05)
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes()
                if b"wget" in words:
                    seen.extend((words, (place / "environ").read_bytes()))
            except OSError:
                continue
        for file in [*(tmp_path / "scratch").rglob("*"), *(tmp_path / "out").rglob("*")]:
            if file.is_file():
                seen.append(file.read_bytes())
        return process

    monkeypatch.setattr(wget.subprocess, "Popen", watching)
    server.latency = 0.1
    assert get(tmp_path / "out", limit=1).faults == {}
    assert any(b"WGETRC=/dev/fd/" in text for text in seen)
    assert not any(secret.encode() in text for text in seen)


# --- without wget ---------------------------------------------------------------------------------


def test_without_wget_an_error_says_how_to_install_it(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DownloadError, match=r"apt install wget.*dnf.*brew.*conda"):
        get(tmp_path / "out", limit=1)
    other = tmp_path / "wget"
    for told in ("BusyBox", "GNU Wget2 2.1.0", "GNU Wget 1.14 built on linux-gnu."):
        other.write_text(f"#!/bin/sh\necho '{told}'\n")
        other.chmod(0o755)
        with pytest.raises(DownloadError, match="is not GNU wget"):
            get(tmp_path / "out", limit=1)


def test_where_wget_is_another_program_the_one_called_wget1_is_used(
    server: PhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("wget")
    assert real is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "wget").write_text("#!/bin/sh\necho 'GNU Wget2 2.1.0'\n")
    (tmp_path / "bin" / "wget").chmod(0o755)
    (tmp_path / "bin" / "wget1").symlink_to(real)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert get(tmp_path / "out", limit=1).faults == {}


def test_the_printed_command_does_the_same_by_hand(
    server: PhysioNet, mimic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["download", DATASET, str(tmp_path / "out"), "--limit", "3"]
    for _ in range(2):  # the tables first, then the images
        assert main([*arguments, "--print-wget"]) == 0
        command = capsys.readouterr().out.strip().splitlines()[-1]
        words = shlex.split(command)
        assert "--ask-password" in words
        words[words.index("YOU")] = USER
        words[words.index("--ask-password")] = f"--password={PASSWORD}"
        trusted = f"--ca-certificate={os.environ['SSL_CERT_FILE']}"
        subprocess.run([*words, trusted, "-q"], check=True)
    server.reset()
    assert main([*arguments, "--no-progress"]) == 0
    assert [request for request in server.requests if request.path.endswith(".jpg")] == []
    assert len(images_in(tmp_path / "out")) == 3


def test_printing_the_command_needs_neither_login_nor_site(
    tmp_path: Path, small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHYSIONET_HOST", raising=False)
    told = download(DATASET, tmp_path / "out", print_wget=True, reports=True)
    assert isinstance(told, Command)
    names = Path(told.listed).read_text().split()
    assert names[0] == "SHA256SUMS.txt"
    assert names[-1] == f"https://physionet.org/{MIMIC_REPORTS}/{ARCHIVE}"
    assert "--base=https://physionet.org/files/mimic-cxr-jpg/2.1.0/" in told.command


# --- stopped --------------------------------------------------------------------------------------

PROGRAM = """
import sys
from cxr_datasets.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "signal", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.thorough), "SIGKILL"]
)
def test_stopped_at_any_moment_nothing_runs_on_and_the_next_run_goes_on(
    signal: str, server: PhysioNet, mimic: Path, tmp_path: Path
) -> None:
    import signal as signals

    server.latency = 0.05
    out = tmp_path / "out"
    process = start(["-c", PROGRAM, "download", DATASET, str(out), "--no-progress"])
    while len(images_in(out)) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(getattr(signals, signal))
    _, told = process.communicate(20)
    code = process.returncode
    assert code == (130 if signal == "SIGINT" else -getattr(signals, signal))
    if signal == "SIGINT":
        assert "The same command goes on" in told
    until = time.monotonic() + 5
    while any(str(out) in line for line in wgets()) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(str(out) in line for line in wgets())
    came = images_in(out)
    assert 3 <= len(came) < len(listed(mimic))
    assert all((out / path).read_bytes() == (mimic / path).read_bytes() for path in came)
    server.latency = 0
    done = get(out)
    assert (done.faults, images_in(out)) == ({}, sorted(listed(mimic)))
    assert done.present >= len(came)
