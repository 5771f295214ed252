"""Without the package that a store needs, the error names the extra to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import run_python

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("package", "addresses", "extra"),
    [
        ("s3fs", ["s3://releases/x", "s3a://releases/x", "zip://::s3://releases/x.zip"], "s3"),
        ("gcsfs", ["gs://releases/x", "gcs://releases/x", "zip://x::gs://releases/x.zip"], "gcs"),
    ],
)
def test_the_error_names_the_extra_to_install(
    package: str, addresses: list[str], extra: str, tmp_path: Path
) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
import indiana_cxr, mimic_cxr_jpg
from datasets import load_dataset
from cxr_datasets.errors import StoreError
for name in ("indiana_cxr", "mimic_cxr_jpg"):
    for address in {addresses!r}:
        try:
            load_dataset(name, data_dir=address, streaming=True, cache_dir="cache")
        except StoreError as error:
            print(error)
"""
    finished = run_python(program, cwd=tmp_path, pythonpath=ROOT)
    errors = finished.stdout.splitlines()
    assert len(errors) == 2 * len(addresses), finished.stderr
    for error, address in zip(errors, 2 * addresses, strict=True):
        assert address in error
        assert f'pip install "cxr-datasets[{extra}]"' in error


def test_other_packages_are_named_as_they_are(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["paramiko"] = None
import indiana_cxr
from datasets import load_dataset
from cxr_datasets.errors import StoreError
try:
    load_dataset("indiana_cxr", data_dir="sftp://host.example/x", cache_dir="cache")
except StoreError as error:
    print(error)
"""
    finished = run_python(program, cwd=tmp_path, pythonpath=ROOT)
    assert "sftp://host.example/x needs a package that is not installed" in finished.stdout
    assert "paramiko" in finished.stdout


def test_the_extras_named_are_those_of_the_project() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 's3 = ["s3fs' in text
    assert 'gcs = ["gcsfs' in text
