"""The error for a copy in which none of the images is where it was looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from cxr_datasets.builder.forms import Form
from cxr_datasets.builder.places import ImagePlace, best_form, spread
from cxr_datasets.errors import MissingImagesError
from cxr_datasets.storage.addresses import is_archive
from cxr_datasets.storage.source import EMPTY, Source, told_names

_FOLDERS_LOOKED_INTO = 8
_NO_IMAGES = "or load config 'reports', which needs no image"


def nothing_there(
    place: ImagePlace, paths: pa.Array, of: str = "", count: int | None = None
) -> MissingImagesError:
    """Say what was looked for, what lies there instead, and which option would do.

    One folder is listed, of the first names only: the deepest one on the way to an image that is
    there.

    Args:
        place: Where the images were looked for.
        paths: Paths in the release of images that were looked for in vain.
        of: What comes before their number, such as `a sample of`.
        count: Their number, if `paths` are only some of them.
    """
    source, count = place.source, count or len(paths)
    looked_for = place.form.files(paths)[0].as_py()
    folder = _deepest_folder(source, looked_for)
    names = source.some_names(folder)
    return MissingImagesError(
        f"None of {of or 'the'} {count} image files is there, or all are empty. Looked for "
        f"{source.shown(looked_for)}, {_other_forms(place)}. What lies in "
        f"{source.shown(folder)}: {told_names(names)}. {_advice(place, folder, names, paths)}"
    )


def _other_forms(place: ImagePlace) -> str:
    others = list(place.forms.layouts)[1:]
    suffixes = ", ".join(place.forms.suffixes)
    if not others:
        return f"with {suffixes}"
    more = f" and {len(others) - 2} more" if len(others) > 2 else ""
    return f"also in the layouts {', '.join(others[:2])}{more}, each with {suffixes}"


def _deepest_folder(source: Source, path: str) -> str:
    """The last folder on the way to a file that is there, from the top on; "" for the top."""
    deepest = ""
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        folder = "/".join(parts[:end])
        if not source.is_folder(folder):
            break
        deepest = folder
    return deepest


def _advice(place: ImagePlace, folder: str, names: Sequence[str], paths: pa.Array) -> str:
    found = next(_images_in(place, folder, names, paths), None)
    if found is not None:
        source, form = found
        there = source.shown()
        return f"The images are in {there}, as {form.told}: pass images={there!r}."
    other = place.forms.recognised(names)
    if other:
        return other
    if place.in_copy:
        return (
            "Pass images=, the folder, .zip or address that holds the images, if it is another "
            f"than data_dir; finish the download; {_NO_IMAGES}."
        )
    return f"Pass as images= the folder, .zip or address that holds the images, {_NO_IMAGES}."


def _images_in(
    place: ImagePlace, folder: str, names: Sequence[str], paths: pa.Array
) -> Iterator[tuple[Source, Form]]:
    """Look into some folders and archives for the images, if that takes no time."""
    if place.source.is_remote:
        return
    paths_of = [f"{folder}/{name}" if folder else name for name in names]
    inner = [path for path in paths_of if is_archive(path) or place.source.is_folder(path)]
    for path in inner[:_FOLDERS_LOOKED_INTO]:
        source = place.source.folder(path)
        if source.is_broken:
            continue
        form, sizes = best_form(source, place.forms, lambda count: spread(paths, count))
        if (sizes > EMPTY).any():
            yield source, form
