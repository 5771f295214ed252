"""Buckets, containers and folders above a place that is written to: they must be there.

Libraries make them in silence: a bucket whose name is mistyped would be a new one, with other
permissions, in another region, at somebody's cost; and a path below a disk that is not mounted
would fill the disk of the system.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fsspec

from cxr_datasets.storage import addresses

_CONTAINERS = frozenset({"abfs", "abfss", "az", "adl"})

BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "oss", "oci", "r2", *_CONTAINERS})
"""Stores of buckets without folders. They show a file only once its last byte has arrived."""

_NOT_THERE = (FileNotFoundError, NotADirectoryError)

_FEW: dict[str, Any] = {"prefix": "no-object-begins-so/"}
_ANEW = {"refresh": True}
_LISTED: dict[str, dict[str, Any]] = {"gs": _FEW, "gcs": _FEW, "s3": _ANEW, "s3a": _ANEW}
"""How to list the objects of a bucket that may be there, by protocol: few, and as they are now."""

Opened = tuple[fsspec.AbstractFileSystem, str]
"""A file system, and the name of an address in it."""


def missing_above(address: str, opened: Callable[[], Opened]) -> str | None:
    """Find out whether a place that is to be written to lacks what it must be in.

    Nothing is made. Where a store does not answer, or does not let this user look, it is not
    missing: writing to it tells more.

    Args:
        address: Where to write, normalised: a local folder, or one in a store.
        opened: Opens the store of an address that is not local.

    Returns:
        What is missing, in words that name it; None if nothing is. Buckets and containers; and
        where a store has folders, the one above the place, unless the place is there already.

    Raises:
        Exception: The store cannot be opened, in the words of its library.
    """
    if not addresses.is_remote(address):
        above = Path(address).parent
        is_missing = not os.path.lexists(address) and _is_missing(os.stat, above)
        return f"folder {above}" if is_missing else None
    name = addresses.protocol(address)
    files, place = opened()
    if name in BUCKETS:
        address = addresses.server_of(address)
        bucket = files._strip_protocol(address)
        if not _is_missing(files.info, bucket) or _lists(name, files, bucket):
            return None
        return f"{'container' if name in _CONTAINERS else 'bucket'} {addresses.shown(address)}"
    above_place = posixpath.dirname(place.rstrip("/"))
    if above_place in ("", "/") or not _is_missing(files.info, place):
        return None
    is_missing = _is_missing(files.info, above_place)
    return f"folder {addresses.shown(addresses.joined(address, '..'))}" if is_missing else None


def told_missing(what: str, address: str, missing: str) -> str:
    """Say that a place cannot be written to, and what to do.

    Args:
        what: What names the place, such as `out`.
        address: The place.
        missing: What `missing_above` found.
    """
    kind = missing.partition(" ")[0]
    return (
        f"{what}={addresses.shown(address)} cannot be written to: the {missing} is not there, and "
        f"none is made here. Correct the name, or make the {kind} first."
    )


def _is_missing(look: Any, place: Any) -> bool:
    """Whether a look at a place finds for certain that it is not there."""
    try:
        look(place)
    except _NOT_THERE:
        return True
    except Exception:  # no answer, or a refusal
        return False
    return False


def _lists(name: str, files: Any, bucket: str) -> bool:
    """Whether a bucket lists objects, though it tells this user nothing of itself.

    gcsfs and some versions of s3fs take an empty one for absent. And those who may use objects of
    Google's may not look at a bucket.
    """
    return name in _LISTED and not _is_missing(partial(files.ls, **_LISTED[name]), bucket)
