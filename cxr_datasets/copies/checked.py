"""Which files of a copy were found to be whole, so that the next run need not read them again.

A line is added for each file once its sha256 is known. It counts as long as the file has the size
and the time of change that it had then.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import FileType
from pyarrow.fs import LocalFileSystem as ArrowFiles

from cxr_datasets.storage import own
from cxr_datasets.tables.keys import null_where

_LINE = r"^(?P<hex>[0-9a-f]{64}) (?P<size>[0-9]{1,15}) (?P<time>[0-9]{1,19}) (?P<path>\S+)$"
_AT_ONCE = 4_096
_THREADS = 8
ABSENT = -1
"""Size of a file that is not there."""


class Found(NamedTuple):
    """Files on the disk, whole columns of them.

    Attributes:
        sizes: int64, in bytes; `ABSENT` where there is no file.
        times: int64, the time of change in nanoseconds.
    """

    sizes: np.ndarray
    times: np.ndarray


def look(root: Path, paths: pa.Array) -> Found:
    """Look at many files; none is opened.

    Args:
        root: Folder that they are in.
        paths: Their paths in it, a string array.
    """
    names = pc.binary_join_element_wise(f"{root}/", paths, "").to_pylist()
    parts = [names[first : first + _AT_ONCE] for first in range(0, len(names), _AT_ONCE)]
    with ThreadPoolExecutor(_THREADS) as pool:
        infos = [info for part in pool.map(ArrowFiles().get_file_info, parts) for info in part]
    sizes = [info.size if info.type == FileType.File else ABSENT for info in infos]
    times = [info.mtime_ns or 0 for info in infos]
    return Found(np.array(sizes, np.int64), np.array(times, np.int64))


class Checked:
    """What is known of the files of a copy. One process uses it at a time; its threads share it."""

    def __init__(self, file: Path):
        """Open it.

        Args:
            file: Where it is kept; it need not be there.
        """
        self._file = file
        self._lock = threading.Lock()
        self._end = self._end_of_last_line()

    def digests(self, paths: pa.Array, found: Found) -> pa.Array:
        """Give the sha256 of files that are as they were when it was noted.

        Args:
            paths: The files.
            found: What is on the disk now.

        Returns:
            Strings; null where nothing is known of the file as it is.
        """
        known = self._read()
        row = pc.index_in(paths, value_set=known["path"])
        same = pc.and_(
            pc.equal(known["size"].take(row), pa.array(found.sizes)),
            pc.equal(known["time"].take(row), pa.array(found.times)),
        )
        return null_where(pc.invert(pc.fill_null(same, False)), known["hex"].take(row))

    def note(self, path: str, digest: str, stat: os.stat_result) -> None:
        """Note the sha256 of a file. If the note is lost, the file is read again: no more."""
        line = f"{digest} {stat.st_size} {stat.st_mtime_ns} {path}\n".encode()
        with self._lock, suppress(OSError):
            before, self._end = self._end, b""
            with open(self._file, "ab", buffering=0, opener=own.open_file) as file:
                file.write(before + line)

    def _end_of_last_line(self) -> bytes:
        """What must be written before the next line: a killed run may have cut the last one."""
        with suppress(OSError), open(self._file, "rb", opener=own.open_file) as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                return b"" if file.read() == b"\n" else b"\n"
        return b""

    def _read(self) -> dict[str, pa.Array]:
        """The lines, the newest first, so that the first of a path is the one that counts."""
        try:
            with open(self._file, "rb", opener=own.open_file) as file:
                content = file.read()
        except FileNotFoundError:
            content = b""
        lines = pa.array(content.decode("ascii", "replace").splitlines()[::-1], pa.string())
        parts = pc.extract_regex(lines, _LINE)
        parts = parts.filter(parts.is_valid())
        columns = {name: pc.struct_field(parts, name) for name in ("hex", "path")}
        for name in ("size", "time"):
            columns[name] = pc.cast(pc.struct_field(parts, name), pa.int64())
        return columns
