"""Files of stores that are kept on a disk of this machine, up to a size: the least used go first.

The folder is shared by all processes of one user:

- `files/` holds the files, each behind a head that says its size, its sum and whose it is. A file
  without the right head and sum is removed and counts as not there: so nothing is waited for until
  it is on the disk, and what a crash, a bad disk or a hand left is never served. When a file was
  used last is its time of change.
- `unfinished/` holds what is being written. It gets its name in `files/` by one step.
- `state` holds how many bytes the files have together, so that to keep one more looks at no other.
  Who changes it, or the names in `files/`, holds its lock. It is never less than what is there
  unless the power failed, and is counted anew when files must go.

What must go is found by one look at all files, which tells the oldest tenth of them. From this list
a process takes as many as it needs, and skips what was used meanwhile. So files go in the order of
their last use, and each is looked at some ten times in its life, up to a million of them.
"""

from __future__ import annotations

import heapq
import os
import shutil
import stat
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from cxr_datasets import wording
from cxr_datasets.digests import short_digest
from cxr_datasets.storage import own
from cxr_datasets.storage.cache import sum_of
from cxr_datasets.storage.kept_state import State, locked
from cxr_datasets.storage.leftovers import empty, unfinished_file
from cxr_datasets.wording import get_logger

FILES, UNFINISHED, STATE = "files", "unfinished", "state"
"""What is in the folder."""

_HEAD = struct.Struct("<8sQQ16s")
"""What stands before a file: a mark, its size, its sum, and a digest of its name."""

_MARK = b"cxr-kept"
_FEWEST, _MOST = 64, 100_000
"""Least and most files that one look at all of them remembers: of the most, 25 MB."""

_PAUSE = 60.0
"""Seconds for which a process keeps no file after the disk refused one."""

_QUIET = 3_600.0
"""Seconds between two lines that say so, whichever process says them."""

_logger = get_logger(__name__)


class _Old(NamedTuple):
    """A file that may have to go."""

    used: int
    path: str
    size: int


