"""Where the images of a dataset are, and in which form.

Both are found from a sample of the paths that the tables list. No folder is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.forms import Form, ImageForms
from cxr_datasets.columns import plural
from cxr_datasets.errors import MissingImagesError
from cxr_datasets.storage.addresses import check_open
from cxr_datasets.storage.source import EMPTY, Problem, Source, open_place
from cxr_datasets.tables.index import spread_places
from cxr_datasets.tables.keys import combined
from cxr_datasets.wording import get_logger

_FIRST_PROBES = 16
_FIRST_REMOTE_PROBES = 4
"""Files of each form that are looked for first."""

Sampler = Callable[[int], pa.Array]
"""Gives so many paths of images in the release, spread over all."""

_logger = get_logger(__name__)

_PROBLEMS: dict[Problem, str] = {
    "closed": "may not be read: permission denied. Check the permissions of the folder.",
    "broken": "is no zip archive. It is damaged or was not downloaded to its end: fetch it again.",
    "file": "is a file. Pass the folder or the .zip that holds the images.",
    "absent": "does not exist. Check the path.",
    "empty": "is empty. Pass the folder or the .zip that holds the images.",
}


@dataclass(frozen=True)
class ImagePlace:
    """Where the images are, and in which form.

    Attributes:
        source: The folder, archive or store that holds them.
        form: Their form.
        forms: All forms that the dataset's images may have.
        in_copy: Whether `source` is the copy itself, the place of the tables.
        bytes_each: Mean size of the files of the sample, where they are not the release's own;
            else None.
    """

    source: Source
    form: Form
    forms: ImageForms
    in_copy: bool
    bytes_each: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether the images are where, and as, the release has them."""
        return self.in_copy and self.form.is_own

    @property
    def key(self) -> list[str]:
        """What of it decides the rows, for the cache's key."""
        return [self.source.root, self.form.told]

    def with_told_paths(self, rows: pa.Table) -> pa.Table:
        """Let rows tell the paths of the files in the copy.

        Of images elsewhere they tell the release's own paths, as they come.
        """
        if self.form.is_own or not self.in_copy:
            return rows
        for name in ("path", plural("path")):
            if name in rows.column_names:
                place = rows.column_names.index(name)
                rows = rows.set_column(place, name, _renamed(combined(rows[name]), self.form))
        return rows


def _renamed(paths: pa.Array, form: Form) -> pa.Array:
    """Paths, or lists of paths, in a form."""
    if not pa.types.is_list(paths.type):
        return form.files(paths)
    offsets = pc.subtract(paths.offsets, paths.offsets[0])
    return pa.ListArray.from_arrays(offsets, form.files(paths.flatten()))


def open_images(images: str | None, release: Source, forms: ImageForms) -> ImagePlace:
    """Open the place of the images. In which form they are there is not looked for yet.

    Args:
        images: Value of the option `images`; None: the copy itself.
        release: The copy.
        forms: The forms that they may have.

    Raises:
        OptionError: The value holds a password.
        MissingImagesError: It is not there, closed to this user, or holds nothing.
    """
    source, own = release, next(iter(forms))
    if images is not None:
        check_open("images", images)
        source = open_place(images, release.options, release.connections)
    if source.root == release.root:
        return ImagePlace(release, own, forms, in_copy=True)
    problem = source.problem()
    if problem is not None:
        raise MissingImagesError(f"images={source.shown()} {_PROBLEMS[problem]}")
    return ImagePlace(source, own, forms, in_copy=False)


def find_place(place: ImagePlace, sampled: Sampler) -> ImagePlace:
    """Find out in which form the images are, and say so in one line if it is not the release's.

    Args:
        place: Where they are.
        sampled: Gives so many paths of images in the release, spread over all.

    Returns:
        The place with their form: the release's own if no file is found in any form.

    Raises:
        StoreError: A remote store failed again and again.
    """
    form, sizes = best_form(place.source, place.forms, sampled)
    present = sizes[sizes > EMPTY]
    place = replace(place, form=form)
    if place.is_own or not len(present):
        return place
    _logger.warning(
        "%d of a sample of %d images are in %s, as %s",
        len(present), len(sizes), place.source.shown(), form.told,
    )  # fmt: skip
    return replace(place, bytes_each=_usual_size(present))


def best_form(source: Source, forms: ImageForms, sampled: Sampler) -> tuple[Form, np.ndarray]:
    """Look for a few files in every form, and take the form that has most of them.

    If the release's own form has all of the few, no other is looked for. In a remote store, where
    each look takes time, one file is enough. If no form has any, more files are looked for.

    Args:
        source: Where they may be.
        forms: The forms.
        sampled: Gives so many paths of images in the release.

    Returns:
        The form, and the sizes in bytes of the files looked for; below 1 where one is absent.
    """
    few = sampled(_FIRST_REMOTE_PROBES if source.is_remote else _FIRST_PROBES)
    form, sizes = _best_of(source, forms, few)
    if (sizes > EMPTY).any():
        return form, sizes
    return _best_of(source, forms, sampled(source.PROBES))


def _best_of(source: Source, forms: ImageForms, sample: pa.Array) -> tuple[Form, np.ndarray]:
    own, *others = forms
    (first,) = _sizes(source, [own], sample)
    enough = 1 if source.is_remote else len(sample)
    if (first > EMPTY).sum() >= enough:
        return own, first
    sizes = np.vstack([first, _sizes(source, others, sample)])
    best = int((sizes > EMPTY).sum(axis=1).argmax())
    return (own, *others)[best], sizes[best]


def _sizes(source: Source, forms: Sequence[Form], sample: pa.Array) -> np.ndarray:
    """Sizes of a sample in some forms, a row for each; files of all forms are asked for at once."""
    files = [file for form in forms for file in form.files(sample).to_pylist()]
    # Not `sizes`: some stores refuse what is not there.
    sizes = [-1 if size is None else size for size in source.few_sizes(files)]
    return np.array(sizes, np.int64).reshape(len(forms), len(sample))


def spread(rows: pa.Array, count: int) -> pa.Array:
    """Take so many rows, or all if there are fewer, spread evenly from the first to the last."""
    return combined(rows.take(pa.array(spread_places(len(rows), count))))


def _usual_size(sizes: np.ndarray) -> int:
    """Give the mean size in bytes, as a power of two: so one more file does not change it."""
    return int(2 ** np.round(np.log2(sizes.mean())))
