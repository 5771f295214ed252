"""A dataset with an agreement in the cache of `datasets`: closed to other users of the machine.

`datasets` makes its folders and files as the umask says, and sets the umask itself for a moment. So
the dataset's folder is closed before anything is in it, which keeps others from all below, and what
`datasets` wrote is closed as soon as it is there. The cache itself, which other datasets share,
stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets

from cxr_datasets.builder.cached import dataset_folder
from cxr_datasets.storage import own
from cxr_datasets.storage.cache import in_cache
from cxr_datasets.tables.index import SHARED

_AN_INDEX = re.compile(r"(\w+)-(images|studies|reports)-[0-9a-f]{16}-[\d.]+-[0-9a-f]{16}\.arrow")
"""How the index of a dataset is called."""


def begin(builder: Any) -> None:
    """Close what earlier runs left open, and let all that follows be closed.

    Args:
        builder: A builder that has worked out its folder.

    Raises:
        CacheError: Something else stands in the place of the folder, or of its lock. This is
            looked at for every dataset.
    """
    if not _is_local(builder._cache_dir_root):
        return
    folder = dataset_folder(builder)
    with in_cache(folder):
        own.check_folder(folder)
        own.check_file(_lock(builder), writes=True)
        own.check_file(Path(builder._cache_dir, datasets.config.DATASET_INFO_FILENAME))
        if builder.is_credentialed():
            own.keep_closed(folder)
            own.close_tree(folder, only_if_open=True)
            for file in _of_older_versions(builder):
                own.close(file)


def check_beside(builder: Any, output_dir: Any = None) -> None:
    """Require that no link is where `datasets` keeps its locks and what it has not finished.

    Args:
        builder: The builder.
        output_dir: Where it builds; None: in the cache.

    Raises:
        CacheError: One is. It was not followed.
    """
    place = os.path.expanduser(str(output_dir or builder._cache_dir))
    if not _is_local(place):
        return
    with in_cache(place):
        own.check_folder(f"{place}.incomplete", may_be_link=False)
        for lock in _locks_beside(Path(place)):
            own.check_file(lock, writes=True)


def begin_writing(builder: Any) -> None:
    """Close the empty folder that `datasets` is about to fill, and those above it."""
    if not _is_local(builder._output_dir) or not builder.is_credentialed():
        return
    folder, above = Path(builder._output_dir).absolute(), dataset_folder(builder)
    own.close(folder)
    if above in folder.parents:
        for between in folder.parents[: folder.parents.index(above) + 1]:
            own.close(between)


def closing(builder: Any, steps: Iterator[Any]) -> Iterator[Any]:
    """Close the files that `datasets` writes, while it writes them.

    Args:
        builder: The builder whose files are written.
        steps: What `datasets` gives now and then meanwhile.
    """
    if not _is_local(builder._output_dir) or not builder.is_credentialed():
        yield from steps
        return
    seen: set[str] = set()
    for step in steps:
        _close_new(builder, seen)
        yield step
    _close_new(builder, seen)


def _close_new(builder: Any, seen: set[str]) -> None:
    for name in os.listdir(builder._output_dir):
        if name not in seen:
            own.close(os.path.join(builder._output_dir, name))
            seen.add(name)


def close_written(builder: Any) -> None:
    """Close what `datasets` has written into the folder that it fills."""
    if _is_local(builder._output_dir) and builder.is_credentialed():
        _close_new(builder, set())


def close_locks(builder: Any) -> None:
    """Close the locks that `datasets` leaves in the cache, and beside what it built."""
    if not builder.is_credentialed():
        return
    if _is_local(builder._cache_dir_root):
        own.close(_lock(builder))
    if _is_local(builder._output_dir):
        for lock in _locks_beside(Path(builder._output_dir)):
            own.close(lock)


def _is_local(place: str) -> bool:
    return "://" not in str(place)


def _locks_beside(output: Path) -> list[Path]:
    """The locks of `datasets` for a folder that it builds, and for the unfinished one."""
    found = output.parent.iterdir() if output.parent.is_dir() else ()
    return [file for file in found if file.suffix == ".lock" and file.name.startswith(output.name)]


def _lock(builder: Any) -> str:
    """The lock that `datasets` keeps for a dataset in the cache itself."""
    name = Path(builder._cache_dir).as_posix().replace("/", "_") + ".lock"
    return os.path.join(builder._cache_dir_root, name)


def _of_older_versions(builder: Any) -> Iterator[Path]:
    """Files of this dataset where it once kept its index beside those of all datasets.

    Their names tell only indexes apart: whatever else is there was made by a dataset with texts.
    """
    folder = Path(builder._cache_dir_root, SHARED)
    for file in folder.iterdir() if folder.is_dir() else ():
        index = _AN_INDEX.match(file.name)
        if index is None or index.group(1) == builder.name:
            yield file
