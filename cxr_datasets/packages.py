"""Which datasets are installed, and the hash of the code that makes their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any

from cxr_datasets.errors import OptionError, PackageError

_GROUP = "cxr_datasets"
_SUFFIXES = (".py", ".csv")
_SYNTHETIC = ("synthetic", "synthetic.py", "synthetic_reports.py", "synthetic_studies.py")
_MAKES_NO_ROWS = (
    "cli", "demo.py", "errors.py", "export", "hooks", "packages.py", "preview", "push",
    "_version.py", *_SYNTHETIC,
)  # fmt: skip


def known_datasets() -> dict[str, EntryPoint]:
    """Find the datasets that installed packages announce; none of them is imported.

    Returns:
        Name -> entry point that names the class of its builder, sorted by name.
    """
    points = sorted(entry_points(group=_GROUP), key=lambda point: point.name)
    return {point.name: point for point in points}


def package_of(dataset: str) -> str:
    """Give the import name of a dataset's package.

    Args:
        dataset: Its name, such as `mimic-cxr-jpg`; `-` and `_` are the same.

    Raises:
        OptionError: There is no such dataset.
    """
    return _point_of(dataset).module.partition(".")[0]


def builder_class(dataset: str) -> type[Any]:
    """Import the builder of a dataset.

    Args:
        dataset: Its name, such as `mimic-cxr-jpg`; `-` and `_` are the same.

    Raises:
        OptionError: There is no such dataset.
        PackageError: Its package is there and cannot be imported.
    """
    point = _point_of(dataset)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise PackageError(
            f"The dataset {point.name} is installed and cannot be used: its entry point "
            f"{point.value} does not load ({type(error).__name__}: {error}). Install its package "
            "again, or remove it."
        ) from error


def _point_of(dataset: str) -> EntryPoint:
    known = known_datasets()
    name = str(dataset).replace("_", "-")
    if name not in known:
        raise OptionError.unknown("dataset", dataset, known)
    return known[name]


def package_folder(package: str) -> Path:
    """Give the folder of an imported package."""
    file = import_module(package).__file__
    assert file is not None, f"{package} is not a package of files"
    return Path(file).parent


def code_files(folder: Path) -> list[Path]:
    """List the files below a package's folder that decide its rows, sorted by path."""
    return sorted(_code_files(folder))


def _code_files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in _MAKES_NO_ROWS:
            continue
        if entry.is_dir():
            yield from _code_files(entry)
        elif entry.suffix in _SUFFIXES:
            yield entry


@cache
def code_hash(package: str, script: str | None = None) -> str:
    """Hash the code that makes a dataset's rows, and the major version of `datasets`.

    What `datasets` 4 writes into its cache, 3.6 cannot read.

    Args:
        package: The dataset's package.
        script: Hash of the script where `datasets` runs a copy of it (3.6 unimported); else None.

    Returns:
        16 hexadecimal digits.
    """
    major = version("datasets").partition(".")[0]
    digest = hashlib.sha256(f"{script or ''} {major}".encode())
    for name in ("cxr_datasets", package):
        folder = package_folder(name)
        for file in code_files(folder):
            place = file.relative_to(folder).as_posix()
            digest.update(place.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
