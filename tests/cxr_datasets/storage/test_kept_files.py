"""Files that are kept on a disk up to a size: what a crash leaves, and what goes first."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.storage import kept_files, kept_state
from cxr_datasets.storage.kept_files import KeptFiles
from cxr_datasets.storage.kept_folder import begin_place, private_folder
from cxr_datasets.storage.source import Stamp
from tests.power_cut import PowerCuts

HEAD = 40
"""Bytes that stand before each file."""


def name_of(number: int) -> str:
    return f"{'a' * 32}/{number:032x}"


def content_of(number: int, size: int = 960) -> bytes:
    return random.Random(number).randbytes(size)


def kept(folder: Path, limit: int = 10**6) -> KeptFiles:
    return KeptFiles(private_folder(str(folder / "kept")), limit)


def there(files: KeptFiles) -> list[str]:
    root = Path(files.folder)
    return [str(path) for path in root.rglob("*") if path.is_file() and path.name != "state"]


def in_a_child(work: Callable[[], object]) -> int:
    """Do something in a forked process; gives the signal that ended it, or 0."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("at", [0, 1, HEAD - 1, HEAD, HEAD + 1, 500, HEAD + 959])
def test_a_process_that_is_killed_while_it_writes_leaves_nothing_that_is_served(
    tmp_path: Path, at: int
) -> None:
    import resource

    files = kept(tmp_path)

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the system kills it at this very byte
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))
        files.keep(name_of(1), content_of(1))

    assert in_a_child(write) == signal.SIGXFSZ
    assert files.read(name_of(1)) is None
    assert len(there(files)) == 1  # what was not finished
    again = kept(tmp_path)  # as the next load does
    assert not there(again)
    again.keep(name_of(1), content_of(1))
    assert again.read(name_of(1)) == content_of(1)


@pytest.mark.parametrize("step", ["utime", "replace", "unlink"])
def test_a_process_that_is_killed_between_two_steps_leaves_a_folder_in_order(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = kept(tmp_path, limit=3 * 1000)
    for number in range(3):
        files.keep(name_of(number), content_of(number))

    def write() -> None:
        monkeypatch.setattr(os, step, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
        files.keep(name_of(3), content_of(3))

    assert in_a_child(write) == signal.SIGKILL
    again = kept(tmp_path, limit=3 * 1000)
    for number in range(4):
        assert again.read(name_of(number)) in (None, content_of(number))
    for number in range(4, 20):
        again.keep(name_of(number), content_of(number))
        assert sum(size for _, size in again.usage().values()) <= 3 * 1000
    assert [again.read(name_of(number)) for number in (17, 18, 19)] == [
        content_of(number) for number in (17, 18, 19)
    ]
    assert len(there(again)) == 3


def test_after_a_power_cut_at_any_moment_nothing_wrong_is_served(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with PowerCuts(tmp_path / "disk") as cuts:
        files = kept(tmp_path / "disk", limit=3 * 1000)
        for number in range(5):
            files.keep(name_of(number), content_of(number))
    assert cuts.moments > 15
    found = 0
    for at, state in enumerate(cuts.states()):
        state.write_to(tmp_path / str(at))
        again = kept(tmp_path / str(at), limit=3 * 1000)
        for number in range(5):
            content = again.read(name_of(number))
            assert content in (None, content_of(number))
            found += content is not None
        for number in range(5, 9):
            again.keep(name_of(number), content_of(number))
        assert [again.has(name_of(number)) for number in range(9)] == [False] * 6 + [True] * 3
    assert found


def test_what_a_living_process_writes_is_not_removed_by_the_next_load(tmp_path: Path) -> None:
    files = kept(tmp_path)
    with kept_files.unfinished_file(os.path.join(files.folder, "unfinished", "x")) as path:
        kept(tmp_path)
        assert os.path.exists(path)


def test_the_least_lately_used_go_first_over_many_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "_FEWEST", 3)
    files, drawn = kept(tmp_path, limit=20 * 1000), random.Random(0)
    order: list[int] = []  # as it should be, the least lately used first
    for _ in range(600):
        number = drawn.randrange(40)
        found = files.read(name_of(number))
        assert (found is not None) == (number in order)
        if found is None:
            files.keep(name_of(number), content_of(number))
            order = order[-19:] if len(order) == 20 else order
        else:
            assert found == content_of(number)
            order.remove(number)
        order.append(number)


def test_files_are_looked_at_a_few_times_each_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "_FEWEST", 20)
    files = kept(tmp_path, limit=300 * 50)
    for number in range(300):
        files.keep(name_of(number), content_of(number, 10))
    looked = 0
    real = KeptFiles._all

    def counted(self: KeptFiles) -> object:
        nonlocal looked
        for each in real(self):
            looked += 1
            yield each

    monkeypatch.setattr(KeptFiles, "_all", counted)
    for number in range(300, 600):
        files.keep(name_of(number), content_of(number, 10))
    assert looked <= 12 * 300
    assert files.read(name_of(300)) == content_of(300, 10)
    assert files.read(name_of(299)) is None


def test_processes_at_once_keep_to_the_limit_and_damage_nothing(tmp_path: Path) -> None:
    files = kept(tmp_path, limit=30 * 1000)

    def work(seed: int) -> None:
        drawn = random.Random(seed)
        for _ in range(150):
            number = drawn.randrange(60)
            found = files.read(name_of(number))
            if found is None:
                files.keep(name_of(number), content_of(number))
            elif found != content_of(number):
                os.kill(os.getpid(), signal.SIGABRT)

    children = []
    for seed in range(4):
        child = os.fork()
        if not child:
            try:
                work(seed)
            finally:
                os._exit(0)
        children.append(child)
    running, most = set(children), 0
    while running:
        most = max(most, sum(size for _, size in files.usage().values()))
        for child in list(running):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                running.discard(child)
                assert status == 0
        time.sleep(0.002)
    assert 25 * 1000 < most <= 30 * 1000
    with files.locked() as state:
        assert state.total == sum(size for _, size in files.usage().values())


@pytest.mark.parametrize("state", [b"", b"short", b"\0" * 16, b"\xff" * 16, b"x" * 400])
def test_a_lost_count_is_made_anew(tmp_path: Path, state: bytes) -> None:
    files = kept(tmp_path, limit=5 * 1000)
    for number in range(5):
        files.keep(name_of(number), content_of(number))
    Path(files.folder, "state").write_bytes(state)
    for number in range(5, 30):
        files.keep(name_of(number), content_of(number))
    assert len(there(files)) == 5
    assert files.read(name_of(29)) == content_of(29)


def test_a_smaller_limit_is_kept_to_from_the_next_file_on(tmp_path: Path) -> None:
    files = kept(tmp_path, limit=10 * 1000)
    for number in range(10):
        files.keep(name_of(number), content_of(number))
    less = kept(tmp_path, limit=4 * 1000)
    less.keep(name_of(10), content_of(10))
    assert [number for number in range(11) if less.has(name_of(number))] == [7, 8, 9, 10]


def test_a_folder_that_is_removed_meanwhile_is_no_error(tmp_path: Path) -> None:
    import shutil

    files = kept(tmp_path)
    files.keep(name_of(1), content_of(1))
    shutil.rmtree(files.folder)
    assert files.read(name_of(1)) is None
    files.keep(name_of(1), content_of(1))


def test_a_process_that_stopped_with_the_lock_keeps_nobody_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_state, "LONGEST_WAIT", 0.05)
    files = kept(tmp_path)
    files.keep(name_of(1), content_of(1))
    with files.locked():
        files.keep(name_of(2), content_of(2))
        assert files.read(name_of(1)) == content_of(1)
    assert "for now: another process does not let go of its lock" in caplog.text
    assert files.read(name_of(2)) is None


