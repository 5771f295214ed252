"""The door: finds the writer of a dataset's invented release by the dataset's name."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path

from cxr_datasets import wording
from cxr_datasets.errors import OptionError, PackageError
from cxr_datasets.packages import package_of


def release_writer(dataset: str) -> Callable[..., Path]:
    """Import the function that writes the invented release of a dataset.

    Args:
        dataset: The dataset's name, as `cxr synthesize --help` lists it.

    Raises:
        OptionError: There is no such dataset.
        PackageError: Its package has no invented release, or does not import.
    """
    module = f"{package_of(dataset)}.synthetic"
    try:
        return importlib.import_module(module).write_release
    except Exception as error:  # whatever a package raises that is not whole
        raise PackageError(
            f"The dataset {dataset} has no invented release: {module}.write_release does not load "
            f"({wording.said_of_import(error)}). Install another version of its package, or choose "
            "another dataset."
        ) from error


def synthesize(
    dataset: str, out: str | os.PathLike[str], *, seed: int = 0, **options: object
) -> Path:
    """Write an invented release of one dataset.

    Args:
        dataset: The dataset's name, as `cxr synthesize --help` lists it.
        out: The folder that becomes the release's root. It must be empty or not be there yet.
        seed: Another seed gives other ids, labels, texts and pixels; the same gives the same bytes.
        **options: What `write_release` of the package's `synthetic` module takes.

    Returns:
        The release's root.

    Raises:
        OptionError: There is no such dataset, it has no such option, an option's value is not
            allowed, or `out` is not empty.
        PackageError: Its package has no invented release, or does not import.
    """
    write_release = release_writer(dataset)
    allowed = sorted({*inspect.signature(write_release).parameters, "seed"} - {"out"})
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise OptionError(
            f"The synthetic release of {dataset} has no option {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(allowed)}."
        )
    return write_release(out, seed=seed, **options)
