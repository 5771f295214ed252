"""What becomes of rows whose image file is absent, where that is looked at before any is read.

With collections of this size, partial downloads are the rule. A file of zero bytes counts as
absent. So does a file that gsutil is still fetching, until it renames it (from `..._.gstmp`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.absent import nothing_there
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.places import ImagePlace, spread
from cxr_datasets.builder.tally import tell_absent
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import MissingImagesError
from cxr_datasets.storage.source import EMPTY, Source
from cxr_datasets.tables.keys import combined
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)


def are_present(sizes: np.ndarray) -> np.ndarray:
    """Mark the files that are there and not empty.

    Args:
        sizes: As `Source.sizes` finds them.

    Returns:
        Boolean array as long as `sizes`.
    """
    return sizes > EMPTY


def probe(place: ImagePlace, paths: pa.Array, goes_on: bool = False) -> None:
    """Look at a spread sample of the files.

    Args:
        place: Where they are.
        paths: Paths of all images in the release.
        goes_on: Whether absent files are met later, and listed; then one line counts them here.

    Raises:
        MissingImagesError: At least one of them is absent; with `goes_on`, all are.
    """
    source = place.source
    sample = spread(paths, source.PROBES)
    files = place.form.files(sample)
    present = are_present(source.sizes(files.to_pylist()))
    if present.all():
        return
    if not present.any():
        raise nothing_there(place, sample, "a sample of")
    if goes_on:
        _logger.warning(
            "%d of a sample of %d image files are not there (or are empty, an unfinished download)",
            (~present).sum(), len(sample),
        )  # fmt: skip
        return
    absent = files[int(np.flatnonzero(~present)[0])].as_py()
    raise MissingImagesError(
        f"{(~present).sum()} of a sample of {len(sample)} image files are not there (or are empty, "
        f"an unfinished download), first {source.shown(absent)}. "
        "Finish the download, or load with missing='skip' to leave out every row whose file is "
        "absent, or missing='null' to keep those rows with a null image."
    )


def warn_of_unread(config: CxrConfig, images: Source) -> None:
    """Say that an option about damaged images has no effect, where it has none.

    Args:
        config: The options.
        images: Where the images are.
    """
    if config.name != "reports" and config.damaged != "error" and not config.embeds(images):
        _logger.warning(
            "damaged=%r: images that are stored as addresses are not read before their rows are, "
            "and a damaged one is an error then. To have them checked here, give embed=True or "
            "image_size.", config.damaged,
        )  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What came of looking for the image files.

    Attributes:
        images: The rows that stay; for `missing="null"` with a boolean column `present`.
        key: A key of the files that were there, and unless a damaged one is an error, of their
            sizes: it may be fetched again.
        left_out: Split -> ids of the images that `missing="skip"` leaves out of it.
    """

    images: pa.Table
    key: str
    left_out: dict[str, list[str]]


def keep_present(images: pa.Table, place: ImagePlace, config: CxrConfig) -> Found:
    """Look for every image file and do what `missing` says about those that are absent.

    Args:
        images: Rows of the index.
        place: Where the files are.
        config: The options. If `missing` is `error`, all rows stay: an absent file is an error
            where it is probed or read.

    Raises:
        MissingImagesError: With `skip` or `null`, none exists.
    """
    paths = combined(images["path"])
    sizes = place.source.sizes(place.form.files(paths).to_pylist())
    present = are_present(sizes)
    key = _key(present if config.damaged == "error" else sizes)
    if config.missing == "error":
        return Found(images, key, {})
    if not present.any():
        raise nothing_there(place, paths)
    tell_absent(int((~present).sum()), len(present), config.missing)
    if config.missing == "null":
        return Found(images.append_column("present", pa.array(present)), key, {})
    left = images.filter(pa.array(present))
    # Whichever of its images are there, a study keeps its place, as it does where they are not
    # looked for before they are read.
    if config.name != "images":
        left = _by_study(left, images["study_id"])
    return Found(left, key, _ids_by_split(images.filter(pa.array(~present))))


def _key(found: np.ndarray) -> str:
    """A short key of the files found, for the cache: a finished download is a new dataset."""
    return short_digest(found.tobytes())


def _ids_by_split(images: pa.Table) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    columns = (images[name].to_pylist() for name in ("split", "image_id"))
    for split, image in zip(*columns, strict=True):
        ids.setdefault(split, []).append(image)
    return ids


def _by_study(images: pa.Table, order: pa.ChunkedArray) -> pa.Table:
    """Images in the order in which their studies first appear in `order`."""
    place = pc.index_in(images["study_id"], value_set=pc.unique(order))
    return images.take(pa.array(np.argsort(combined(place).to_numpy(), kind="stable")))
