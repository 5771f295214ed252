"""A log for audits: a line a run, however it ends, and nothing in it that must not be told."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets import __version__
from cxr_datasets.audit import Entry, logged
from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, OptionError, StoreError
from cxr_datasets.export import export, run
from tests.modes import umask
from tests.secret_addresses import FORMS, WORD
from tests.small_disk import small_disk


def lines(log: Path) -> list[dict[str, Any]]:
    text = log.read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def words(indiana_release: Path, export_cache: str, tmp_path: Path) -> list[str]:
    return ["export", "indiana-cxr", "--data-dir", str(indiana_release), "--out",
            str(tmp_path / "out"), "--config", "reports", "--cache-dir", export_cache,
            "--no-progress", "--log", str(tmp_path / "audit.jsonl")]  # fmt: skip


def test_an_export_says_who_when_what_from_where_to_where_and_how_it_ended(
    words: list[str], log: Path, tmp_path: Path, indiana_release: Path, export_cache: str
) -> None:
    assert main([*words, "--views", "frontal", "--split", "train"]) == 0
    (line,) = lines(log)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("time"))
    assert line.pop("seconds") > 0
    manifest = tmp_path / "out" / ".cxr" / "reports.jsonl"
    (file,) = (tmp_path / "out" / "reports").iterdir()
    rows = line["counts"].pop("rows")
    assert 0 < rows <= 60
    assert line == {
        "user": getpass.getuser(), "host": socket.gethostname(), "version": __version__,
        "verb": "export", "places": {"data_dir": str(indiana_release), "out": f"{tmp_path}/out"},
        "options": {"dataset": "indiana-cxr", "config": "reports", "split": ["train"],
                    "dry_run": False,
                    "views": ["frontal"], "cache_dir": export_cache, "progress": False},
        "counts": {"files": 1, "bytes": file.stat().st_size, "written": 1, "absent": 0,
                   "damaged": 0},
        "manifests": {"reports": hashlib.sha256(manifest.read_bytes()).hexdigest()},
        "outcome": "done",
    }  # fmt: skip


def test_a_run_that_fails_or_is_refused_has_its_line_too(
    words: list[str], log: Path, tmp_path: Path
) -> None:
    assert main([*words, "--views", "sideways"]) == 2
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert main(words) == 1
    told = [(line["outcome"], line["manifests"]) for line in lines(log)]
    assert told == [("OptionError", {}), ("ExportError", {})]


def test_a_run_that_is_stopped_tells_what_was_finished(
    words: list[str], log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all = run.workers.write_all

    def stop_after_a_file(tasks: Any, *others: Any) -> None:
        write_all(tasks[:1], *others)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.workers, "write_all", stop_after_a_file)
    assert main([*words, "--rows-per-file", "30"]) == 130
    (line,) = lines(log)
    assert line["outcome"] == "KeyboardInterrupt"
    assert (line["counts"]["files"], line["counts"]["written"]) == (1, 1)
    manifest = tmp_path / "out" / ".cxr" / "reports.jsonl"
    assert line["manifests"]["reports"] == hashlib.sha256(manifest.read_bytes()).hexdigest()


@pytest.mark.parametrize("key", ["data_dir", "out", "images"])
def test_no_secret_of_an_address_or_a_store_is_told(
    key: str, log: Path, indiana_release: Path, tmp_path: Path
) -> None:
    usual = {"data_dir": str(indiana_release), "out": str(tmp_path / "out")}
    for form in FORMS:
        given = {**usual, key: form.format(word=WORD)}
        with pytest.raises(CxrError):
            export("indiana-cxr", **given, log=log, storage_options={"password": WORD})
    assert WORD not in log.read_text()
    told = lines(log)
    assert len(told) == len(FORMS)
    assert {tuple(line["options"]["storage_options"]) for line in told} == {("password",)}


def test_ids_are_told_by_their_number_and_digest_and_a_file_of_them_by_its_own(
    log: Path, tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("s50000001\ns50000002\n")
    for given in (ids, ["s50000001", "s50000002"], tmp_path / "none.txt"):
        with logged(log, "verb", places={}, options={"ids": given}):
            pass
    told = {"count": 2, "sha256": hashlib.sha256(ids.read_bytes()).hexdigest()}
    assert [line["options"]["ids"] for line in lines(log)] == [told, told, {"file": "not read"}]
    assert "s5000000" not in log.read_text()


def test_problems_that_were_found_are_the_outcome(log: Path) -> None:
    with logged(log, "verb", places={"place": None}, options={"limit": None}) as entry:
        entry.problems = 3
    (line,) = lines(log)
    assert (line["outcome"], line["places"], line["options"]) == ("problems", {}, {})


def test_processes_that_add_lines_at_once_cut_none(log: Path) -> None:
    code = """
import sys
from cxr_datasets.audit import Entry, logged

sys.stdin.readline()  # all begin at once
for number in range(200):
    with logged(sys.argv[1], sys.argv[2], places={}, options={"long": "x" * 20_000}):
        pass
"""
    names = ("one", "two")
    runs = [
        subprocess.Popen([sys.executable, "-c", code, log, name], stdin=subprocess.PIPE)
        for name in names
    ]
    for each in runs:
        each.communicate(b"\n")
        assert each.returncode == 0
    told = [line["verb"] for line in lines(log)]
    assert {name: told.count(name) for name in names} == dict.fromkeys(names, 200)


@pytest.mark.parametrize(("mask", "mode"), [(0o000, 0o640), (0o022, 0o640), (0o077, 0o600)])
def test_the_file_is_closed_to_others_from_its_first_moment(
    mask: int, mode: int, log: Path
) -> None:
    with umask(mask), logged(log, "verb", places={}, options={}):
        assert stat.S_IMODE(log.stat().st_mode) == mode
    log.chmod(0o644)
    with logged(log, "verb", places={}, options={}):
        assert stat.S_IMODE(log.stat().st_mode) == 0o640
    assert len(lines(log)) == 2


@pytest.mark.parametrize(
    "place", ["s3://bucket/log", "none/log", ".", "link", "pipe", "https://u:{word}@host.example/a"]
)
def test_what_cannot_be_added_to_is_refused_before_anything_is_done(
    place: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    assert main([*words[:-1], place.format(word=WORD)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("cxr: log=")
    assert WORD not in told
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_a_line_that_was_cut_does_not_swallow_the_next(log: Path) -> None:
    log.write_text('{"time": "21')
    with logged(log, "verb", places={}, options={}):
        pass
    cut, line = log.read_text().splitlines()
    assert cut == '{"time": "21'
    assert json.loads(line)["outcome"] == "done"


def long_line(log: Path) -> AbstractContextManager[Entry]:
    return logged(log, "verb", places={}, options={"long": "x" * 5000})


def test_a_full_disk_is_told_and_hides_no_error_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", pages=2) as disk:
        log = disk / "log"
        log.touch()
        (disk / "rest").write_bytes(bytes(4096))
        with pytest.raises(StoreError, match="could not be added"), long_line(log):
            pass
        with pytest.raises(OptionError, match="of the run"), long_line(log):
            raise OptionError("of the run")
    assert "could not be added to the log" in caplog.text
