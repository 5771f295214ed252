"""A hash of the code that makes the rows, for the cache key and to tell versions apart."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path

import datasets

_CODE = ("*.py", "*.csv")


def package_folder(package: str) -> Path:
    """Folder of an imported package."""
    file = import_module(package).__file__
    assert file is not None, f"{package} is not a package of files"
    return Path(file).parent


def code_files(folder: Path) -> list[Path]:
    """Files of a folder that decide what its package does, sorted."""
    return sorted(file for pattern in _CODE for file in folder.glob(pattern))


@cache
def code_hash(package: str, script: str | None = None) -> str:
    """Hash a dataset's package, this one, and the major version of `datasets`.

    What `datasets` 4 writes into its cache, 3.6 cannot read.

    Args:
        package: The dataset's package.
        script: Hash of the script where `datasets` runs a copy of it (3.6 unimported); else None.

    Returns:
        16 hexadecimal digits.
    """
    major = datasets.__version__.partition(".")[0]
    digest = hashlib.sha256(f"{script or ''} {major}".encode())
    for name in ("cxr_datasets", package):
        for file in code_files(package_folder(name)):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
