"""The door: the writer of a dataset's invented release, by the dataset's name."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

from cxr_datasets.errors import OptionError
from cxr_datasets.packages import package_of


def synthesize(
    dataset: str, out: str | os.PathLike[str], *, seed: int = 0, **options: object
) -> Path:
    """Write an invented release of one dataset.

    Args:
        dataset: The dataset's name, such as `mimic-cxr-jpg`.
        out: The folder that becomes the release's root. It must be empty or not be there yet.
        seed: Another seed gives other ids, labels, texts and pixels; the same gives the same bytes.
        **options: What `write_release` of the package's `synthetic` module takes.

    Returns:
        The release's root.

    Raises:
        OptionError: There is no such dataset, it has no such option, an option's value is not
            allowed, or `out` is not empty.
    """
    write_release = importlib.import_module(f"{package_of(dataset)}.synthetic").write_release
    allowed = sorted(set(inspect.signature(write_release).parameters) - {"out", "seed"})
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise OptionError(
            f"The synthetic release of {dataset} has no option {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(allowed)}."
        )
    return write_release(out, seed=seed, **options)