@dataclass
class KeptFiles:
    """Files that are kept, up to a size.

    Nothing here raises an error because of the disk: a file that cannot be read is not there, and
    one that cannot be written is not kept, of which one line tells.

    Attributes:
        folder: A folder of this user alone, as `private_folder` makes it.
        limit: Most bytes of all files in it together.
    """

    folder: str
    limit: int
    _oldest: list[_Old] = field(default_factory=list, repr=False, compare=False)
    _paused_until: float = field(default=0.0, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[KeptFiles], tuple[str, int]]:
        return type(self), (self.folder, self.limit)

    def has(self, name: str) -> bool:
        """Whether a file is there; it may prove damaged when it is read."""
        return _is_file(self._path(name))

    def read(self, name: str) -> bytes | None:
        """Give a file, which counts as used now.

        Args:
            name: Its name, as it was kept under: a folder, `/`, and hexadecimal digits.

        Returns:
            Its bytes; None if it is not there, or no longer what was kept.
        """
        path = self._path(name)
        try:
            with open(path, "rb", buffering=0, opener=own.open_file) as file:
                head, content = file.read(_HEAD.size), file.readall()
        except OSError:  # not there, or none of ours: a link is not followed
            return None
        if head != _head(name, content):
            self._forget(path, len(head) + len(content))
            return None
        with suppress(OSError):
            _use(path)
        return content

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file, unless it has more bytes than all may have, or the disk refuses it."""
        size = _HEAD.size + len(content)
        if size > self.limit or time.monotonic() < self._paused_until:
            return
        try:
            self._write(name, content, size)
        except OSError as error:
            self._paused_until = time.monotonic() + _PAUSE
            self._tell(error)

    def drop(self, folder: str) -> None:
        """Remove all files in a folder of them."""
        place = os.path.join(self.folder, FILES, folder)
        aside = os.path.join(self.folder, UNFINISHED, uuid.uuid4().hex)
        with self.locked() as state:
            with suppress(FileNotFoundError):
                os.rename(place, aside)
            state.total = self._look()
        shutil.rmtree(aside, ignore_errors=True)

    def clear(self) -> None:
        """Remove all files. Processes that use them fetch and keep them anew."""
        with self.locked() as state:
            empty(os.path.join(self.folder, FILES))
            state.total = self._look()

    def usage(self) -> dict[str, tuple[int, int]]:
        """Count the files of each folder, and their bytes."""
        found: dict[str, tuple[int, int]] = {}
        for file in self._all():
            folder = os.path.relpath(file.path, os.path.join(self.folder, FILES)).split(os.sep)[0]
            count, size = found.get(folder, (0, 0))
            found[folder] = count + 1, size + file.size
        return found

    def locked(self) -> AbstractContextManager[State]:
        """Keep all other processes waiting that keep files here."""
        return locked(os.path.join(self.folder, STATE), self._look)

    def _path(self, name: str) -> str:
        folder, _, digits = name.partition("/")
        return os.path.join(self.folder, FILES, folder, digits[:2], digits[2:])

    def _write(self, name: str, content: bytes, size: int) -> None:
        path = self._path(name)
        aside = os.path.join(self.folder, UNFINISHED, name.rpartition("/")[2])
        with unfinished_file(aside) as unfinished:
            with open(unfinished, "wb", opener=own.open_file) as file:
                file.write(_head(name, content))
                file.write(content)
            with self.locked() as state:
                if _is_file(path) or not self._has_room(state, size):
                    return  # another process was faster; or what is there cannot be removed
                own.make_folder(os.path.dirname(path), closed=True)
                state.total += size
                state.save()  # before the file is there: a crash between counts it too much
                _use(unfinished)
                os.replace(unfinished, path)

    def _has_room(self, state: State, size: int) -> bool:
        """Remove the files that were used least lately until there is room for one more."""
        has_looked = False
        while state.total + size > self.limit:
            if not self._oldest:
                if has_looked:
                    return False
                has_looked = True
                state.total = self._look()
            elif self._is_removed(old := self._oldest.pop()):
                state.total -= old.size
        return True

    def _is_removed(self, old: _Old) -> bool:
        """Remove a file, unless somebody used it since it was looked at."""
        with suppress(OSError):
            if os.stat(old.path, follow_symlinks=False).st_mtime_ns == old.used:
                os.unlink(old.path)
                return True
        return False

    def _look(self) -> int:
        """Look at all files, and remember those that were used least lately; count the bytes."""
        count, total = 0, 0

        def counted() -> Iterator[_Old]:
            nonlocal count, total
            for file in self._all():
                count, total = count + 1, total + file.size
                yield file

        oldest = heapq.nsmallest(_MOST, counted())
        self._oldest = oldest[: max(_FEWEST, count // 10)][::-1]
        return total

    def _all(self) -> Iterator[_Old]:
        for folder, _, names in os.walk(os.path.join(self.folder, FILES)):
            for name in names:
                path = os.path.join(folder, name)
                with suppress(OSError):
                    found = os.stat(path, follow_symlinks=False)
                    yield _Old(found.st_mtime_ns, path, found.st_size)

    def _forget(self, path: str, size: int) -> None:
        """Remove a file that is not what was kept."""
        _logger.info("%s was damaged, and is fetched again", path)
        with suppress(OSError), self.locked() as state:
            os.unlink(path)
            state.total -= size

    def _tell(self, error: OSError) -> None:
        """Say that files cannot be kept, once an hour for all processes together."""
        with suppress(OSError), self.locked() as state:
            if 0 <= time.time() - state.told < _QUIET:
                return
            state.told = time.time()
        _logger.warning(
            "Images cannot be kept in %s for now: %s. All goes on without: they are fetched again "
            "each time. Make room there, or load with a smaller cache= or another cache_folder=",
            self.folder, wording.said(error),
        )  # fmt: skip


def _head(name: str, content: bytes) -> bytes:
    """What stands before a file: it fits no other bytes, and no other name."""
    return _HEAD.pack(_MARK, len(content), sum_of(content), short_digest(name.encode()).encode())


def _is_file(path: str) -> bool:
    """Whether a file is there, and no link."""
    with suppress(OSError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def _use(path: str) -> None:
    """Let a file count as used now."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))
