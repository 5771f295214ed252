"""A program in a Python of its own. Helpers for releases and rows are in `cxr_datasets.testing`."""

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
