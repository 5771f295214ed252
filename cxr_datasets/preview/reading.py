"""Where material comes from: a release, an export, or rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cxr_datasets.builder import CxrBuilder
from cxr_datasets.copies import Place, recognise
from cxr_datasets.errors import OptionError, ReleaseError
from cxr_datasets.packages import builder_class
from cxr_datasets.preview.from_export import material_of_export
from cxr_datasets.preview.from_release import material_of_release
from cxr_datasets.preview.from_rows import material_of_rows, named_splits
from cxr_datasets.preview.material import Material
from cxr_datasets.storage import open_place
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.credentials import StorageOptions

REPORTS = 10_000
"""Most reports of a release that are measured unless more are asked for: enough for quantiles, in a
fraction of the time that all of the largest release take."""

_OF_PIXELS = ("image_size", "image_format", "embed", "missing", "damaged")
"""Options that change what becomes of images, and no figure."""


def read_material(
    place: Any,
    *,
    dataset: str | None = None,
    split: str | Sequence[str] | None = None,
    reports: int | None = REPORTS,
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Material:
    """Read what figures are counted from; arguments and errors as for `stats`."""
    wanted = [split] if isinstance(split, str) else split
    if not isinstance(place, (str, os.PathLike)):
        splits = named_splits(place)
        return material_of_rows(_only(splits, wanted), dataset)
    found = find_place(place, dataset, storage_options)
    if found.kind == "export":
        if options:
            raise OptionError(
                f"options={sorted(options)} are of a release, but {found}. Leave them out."
            )
        return replace(material_of_export(found, wanted), told=_shown(place))
    builder = open_builder(found.dataset, found.address, storage_options, cache_dir, options)
    material = material_of_release(
        builder, found.dataset, _only(builder.index_rows(), wanted), reports
    )
    return replace(material, told=_shown(place))


def _shown(place: str | os.PathLike[str]) -> str:
    """A place as the caller gave it, without secrets."""
    return shown(os.fspath(place))


def open_builder(
    dataset: str,
    data_dir: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> CxrBuilder:
    """Open a release with the options of its dataset; images are told by their addresses.

    Raises:
        CxrError: An option does not exist, or the release is broken.
    """
    given = dict(options or {})
    for name in _OF_PIXELS:
        if name in given:
            raise OptionError(
                f"{name} says how images are stored, and here the release's own files count. Leave "
                "it out."
            )
    return builder_class(dataset)(
        config_name="images",
        data_dir=os.fspath(data_dir),
        cache_dir=None if cache_dir is None else os.fspath(cache_dir),
        storage_options=None if storage_options is None else dict(storage_options),
        embed=False,
        **given,
    )


def find_place(
    place: str | os.PathLike[str], dataset: str | None, options: Mapping[str, Any] | None
) -> Place:
    """Find out what is at a place; where it does not show, it is a release of the dataset named.

    Raises:
        ReleaseError: It does not show what it is, and no dataset is named.
        OptionError: It is of another dataset.
    """
    if dataset is not None:
        builder_class(dataset)  # one that does not exist is an error whatever is there
    try:
        found = recognise(place, options)
    except ReleaseError:
        if dataset is None:
            raise
        name = dataset.replace("_", "-")
        address = os.fspath(place)
        source = open_place(address, StorageOptions(options, address))
        return Place("release", name, None, source)
    if dataset is not None and dataset.replace("_", "-") != found.dataset:
        raise OptionError(f"dataset={dataset!r}, but {found}. Leave the option out.")
    return found


def _only(splits: Mapping[str, Any], wanted: Iterable[str] | None) -> dict[str, Any]:
    """Take some splits, in their own order.

    Raises:
        OptionError: There is no such split.
    """
    names = list(splits) if wanted is None else list(wanted)
    for name in names:
        if name not in splits:
            raise OptionError.unknown("split", name, splits)
    return {name: rows for name, rows in splits.items() if name in names}
