"""Whom the programs of a run of tests trust."""

from __future__ import annotations

from pathlib import Path

from tests.helpers import run_python

ROOT = Path(__file__).parents[2]


def test_it_is_trusted_before_anything_is_imported_that_reads_whom_to_trust(tmp_path: Path) -> None:
    """Some versions of `datasets` import aiohttp at once, and one process may run all tests."""
    code = "import sys, tests.conftest; print(sorted({'aiohttp', 'datasets'} & {*sys.modules}))"
    run = run_python(code, cwd=tmp_path, pythonpath=ROOT)
    assert run.stdout.strip() == "[]", run.stderr
