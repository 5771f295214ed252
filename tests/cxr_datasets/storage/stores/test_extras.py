"""Without the package that a store needs, the error names the extra to install."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import run_python

ROOT = Path(__file__).resolve().parents[4]

NAMES = ("indiana_cxr", "mimic_cxr_jpg")

ADDRESSES = {
    "s3": ["s3://releases/x", "s3a://releases/x", "zip://::s3://releases/x.zip"],
    "gcs": ["gs://releases/x", "gcs://releases/x", "zip://x::gs://releases/x.zip"],
}
"""Extra -> addresses that need it."""

OTHER = "sftp://host.example/x"

PROGRAM = """
import json, sys
sys.modules["s3fs"] = sys.modules["gcsfs"] = sys.modules["paramiko"] = None
import indiana_cxr, mimic_cxr_jpg
from datasets import load_dataset
from cxr_datasets.errors import StoreError
told = {}
for name in NAMES:
    for address in ADDRESSES:
        try:
            load_dataset(name, data_dir=address, streaming=True, cache_dir="cache")
        except StoreError as error:
            told[f"{name} {address}"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each dataset at each address, by one process that has none of them."""
    given = [*ADDRESSES["s3"], *ADDRESSES["gcs"], OTHER]
    program = PROGRAM.replace("NAMES", repr(NAMES)).replace("ADDRESSES", repr(given))
    finished = run_python(
        program, cwd=tmp_path_factory.mktemp("extras"), pythonpath=ROOT, forked=True
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, str] = json.loads(finished.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("extra", ADDRESSES)
def test_the_error_names_the_extra_to_install(extra: str, told: dict[str, str]) -> None:
    for address in ADDRESSES[extra]:
        for name in NAMES:
            error = told[f"{name} {address}"]
            assert address in error
            assert f'pip install "cxr-datasets[{extra}]"' in error


def test_other_packages_are_named_as_they_are(told: dict[str, str]) -> None:
    for name in NAMES:
        error = told[f"{name} {OTHER}"]
        assert f"{OTHER} needs a package that is not installed" in error
        assert "paramiko" in error


def test_the_extras_named_are_those_of_the_project() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 's3 = ["s3fs' in text
    assert 'gcs = ["gcsfs' in text
