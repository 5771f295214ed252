"""Changed copies of a release, for tests of what a builder says about them."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def copy_release(release: Path, to: Path) -> Path:
    """Copy a release without copying its bytes: each file is a hard link.

    Change files of the copy with `rewrite` or `edit_table` only. Whoever writes into one of them
    in place changes the original too.

    Args:
        release: The folder to copy.
        to: The folder to make; on the same disk.

    Returns:
        `to`.
    """
    shutil.copytree(release, to, copy_function=os.link)
    return to


def rewrite(file: Path, content: bytes) -> None:
    """Put a new file in the place of one that may be a hard link, or where there is none."""
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV table, gzipped or not. Every cell is the text of the file; a blank one is `""`."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def edit_table(file: Path, edit: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    """Change a CSV table, gzipped or not.

    Args:
        file: The table.
        edit: Is given the table as `read_table` reads it. It changes the table in place, or
            returns another one.
    """
    table = read_table(file)
    edited = edit(table)
    text = (table if edited is None else edited).to_csv(index=False).encode()
    rewrite(file, gzip.compress(text) if file.suffix == ".gz" else text)
