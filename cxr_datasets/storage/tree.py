"""The files below a place, found by listing its folders: a request for many files, not for each.

Only who has to know whether a copy is whole lists it. Loading a dataset lists nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.errors import StoreError
from cxr_datasets.storage import addresses
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.archive import Archive
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.parents import BUCKETS
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.source import Info, Source, version_in

UNKNOWN = -1
"""Size of a file that a list does not tell, as the pages of web servers."""

_SCHEMA = pa.schema([("path", pa.string()), ("size", pa.int64()), ("version", pa.string())])

_THREADS = 8
_LISTS_AHEAD = 64
_FLAT = frozenset({*BUCKETS, "hf", "memory"})
"""Protocols of stores that list all files below a place at once."""

Told = Callable[[int], object]
"""Is told how many files were found since it was told last."""


class _Entry(NamedTuple):
    path: str
    size: int
    version: str


def tree(source: Source, told: Told = lambda files: None) -> pa.Table:
    """List all files below a place. What begins with a dot, at its top, is left out.

    Args:
        source: The place.
        told: Is told how many files were found.

    Returns:
        A row a file: `path` within the place; `size` in bytes, -1 where the list does not tell it;
        `version`, as in a `Stamp`, which is empty where the list does not tell it.

    Raises:
        StoreError: A folder is not there any more or may not be listed; or a store failed again and
            again.
    """
    try:
        if isinstance(source, Archive):
            return _table(_in_archive(source))
        if isinstance(source, Remote):
            return _table(_in_store(source, told))
        assert isinstance(source, LocalFolder)
        return _on_disk(source.root, told)
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else source.root
        raise StoreError(
            f"{addresses.shown(name)} cannot be listed: {wording.said(error)}. Check that it is "
            "there, its permissions and those above it, and the disk; then start again."
        ) from error


def _table(entries: Iterable[_Entry]) -> pa.Table:
    kept = [entry for entry in entries if not entry.path.startswith(".")]
    columns = list(zip(*kept, strict=True)) or [(), (), ()]
    return pa.table([_texts(columns[0]), columns[1], _texts(columns[2])], schema=_SCHEMA)


def _texts(values: Iterable[str]) -> pa.Array:
    """Strings; what is not UTF-8 in the name of a file is replaced."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([os.fsencode(value).decode("utf-8", "replace") for value in values])


# --- disks ----------------------------------------------------------------------------------------


def _on_disk(root: str, told: Told) -> pa.Table:
    """List a folder on a disk: the folders of its first two levels side by side."""
    folders, files = _scan(root, "")
    tops = [folder for folder in folders if not folder.startswith(".")]
    found = [_columns(files)]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="cxr-tree") as pool:
        below = []
        for inner, own in pool.map(lambda top: _scan(root, top), tops):
            below += inner
            found.append(_columns(own))
        for columns in pool.map(lambda folder: _deep(root, folder), below):
            told(columns.num_rows)
            found.append(columns)
    listed = pa.concat_tables(found)
    return listed.filter(pc.invert(pc.starts_with(listed["path"], ".")))


def _deep(root: str, folder: str) -> pa.Table:
    left, found, linked = [folder], [], set()
    while left:
        folders, files = _scan(root, left.pop())
        for inner in folders:
            place = os.path.join(root, inner)
            if os.path.islink(place):  # as to a larger disk; but a circle ends
                real = os.path.realpath(place)
                if real in linked or root.startswith(real):
                    continue
                linked.add(real)
            left.append(inner)
        found += files
    return _columns(found)


def _columns(entries: list[tuple[str, int, int]]) -> pa.Table:
    paths, sizes, times = zip(*entries, strict=True) if entries else ((), (), ())
    versions = pc.cast(pa.array(times, pa.int64()), pa.string())
    return pa.table([_texts(paths), pa.array(sizes, pa.int64()), versions], schema=_SCHEMA)


def _scan(root: str, folder: str) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Folders and files in one folder, by their paths from the root on."""
    folders, files = [], []
    before = f"{folder}/" if folder else ""
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            path = before + entry.name
            if entry.is_dir():
                folders.append(path)
                continue
            try:
                found = entry.stat()
            except FileNotFoundError:  # a link that leads nowhere, or a file that was just removed
                continue
            files.append((path, found.st_size, found.st_mtime_ns))
    return folders, files


# --- archives and stores --------------------------------------------------------------------------


def _in_archive(source: Archive) -> Iterator[_Entry]:
    found = source.found()
    return (_entry(path, info) for path, info in found.items())


def _in_store(source: Remote, told: Told) -> Iterator[_Entry]:
    is_flat = addresses.protocol(source.root) in _FLAT or addresses.is_chain(source.root)
    found = source.found() if is_flat else dict(_walked(source, told))
    return (_entry(path, info) for path, info in found.items())


def _walked(source: Remote, told: Told) -> Iterator[tuple[str, Info]]:
    """List folder after folder, those of one level several at once."""
    level = [""]
    while level:
        below = []
        for folder, listing in zip(
            level, in_order(source.begin_list, level, _LISTS_AHEAD), strict=True
        ):
            files = 0
            for name, info in source.listed(folder, listing.result()).items():
                if info["type"] == "directory":
                    below.append(name)
                else:
                    files += 1
                    yield name, info
            told(files)
        level = below


def _entry(path: str, info: dict[str, Any]) -> _Entry:
    size = info.get("size")
    return _Entry(path, UNKNOWN if size is None else int(size), version_in(info))
