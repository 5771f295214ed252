"""A dataset that `datasets` keeps in its cache: what its faults are called.

Its files are those of `datasets`, which checks none of them. A cut or changed one is noticed here
when it is loaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import datasets
from datasets.filesystems import is_remote_filesystem
from datasets.utils._filelock import FileLock

from cxr_datasets.builder.sums import changed_files
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.storage import leftovers
from cxr_datasets.storage.cache import cache_fault, damaged_in_cache

_LOCK_OF_A_BUILD = "_builder.lock"
"""What `datasets` adds to a folder's name for the lock that it holds while it fills the folder."""

_BROKEN_INFO = (ValueError, TypeError, KeyError, AttributeError)
"""What `datasets` raises where its file of a dataset's features and sizes is changed."""


@contextmanager
def preparing(builder: Any, cache_dir: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Turn faults of the cache, met while a dataset is looked for or built, into a `CacheError`.

    Args:
        builder: Whose cache it is.
        cache_dir: The cache, where the builder has not worked out its folder yet.
    """
    try:
        yield
    except CxrError:
        raise
    except OSError as error:
        raise cache_fault(_folder(builder, cache_dir), error) from error
    except _BROKEN_INFO as error:
        if not _is_info_broken(builder):
            raise
        raise damaged_in_cache(_folder(builder), _BROKEN) from error


def clear_leftovers(builder: Any) -> None:
    """Remove what killed builds of this dataset left in the cache.

    That is what is in the folder that `datasets` is about to fill, for it would keep it; and the
    unfinished folders of other configs, releases and versions, if nobody has locked them, or has
    written to them for an hour.

    Args:
        builder: A builder whose own folder is locked, and unfinished.
    """
    if is_remote_filesystem(builder._fs):
        return
    leftovers.empty(builder._output_dir)
    for left in dataset_folder(builder).glob(f"*/*/*{leftovers.SUFFIX}"):
        built = str(left).removesuffix(leftovers.SUFFIX)
        with suppress(OSError):
            if leftovers.is_quiet(left):
                with FileLock(f"{built}{_LOCK_OF_A_BUILD}", timeout=0):
                    shutil.rmtree(left)


def dataset_folder(builder: Any) -> Path:
    """Give the folder in the cache that has all configs and versions of a dataset."""
    root = Path(builder._cache_dir_root).absolute()
    return root / Path(builder._cache_dir).absolute().relative_to(root).parts[0]


def check_files(builder: Any) -> None:
    """Require that the files of a built dataset are as they were written.

    Args:
        builder: The builder.

    Raises:
        CacheError: One is not.
    """
    folder = _folder(builder)
    if not os.path.isdir(folder) or builder._file_format not in (None, "arrow"):
        return  # `datasets` says that there is nothing to load
    changed = changed_files(folder)
    if changed:
        names = ", ".join(changed)
        raise damaged_in_cache(folder, f"{names} cannot be read or is not as it was written")


@contextmanager
def choosing_splits() -> Iterator[None]:
    """Turn what `datasets` raises for a split that does not exist into an `OptionError`."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, CxrError) or not str(error).startswith(_OF_A_SPLIT):
            raise
        raise OptionError(f"split= names no rows: {error}") from None


_BROKEN = f"its {datasets.config.DATASET_INFO_FILENAME} was cut or changed"
_OF_A_SPLIT = ("Unknown split", "Bad split", "Split name", "Unrecognized instruction",
               "Requested slice", "Percent slice", "The from", "The unit", "Invalid",
               "No instructions", "It is forbidden")  # fmt: skip
"""How the texts begin that `datasets` has for a split, or a part of one, that does not exist."""


def _folder(builder: Any, cache_dir: str | os.PathLike[str] | None = None) -> str:
    root = str(cache_dir or datasets.config.HF_DATASETS_CACHE)
    return str(getattr(builder, "_output_dir", None) or getattr(builder, "_cache_dir", root))


def _is_info_broken(builder: Any) -> bool:
    """Whether the file of a dataset's features and sizes is there and cannot be read."""
    folder = _folder(builder)
    if not os.path.exists(os.path.join(folder, datasets.config.DATASET_INFO_FILENAME)):
        return False
    try:
        datasets.DatasetInfo.from_directory(folder)
    except Exception:
        return True
    return False
