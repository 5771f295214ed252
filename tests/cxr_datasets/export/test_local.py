"""Processes of `num_proc`: no door for others, no file lost with one, none left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.export import ExportError, export, local, prepare
from cxr_datasets.export.plan import plan_files
from cxr_datasets.testing import copy_release
from tests.cxr_datasets.export.conftest import contents, finished, started
from tests.helpers import CRASHES_WITH_DASK
from tests.processes import descendants, doors, held, is_running

WITHOUT_DASK = """
import sys
sys.modules["dask"] = sys.modules["distributed"] = None
from cxr_datasets.cli import main
sys.exit(main())
"""


@dataclass
class Watched:
    """What was seen of an export by two processes, one of which was killed meanwhile."""

    out: Path
    code: int = -1
    said: str = ""
    processes: set[int] = field(default_factory=set)
    doors: set[str] = field(default_factory=set)
    killed: int = 0


def that_write(out: Path, pid: int) -> list[int]:
    """The processes that have a file of an export open; one that still starts has none."""
    return [child for child in descendants(pid) if any(out in file.parents for file in held(child))]


@pytest.fixture(scope="module")
def watched(
    large_release: Path, export_cache: str, tmp_path_factory: pytest.TempPathFactory,
    slow_command: Callable[..., list[str]],
) -> Watched:  # fmt: skip
    found = Watched(tmp_path_factory.mktemp("watched") / "out")
    words = slow_command(found.out, "--num-proc", "2", "--no-progress")[1:]
    process = started(["-c", WITHOUT_DASK, *words])
    while process.poll() is None:
        tree = [process.pid, *descendants(process.pid)]
        found.processes |= set(tree)
        found.doors |= doors(tree)
        if not found.killed and finished(found.out):
            for writing in that_write(found.out, process.pid)[:1]:
                os.kill(writing, signal.SIGKILL)
                found.killed = writing
        time.sleep(0.1)
    found.said, found.code = process.communicate()[1], process.returncode
    return found


def test_no_socket_listens_while_processes_write_and_dask_is_not_needed(watched: Watched) -> None:
    assert watched.code == 0, watched.said
    assert watched.doors == set()
    assert len(watched.processes) >= 4  # the command, two that write, one in place of the killed


LISTENERS = {
    "tcp": "socket.socket(socket.AF_INET); s.bind(('127.0.0.1', 0)); s.listen()",
    "tcp6": "socket.socket(socket.AF_INET6); s.bind(('::1', 0)); s.listen()",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))",
    "unix": "socket.socket(socket.AF_UNIX); s.bind('door'); s.listen()",
    "unix @": "socket.socket(socket.AF_UNIX); s.bind(f'\\0cxr-{os.getpid()}'); s.listen()",
}


@pytest.mark.parametrize("kind", LISTENERS)
def test_a_socket_that_others_can_reach_would_be_seen(kind: str, tmp_path: Path) -> None:
    if kind == "tcp6":
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 on this machine")
    code = f"import os, socket, sys; s = {LISTENERS[kind]}; print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        (door,) = doors([process.pid])
        process.communicate(b"")
    assert door.startswith(kind)


def test_a_killed_process_loses_no_file_and_is_told(watched: Watched, undisturbed: Path) -> None:
    assert watched.killed
    assert contents(watched.out) == contents(undisturbed)
    assert "1 of 2 processes was lost (signal 9) while it wrote images/" in watched.said
    assert "Traceback" not in watched.said


def test_no_process_is_left(watched: Watched) -> None:
    assert [pid for pid in watched.processes if is_running(pid)] == []


class Odd:
    """Stands for a task; its process does something odd in place of writing a file."""

    file = SimpleNamespace(name="images/odd.parquet", images=3)
    options = ()

    def __init__(self, what: str):
        self.what = what

    def run(self, tell: Callable[[str, int], None], threads: int) -> Any:
        class NowhereElseError(Exception):
            """Cannot be pickled: its class is in no module."""

        if self.what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "raises":
            raise NowhereElseError("something")
        tell(self.file.name, 3)
        return threads if self.what == "counts" else self.what


def results(*tasks: Odd, processes: int = 1) -> Iterator[Any]:
    found: list[Any] = []
    told = lambda *written: found.append(written)  # noqa: E731
    local.write_all(tasks, found.append, told, processes)  # type: ignore[arg-type]
    yield from found


def test_a_file_that_takes_its_process_down_again_and_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert local.LOST_WORKERS == 10
    monkeypatch.setattr(local, "LOST_WORKERS", 2)
    with pytest.raises(ExportError, match=r"odd\.parquet was given up: 2 processes .* signal 9"):
        next(results(Odd("dies")))
    assert [record.message for record in caplog.records] == [
        "1 of 1 processes was lost (signal 9) while it wrote images/odd.parquet. Another one "
        "writes it."
    ]


def test_a_process_that_is_lost_before_its_first_file_is_told_and_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[Any] = []

    def write_with_one_that_is_lost() -> None:
        with local.Crew() as crew:
            crew.start(1)
            (lost,) = multiprocessing.active_children()
            lost.kill()
            local.write_all([Odd("writes")], done.append, lambda *_: None, 1, crew)  # type: ignore[list-item]

    write_with_one_that_is_lost()
    assert done == ["writes"]
    assert [record.message for record in caplog.records] == [
        "1 of 1 processes was lost (signal 9) before its first file. Another one is started."
    ]
    monkeypatch.setattr(local, "LOST_WORKERS", 1)
    with pytest.raises(ExportError, match=r"num_proc was given up: 1 processes .* by signal 9"):
        write_with_one_that_is_lost()


def test_a_fault_in_a_process_is_told_with_its_traceback_and_progress_arrives() -> None:
    with pytest.raises(RuntimeError, match="NowhereElseError in a process") as caught:
        next(results(Odd("raises")))
    assert "in run" in str(caught.value.__cause__)
    assert list(results(Odd("writes"))) == [("images/odd.parquet", 3), "writes"]


def test_a_process_gets_the_threads_of_those_that_would_stand_idle() -> None:
    assert list(results(Odd("counts"), processes=3)) == [("images/odd.parquet", 3), 3]
    left = {"train": 577, "test": 140, "validation": 64}
    assert [local.threads_for(name, left, 2) for name in left] == [2, 1, 1]
    many = dict.fromkeys(map(str, range(100)), 4_000)
    assert local.threads_for("99", many, 8) == 1
    assert local.threads_for("99", {"98": 4_000, "99": 4_000}, 8) == 4


def test_a_system_that_starts_no_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", refuse)
    with pytest.raises(ExportError, match=r"no further process for num_proc: Resource temporarily"):
        next(results(Odd("writes")))


def test_processes_start_while_it_is_worked_out_what_to_write(
    small_release: Path, export_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number is that of the cores at most; where an export goes on, none starts early."""
    running = []

    def planned(*arguments: Any) -> list[Any]:
        running.append(len(multiprocessing.active_children()))
        return plan_files(*arguments)

    monkeypatch.setattr(prepare, "plan_files", planned)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    written = [
        export("mimic-cxr-jpg", small_release, tmp_path / "out", num_proc=3, rows_per_file=10,
               progress=False, cache_dir=export_cache).written
        for _ in range(2)
    ]  # fmt: skip
    assert written[0] > 2
    assert (running, written[1]) == ([2, 0], 0)
    assert multiprocessing.active_children() == []


