"""Whether the owner of a lock in a store is alive, the clock of the store tells."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cxr_datasets.export import ExportError, lock
from cxr_datasets.export.folder import Folder
from cxr_datasets.storage.clocks import time_of_change
from cxr_datasets.storage.credentials import StorageOptions
from tests.fakes.gcs import Gcs
from tests.fakes.s3 import S3
from tests.fakes.sftp import Sftp

ELSEWHERE = {"host": "elsewhere", "machine": "another", "pid": 321, "token": "1", "sign": "1"}


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_SETTLING", 0.01)


@pytest.fixture(params=[-5, 0, 5], ids=["late", "right", "early"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this machine, wrong by hours; that of a store runs on."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + request.param * 3600)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with S3() as s3:
        s3.place("exports", "mimic")
        yield s3


@pytest.fixture
def in_s3(s3: S3) -> Folder:
    options = {"endpoint_url": s3.url, **s3.user("writer", allow=["*"])}
    return Folder("s3://exports/mimic/out", StorageOptions(options, "s3://exports"))


@pytest.fixture
def by_sftp(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "served").mkdir()
    with Sftp(tmp_path / "served") as server:
        out = server.place("out").url
        yield Folder(out, StorageOptions(server.options, out))


@pytest.fixture
def in_google() -> Iterator[Folder]:
    with Gcs() as cloud:
        out = f"{cloud.place('exports', 'mimic').url}/out"
        yield Folder(out, StorageOptions({"token": cloud.key, "endpoint_url": cloud.url}, out))


def leave_lock(folder: Folder, **owner: Any) -> None:
    folder.write(".cxr/lock", json.dumps({**ELSEWHERE, **owner}).encode())


@pytest.mark.parametrize("place", ["in_s3", "in_google", "by_sftp"])
def test_a_live_lock_is_not_stolen_whatever_the_clock_of_this_machine_says(
    place: str, clock: None, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(place)
    leave_lock(folder)
    with pytest.raises(ExportError, match="process 321 on elsewhere"), lock.locked(folder):
        pass
    assert list(folder.sizes(".cxr")) == ["lock"]


def test_a_dead_lock_is_taken_over_whatever_the_clock_of_this_machine_says(
    in_s3: Folder, clock: None, s3: S3
) -> None:
    leave_lock(in_s3)
    s3.place("exports", "mimic").let_pass("out/.cxr/lock", lock.DEAD_AFTER - 10)
    with pytest.raises(ExportError, match="process 321"), lock.locked(in_s3):
        pass
    s3.place("exports", "mimic").let_pass("out/.cxr/lock", 20)
    with lock.locked(in_s3):
        assert json.loads(in_s3.read(".cxr/lock") or b"")["pid"] == os.getpid()
    assert in_s3.sizes(".cxr") == {}


def test_a_dead_lock_by_sftp_is_taken_over(by_sftp: Folder, clock: None, tmp_path: Path) -> None:
    leave_lock(by_sftp)
    left = tmp_path / "served" / "out" / ".cxr" / "lock"
    old = left.stat().st_mtime - lock.DEAD_AFTER - 5
    os.utime(left, (old, old))
    with lock.locked(by_sftp):
        pass


def test_on_a_disk_without_locks_the_times_of_files_are_compared(
    tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    folder = Folder(tmp_path / "out")
    folder.make()
    leave_lock(folder)
    with pytest.raises(ExportError, match="process 321"), lock.locked(folder):
        pass
    left = tmp_path / "out" / ".cxr" / "lock"
    old = left.stat().st_mtime - lock.DEAD_AFTER - 5
    os.utime(left, (old, old))
    with lock.locked(folder):
        pass


def test_two_machines_of_one_name_do_not_take_each_other_for_dead(in_s3: Folder) -> None:
    leave_lock(in_s3, host=socket.gethostname(), pid=2**22 + 1)  # no process here has this number
    with pytest.raises(ExportError, match="process"), lock.locked(in_s3):
        pass


def test_an_owner_that_was_silent_for_too_long_leaves_the_lock_to_who_took_it(
    in_s3: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    with lock.locked(in_s3):
        leave_lock(in_s3)
        time.sleep(0.5)
        assert json.loads(in_s3.read(".cxr/lock") or b"")["pid"] == ELSEWHERE["pid"]
    assert json.loads(in_s3.read(".cxr/lock") or b"")["pid"] == ELSEWHERE["pid"]


class Timeless(MemoryFileSystem):  # type: ignore[misc]
    """A store that does not tell when a file was written."""

    protocol = "timeless"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("timeless://"))

    def modified(self, path: str) -> Any:
        raise NotImplementedError


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    fsspec.register_implementation("timeless", Timeless, clobber=True)
    monkeypatch.setattr(lock, "DEAD_AFTER", 0.5)
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    yield Folder("timeless://out")
    Timeless().rm("/", recursive=True)


def test_where_a_store_tells_no_time_the_lock_is_watched(timeless: Folder) -> None:
    leave_lock(timeless)
    with lock.locked(timeless):  # nobody wrote it anew
        pass
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.05):
            leave_lock(timeless, sign=str(time.monotonic()))

    leave_lock(timeless)
    owner = threading.Thread(target=live)
    owner.start()
    try:
        with pytest.raises(ExportError, match="process 321"), lock.locked(timeless):
            pass
    finally:
        stop.set()
        owner.join()


class Telling:
    def __init__(self, **info: Any):
        self._info = info

    def info(self, place: str) -> dict[str, Any]:
        return self._info

    def modified(self, place: str) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("told", [
    {"LastModified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)},
    {"mtime": 1767323045},
    {"updated": "2026-01-02T03:04:05.000Z"},
    {"Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"},
    {"created": 5, "mtime": datetime(2026, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1)))},
])  # fmt: skip
def test_times_of_all_forms_are_read(told: dict[str, Any]) -> None:
    assert time_of_change(Telling(**told), "file") == 1767323045


@pytest.mark.parametrize("told", [{}, {"created": 5}, {"mtime": "yesterday"}, {"mtime": None}])
def test_what_is_no_time_of_change_is_none(told: dict[str, Any]) -> None:
    assert time_of_change(Telling(**told), "file") is None
