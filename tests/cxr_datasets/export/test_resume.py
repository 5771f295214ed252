"""An export that was stopped goes on, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.export import ExportError, ExportSummary, export
from cxr_datasets.testing import copy_release, files_under
from tests.cxr_datasets.export.conftest import (
    ROWS,
    Exported,
    contents,
    finished,
    started,
    states,
)
from tests.forked import Forked
from tests.processes import descendants, is_running

Command = Callable[..., list[str]]
Quick = Callable[[Path], ExportSummary]


def kill_after(
    process: Forked | subprocess.Popen[str], out: Path, files: int, signum: int
) -> list[int]:
    """Send a signal once some files are finished, while the process is still at work.

    Returns:
        The processes that it had started.
    """
    limit = time.monotonic() + 60
    while len(finished(out)) < files:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.002)
    others = descendants(process.pid)
    os.kill(process.pid, signum)
    return others


def wait_until_gone(pids: list[int]) -> None:
    """Nothing may write to the folder when the next command begins."""
    limit = time.monotonic() + 30
    while any(map(is_running, pids)):
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("processes", "kills"), [((), (1, 4)), (("--num-proc", "2"), (2,))], ids=["one", "two"]
)
def test_killed_it_goes_on_and_ends_with_the_same_bytes(
    processes: tuple[str, ...],
    kills: tuple[int, ...],
    slow_command: Command,
    undisturbed: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    for files in kills:
        before = finished(out)
        kept = states(out, before)
        process = started(slow_command(out, *processes))
        others = kill_after(process, out, files, signal.SIGKILL)
        process.wait()
        assert len(others) >= (2 if processes else 0)
        wait_until_gone(others)
        assert states(out, before) == kept
        assert len(finished(out)) < len(finished(undisturbed))
        assert not (out / "README.md").exists()
    kept = states(out, finished(out))
    export_all(slow_command, out)
    assert states(out, list(kept)) == kept
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize(
    "processes", [pytest.param((), marks=pytest.mark.thorough), ("--num-proc", "2")],
    ids=["one", "two"],
)  # fmt: skip
def test_ctrl_c_stops_it_says_how_to_go_on_and_loses_nothing(
    processes: tuple[str, ...], slow_command: Command, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(slow_command(out, *processes))
    others = kill_after(process, out, 2, 0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
    printed, said = process.communicate(timeout=30)
    assert process.returncode == 130
    wait_until_gone(others)
    assert printed == ""
    files = finished(out)
    assert f"cxr: stopped: {len(files)} of {len(finished(undisturbed))} files are finished" in said
    assert "same command again" in said
    assert "Traceback" not in said
    assert files_under(out / ".cxr" / "unfinished") == []
    kept = states(out, files)
    export_all(slow_command, out)
    assert states(out, files) == kept
    assert contents(out) == contents(undisturbed)


def export_all(slow_command: Command, out: Path) -> None:
    from cxr_datasets.cli import main

    assert main(slow_command(out, "--no-progress")[1:]) == 0


@pytest.fixture
def quick(exported: Exported) -> Callable[[Path], ExportSummary]:
    """Exports config `images` of `exported` to another place."""
    return lambda out: export(
        exported.dataset, exported.release, out, rows_per_file=ROWS, progress=False,
        cache_dir=exported.cache,
    )  # fmt: skip


@pytest.fixture
def whole(exported: Exported, quick: Quick, tmp_path: Path) -> Path:
    """An export that nothing disturbed."""
    quick(tmp_path / "whole")
    return tmp_path / "whole"


@pytest.fixture
def half(whole: Path, tmp_path: Path) -> Path:
    """An export with its first files finished, as a killed one leaves it."""
    out = copy_release(whole, tmp_path / "half")
    for name in ("README.md", "croissant.json"):
        (out / name).unlink()
    manifest = out / ".cxr" / "images.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.unlink()
    manifest.write_text("".join(lines[:3]))
    for line in lines[3:]:
        (out / json.loads(line)["name"]).unlink()
    return out


def test_a_line_that_was_being_written_when_it_was_killed_counts_for_nothing(
    half: Path, quick: Quick, whole: Path
) -> None:
    with (half / ".cxr" / "images.jsonl").open("a") as manifest:
        manifest.write('{"name": "images/trai')
    quick(half)
    assert contents(half) == contents(whole)


def test_a_file_finished_but_not_noted_is_not_written_again(
    half: Path, quick: Quick, whole: Path
) -> None:
    (orphan,) = set(finished(whole)[2:3])
    os.link(whole / orphan, half / orphan)
    kept = states(half, [orphan, *finished(half)])
    quick(half)
    assert states(half, list(kept)) == kept
    assert contents(half) == contents(whole)


def test_a_file_of_another_export_at_that_place_is_replaced(
    half: Path, quick: Quick, whole: Path, exported: Exported
) -> None:
    (orphan,) = set(finished(whole)[2:3])
    (stranger, *_) = (exported.out / "studies").glob("train-*")
    os.link(stranger, half / orphan)
    quick(half)
    assert contents(half) == contents(whole)


def test_a_file_that_was_cut_off_or_lost_is_written_again(
    half: Path, quick: Quick, whole: Path
) -> None:
    first, second = finished(half)
    content = (half / first).read_bytes()
    (half / first).unlink()
    (half / first).write_bytes(content[:-100])
    (half / second).unlink()
    quick(half)
    assert contents(half) == contents(whole)


def test_what_a_killed_export_left_unfinished_is_removed(
    half: Path, quick: Quick, whole: Path
) -> None:
    unfinished = half / ".cxr" / "unfinished"
    unfinished.mkdir(exist_ok=True)
    (unfinished / "images--train-00003-of-00007.parquet.0badf00d").write_bytes(b"half of it")
    quick(half)
    assert contents(half) == contents(whole)


def test_what_is_finished_is_left_alone(whole: Path, quick: Quick) -> None:
    kept = states(whole, finished(whole))
    before = contents(whole)
    summary = quick(whole)
    assert summary.written == 0
    assert summary.files == len(kept) > 3
    assert states(whole, list(kept)) == kept
    assert contents(whole) == before


def test_a_full_disk_stops_it_and_it_goes_on_when_there_is_room(
    slow_command: Command, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sizes = [(undisturbed / name).stat().st_size for name in finished(undisturbed)]
    room = sorted(sizes)[2]  # enough for some of the files

    limited = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "from cxr_datasets.cli import main\n"
        "sys.exit(main())"
    )
    process = started(["-c", limited, *slow_command(out)[1:]])
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "File too large" in said or "No space" in said
    assert "Make room" in said
    assert "Traceback" not in said
    assert files_under(out / ".cxr" / "unfinished") == []
    assert set(contents(out).items()) >= {
        (name, value) for name, value in contents(undisturbed).items() if name in finished(out)
    }
    export_all(slow_command, out)
    assert contents(out) == contents(undisturbed)


def test_a_file_that_cannot_be_written_is_named(
    large_release: Path, export_cache: str, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(ExportError, match="out could not be written: NotADirectory"):
        export("mimic-cxr-jpg", large_release, tmp_path / "out", progress=False,
               cache_dir=export_cache)  # fmt: skip