# --- what is kept of which place ------------------------------------------------------------------

ADDRESS = "s3://bucket/mimic"
SEEN = {"a.jpg": Stamp("a.jpg", 10, "first"), "b.jpg": Stamp("b.jpg", 20, "first")}


def test_processes_that_start_together_keep_the_images_of_a_place_once(tmp_path: Path) -> None:
    files = kept(tmp_path)
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            try:
                name = begin_place(files, ADDRESS, SEEN)
                (tmp_path / f"name-{number}").write_text(name)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert len({(tmp_path / f"name-{number}").read_text() for number in range(4)}) == 1


def test_each_file_that_was_looked_at_counts_and_others_do_not(tmp_path: Path) -> None:
    files = kept(tmp_path)
    first = begin_place(files, ADDRESS, SEEN)
    other = {"c.jpg": Stamp("c.jpg", 30, "first")}
    assert begin_place(files, ADDRESS, other) == first  # by other options
    assert begin_place(files, "s3://bucket/other", SEEN) != first
    files.keep(f"{first}/{'1' * 32}", content_of(1))
    for changed in ({"a.jpg": Stamp("a.jpg", 11, "first")}, {"c.jpg": Stamp("c.jpg", 30, "new")}):
        before = begin_place(files, ADDRESS, {**SEEN, **other})
        assert begin_place(files, ADDRESS, {**SEEN, **other, **changed}) != before
    assert files.read(f"{first}/{'1' * 32}") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"folder": "../../x", "address": "", "stamps": {}}']
)
def test_a_damaged_record_of_a_place_begins_it_anew(tmp_path: Path, content: str) -> None:
    files = kept(tmp_path)
    first = begin_place(files, ADDRESS, SEEN)
    (record,) = Path(files.folder, "places").iterdir()
    record.write_text(content)
    second = begin_place(files, ADDRESS, SEEN)
    assert second != first
    assert begin_place(files, ADDRESS, SEEN) == second
