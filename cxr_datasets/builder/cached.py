"""A dataset that `datasets` keeps in its cache: what its faults are called.

Its files are those of `datasets`, which checks none of them. A cut one is noticed here when it is
loaded. Whether a byte in the middle was changed is not looked at: that would mean to read all
images at each start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import pyarrow as pa

from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.storage.cache import cache_fault, damaged_in_cache

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


@contextmanager
def loading(builder: Any) -> Iterator[None]:
    """Turn faults of a dataset's files, met while they are opened, into a `CacheError`."""
    try:
        yield
    except CxrError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise damaged_in_cache(_folder(builder), _CUT) from error
    except _BROKEN_INFO as error:
        raise damaged_in_cache(_folder(builder), _BROKEN) from error


@contextmanager
def choosing_splits() -> Iterator[None]:
    """Turn what `datasets` raises for a split that does not exist into an `OptionError`."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, CxrError) or not str(error).startswith(_OF_A_SPLIT):
            raise
        raise OptionError(f"split= names no rows: {error}") from None


_CUT = "an Arrow file in it is not there, or was cut or changed"
_BROKEN = f"its {datasets.config.DATASET_INFO_FILENAME} was cut or changed"
_OF_A_SPLIT = ("Unknown split", "Bad split", "Split name", "Unrecognized instruction",
               "Requested slice", "Percent slice", "The from", "The unit", "Invalid",
               "No instructions", "It is forbidden")  # fmt: skip
"""How the texts begin that `datasets` has for a split, or a part of one, that does not exist."""


def check_rows(builder: Any, loaded: Any) -> None:
    """Require that each whole split has the rows that were written.

    A file that is cut between two blocks reads as a shorter one.

    Args:
        builder: The builder.
        loaded: What it loaded: a dataset, a dictionary or a list of them.

    Raises:
        CacheError: Rows are missing.
    """
    several = loaded.values() if isinstance(loaded, dict) else loaded
    for rows in [loaded] if isinstance(loaded, datasets.Dataset) else several:
        name = str(rows.split)
        known = (builder.info.splits or {}).get(name)
        if known is not None and known.num_examples != rows.num_rows:
            raise damaged_in_cache(
                _folder(builder),
                f"split {name} has {rows.num_rows} rows, and {known.num_examples} were written",
            )


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
