"""A process beside this one labels texts as this one does, and is never needed nor left behind."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.labels import label_texts
from cxr_datasets.labels.text import beside
from cxr_datasets.labels.text.beside import Helper

TEXTS = [
    "Nodule.", None, "", " ", "No effusion seen. Heart size normal.", None, "Edema.\x00\u00e9",
    "IMPRESSION: No pneumonia.\n1. Fracture.", "Possible \U0001f600 mass\x1e or\r\n consolidation.",
]  # fmt: skip
SECRET = "pneumothorax-of-somebody"

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    """One that tests share which leave it as it is."""
    with Helper() as one:
        one.begin()
        yield one


def process_of(helper: Helper) -> subprocess.Popen[bytes]:
    """The process of a helper that has begun."""
    assert helper._process is not None
    return helper._process


def is_running(process: int) -> bool:
    """Whether a process is there, and no mere entry that nobody has asked for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def is_gone(process: int, seconds: float = 20) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + seconds
    while is_running(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_running(process)


def program(folder: Path, lines: str) -> str:
    """A program that bears the name of Python."""
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def test_labels_are_those_that_this_process_reads(helper: Helper) -> None:
    rng = random.Random(0)
    for count in (0, 1, 7, 300):
        texts = rng.choices(TEXTS, k=count)
        assert helper.label_texts(texts).equals(label_texts(texts))
    assert helper.is_there


def test_arrays_of_any_kind_are_read_alike(helper: Helper) -> None:
    whole = pa.array(TEXTS)
    for array in (
        whole, whole.cast(pa.large_string()), whole.slice(3, 4), whole.slice(2, 0), pa.nulls(3),
        pa.chunked_array([whole.slice(0, 2), whole.slice(2, 0), whole.slice(2)]),
        pa.chunked_array([], pa.string()),
    ):  # fmt: skip
        assert helper.label_texts(array).equals(label_texts(array))
    assert helper.is_there
    with pytest.raises(OptionError, match="expected strings"):
        helper.label_texts(pa.array([1]))
    assert helper.is_there


@needs_proc
def test_no_text_and_no_secret_is_seen_from_outside(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with Helper() as helper:
        helper.begin()
        helper.label_texts([SECRET])
        assert helper.is_there
        told = Path("/proc", str(process_of(helper).pid))
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in (told / name).read_bytes()
        opened = [os.readlink(file) for file in (told / "fd").iterdir()]
        assert all(file == "/dev/null" or file.startswith("pipe:") for file in opened), opened
    assert capfd.readouterr() == ("", "")


def test_nothing_is_imported_from_the_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n"
    (tmp_path / "cxr_datasets").mkdir()
    names = ("json", "random", "signal", "zlib", "numpy", "pyarrow", "sitecustomize", "pandas")
    for name in (*names, "cxr_datasets/__init__"):
        (tmp_path / f"{name}.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Helper() as helper:
        helper.begin()
        helper.label_texts(TEXTS)
        assert helper.is_there
    assert not (tmp_path / "sprung").exists()


def test_a_process_that_is_killed_costs_no_label() -> None:
    expected = label_texts(TEXTS)
    with Helper() as helper:
        helper.begin()  # it is still starting
        process_of(helper).kill()
        assert helper.label_texts(TEXTS).equals(expected)
        assert not helper.is_there
        assert helper.label_texts(TEXTS).equals(expected)


@needs_proc
def test_a_process_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_LONGEST", 0.2)
    with Helper() as helper:
        helper.begin()
        process = process_of(helper).pid
        os.kill(process, signal.SIGSTOP)
        many = ["No effusion." * 100] * 1000  # more than a pipe holds
        assert helper.label_texts(many).equals(label_texts(many))
        assert not helper.is_there
        assert not is_running(process)


@pytest.mark.parametrize(
    "lines", ["exit 1", "yes", "cat", "head -c 100000 /dev/zero", "printf ''; cat > /dev/null"]
)
def test_a_program_that_is_no_helper_costs_no_label(
    lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "_LONGEST", 1.0)
    monkeypatch.setattr(sys, "executable", program(tmp_path, lines))
    many = [*TEXTS, "No effusion." * 10_000]
    with Helper() as helper:
        helper.begin()
        assert helper.label_texts(many).equals(label_texts(many))
        assert not helper.is_there


@pytest.mark.parametrize("executable", ["", None, "/bin/false", "/nowhere/python3", "a\0python3"])
def test_a_program_that_is_no_python_is_not_started(
    executable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with Helper() as helper:
        helper.begin()
        assert not helper.is_there
        assert helper.label_texts(TEXTS).equals(label_texts(TEXTS))


def test_an_application_that_has_python_in_it_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with Helper() as helper:
        helper.begin()
        assert not helper.is_there


def test_a_helper_does_not_travel(helper: Helper) -> None:
    assert not pickle.loads(pickle.dumps(helper)).is_there
    assert helper.is_there


def in_a_fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Run in a copy of this process what writes one number; give the copy's and that number."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            work(write)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        return child, int(told.readline())


@needs_proc
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_the_process_that_asks(by: signal.Signals) -> None:
    def work(write: int) -> None:
        with Helper() as helper:
            helper.begin()
            helper.label_texts(TEXTS)
            os.write(write, b"%d\n" % process_of(helper).pid)
            time.sleep(60)

    asking, asked = in_a_fork(work)
    try:
        assert is_running(asked)
        os.kill(asking, by)
    finally:
        os.waitpid(asking, 0)
    assert is_gone(asked)
