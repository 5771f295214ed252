"""What was read of the files of a copy, kept so that a later run need not read them again.

The state is a file of lines, each of which says by a sum whether it is whole. A line holds what was
found in some hundred files: their sha256, their width and height, whether they decode. What holds
of a file is used as long as the file has the same size and version. A line is on the disk before
the next files are read: whatever stops a run, the next one goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from cxr_datasets.copies.findings import make_file, unwritable
from cxr_datasets.errors import OptionError
from cxr_datasets.export import notes
from cxr_datasets.storage import durable, own

_FORMAT = 1
_SECONDS = 1.0
"""Between two lines: each waits for the disk."""


@dataclass(frozen=True)
class Facts:
    """What was found in a file.

    Attributes:
        path: The file, within the copy.
        size: Its size in bytes when it was listed.
        version: Its version then; see `storage.tree`.
        sha256: Of its bytes; None: not read.
        width: Of its image, in pixels, as its header says; None: not read.
        height: As `width`.
        fault: What is wrong with the image, as the rest of a sentence; empty if nothing is; None:
            its pixels were not decoded.
    """

    path: str
    size: int
    version: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    fault: str | None = None

    def and_before(self, before: Facts | None) -> Facts:
        """Add what an earlier run found of the same file."""
        if before is None:
            return self
        merged = (new if new is not None else old for new, old in zip(
            astuple(self), astuple(before), strict=True
        ))  # fmt: skip
        return Facts(*merged)


class State:
    """The facts of earlier runs, and a file that takes those of this one.

    Attributes:
        known: What earlier runs found, by path.
    """

    def __init__(self, file: str | os.PathLike[str] | None, closed: bool):
        """Read the file; it is made if it is not there.

        Args:
            file: The file; None: nothing is known, and nothing is kept.
            closed: Whether it is closed to other users of the machine.

        Raises:
            OptionError: It is something else, or cannot be read or written.
        """
        self.known: dict[str, Facts] = {}
        self._file = None if file is None else Path(file)
        self._new: list[Facts] = []
        self._written = time.monotonic()
        if self._file is None:
            return
        try:
            own.check_file(self._file)
            if self._file.exists():
                self._read()
                if closed:
                    own.close(self._file)
            else:
                os.close(make_file(self._file, closed))
                durable.append(self._file, notes.encoded({"cxr_verify": _FORMAT}))
        except OSError as error:
            raise unwritable("since", self._file, error) from error

    def _read(self) -> None:
        assert self._file is not None
        with open(self._file, "rb", opener=own.open_file) as file:
            lines = file.read().split(b"\n")
        if lines == [b""]:  # made, and stopped before its first line
            durable.append(self._file, notes.encoded({"cxr_verify": _FORMAT}))
            return
        header = next(_decoded(lines[:1]), {})
        if header.get("cxr_verify") != _FORMAT:
            raise OptionError(
                f"since={self._file} is no state of `cxr verify`: expected a file that it wrote, "
                "or one that is not there yet. Give another."
            )
        if lines[-1]:  # a line that was cut: what follows it begins a new one
            durable.append(self._file, b"\n")
        for record in _decoded(lines[1:]):
            for values in zip(*(record[field.name] for field in fields(Facts)), strict=True):
                facts = Facts(*values)
                self.known[facts.path] = facts

    def of(self, path: str, size: int, version: str) -> Facts | None:
        """What is known of a file; None if nothing is, or it has changed since."""
        facts = self.known.get(path)
        if facts is None or not version or (facts.size, facts.version) != (size, version):
            return None
        return facts

    def add(self, facts: Iterable[Facts]) -> None:
        """Note what was found. It is on the disk about a second later, or with `writing`."""
        self._new += facts
        if time.monotonic() - self._written >= _SECONDS:
            self._write()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See to it that at the end of a block, also by an error, all is on the disk."""
        try:
            yield
        finally:
            self._write()

    def _write(self) -> None:
        new, self._new = self._new, []
        self._written = time.monotonic()
        if self._file is None or not new:
            return
        columns = zip(*map(astuple, new), strict=True)
        names = (field.name for field in fields(Facts))
        record = {name: list(column) for name, column in zip(names, columns, strict=True)}
        try:
            durable.append(self._file, notes.encoded(record))
        except OSError as error:
            raise unwritable("since", self._file, error) from error


def _decoded(lines: Iterable[bytes]) -> Iterator[dict]:
    for line in lines:
        try:
            yield notes.decoded(line)
        except ValueError:  # cut, or changed: the files are read again
            continue
