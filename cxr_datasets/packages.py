"""Which datasets are installed, and the hash of the code that makes their rows."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any

from cxr_datasets import wording
from cxr_datasets.errors import OptionError, PackageError

_GROUP = "cxr_datasets"
_SUFFIXES = (".py", ".csv")
_SYNTHETIC = "synthetic"
_MAKE_ROWS = (
    *("builder", "cohorts", "columns.py", "images", "labels/names.py", "labels/text"),
    *("layers", "storage", "tables"),
)
"""Rooms and modules of this package whose code decides what a row holds.

Others do not count: a word changed in the command line must not make every dataset be built anew.
"""


def known_datasets() -> dict[str, EntryPoint]:
    """Find the datasets that installed packages announce, without importing any.

    Returns:
        Name -> entry point that names the class of its builder, sorted by name.
    """
    return dict(_announced(tuple((place, _changed(place)) for place in sys.path)))


@lru_cache(maxsize=1)
def _announced(places: tuple[tuple[str, int | None], ...]) -> dict[str, EntryPoint]:
    """Look into what is installed in some places of `sys.path`, as they are now.

    Every loading asks for the datasets, and the description of each installed package is read for
    the answer: 20 ms where a hundred are installed. What is installed or removed meanwhile changes
    the time of its place, and so is seen.
    """
    points = sorted(entry_points(group=_GROUP), key=lambda point: point.name)
    return {point.name: point for point in points}


def _changed(place: str) -> int | None:
    """Time of the last change of a place of `sys.path`; None where there is nothing."""
    try:
        return os.stat(place or os.curdir).st_mtime_ns
    except OSError:
        return None


def package_of(dataset: str) -> str:
    """Give the import name of a dataset's package.

    Args:
        dataset: Its name, such as `my-cxr`; `-` and `_` are the same.

    Raises:
        OptionError: There is no such dataset.
    """
    return _point_of(dataset).module.partition(".")[0]


def builder_class(dataset: str) -> type[Any]:
    """Import the builder of a dataset.

    Args:
        dataset: Its name, such as `my-cxr`; `-` and `_` are the same.

    Raises:
        OptionError: There is no such dataset.
        PackageError: Its package is installed and cannot be imported.
    """
    point = _point_of(dataset)
    try:
        builder = point.load()
    except Exception as error:  # whatever a package raises that is not whole
        raise _unusable(point, f"does not load ({wording.said_of_import(error)})") from error
    if not isinstance(builder, type):
        raise _unusable(point, "names no class")
    return builder


def _unusable(point: EntryPoint, why: str) -> PackageError:
    return PackageError(
        f"The dataset {point.name} is installed and cannot be used: its entry point {point.value} "
        f"{why}. Install its package again, or remove it."
    )


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


def code_files(place: Path) -> list[Path]:
    """List the files of code in a folder and below, sorted, without the synthetic releases.

    Args:
        place: A folder, or a single file.
    """
    if place.is_file():
        return [place]
    return sorted(
        file
        for file in place.rglob("*")
        if file.suffix in _SUFFIXES and not file.relative_to(place).parts[0].startswith(_SYNTHETIC)
    )


@cache
def code_hash(package: str, script: str | None = None, also: tuple[str, ...] = ()) -> str:
    """Hash the code that makes a dataset's rows, and the major version of `datasets`.

    The version counts because `datasets` 3.6 cannot read what 4 writes into its cache.

    Args:
        package: The dataset's package.
        script: Hash of the script, where `datasets` 3.6 runs a copy of it because the package was
            not imported; else None.
        also: Rooms of this package that count too.

    Returns:
        16 hexadecimal digits.
    """
    major = version("datasets").partition(".")[0]
    digest = hashlib.sha256(f"{script or ''} {major}".encode(), usedforsecurity=False)
    ours, own = package_folder("cxr_datasets"), package_folder(package)
    places = [(ours, ours / name) for name in (*_MAKE_ROWS, *also)]
    for folder, place in [*places, (own, own)]:
        for file in code_files(place):
            name = file.relative_to(folder).as_posix()
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
