"""What the command imports: little until a verb is called, and one dataset then."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import cxr_datasets
from tests.helpers import run_python

CHECKOUT = Path(cxr_datasets.__file__).parents[1]

HEAVY = ("datasets", "pandas", "pyarrow", "numpy", "PIL", "fsspec", "huggingface_hub", "dask",
         "cxr_datasets.builder", "cxr_datasets.export", "cxr_datasets.push",
         "cxr_datasets.synthetic", "cxr_datasets.copies", "kagglehub", "mimic_cxr_jpg",
         "indiana_cxr")  # fmt: skip
"""Packages that take long to import, and those that import them."""


def imported(words: list[str], folder: Path) -> set[str]:
    """Run the command with words that end it; give the packages in `HEAVY` that it imported."""
    code = f"""
        import sys
        from cxr_datasets.cli import main
        try:
            main({words!r})
        except SystemExit as end:
            assert end.code == 0
        print("\\n", *(name for name in {HEAVY!r} if name in sys.modules))
    """
    done = run_python(textwrap.dedent(code), cwd=folder, pythonpath=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["export", "--help"],
        ["synthesize", "--help"],
        ["push", "--help"],
        ["access", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_version_import_no_dataset_and_no_large_library(
    words: list[str], tmp_path: Path
) -> None:
    assert imported(words, tmp_path) == set()


@pytest.mark.parametrize("verb", ["export", "synthesize"])
@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
def test_the_help_of_a_dataset_imports_that_one_alone(
    verb: str, package: str, tmp_path: Path
) -> None:
    found = imported([verb, package.replace("_", "-"), "--help"], tmp_path)
    assert found & {"mimic_cxr_jpg", "indiana_cxr"} == {package}


@pytest.mark.parametrize("verb", ["export", "synthesize", "push"])
def test_a_verb_imports_no_other_verb(verb: str, tmp_path: Path) -> None:
    code = f"""
        import sys
        from cxr_datasets.cli import main
        try:
            main(["{verb}", "--help"])
        except SystemExit:
            pass
        verbs = ("export", "synthesize", "push")
        print(*(verb for verb in verbs if f"cxr_datasets.cli.{{verb}}" in sys.modules))
    """
    done = run_python(textwrap.dedent(code), cwd=tmp_path, pythonpath=CHECKOUT)
    assert done.stdout.splitlines()[-1] == verb, done.stderr
