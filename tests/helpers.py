"""Programs in a process of their own. `cxr_datasets.testing` has helpers for releases and rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def run_python(
    code: str,
    *,
    cwd: str | Path,
    pythonpath: str | Path,
    timeout: float = 60,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, with a Hugging Face home of its own.

    Args:
        code: The program.
        cwd: Folder it is started in.
        pythonpath: The only folder that it imports from beyond the installed packages.
        timeout: Seconds it may take.
        **environment: Environment variables it has beyond ours.
    """
    with tempfile.TemporaryDirectory() as home:
        variables = {
            **os.environ, "HF_HOME": home, "PYTHONPATH": str(pythonpath), **environment,
        }  # fmt: skip
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
