"""Bring files into a copy: fetched beside, compared, named; tried again where that may help."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.copies.checked import ABSENT, Checked, look
from cxr_datasets.copies.fetcher import Arrival, Fetcher
from cxr_datasets.copies.folder import CopyFolder
from cxr_datasets.copies.whole import fault_of, shows_its_end
from cxr_datasets.errors import StoreError
from cxr_datasets.storage.retry import Patience

_THREADS = 4
"""Threads that compare and name what came: hashing, and waiting for the disk, need no lock."""

_UNDER_WAY = 64
_MOST_DAMAGED = 3
"""How often a file may come damaged."""

Tell = Callable[[int, int], None]
"""Is told of files that are there, and of the bytes that were fetched for them."""


@dataclass
class Brought:
    """What came of it.

    Attributes:
        files: How many came.
        bytes: How many bytes they have.
        faults: File -> why it did not come, as a clause.
        damaged: Those of them whose bytes are not those that were published.
    """

    files: int = 0
    bytes: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    def add(self, other: Brought) -> None:
        """Count what came later, of which faults of before are told anew."""
        self.files += other.files
        self.bytes += other.bytes
        self.faults.update(other.faults)
        self.damaged = other.damaged


def lacking(
    copy: CopyFolder, paths: pa.Array, digests: pa.Array, again: bool, tell: Tell
) -> np.ndarray:
    """Find out which files of a copy are not there, or differ from what was published.

    A file is read only if it was not before, or has changed since.

    Args:
        copy: The copy.
        paths: The files.
        digests: The sha256 of each; null where that is not known.
        again: Whether to read those that were read before, too.
        tell: Is told of each file that is there.

    Returns:
        Boolean array.
    """
    checked, found = Checked(copy.note / "checked"), look(copy.root, paths)
    there = found.sizes != ABSENT
    known = checked.digests(paths, found)
    expected = pc.coalesce(digests, known)
    whole = there & np.asarray(pc.fill_null(pc.equal(known, expected), False)) & (not again)
    tell(int(whole.sum()), 0)
    unread = np.flatnonzero(there & ~whole)

    def check(at: int) -> bool:
        path = paths[at].as_py()
        place = copy.place(path)
        with copy.on_disk(place):
            fault, digest = fault_of(place, path, digests[at].as_py())
            if fault is None:
                checked.note(path, digest, place.stat())
        return fault is None

    with ThreadPoolExecutor(_THREADS) as pool:
        for at, is_whole in zip(unread, pool.map(check, unread.tolist()), strict=True):
            whole[at] = is_whole
            tell(int(is_whole), 0)
    return ~whole


class Bringer:
    """Brings files into a copy by a fetcher."""

    def __init__(self, copy: CopyFolder, fetcher: Fetcher, tell: Tell):
        """Nothing is fetched yet.

        Args:
            copy: The copy, which is locked.
            fetcher: Brings the files.
            tell: Is told of each that is there.
        """
        self._copy, self._fetcher, self._tell = copy, fetcher, tell
        self._checked = Checked(copy.note / "checked")
        self._damaged: dict[str, int] = {}

    def bring(self, paths: pa.Array, digests: pa.Array, small: bool = True) -> Brought:
        """Bring files, and try again those that may come later.

        Args:
            paths: The files.
            digests: The sha256 of each; null where that is not known.
            small: Whether they are images.

        Returns:
            What came, and what did not.

        Raises:
            StoreError: The place refuses this user.
            DownloadError: The disk is full.
        """
        left = dict(zip(paths.to_pylist(), digests.to_pylist(), strict=True))
        brought, patience = Brought(), _patience()
        self._damaged = {}
        left = self._without_whole(left, brought)
        while left:
            again = self._once(left, brought, small)
            if not again:
                break
            if len(again) < len(left):  # some came
                patience = _patience()
            wait = patience.wait(StoreError())
            if wait is None:
                break
            left = {path: left[path] for path in again}
            time.sleep(wait)
        brought.damaged = [path for path in self._damaged if path in brought.faults]
        return brought

    def _without_whole(
        self, left: dict[str, str | None], brought: Brought
    ) -> dict[str, str | None]:
        """Name the files that came whole before an earlier run could; give the others."""
        started = look(self._copy.parts, strings(left)).sizes > 0
        begun = [path for path, is_begun in zip(left, started, strict=True) if is_begun]
        for path in begun:
            if left[path] is None and not shows_its_end(path):
                continue
            part = self._copy.part(path)
            with self._copy.on_disk(part):
                if fault_of(part, path, left[path])[0] is None:
                    self._count(brought, *self._finish(Arrival(path), left[path]))
        ended = {path for path in begun if not self._copy.part(path).exists()}
        return {path: digest for path, digest in left.items() if path not in ended}

    def _once(self, left: dict[str, str | None], brought: Brought, small: bool) -> list[str]:
        """Fetch files once; give those that may come later."""
        again: list[str] = []
        under_way: deque[Future[tuple[Arrival, int]]] = deque()

        def end_one() -> None:
            arrival, size = under_way.popleft().result()
            self._count(brought, arrival, size)
            if arrival.passing:
                again.append(arrival.path)

        parts = self._copy.parts
        with self._copy.on_disk(parts), ThreadPoolExecutor(_THREADS) as pool:
            for arrival in self._fetcher.fetch(list(left), parts, small):
                expected = left[arrival.path]
                under_way.append(pool.submit(self._finish, arrival, expected))
                while len(under_way) > _UNDER_WAY:
                    end_one()
            while under_way:
                end_one()
        return again

    def _count(self, brought: Brought, arrival: Arrival, size: int) -> None:
        if arrival.fault is not None:
            brought.faults[arrival.path] = arrival.fault
            return
        brought.faults.pop(arrival.path, None)
        brought.files += 1
        brought.bytes += size
        self._tell(1, size)

    def _finish(self, arrival: Arrival, expected: str | None) -> tuple[Arrival, int]:
        """Compare a file that came, and give it its name; gives its size, too."""
        path = arrival.path
        if arrival.fault is not None:
            return arrival, 0
        part = self._copy.part(path)
        with self._copy.on_disk(self._copy.place(path)):
            fault, digest = fault_of(part, path, expected)
            if fault is not None:
                part.unlink()
                self._damaged[path] = self._damaged.get(path, 0) + 1
                passing = self._damaged[path] < _MOST_DAMAGED
                return Arrival(path, f"came damaged: {fault}", passing), 0
            found = self._copy.give_name(path)
        self._checked.note(path, digest, found)
        return arrival, found.st_size


def _patience() -> Patience:
    return Patience(passes=lambda error: True)


def strings(values: Iterable[str | None]) -> pa.Array:
    """Make a string array."""
    return pa.array(list(values), pa.string())
