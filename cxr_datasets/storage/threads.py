"""Threads for file systems whose calls block, and for connections that only one may use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec

from cxr_datasets.storage.sessions import sessions

ONE_THREAD_EACH = ("sftp", "ssh", "ftp")
"""Protocols whose connections take one thread each: two would get each other's answers."""

_Open = Callable[[], fsspec.AbstractFileSystem]


class Threads:
    """A fixed number of threads. Each opens a file system when it first needs one."""

    def __init__(self, number: int, open_files: _Open):
        """Prepare the threads; none is started yet.

        Args:
            number: Most threads, and so most file systems.
            open_files: Opens a file system. After a call fails, every thread calls it again.
        """
        self.pool = ThreadPoolExecutor(number, thread_name_prefix="cxr-store")
        self._open = open_files
        self._own = threading.local()
        self._failed = 0.0

    def call(self, function: Callable[..., Any], place: str, **arguments: Any) -> Any:
        """Call a function with this thread's file system and a place. Run this in `pool`."""
        if getattr(self._own, "opened", 0.0) <= self._failed:
            now = time.monotonic()
            self._own.files = self._open()
            self._own.opened = now
        try:
            return function(self._own.files, place, **arguments)
        except (FileNotFoundError, PermissionError):
            raise
        except KeyError:  # what older versions of fsspec raise for a name not in an archive
            raise FileNotFoundError(place) from None
        except Exception:
            # If one connection broke, the others did too: the next try needs new ones.
            self._failed = time.monotonic()
            raise


def threads_for(server: tuple[Any, ...], number: int, open_files: _Open) -> Threads:
    """Give the threads, with their connections, that all sources on one server share.

    Args:
        server: The server and the user.
        number: As for `Threads`.
        open_files: As for `Threads`.
    """
    return sessions.shared(("threads", number, *server), lambda: Threads(number, open_files))
