"""What the processes that keep files in one folder know together: how many bytes are in it.

It stands in a file of 16 bytes, and whoever changes it holds its lock.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cxr_datasets.storage import own
from cxr_datasets.wording import OwnWords

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_WAIT = 10.0
"""Seconds for which the lock is waited for; who holds it needs far less than one."""

_STEP = 0.002
_FORM = struct.Struct("<qd")


class LockHeld(OwnWords, OSError):
    """Another process holds the lock all the time, as one that was stopped by Ctrl-Z does."""


@dataclass
class State:
    """What is known.

    Attributes:
        descriptor: The file, open and locked.
        total: Bytes of all files together.
        told: When it was last said that files cannot be kept, in seconds of Unix time.
    """

    descriptor: int
    total: int
    told: float = 0.0

    def save(self) -> None:
        """Write it down."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, _FORM.pack(self.total, self.told))


@contextmanager
def locked(path: str, count: Callable[[], int]) -> Iterator[State]:
    """Keep other processes and threads waiting, and write down in the end what is known then.

    Args:
        path: The file; it is made if need be.
        count: Counts the bytes of all files, where nothing is known.

    Raises:
        OSError: It cannot be opened or written, or another process holds it all the time.
    """
    descriptor = own.open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        _lock(descriptor)
        state = _read(descriptor) or State(descriptor, count())
        yield state
        state.save()
    finally:
        if fcntl is not None:
            with suppress(OSError):  # a process that is forked now has the file open, too
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Wait for the lock of a file; not without an end, for who holds it may have been stopped."""
    end = time.monotonic() + LONGEST_WAIT
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise LockHeld(
                    errno.EAGAIN, "another process does not let go of its lock"
                ) from None
            time.sleep(_STEP)
        except OSError:  # a disk without locks: the total may be wrong until the next count
            return


def _read(descriptor: int) -> State | None:
    """What is written down; None if it is nothing, or not what was written, as after a crash."""
    written = os.read(descriptor, _FORM.size + 1)
    if len(written) == _FORM.size and any(written):
        state = State(descriptor, *_FORM.unpack(written))
        if state.total >= 0:
            return state
    os.ftruncate(descriptor, 0)
    return None
