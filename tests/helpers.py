"""Programs in a process of their own, and folders that the processes of a run of tests share.

`cxr_datasets.testing` has helpers for releases and rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from tests.forked import run as run_forked

if TYPE_CHECKING:
    from datasets import Dataset

CRASHES_WITH_DASK = (3, 12) <= sys.version_info < (3, 12, 2)
"""Python itself may crash in a process that has imported `distributed`: python/cpython#111049."""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that is made once in a run of the tests, by the process that needs it first.

    Args:
        factory: Says where folders of this run are.
        name: Of the folder; another name for other contents.
        make: Makes the folder at a path that is not there yet.
    """
    ours = factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = (ours.parent if is_worker else ours) / "made-once" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name(f"{name}.unfinished")
            make(unfinished)
            unfinished.rename(folder)
    return folder


def netrc_line(user: str, password: str, host: str = "127.0.0.1") -> str:
    """Write the line of a netrc for a host; skip the test where Python reads no such password."""
    if " " in password:
        if sys.version_info < (3, 11):
            pytest.skip("a password in quotes is not understood in a netrc by Python 3.10")
        password = f'"{password}"'
    return f"machine {host} login {user} password {password}\n"


def run_python(
    code: str,
    *,
    cwd: str | Path,
    pythonpath: str | Path,
    timeout: float = 60,
    forked: bool = False,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, with a Hugging Face home of its own.

    Args:
        code: The program.
        cwd: Folder it is started in.
        pythonpath: The only folder that it imports from beyond the installed packages.
        timeout: Seconds it may take.
        forked: Whether the libraries that `datasets` is made of may be there from the start, which
            saves a second: not if what is imported matters, or how much memory is used.
        **environment: Environment variables it has beyond ours.
    """
    with tempfile.TemporaryDirectory() as home:
        variables = {
            **os.environ, "HF_HOME": home, "PYTHONPATH": str(pythonpath), **environment,
        }  # fmt: skip
        if forked:
            return run_forked(["-c", code], cwd=cwd, env=variables, timeout=timeout)
        return subprocess.run(
            [sys.executable, "-c", code], cwd=cwd, env=variables, timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip


def pip(*arguments: str) -> None:
    """Run pip of this environment, and assert that it ends well."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def load(release: Path, cache: Path, config: str = "images", **options: Any) -> Dataset:
    """A built split of a release of MIMIC-CXR-JPG, `train` unless the options say another."""
    # `conftest` imports this file before it says whom to trust, and with it aiohttp.
    from datasets import load_dataset

    return load_dataset(
        "mimic_cxr_jpg", config, data_dir=str(release), cache_dir=str(cache),
        **{"split": "train", **options},
    )  # fmt: skip
