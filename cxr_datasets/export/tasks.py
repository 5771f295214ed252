"""One file of an export, written by any process on any machine."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.pixels import Pace
from cxr_datasets.builder.tally import Problem, Tally
from cxr_datasets.columns import plural
from cxr_datasets.errors import ExportError
from cxr_datasets.export.agreement import require_same, software
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms import Form
from cxr_datasets.export.identity import package_name
from cxr_datasets.export.line import Line
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.export.problems import Unwritten
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.faults import is_passing
from cxr_datasets.storage.retry import Patience, retried
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined

ATTEMPTS_A_FILE = 4
"""How often a file is begun when a network or a store fails meanwhile."""

LOST_WORKERS = 10
"""How many workers may be lost while they write one file, before the file itself is to blame."""

_FIRST_WAIT, _LONGEST_WAIT = 2.0, 60.0
_WHOLE_AT_ONCE = {"images": 16, "studies": 8}
"""Rows in memory together where images keep their size of 1.5 MB and more."""

Outcome = Line | Unwritten
"""What came of a file."""

Progress = Callable[[str, int], None]
"""Is called with the name of a file and the number of its images written so far."""


@dataclass
class Reader:
    """Reads rows of a release, on this machine or another.

    Attributes:
        builder: The dataset's builder.
        index: Its index file. A machine without this file makes its own.
        arguments: Arguments the builder was made with, without credentials.
        columns: Columns that are looked at; None: all.
    """

    builder: CxrBuilder
    index: str
    arguments: dict[str, Any]
    columns: Collection[str] | None = None

    @property
    def package(self) -> str:
        """The dataset's package."""
        return package_name(type(self.builder))

    def rows(self, first: int, end: int, threads: int | None, tally: Tally) -> Iterator[pa.Table]:
        """Read rows with their images, as `CxrBuilder.read_rows` gives them.

        Args:
            first: Number of the first block of the index.
            end: Number after the last one.
            threads: Threads that decode images; None: one for each core.
            tally: Counts the images.

        Raises:
            ExportError: This machine sees another release than the one that began the export.
            CxrError: A report or an image cannot be read.
        """
        self._find_index()
        self.builder.pace = _pace(threads, self.builder.config)
        blocks = list(range(first, end))
        yield from self.builder.read_rows(self.index, blocks, tally, self.columns)

    def complete(
        self, tables: Iterable[pa.Table], threads: int | None, tally: Tally
    ) -> Iterator[pa.Table]:
        """Add the texts and images to rows of the index, as `rows` does on this machine."""
        self.builder.pace = _pace(threads, self.builder.config)
        yield from self.builder.complete(tables, tally, self.columns)

    def image_ids(self, first: int, end: int) -> pa.Array:
        """List the ids of the images in some blocks of the index."""
        self._find_index()
        tables = index_file.read_blocks(self.index, range(first, end), index_file.LARGEST_BLOCK)
        return pa.concat_arrays([image_ids(table) for table in tables])

    def _find_index(self) -> None:
        if self.builder.has_index():
            return
        # A new builder looks at the release from this machine.
        builder = type(self.builder)(**self.arguments)
        builder.goes_on = self.builder.goes_on
        here, there = builder, self.builder
        if (here.config_id, here.hash) != (there.config_id, there.hash):
            raise ExportError(
                f"{socket.gethostname()} sees another release or other code than the machine that "
                "began the export. All workers need the same files at the same paths, as from a "
                "shared file system or a bucket, and the same version of cxr-datasets."
            )
        self.builder, (self.index, _) = builder, builder.write_index()


@dataclass(frozen=True)
class Task:
    """All that a worker needs to write one file; a few kilobytes.

    Attributes:
        reader: Reads the rows.
        folder: The folder of the export.
        file: The file to write.
        key: Key of the export that the file belongs to.
        software: Versions and code where the export began, as `agreement.software` tells them.
        form: Writes it.
    """

    reader: Reader
    folder: Folder
    file: PlannedFile
    key: str
    software: dict[str, str]
    form: Form

    @property
    def options(self) -> tuple[StorageOptions, StorageOptions]:
        """Options of the stores that it reads and writes."""
        return self.reader.builder.options, self.folder.options

    def run(self, progress: Progress, threads: int | None = 1, who: str | None = None) -> Outcome:
        """Write the file.

        Args:
            progress: Is called with the number of images written so far.
            threads: Threads that decode images; None: one for each core.
            who: What errors call the worker; None: by the name of its machine.

        Returns:
            Its line of the manifest; or which of its images are absent or damaged, if the options
            do not allow that.

        Raises:
            CxrError: The file cannot be written.
        """
        require_same(self.software, software(self.reader.package), who or socket.gethostname())
        patience = Patience(
            most_tries=ATTEMPTS_A_FILE, first_wait=_FIRST_WAIT, longest_wait=_LONGEST_WAIT,
            longest_in_all=math.inf, passes=_passes,
        )  # fmt: skip
        try:
            return retried(lambda: self._write(progress, threads), lambda error, _: error, patience)
        except _ProblemsError as found:
            return Unwritten(self.file.name, found.problems)

    def _write(self, progress: Progress, threads: int | None) -> Line:
        file, builder = self.file, self.reader.builder
        written: list[pa.Array] = []
        skips = builder.config.skips
        tally = Tally(goes_on=True)

        def tables() -> Iterator[pa.Table]:
            done = 0
            for table in self.reader.rows(file.first, file.end, threads, tally):
                ids = image_ids(table)
                if skips:
                    written.append(ids)
                if not tally.problems:  # else the rest is read to meet all of them
                    yield table
                del table  # not to be held while the next one is read
                done += len(ids)
                progress(file.name, done)
            if tally.problems:
                raise _ProblemsError(tally.problems)

        def counts() -> dict[str, Any]:
            names = ("absent", "damaged", "earlier", "earlier_null")
            counted = {name: getattr(tally, name) for name in names}
            if not skips:
                return {"skipped": [], **counted}
            listed = self.reader.image_ids(file.first, file.end)
            there = pa.concat_arrays(written or [listed[:0]])
            left_out = listed.filter(pc.invert(pc.is_in(listed, value_set=there)))
            return {"skipped": left_out.to_pylist(), **counted}

        return self.form.write(self.folder, file, builder, tables(), self.key, counts)


class _ProblemsError(Exception):
    """Images of a file are absent or damaged; what was written of it is discarded."""

    def __init__(self, problems: list[Problem]):
        super().__init__()
        self.problems = problems


def _passes(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, ExportError) else error
    return isinstance(cause, Exception) and is_passing(cause)


def image_ids(rows: pa.Table) -> pa.Array:
    """List the ids of the images in some rows; in config `reports`, of the studies."""
    if "image_id" in rows.column_names:
        return combined(rows["image_id"])
    if plural("image_id") in rows.column_names:
        return combined(rows[plural("image_id")]).flatten()
    return combined(rows["study_id"])


def _pace(threads: int | None, config: CxrConfig) -> Pace:
    pace = Pace() if threads is None else Pace(threads=threads)
    if config.image_size is None and config.name in _WHOLE_AT_ONCE:
        return replace(pace, rows=_WHOLE_AT_ONCE[config.name])
    return pace
