"""Things are opened once, even by many threads at the same moment, and anew after a fork."""

from __future__ import annotations

import gc
import pickle
import threading
import time
import weakref
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import fsspec
import pytest

from cxr_datasets.storage import requests
from cxr_datasets.storage.by_address import read_address, remember
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.sessions import Sessions, sessions
from cxr_datasets.storage.source import open_place
from cxr_datasets.storage.web import web_files
from cxr_datasets.testing.forking import in_fork

THREADS = 16

T = TypeVar("T")


class Thing:
    """Something that is open."""


def at_once(function: Callable[[], T]) -> list[T]:
    """What a function gives to threads that call it at the same moment."""
    together = threading.Barrier(THREADS)

    def call(_: int) -> T:
        together.wait()
        return function()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(THREADS)))


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """The address of an archive in memory."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", b"a")
    address = f"memory://{tmp_path.name}/a.zip"
    fsspec.filesystem("memory").pipe_file(address, (tmp_path / "a.zip").read_bytes())
    return address


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["shared", "own"])
def test_threads_that_ask_at_once_get_one_thing(way: str) -> None:
    kept, opened, owner = Sessions(), [], Thing()

    def open_it() -> Thing:
        time.sleep(0.05)
        opened.append(Thing())
        return opened[-1]

    found = at_once(lambda: getattr(kept, way)(owner, open_it))
    assert found == opened * THREADS
    assert len(opened) == 1


def test_who_opens_one_thing_does_not_wait_for_another() -> None:
    kept, slow = Sessions(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(kept.shared, "slow", slow.wait)
        assert kept.shared("fast", lambda: "fast") == "fast"
        assert not waiting.done()
        slow.set()
        assert waiting.result()


def test_what_cannot_be_opened_is_tried_again_by_the_next() -> None:
    kept = Sessions()
    with pytest.raises(ConnectionError):
        kept.shared("server", lambda: (_ for _ in ()).throw(ConnectionError()))
    assert kept.shared("server", lambda: "open") == "open"


def test_a_web_server_has_one_session_for_all_threads() -> None:
    options = StorageOptions()
    found = at_once(lambda: web_files("https://host.example/a", options, 8))
    assert len(set(map(id, found))) == 1
    assert web_files("https://host.example/b", options, 8) is found[0]
    assert web_files("https://other.example/a", options, 8) is not found[0]


def test_a_source_opens_its_store_once(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    open_files = requests.open_files

    def counted(address: str, *args: object) -> object:
        opened.append(address)
        return open_files(address, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(requests, "open_files", counted)
    source = open_place(archive)
    assert at_once(lambda: source.read("a.txt")) == [b"a"] * THREADS
    assert opened == [f"zip://::{archive}"]
    assert source.requests is not open_place(archive).requests  # type: ignore[attr-defined]


def test_threads_that_read_an_archive_by_address_open_it_once(
    archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    read_directory = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]
    monkeypatch.setattr(
        zipfile.ZipFile, "_RealGetContents", lambda file: (read.append(1), read_directory(file))
    )
    assert at_once(lambda: read_address(f"zip://a.txt::{archive}")) == [b"a"] * THREADS
    assert len(read) == 1


# --- processes ------------------------------------------------------------------------------------


def test_a_forked_process_opens_all_anew_and_knows_what_was_loaded_and_given(
    tmp_path: Path,
) -> None:
    thing, owner = Thing(), Thing()
    key = f"test-{tmp_path.name}"
    assert sessions.shared(key, lambda: thing) is sessions.own(owner, lambda: thing) is thing
    source = open_place(tmp_path)
    remember(source)
    (tmp_path / "a").write_bytes(b"a")
    options = StorageOptions({"password": "invented"}, "sftp://host.example")

    def in_child() -> tuple[object, ...]:
        return (
            sessions.shared(key, lambda: "new"), sessions.own(owner, lambda: "new"),
            read_address(source.address("a")), options.of("sftp"), options.lost,
        )  # fmt: skip

    assert in_fork(in_child) == ("new", "new", b"a", {"password": "invented"}, False)
    assert sessions.shared(key, Thing) is sessions.own(owner, Thing) is thing


def test_a_fork_while_a_thread_opens_something_does_not_hang() -> None:
    opening, go_on = threading.Event(), threading.Event()

    def open_it() -> str:
        opening.set()
        go_on.wait()
        return "parent"

    with ThreadPoolExecutor(1) as pool:
        parent = pool.submit(sessions.shared, "test-fork", open_it)
        opening.wait()
        assert in_fork(lambda: sessions.shared("test-fork", lambda: "child"), 20) == "child"
        go_on.set()
        assert parent.result() == "parent"


# --- letting go -----------------------------------------------------------------------------------


def test_what_one_object_opened_goes_with_it() -> None:
    kept, owner = Sessions(), Thing()
    opened = weakref.ref(kept.own(owner, Thing))
    del owner
    gc.collect()
    assert opened() is None


def test_after_clear_all_is_opened_anew(archive: str) -> None:
    source = open_place(archive)
    remember(source)
    before = source.requests  # type: ignore[attr-defined]
    web = web_files("https://host.example/a", StorageOptions(), 8)
    options = StorageOptions({"token": "invented"}, "hf://datasets/lab/films")
    sessions.clear()
    assert source.requests is not before  # type: ignore[attr-defined]
    assert source.read("a.txt") == b"a"
    assert web_files("https://host.example/a", StorageOptions(), 8) is not web
    assert sessions.loaded(source.address("a.txt")) is None
    assert options.lost
    assert options.of("hf") == {}


def test_of_two_sources_with_a_file_the_one_loaded_last_reads_it(tmp_path: Path) -> None:
    kept = Sessions()
    outer, inner = open_place(tmp_path), open_place(tmp_path / "inner")
    address = inner.address("a")
    for first, last in ((outer, inner), (inner, outer)):
        kept.add_source(first)
        kept.add_source(last)
        found = kept.loaded(address)
        assert found
        assert found[0] is last
        assert last.address(found[1]) == address


def test_equal_options_have_one_key_that_tells_nothing_of_them() -> None:
    first, again, other = (
        StorageOptions({"password": word}, "sftp://host.example") for word in ("one", "one", "two")
    )
    assert first.key == again.key != other.key
    assert "one" not in first.key
    assert not pickle.loads(pickle.dumps(first)).lost
