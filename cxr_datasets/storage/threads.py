"""Threads for file systems whose calls block, and for connections that bear one thread only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec

from cxr_datasets.storage.sessions import sessions

ONE_THREAD_EACH = ("sftp", "ssh", "ftp")
"""Protocols with one conversation a connection: two threads would take each other's answers."""

_Open = Callable[[], fsspec.AbstractFileSystem]


class Threads:
    """A bounded number of threads, each with a file system that it opens when it needs one."""

    def __init__(self, number: int, open_files: _Open):
        """Prepare; no thread is started yet.

        Args:
            number: Most threads, and file systems.
            open_files: Called in each thread, and in all again after a call failed.
        """
        self.pool = ThreadPoolExecutor(number, thread_name_prefix="cxr-store")
        self._open = open_files
        self._own = threading.local()
        self._failed = 0.0

    def call(self, method: str, place: str, **arguments: Any) -> Any:
        """Call a method of this thread's file system; to be run in `pool`."""
        if getattr(self._own, "opened", 0.0) <= self._failed:
            now = time.monotonic()
            self._own.files = self._open()
            self._own.opened = now
        try:
            return getattr(self._own.files, method)(place, **arguments)
        except (FileNotFoundError, PermissionError):
            raise
        except KeyError:  # older fsspec's, for a name that a zip archive does not have
            raise FileNotFoundError(place) from None
        except Exception:
            # Where one connection breaks the others have too, and are of no use to the next try.
            self._failed = time.monotonic()
            raise


def threads_for(server: tuple[Any, ...], number: int, open_files: _Open) -> Threads:
    """The threads, with their connections, that all who read from one server share.

    Args:
        server: What tells it from others, and who the user is.
        number: As for `Threads`.
        open_files: As for `Threads`.
    """
    return sessions.shared(("threads", number, *server), lambda: Threads(number, open_files))
