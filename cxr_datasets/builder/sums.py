"""What the files of a built dataset add up to: by it a changed one is told from a whole one.

`datasets` checks none of its own files, and takes a changed byte for a changed row. What they add
up to stands beside them. Of images in a large file the bytes are left out: to read all of them at
each start would take longer than to build the dataset. Where one lies, and how long it is, counts.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa

from cxr_datasets.storage import own
from cxr_datasets.storage.cache import sum_of

NAME = "cxr_sums.json"
"""The file that says what the others add up to."""

_INFO = datasets.config.DATASET_INFO_FILENAME
_ALL = 2**64

_READ_WHOLE = 4 * 2**20
"""Bytes up to which a file is read whole: to find the images in it would take longer."""

_found: dict[tuple[int, int, int, int], int] = {}
"""What the versions of files that this process has looked into add up to."""


def write_sums(folder: str) -> None:
    """Write down what the files of a dataset that was just built add up to.

    Args:
        folder: Its folder, a local one.
    """
    files = [*Path(folder).glob("*.arrow"), Path(folder, _INFO)]
    sums = {path.name: _sum_once(path) for path in files}
    with open(Path(folder, NAME), "w", encoding="utf-8", opener=own.open_file) as file:
        json.dump(sums, file, sort_keys=True)


def changed_files(folder: str) -> list[str]:
    """Name the files of a built dataset that cannot be read, or are not as they were written.

    A process looks into each version of a file once. What others put into the folder, such as the
    results of `map`, is not looked at.

    Args:
        folder: Its folder.
    """
    try:
        sums = dict(json.loads(Path(folder, NAME).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return [NAME]
    return [name for name, total in sums.items() if not _is_as_written(Path(folder, name), total)]


def _is_as_written(path: Path, total: object) -> bool:
    try:
        return _sum_once(path) == total
    except (OSError, ValueError, pa.ArrowException):
        return False


def _sum_once(path: Path) -> int:
    found = path.stat()
    # Without its name: what was built gets another one when it is whole.
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if version not in _found:
        _found[version] = _sum(path)
    return _found[version]


def _sum(path: Path) -> int:
    with open(path, "rb", opener=own.open_file) as file:
        if path.name == _INFO or os.fstat(file.fileno()).st_size <= _READ_WHOLE:
            content = file.read()
            return (len(content) + sum_of(content)) % _ALL
        # Left to be closed with the last view of it: an error holds one.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    total = len(mapped)
    for part in _sums(mapped):
        total += part
        _forget(mapped)
    return total % _ALL


def _sums(mapped: mmap.mmap) -> Iterator[int]:
    reader = pa.ipc.open_stream(pa.py_buffer(mapped))
    yield sum_of(reader.schema.serialize())
    for batch in reader:
        yield sum(map(_sum_of_array, batch.columns))


def _forget(mapped: mmap.mmap) -> None:
    """Let the pages that were read not count as memory of this process any more."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _sum_of_array(array: pa.Array) -> int:
    """Add up an array, but for the bytes of images, which alone are binary."""
    buffers, parts = array.buffers(), []
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        buffers = buffers[:2]
    elif pa.types.is_struct(array.type):
        buffers, parts = buffers[:1], [array.field(at) for at in range(array.type.num_fields)]
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        buffers, parts = buffers[:2], [array.values]
    own = sum(sum_of(buffer) for buffer in buffers if buffer is not None)
    # How many values are null is written down apart from which.
    return own + 3 * len(array) + array.null_count + sum(map(_sum_of_array, parts))
