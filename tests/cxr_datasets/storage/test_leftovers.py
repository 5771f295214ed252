"""Files of killed runs are removed by the next one, and those of living ones are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_datasets.storage.leftovers import SUFFIX, hold, remove_unfinished, unfinished_name

HOLD = """
import sys
from cxr_datasets.storage.leftovers import hold

file = open(sys.argv[1], "xb")
hold(file.fileno())
file.write(b"a report")
file.flush()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    return Path(unfinished_name(str(tmp_path / "texts.arrow")))


@pytest.fixture
def writer(unfinished: Path) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", HOLD, str(unfinished)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_what_a_living_process_writes_stays_and_what_a_killed_one_left_goes(
    writer: subprocess.Popen[str], unfinished: Path
) -> None:
    remove_unfinished(unfinished.parent)
    assert unfinished.read_bytes() == b"a report"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    remove_unfinished(unfinished.parent)
    assert not unfinished.exists()


def test_what_this_process_writes_stays(unfinished: Path) -> None:
    with unfinished.open("xb") as file:
        hold(file.fileno())
        remove_unfinished(unfinished.parent)
        assert unfinished.exists()


def test_what_another_machine_left_stays_for_an_hour(unfinished: Path) -> None:
    """A lock may hold on one machine alone."""
    first, _, last = unfinished.name.rpartition(SUFFIX)[0].rpartition(".")
    other = unfinished.with_name(f"{first}.{last[::-1]}{SUFFIX}")
    for minutes, stays in ((0, True), (59, True), (61, False)):
        other.write_bytes(b"a report")
        then = time.time() - 60 * minutes
        os.utime(other, (then, then))
        remove_unfinished(other.parent)
        assert other.exists() == stays


@pytest.mark.parametrize("name", ["texts.arrow", "a.incomplete", "key-a.zip.incomplete", "a.b.c"])
def test_other_files_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / name, (0, 0))
    remove_unfinished(tmp_path)
    assert (tmp_path / name).exists()


def test_a_folder_that_is_not_there_is_none_to_clear(tmp_path: Path) -> None:
    remove_unfinished(tmp_path / "nowhere")