def test_processes_that_started_early_end_with_an_error_and_write_nothing(
    small_release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    (table,) = release.glob("*metadata.csv*")
    table.unlink()
    with pytest.raises(CxrError, match="metadata"):
        export("mimic-cxr-jpg", release, tmp_path / "out", num_proc=2, progress=False)
    assert multiprocessing.active_children() == []
    assert not (tmp_path / "out").exists()
    assert capfd.readouterr().err == ""


def test_processes_that_started_early_and_are_not_needed_end_at_once() -> None:
    with local.Crew() as crew:
        crew.start(1)
        start = time.monotonic()
    assert time.monotonic() - start < local._SECONDS_TO_END / 2
    assert multiprocessing.active_children() == crew.workers == []


@pytest.mark.thorough
def test_a_script_without_a_guard_is_told_of_it(
    small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from cxr_datasets.export import export

            export("mimic-cxr-jpg", {str(small_release)!r}, "out", num_proc=2, rows_per_file=10,
                   progress=False, cache_dir={export_cache!r})
            """
        )
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr
    assert "num_proc=2 started ended before it could write (exit code 1)" in done.stderr


def test_a_missing_dask_is_an_option_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    from cxr_datasets.export import workers
    from cxr_datasets.export.options import ExportOptions

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"pip install \"cxr-datasets\[dask\]\""):
        workers.check(ExportOptions(dask="tls://host:8786"))
    workers.check(ExportOptions(num_proc=2))


@pytest.mark.skipif(CRASHES_WITH_DASK, reason="python/cpython#111049")
def test_what_is_no_client_is_named() -> None:
    from cxr_datasets.export import workers
    from cxr_datasets.export.options import ExportOptions

    with pytest.raises(OptionError, match="client=SimpleNamespace is no Dask client"):
        workers.check(ExportOptions(client=SimpleNamespace(scheduler=None)))
