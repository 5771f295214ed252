"""Where a dataset is written to: a cache on a disk, or a place in a store that is there."""

from __future__ import annotations

import os
from typing import Any

from fsspec.core import url_to_fs

from cxr_datasets.errors import OptionError
from cxr_datasets.storage.addresses import is_remote, normalised, shown
from cxr_datasets.storage.parents import missing_above, told_missing


def check_cache(cache_dir: str | os.PathLike[str] | None) -> None:
    """Require that a cache is on a disk: `datasets` writes to others, and then loads nothing.

    Raises:
        OptionError: It is an address.
    """
    place = os.fspath(cache_dir or ".")
    if is_remote(place):
        raise OptionError(
            f"cache_dir={shown(place)} is no folder on a disk of this machine, and a cache is kept "
            "nowhere else. Give one. To write a dataset to a store, use `cxr export --out`."
        )


def check_output(output_dir: Any = None, *_: Any, **options: Any) -> None:
    """Require the bucket or folder above the address that a dataset is to be written to.

    Args:
        output_dir: As for `download_and_prepare` of `datasets`, which would make a bucket.
        *_: Its other arguments.
        **options: Those with names; `storage_options` are looked at.

    Raises:
        OptionError: It is not there.
    """
    place = os.fspath(output_dir or ".")
    if not is_remote(place):
        return
    place, store = normalised(place), options.get("storage_options") or {}
    missing = missing_above(place, lambda: url_to_fs(place, **store))
    if missing:
        raise OptionError(told_missing("output_dir", place, missing))
