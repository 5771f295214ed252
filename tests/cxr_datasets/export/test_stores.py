"""Exports to addresses that are not local folders, and the lock in such places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cxr_datasets.export import ExportError, ExportSummary, export, lock
from cxr_datasets.export.folder import Folder
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.machine import this_machine
from cxr_datasets.testing import files_under
from tests.cxr_datasets.export.conftest import contents


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory, emptied."""
    files = fsspec.filesystem("memory")
    files.rm("/", recursive=True)
    files.mkdir("/bucket")
    yield files
    files.rm("/", recursive=True)


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_SETTLING", 0.01)


def write(release: Path, out: str | Path, cache: str, **options: Any) -> ExportSummary:
    return export("mimic-cxr-jpg", release, out, rows_per_file=16, progress=False,
                  cache_dir=cache, **options)  # fmt: skip


def stored(files: Any, out: str) -> dict[str, bytes]:
    root = out.partition("://")[2].strip("/")
    return {
        name.strip("/").removeprefix(f"{root}/"): files.cat_file(name) for name in files.find(root)
    }


def test_a_store_gets_the_same_bytes_as_a_disk_and_nothing_else(
    memory: Any, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    summary = write(small_release, "memory://bucket/out", export_cache)
    write(small_release, tmp_path / "out", export_cache)
    assert summary.out == "memory://bucket/out"
    local = {
        name: (tmp_path / "out" / name).read_bytes()
        for name in files_under(tmp_path / "out")
        if name != ".cxr/lock"
    }
    assert stored(memory, "memory://bucket/out") == local


def test_a_stopped_export_goes_on_in_a_store_too(
    memory: Any, small_release: Path, export_cache: str
) -> None:
    out = "memory://bucket/out"
    write(small_release, out, export_cache)
    whole = stored(memory, out)
    names = [name for name in whole if name.startswith("images/")]
    memory.rm_file(f"/bucket/out/{names[0]}")  # lost
    memory.pipe_file(f"/bucket/out/{names[1]}", whole[names[1]][:-50])  # cut off
    lines = whole[".cxr/images.jsonl"].splitlines(keepends=True)
    memory.pipe_file("/bucket/out/.cxr/images.jsonl", b"".join(lines[:-1]))  # not noted
    memory.pipe_file("/bucket/out/.cxr/unfinished/images--train.0badf00d", b"half")
    summary = write(small_release, out, export_cache)
    assert summary.written == 2
    assert stored(memory, out) == whole


def test_other_options_are_refused_in_a_store_too(
    memory: Any, small_release: Path, export_cache: str
) -> None:
    write(small_release, "memory://bucket/out", export_cache)
    with pytest.raises(ExportError, match="image_size: none there, 32 now"):
        write(small_release, "memory://bucket/out", export_cache, image_size=32)


def left_lock(memory: Any, **owner: Any) -> None:
    known = {"host": "elsewhere", "machine": "another", "pid": 4, "token": "1"}
    memory.pipe_file("/bucket/out/.cxr/lock", json.dumps({**known, **owner}).encode())


def test_the_second_export_into_a_store_is_refused(
    memory: Any, small_release: Path, export_cache: str
) -> None:
    left_lock(memory, pid=321)
    with pytest.raises(ExportError, match=r"memory://bucket/out .* by process 321 on elsewhere"):
        write(small_release, "memory://bucket/out", export_cache)
    assert list(stored(memory, "memory://bucket/out")) == [".cxr/lock"]


def test_of_two_that_begin_at_once_one_goes_on(
    memory: Any, small_release: Path, export_cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both have made their plan before either takes the lock, however busy the machine is.
    together, take = threading.Barrier(2), lock._locked_by_object

    def taken_together(folder: Folder) -> Any:
        together.wait(60)
        return take(folder)

    monkeypatch.setattr(lock, "_locked_by_object", taken_together)
    monkeypatch.setattr(lock, "_SETTLING", 3)  # more than either needs to write its lock
    outcomes: list[object] = []

    def one() -> None:
        try:
            outcomes.append(write(small_release, "memory://bucket/out", export_cache))
        except ExportError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(outcome) for outcome in outcomes} == {ExportSummary, ExportError}


def test_the_lock_of_a_dead_owner_is_taken_over(
    memory: Any, small_release: Path, export_cache: str
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for owner, age in (
        ({}, lock.DEAD_AFTER + 1),  # no sign of life from elsewhere
        ({"machine": this_machine(), "pid": dead.pid}, 0),  # known to be dead
    ):
        left_lock(memory, **owner)
        memory.store["/bucket/out/.cxr/lock"].modified -= timedelta(seconds=age)
        write(small_release, "memory://bucket/out", export_cache)
        assert not memory.exists("/bucket/out/.cxr/lock")


def test_an_owner_at_work_gives_signs_of_life(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", 0.02)
    folder = Folder("memory://bucket/out")
    with lock.locked(folder):
        first = json.loads(memory.cat_file("/bucket/out/.cxr/lock"))
        time.sleep(0.2)
        later = json.loads(memory.cat_file("/bucket/out/.cxr/lock"))
    assert later["sign"] != first["sign"]
    assert later["token"] == first["token"]
    assert first["pid"] == os.getpid()
    assert not memory.exists("/bucket/out/.cxr/lock")


def test_a_local_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = f"""
import time
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.lock import locked
with locked(Folder({str(tmp_path / "out")!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "locked\n"
    folder = Folder(tmp_path / "out")
    with pytest.raises(ExportError, match=f"process {owner.pid}"), lock.locked(folder):
        pass
    owner.kill()
    owner.wait()
    with lock.locked(folder):
        pass


class Refusing(MemoryFileSystem):  # type: ignore[misc]
    """A store that asks for a key."""

    protocol = "refusing"
    cachable = False

    def __init__(self, key: str | None = None, **more: Any):
        super().__init__(**more)
        self.key = key

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("refusing://"))

    def _open(self, path: str, *arguments: Any, **options: Any) -> Any:
        if self.key != "secret-key":
            raise PermissionError(f"https://store/{path}?signature=0badf00d")
        return super()._open(path, *arguments, **options)


@pytest.fixture
def refusing(memory: Any) -> None:
    fsspec.register_implementation("refusing", Refusing, clobber=True)


def test_a_store_that_refuses_is_explained_without_its_secrets(
    refusing: None, small_release: Path, export_cache: str
) -> None:
    with pytest.raises(ExportError, match="may not be") as caught:
        write(small_release, "refusing://bucket/out", export_cache)
    assert "out_options" in str(caught.value)
    assert "0badf00d" not in str(caught.value)


def test_out_options_reach_the_store_and_no_file(
    refusing: None, memory: Any, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    import pickle

    options = {"key": "secret-key"}
    write(small_release, "refusing://bucket/out", export_cache, out_options=options)
    found = {name: memory.cat_file(name) for name in memory.find("/")}
    assert any("/out/images/" in name for name in found)
    assert not any(b"secret-key" in content for content in found.values())
    folder = Folder("refusing://bucket/out", StorageOptions(options, "refusing://bucket/out"))
    assert folder.names()
    assert b"secret-key" not in pickle.dumps(folder)


def test_what_is_written_on_a_disk_has_a_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    attempt = folder.writing("images/a.parquet")
    attempt.__enter__().write(b"half")
    assert not (tmp_path / "images" / "a.parquet").exists()
    stopped = attempt.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stopped is False
    assert contents(tmp_path) == {}
    with folder.writing("images/a.parquet") as sink:
        sink.write(b"whole")
    assert (tmp_path / "images" / "a.parquet").read_bytes() == b"whole"
    assert files_under(tmp_path) == ["images/a.parquet"]


def test_one_that_is_refused_while_the_other_tidies_up_is_told_of_it(
    memory: Any, small_release: Path, export_cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each export removes once what killed ones left, and so the file that tells the time."""
    left_lock(memory)
    name, renamed = Folder._name, []

    def tidied(self: Folder, place: str, final: str) -> None:
        if "clock" in place and not renamed:
            renamed.append(place)
            self.remove_unfinished()
        name(self, place, final)

    monkeypatch.setattr(Folder, "_name", tidied)
    with pytest.raises(ExportError, match="is being written to by process"):
        write(small_release, "memory://bucket/out", export_cache)
    assert renamed
    assert list(stored(memory, "memory://bucket/out")) == [".cxr/lock"]
