"""What lies at a folder, an archive or an address: which release, or an export.

Only names are looked at, and the first line of what an export notes of itself. No table is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from cxr_datasets import limits
from cxr_datasets.builder.nearby import release_below
from cxr_datasets.builder.published import Published
from cxr_datasets.builder.release import unwrapped
from cxr_datasets.columns import CONFIGS
from cxr_datasets.copies.folder import NOTE, WHOLE
from cxr_datasets.errors import ReleaseError, StoreError
from cxr_datasets.export import notes
from cxr_datasets.export.croissant import CROISSANT
from cxr_datasets.export.folder import PRIVATE
from cxr_datasets.export.manifest import DamagedManifest, manifest_name
from cxr_datasets.packages import builder_class, known_datasets
from cxr_datasets.storage import Remote, Source, open_place
from cxr_datasets.storage.addresses import check_open
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Problem, told_names

Kind = Literal["release", "part", "export"]

_PROBLEMS: dict[Problem, str] = {
    "closed": "may not be read: permission denied. Check its permissions and those above it.",
    "broken": "is no zip archive. It is damaged or was not downloaded to its end: fetch it again.",
    "file": "is a file. Give the folder that holds it.",
    "absent": "does not exist. Check the path.",
    "empty": "is empty. Give the folder that holds the tables of a release, or an export.",
}


@dataclass(frozen=True)
class Place:
    """What lies at a place.

    Attributes:
        kind: `release`; `part` of one, where `cxr download` noted that it was to fetch no more;
            or `export`.
        dataset: Name of the dataset, such as `my-cxr`.
        version: Version of the release, where it shows; else None.
        source: The folder that holds the tables of the release, or the files of the export. It may
            lie below the place that was given.
        tables: Of a release: name of a table -> its file, for those that are there.
        configs: Of an export: its configs, in order.
        pushed: Whether it is an export without what `cxr export` notes of its files, as it is on
            the Hub.
    """

    kind: Kind
    dataset: str
    version: str | None
    source: Source
    tables: Mapping[str, str] = field(default_factory=dict)
    configs: tuple[str, ...] = ()
    pushed: bool = False

    def __str__(self) -> str:
        if self.kind == "export":
            said = "a pushed copy of an export" if self.pushed else "an export"
            return f"{self.source.shown()}: {said} of {self.dataset}, {', '.join(self.configs)}"
        said = "a part of a copy" if self.kind == "part" else "a copy"
        release = f", release {self.version}" if self.version else ""
        return f"{self.source.shown()}: {said} of {self.dataset}{release}"

    @property
    def address(self) -> str:
        """What to give `load_dataset` as `data_dir`."""
        return self.source.root


def recognise(
    place: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Place:
    """Find out what lies at a folder, an archive or an address.

    Args:
        place: The folder, `.zip` or address; also a folder above the release in which a download
            put it, and an address of a pushed copy, `hf://datasets/<user>/<repository>`.
        storage_options: Options of the store, as its fsspec file system takes them.

    Returns:
        What it is, of which dataset, and where exactly.

    Raises:
        ReleaseError: It is not there, closed to this user, or none of these.
        DamagedManifest: It is an export, and what that noted of itself was changed.
        OptionError: The address holds a password.
        StoreError: The store refuses this user, or failed again and again.
    """
    check_open("place", place)
    source = open_place(place, StorageOptions(storage_options, os.fspath(place)))
    problem = source.problem()
    if problem is not None:
        raise ReleaseError(f"{source.shown()} {_PROBLEMS[problem]}")
    source = unwrapped(source)
    published = _published()
    names = _names(source, published)
    found = _at(source, names, published) or _below(source, names, published)
    if found is None:
        raise _nothing(source, published)
    return found


def _published() -> dict[str, Published]:
    """What each installed dataset declares of its releases, by the name of the dataset."""
    declared = {name: builder_class(name).PUBLISHED for name in known_datasets()}
    return {name: published for name, published in declared.items() if published}


def _at(source: Source, names: set[str], published: Mapping[str, Published]) -> Place | None:
    """Recognise what lies directly in a folder, by the names in it."""
    return _export(source, names) or _release(source, names, published)


def _names(source: Source, published: Mapping[str, Published]) -> set[str]:
    """Names in a folder; where a server lists none, those of the files that count here."""
    names = _listed(source)
    if names:
        return names
    looked_for = [
        *map(manifest_name, CONFIGS),
        CROISSANT,
        *(file for one in published.values() for file in one.table_files),
        *(file for one in published.values() for files in one.only_in.values() for file in files),
    ]
    looked_for = list(dict.fromkeys(looked_for))
    sizes = source.few_sizes(looked_for)
    return {name for name, size in zip(looked_for, sizes, strict=True) if size is not None}


def _listed(source: Source) -> set[str]:
    """Names in a folder; none where a store does not list it to this user.

    Raises:
        StoreError: A store does not answer, so that nothing else need be asked.
    """
    if not isinstance(source, Remote):
        return set(source.names())
    try:
        return set(source.listed("", source.begin_list("").result()))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return set()
    except StoreError as error:
        if error.refused:
            return set()
        raise


# --- releases -------------------------------------------------------------------------------------


def _release(source: Source, names: set[str], published: Mapping[str, Published]) -> Place | None:
    """Take the dataset of which most tables are there."""
    found = {dataset: one.find_tables(names) for dataset, one in published.items()}
    dataset = max(found, key=lambda name: len(found[name]), default=None)
    if dataset is None or not found[dataset]:
        return None
    version = published[dataset].version_of(names, source.root)
    is_part = NOTE in names and source.size(f"{NOTE}/{WHOLE}") is None
    kind: Kind = "part" if is_part else "release"
    return Place(kind, dataset, version, source, tables=found[dataset])


def _below(source: Source, names: set[str], published: Mapping[str, Published]) -> Place | None:
    """Recognise a release in the folders in which a download puts it, of those that are there."""
    for one in published.values():
        known = [folder for folder in one.folders if folder.partition("/")[0] in names]
        place = release_below(source, partial(_has_table, one), known)
        if place is not None:
            return _at(place, _names(place, published), published)
    return None


def _has_table(published: Published, source: Source) -> bool:
    spine = published.tables[0]
    return source.first_existing(spine.files) is not None


# --- exports --------------------------------------------------------------------------------------


def _export(source: Source, names: set[str]) -> Place | None:
    noted = [config for config in CONFIGS if manifest_name(config) in names]
    if PRIVATE in names:
        inside = set(source.names(PRIVATE))
        noted = [config for config in CONFIGS if _inside(manifest_name(config)) in inside]
    for config in noted:
        header = _first_line(source, manifest_name(config))
        if header is not None:
            dataset, version = header["identity"]["dataset"], header["description"]["release"]
            return Place("export", dataset, version, source, configs=tuple(noted))
    if noted:
        raise DamagedManifest.of(source.shown(manifest_name(noted[0])), noted[0])
    return _pushed(source) if CROISSANT in names else None


def _inside(name: str) -> str:
    return name.rpartition("/")[2]


def _first_line(source: Source, manifest: str) -> dict[str, Any] | None:
    """Read the header of a manifest; None if it was changed."""
    with suppress(FileNotFoundError, ValueError, KeyError):
        header = notes.decoded(source.read(manifest).split(b"\n", 1)[0])
        _ = header["identity"]["dataset"], header["description"]["release"]
        return header
    return None


def _pushed(source: Source) -> Place | None:
    """Recognise an export by the description for machines that was pushed with it."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        told = json.loads(source.read(CROISSANT, limits.LARGEST_PAGE))
        sets = [one["includes"].partition("/")[0] for one in told["distribution"]]
        configs = tuple(config for config in CONFIGS if config in sets)
        if configs and told["name"] in known_datasets():
            return Place("export", told["name"], None, source, configs=configs, pushed=True)
    return None


# --- nothing --------------------------------------------------------------------------------------


def _nothing(source: Source, published: Mapping[str, Published]) -> ReleaseError:
    """Say what was looked for; where a store refuses it, that comes first.

    Raises:
        StoreError: A store refuses the table that was looked for.
    """
    source.check_permitted()
    for one in published.values():
        source.check_permitted(one.tables[0].files[0])
    names = source.some_names()
    hints = (_hint(dataset, names) for dataset in published)
    hint = next((hint for hint in hints if hint), "Give the folder that holds the tables.")
    return ReleaseError(
        f"{source.shown()} holds no release and no export. Looked for {_looked_for(published)}; "
        f"for {manifest_name(CONFIGS[0])}, which `cxr export` writes; and for {CROISSANT} of a "
        f"pushed copy. Found {told_names(names)}. {hint}"
    )


def _hint(dataset: str, names: Iterable[str]) -> str:
    forms = builder_class(dataset).IMAGE_FORMS
    return forms.recognised(names) if forms else ""


def _looked_for(published: Mapping[str, Published]) -> str:
    return ", ".join(
        f"{one.tables[0].files[0]} ({dataset})" for dataset, one in published.items()
    ) or "tables, but no installed dataset declares any"  # fmt: skip
