"""What stores say of when a file was written, each under a name and in a form of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import fsspec

_KEYS = ("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "modified")
"""Keys of fsspec's `info()`. The time when a file came to be is none of them: some stores keep it
when a file is written anew."""


def time_of_change(files: fsspec.AbstractFileSystem, place: str) -> float | None:
    """Ask when a file was last written.

    Args:
        files: The file system.
        place: The file in it.

    Returns:
        Seconds since 1970, by the clock of the store; None if it does not say.

    Raises:
        FileNotFoundError: The file is not there.
    """
    info: Mapping[str, Any] = files.info(place)
    told = next((info[key] for key in _KEYS if info.get(key)), None)
    if told is None:
        with suppress(NotImplementedError):
            told = files.modified(place)
    return _seconds(told)


def _seconds(told: object) -> float | None:
    if isinstance(told, datetime):
        return told.timestamp()
    if isinstance(told, (int, float)):
        return float(told)
    if not isinstance(told, str):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(told).timestamp()
    return None
