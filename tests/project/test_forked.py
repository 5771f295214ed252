"""A program in a forked process is told what one of its own is told, and how it ends is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import Forks, can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="forked on Linux only")

ABOUT = """
import os, sys
print(sys.argv, os.getcwd(), sorted(os.environ.items()), [path for path in sys.path if path])
print(__name__, sys.modules["__main__"].__dict__ is globals())
print("said", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks(["colorsys"])
    yield forks
    forks.close()


@pytest.mark.parametrize("kind", ["-c", "file", "-m"])
def test_it_is_started_as_python_starts_it(kind: str, forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "about.py").write_text(ABOUT)
    given = {"-c": ["-c", ABOUT], "file": [str(tmp_path / "about.py")], "-m": ["-m", "about"]}
    words = [*given[kind], "a"]
    env = {"PYTHONPATH": f"{tmp_path}/own", "LC_ALL": "C.UTF-8"}
    forked = forks.run(words, cwd=tmp_path, env=env)
    alone = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert (forked.returncode, forked.stdout) == (alone.returncode, alone.stdout) != (0, "")
    assert forked.stderr == alone.stderr == "said\n"


def test_the_signal_that_ends_it_is_told(forks: Forks, tmp_path: Path) -> None:
    for sent in (signal.SIGKILL, signal.SIGINT):
        code = f"import os; os.kill(os.getpid(), {int(sent)})"
        assert forks.run(["-c", code], cwd=tmp_path, env={}).returncode == -sent


def test_programs_that_were_started_run_side_by_side(forks: Forks, tmp_path: Path) -> None:
    code = """
import os, pathlib, sys, time
own, other = sys.argv[1:]
pathlib.Path(own).touch()
while not os.path.exists(other):
    time.sleep(0.01)
print(own, os.getsid(0) == os.getpid())
"""
    names = ("one", "two")
    one = forks.start(["-c", code, *names], cwd=tmp_path, env={}, new_session=True)
    assert one.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.1)
    two = forks.start(["-c", code, *reversed(names)], cwd=tmp_path, env={})
    assert two.communicate(60) == ("two False\n", "")
    assert one.communicate(60) == ("one True\n", "")
    assert (one.poll(), two.poll()) == (0, 0)


def test_one_that_was_started_gets_the_signals_that_it_is_sent(
    forks: Forks, tmp_path: Path
) -> None:
    code = "import time; print(1, flush=True); time.sleep(60)"
    with (tmp_path / "output").open("w") as output:
        program = forks.start(["-c", code], cwd=tmp_path, env={}, output=output)
    program.send_signal(signal.SIGTERM)
    assert program.wait(60) == -signal.SIGTERM
    program.kill()  # it has ended: nobody is sent a signal
    assert program.returncode == -signal.SIGTERM


def test_the_address_of_the_hub_is_the_one_of_its_environment(tmp_path: Path) -> None:
    forks = Forks(["huggingface_hub.hf_api"], {"HF_ENDPOINT": "http://first.example"})
    code = """
from huggingface_hub import constants, hf_api
print(constants.ENDPOINT, hf_api.api.endpoint)
"""
    for place in ("http://second.example", "http://third.example"):
        env = {"HF_ENDPOINT": place}
        assert forks.run(["-c", code], cwd=tmp_path, env=env).stdout.split() == [place] * 2
    forks.close()


def test_an_error_ends_it_with_its_lines(forks: Forks, tmp_path: Path) -> None:
    done = forks.run(["-c", "\nraise ValueError('so')"], cwd=tmp_path, env={})
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith('File "<string>", line 2, in <module>\nValueError: so\n')


def test_one_that_takes_too_long_is_killed_and_the_next_one_runs(
    forks: Forks, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(["-c", "import time; time.sleep(60)"], cwd=tmp_path, env={}, timeout=0.2)
    assert forks.run(["-c", "print(1)"], cwd=tmp_path, env={}).stdout == "1\n"


def test_a_module_that_one_needs_is_hidden_from_all_until_they_import_it(
    forks: Forks, tmp_path: Path
) -> None:
    code = """
import importlib.util, sys
names = ("xml", "xml.sax", "xml.sax.handler")
assert importlib.util.find_spec("xml").name == "xml"
print(*(name in sys.modules for name in names))
import xml.sax
print(*(name in sys.modules for name in names), xml.sax.handler.__spec__.origin)
"""
    needs = forks.run(["-c", code], cwd=tmp_path, env={}, modules=["xml.sax"])
    does_not = forks.run(["-c", code], cwd=tmp_path, env={})
    assert needs.returncode == 0, needs.stderr
    before, after = needs.stdout.splitlines()
    assert before == "False False False"
    assert after.startswith("True True True /")
    assert does_not.stdout == needs.stdout


def test_a_module_that_is_not_installed_is_missed_by_the_program_alone(
    forks: Forks, tmp_path: Path
) -> None:
    needs = forks.run(["-c", "import nowhere"], cwd=tmp_path, env={}, modules=["nowhere.else"])
    assert "ModuleNotFoundError: No module named 'nowhere'" in needs.stderr
    assert forks.run(["-c", "print(1)"], cwd=tmp_path, env={}).stdout == "1\n"


def test_random_numbers_of_two_are_not_the_same(tmp_path: Path) -> None:
    forks = Forks(["numpy"])
    code = "import random, numpy; print(random.random(), numpy.random.random())"
    both = [forks.run(["-c", code], cwd=tmp_path, env={}).stdout for _ in range(2)]
    forks.close()
    assert not {*both[0].split()} & {*both[1].split()}
