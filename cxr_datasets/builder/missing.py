"""What becomes of rows whose image file is not there.

Partial downloads are the rule with collections of this size. A file of zero bytes counts as
absent; a download under its temporary name (`._gstmp`) has not taken its own name yet and so
is absent as it is.
"""

from __future__ import annotations

import hashlib
import logging

import numpy as np
import pyarrow as pa

from cxr_datasets.errors import MissingImagesError
from cxr_datasets.storage.source import UNFINISHED, Source

CHOICES = ("error", "skip", "null")
"""Refuse to build, drop the row, or keep the row with a null image."""

PROBES = 256
REMOTE_PROBES = 8
"""Files looked at by `missing="error"`, spread evenly over the release."""

_logger = logging.getLogger(__name__)


def are_present(sizes: np.ndarray) -> np.ndarray:
    """Which files are there and not empty, given their sizes as `Source.sizes` finds them.

    Returns:
        Boolean array as long as `sizes`.
    """
    return sizes > UNFINISHED


def digest(found: np.ndarray) -> str:
    """A short key of which files exist, for the cache: a finished download is a new dataset."""
    return hashlib.sha256(found.tobytes()).hexdigest()[:16]


def probe(source: Source, paths: pa.Array) -> None:
    """Look at a spread sample of the files.

    Raises:
        MissingImagesError: At least one of them is absent.
    """
    probes = min(REMOTE_PROBES if source.is_remote else PROBES, len(paths))
    spread = np.unique(np.linspace(0, len(paths) - 1, probes).astype(np.int64))
    sample = paths.take(pa.array(spread))
    present = are_present(source.sizes(sample.to_pylist()))
    if present.all():
        return
    absent = sample[int(np.flatnonzero(~present)[0])].as_py()
    raise MissingImagesError(
        f"{(~present).sum()} of a sample of {len(sample)} image files are not there (or are empty, "
        f"an unfinished download), first {source.address(absent)}. "
        "Finish the download, or load with missing='skip' to leave out every row whose file is "
        "absent, or missing='null' to keep those rows with a null image."
    )


def report_skipped(present: np.ndarray) -> None:
    """Say in one line how many rows were dropped."""
    absent = int((~present).sum())
    if absent:
        _logger.warning(
            "missing='skip': left out %d of %d images whose file is not there",
            absent, len(present),
        )  # fmt: skip
