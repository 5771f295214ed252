"""Files of killed runs are removed by the next one, and those of living ones are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr_datasets.storage.leftovers import SUFFIX, remove_unfinished, unfinished_file
from cxr_datasets.testing import files_under

WRITE = """
import sys
from pathlib import Path
from cxr_datasets.storage.leftovers import unfinished_file

with unfinished_file(sys.argv[1]) as name:
    Path(name).write_bytes(b"a report")
    print(name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "texts.arrow")


def test_what_a_living_process_writes_stays_and_what_a_killed_one_left_goes(path: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        unfinished = Path(writer.stdout.readline().strip())
        remove_unfinished(unfinished.parent)
        assert unfinished.read_bytes() == b"a report"
        writer.send_signal(signal.SIGKILL)
    remove_unfinished(unfinished.parent)
    assert not unfinished.exists()


def test_what_this_process_writes_stays_until_it_has_its_name(path: str) -> None:
    with unfinished_file(path) as name:
        Path(name).write_bytes(b"a report")
        remove_unfinished(Path(name).parent)
        os.replace(name, path)
    assert Path(path).read_bytes() == b"a report"
    assert files_under(Path(path).parent) == ["texts.arrow"]


def test_what_was_given_up_is_removed_at_once(path: str) -> None:
    with pytest.raises(KeyboardInterrupt), unfinished_file(path):
        raise KeyboardInterrupt
    assert files_under(Path(path).parent) == []


def test_many_may_write_and_clear_at_the_same_moment(path: str) -> None:
    def write(number: int) -> None:
        for _ in range(50):
            remove_unfinished(Path(path).parent)
            with unfinished_file(path) as name:
                os.replace(name, path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert files_under(Path(path).parent) == ["texts.arrow"]


def test_what_another_machine_left_stays_for_an_hour(path: str) -> None:
    """A lock may hold on one machine alone."""
    with unfinished_file(path) as name:
        first, _, last = name.removesuffix(SUFFIX).rpartition(".")
    other = Path(f"{first}.{last[::-1]}{SUFFIX}")
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
