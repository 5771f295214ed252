"""Packages of datasets that are broken or half done: they disable their own verbs and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import cxr_datasets
from tests.helpers import run_python

CHECKOUT = Path(cxr_datasets.__file__).parents[1]

POINTS = """[cxr_datasets]
absent-cxr = absent_cxr.absent_cxr:AbsentCxr
failing-cxr = failing_cxr:FailingCxr
no-class-cxr = no_class_cxr
bare-cxr = bare_cxr:BareCxr
"""

BARE = """
from cxr_datasets.builder import CxrBuilder


class BareCxr(CxrBuilder):
    pass
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a distribution that announces four datasets, none of them whole."""
    folder = tmp_path / "installed"
    about = folder / "half_done-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: half-done\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(POINTS)
    (folder / "failing_cxr.py").write_text("raise RuntimeError('no room\\nfor this')\n")
    (folder / "no_class_cxr.py").write_text("")
    (folder / "bare_cxr.py").write_text(BARE)
    return folder


def cxr(words: list[str], installed: Path) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from cxr_datasets.cli import main; sys.exit(main({words!r}))"
    path = f"{installed}:{CHECKOUT}"
    return run_python(code, cwd=installed.parent, pythonpath=path, forked=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "absent-cxr", "--help"], ["absent-cxr", "absent_cxr.absent_cxr:AbsentCxr"]),
        (["export", "absent-cxr", "--data-dir", "a", "--out", "b"], ["ModuleNotFoundError"]),
        (["export", "failing-cxr", "--help"], ["failing_cxr:FailingCxr", "RuntimeError"]),
        (["export", "no-class-cxr", "--help"], ["no_class_cxr", "names no class"]),
        (["synthesize", "absent-cxr", "out"], ["absent-cxr", "absent_cxr.synthetic"]),
        (["synthesize", "bare-cxr", "--help"], ["bare-cxr", "bare_cxr.synthetic"]),
        (["synthesize", "failing-cxr", "out"], ["failing-cxr", "RuntimeError"]),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_a_package_that_is_not_whole_is_told_in_one_line(
    words: list[str], said: list[str], installed: Path
) -> None:
    done = cxr(words, installed)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("cxr: ")
    assert done.stderr.count("\n") == 1
    assert [word for word in said if word not in done.stderr] == []


@pytest.mark.parametrize("verb", ["export", "synthesize"])
def test_the_help_lists_it_and_the_others_go_on(verb: str, installed: Path) -> None:
    listed = cxr([verb, "--help"], installed)
    assert listed.returncode == 0, listed.stderr
    for name in ("absent-cxr", "bare-cxr", "indiana-cxr", "mimic-cxr-jpg"):
        assert f" {name} " in listed.stdout
    helped = cxr([verb, "indiana-cxr", "--help"], installed)
    assert helped.returncode == 0, helped.stderr
    assert "--out" in helped.stdout or "OUT" in helped.stdout


def test_another_dataset_is_written_and_exported_beside_it(installed: Path) -> None:
    wrote = cxr(["synthesize", "indiana-cxr", "release", "--studies", "5"], installed)
    assert wrote.returncode == 0, wrote.stderr
    words = ["export", "indiana-cxr", "--data-dir", "release", "--out", "out", "--config",
             "reports", "--cache-dir", "cache", "--no-progress"]  # fmt: skip
    done = cxr(words, installed)
    assert done.returncode == 0, done.stderr
    assert "reports, 5 rows" in done.stdout


def test_a_dataset_without_an_invented_release_has_its_other_verbs(installed: Path) -> None:
    helped = cxr(["export", "bare-cxr", "--help"], installed)
    assert helped.returncode == 0, helped.stderr
    assert "--image-size" in helped.stdout
