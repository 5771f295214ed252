"""Changing a copy of a release, loading it, and looking at what that left behind."""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd


def copy_release(release: Path, to: Path) -> Path:
    """Copy a release by hard links; change its files with `rewrite` or `edit_table` only."""
    shutil.copytree(release, to, copy_function=os.link)
    return to


def rewrite(file: Path, content: bytes) -> None:
    """Put a new file in the place of one that may be a hard link."""
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV table as it stands: every cell is the text of the file."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def edit_table(file: Path, edit: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    """Change a CSV table, gzipped or not.

    Args:
        file: The table.
        edit: Is given its cells as text; changes them in place, or returns another table.
    """
    table = read_table(file)
    edited = edit(table)
    text = (table if edited is None else edited).to_csv(index=False).encode()
    rewrite(file, gzip.compress(text) if file.suffix == ".gz" else text)


def files_under(folder: str | Path) -> list[str]:
    """Paths of all files in a folder and below, relative to it; none if it is not there."""
    root = Path(folder)
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def datasets_under(cache: str | Path) -> list[str]:
    """What a cache holds of built datasets: Arrow and info files, and unfinished ones."""
    return [
        file
        for file in files_under(cache)
        if not file.startswith("cxr_index/") and not file.endswith(".lock")
    ]


def load_rows(
    package: str, data_dir: str | Path, cache: str, config: str = "images", **options: Any
) -> list[dict[str, Any]]:
    """Load a dataset by `load_dataset`: the rows of all splits as they are stored.

    Each row has one more key, `split`; `image` and `images` are left out, as they hold the
    absolute path, which differs between copies.
    """
    importlib.import_module(package)
    splits = datasets.load_dataset(
        package, config, data_dir=str(data_dir), cache_dir=cache, **options
    )
    return [
        {"split": name, **{k: v for k, v in row.items() if k not in ("image", "images")}}
        for name, split in splits.items()
        for row in split.with_format("arrow")[:].to_pylist()
    ]


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
