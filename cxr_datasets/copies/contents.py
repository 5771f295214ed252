"""Reading the files of a copy: their sha256, the size in their header, whether they decode.

Threads read: while a file is hashed or decoded, Python lets the others run.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from typing import Any

from cxr_datasets import wording
from cxr_datasets.copies.checksums import digest_of
from cxr_datasets.copies.state import Facts, State
from cxr_datasets.errors import StoreError
from cxr_datasets.export.progress import bar_of
from cxr_datasets.images.faults import what_is_wrong
from cxr_datasets.images.opening import open_image
from cxr_datasets.images.whole import check_whole
from cxr_datasets.storage import LocalFolder, Source

_AT_ONCE = 32
"""Files that a thread reads before it says what it found."""

_HEADER = 1 << 16
"""Bytes of a remote image in which its header ends, hardly ever not."""

GONE = "is not there any more"
UNREADABLE = "cannot be read"
"""What is said of a file that could not be read this time."""


@dataclass(frozen=True)
class Wanted:
    """A file that is to be read.

    Attributes:
        path: The file.
        size: Its size as it was listed; -1: not known.
        version: Its version as it was listed.
        is_image: Whether its header and its pixels may be asked for.
    """

    path: str
    size: int
    version: str
    is_image: bool = True


@dataclass(frozen=True)
class Checks:
    """What is to be found out of each file."""

    sizes: bool = False
    checksums: bool = False
    decode: bool = False

    def __bool__(self) -> bool:
        return self.sizes or self.checksums or self.decode

    def lacks(self, facts: Facts | None, is_image: bool) -> bool:
        """Whether something of these is not known of a file."""
        if facts is None:
            return True
        is_known = facts.fault is not None  # of an image without a header, that it has none
        needs_size = self.sizes and is_image and facts.width is None and not is_known
        needs_pixels = self.decode and is_image and not is_known
        return needs_size or needs_pixels or (self.checksums and facts.sha256 is None)


def read_files(
    source: Source, files: Sequence[Wanted], checks: Checks, state: State, progress: bool
) -> dict[str, Facts]:
    """Find out of each file what is asked for, unless the state knows it already.

    Args:
        source: The copy.
        files: The files.
        checks: What to find out.
        state: Takes what is found, while it is found.
        progress: Whether to show a progress bar.

    Returns:
        Path -> what was found or known. Of a file that is gone meanwhile, or may not be read, it
        says so as its fault, and the state does not.

    Raises:
        StoreError: A store refuses a file, or failed again and again; or a disk failed.
    """
    known = {file.path: state.of(file.path, file.size, file.version) for file in files}
    left = [file for file in files if checks.lacks(known[file.path], file.is_image)]
    found = {path: facts for path, facts in known.items() if facts is not None}
    reader = _Reader(source, checks)
    by_bytes = checks.checksums or checks.decode
    total = sum(max(0, file.size) for file in left) if by_bytes else len(left)
    bar = bar_of("verify", total, "B" if by_bytes else "images", progress)
    with closing(bar), state.writing():
        for some in _in_threads(reader, left):
            whole = [
                facts.and_before(known[facts.path]) if is_lasting else facts
                for facts, is_lasting in some
            ]
            lasting = (pair[1] for pair in some)
            state.add(facts for facts, lasts in zip(whole, lasting, strict=True) if lasts)
            found.update((facts.path, facts) for facts in whole)
            bar.update(sum(max(0, facts.size) for facts in whole) if by_bytes else len(whole))
    return found


_Found = tuple[Facts, bool]
"""What was found in a file, and whether it lasts as long as the file."""


def _in_threads(reader: _Reader, files: Sequence[Wanted]) -> Iterator[list[_Found]]:
    """Read files in as many threads as help; gives what some of them found, in any order."""
    threads = (os.cpu_count() or 1) if not reader.source.is_remote else reader.source.reads_ahead
    parts = (files[at : at + _AT_ONCE] for at in range(0, len(files), _AT_ONCE))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="cxr-verify")
    try:
        running: set[Future[list[_Found]]] = set()
        for part in parts:
            running.add(pool.submit(reader.read, part))
            if len(running) >= 2 * threads:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    finally:
        reader.stop()
        pool.shutdown(cancel_futures=True)


class _Reader:
    """Reads files, in several threads, until it is stopped."""

    def __init__(self, source: Source, checks: Checks):
        self.source = source
        self._checks = checks
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the threads end."""
        self._stopped.set()

    def read(self, files: Iterable[Wanted]) -> list[_Found]:
        """Read some files."""
        return [self._read(file) for file in files if not self._stopped.is_set()]

    def _read(self, file: Wanted) -> _Found:
        facts = Facts(file.path, file.size, file.version)
        try:
            return self._facts(file, facts), True
        except StoreError:
            raise
        except FileNotFoundError:
            return replace(facts, fault=GONE), False
        except OSError as error:
            return replace(facts, fault=f"{UNREADABLE} ({wording.said(error)})"), False

    def _facts(self, file: Wanted, facts: Facts) -> Facts:
        checks, is_local = self._checks, isinstance(self.source, LocalFolder)
        of_image = file.is_image and (checks.sizes or checks.decode)
        if is_local and not (checks.decode and file.is_image):
            place = self.source.address(file.path)
            sha256 = _sha256(place) if checks.checksums else None
            facts = replace(facts, sha256=sha256)
            return _measured(facts, place, decode=False) if of_image else facts
        if not checks.checksums and not checks.decode:
            return self._header(file, facts)
        content = self.source.read(file.path)
        if checks.checksums:
            digest = hashlib.sha256(content)
            facts = replace(facts, sha256=digest.hexdigest())
        return _measured(facts, BytesIO(content), checks.decode) if of_image else facts

    def _header(self, file: Wanted, facts: Facts) -> Facts:
        """Read the beginning of an image; all of it where the header does not end there."""
        if file.size > _HEADER:
            pieces = self.source.pieces(file.path, 0, file.size, _HEADER)
            start = next(islice((content for _, content in pieces), 1), b"")
            measured = _measured(facts, BytesIO(start), decode=False)
            if measured.width is not None:
                return measured
        return _measured(facts, BytesIO(self.source.read(file.path)), decode=False)


def _sha256(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return digest_of(file)


def _measured(facts: Facts, file: Any, decode: bool) -> Facts:
    """Add the size in the header of an image, and whether its pixels decode."""
    try:
        with open_image(file) as image:
            facts = replace(facts, width=image.width, height=image.height)
            if decode:
                check_whole(file.getvalue())  # tells more than a decoder of one that was cut
                image.load()
                facts = replace(facts, fault="")
    except Exception as error:  # whatever Pillow raises on broken bytes
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        return replace(facts, fault=what_is_wrong(error))
    return facts
