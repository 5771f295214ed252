"""The list of checksums that a publisher puts beside a release: `<hex> <path>`, a line a file."""

from __future__ import annotations

import hashlib
import os
import threading
from io import RawIOBase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cxr_datasets import limits
from cxr_datasets.errors import TableError
from cxr_datasets.storage import own
from cxr_datasets.storage.source import Source

_LINE = r"^\\?(?P<hex>[0-9A-Fa-f]{64}) [ *]?(?:\./)?(?P<path>[^\s].*?)\s*$"
"""As `sha256sum` writes it, and as publishers do: with one blank or two."""

_PIECE = 2**20

_buffers = threading.local()


class Checksums:
    """The sha256 of many files.

    Attributes:
        paths: Their paths in the release; a string array without repetition that counts.
        digests: The sha256 of each, in 64 small hexadecimal digits.
    """

    def __init__(self, paths: pa.Array, digests: pa.Array):
        self.paths = paths
        self.digests = digests

    def __len__(self) -> int:
        return len(self.paths)

    def of(self, paths: pa.Array) -> pa.Array:
        """Give the sha256 of each of some paths, a whole column at once.

        Returns:
            A string array as long as `paths`; null for a file that is not in the list.
        """
        found = pc.index_in(paths, value_set=self.paths)
        return self.digests.take(found)


def read_checksums(source: Source, path: str) -> Checksums:
    """Read a list of checksums.

    Args:
        source: The release.
        path: The list in it, such as `SHA256SUMS.txt`.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: A store refuses it, or failed again and again.
        TableError: It holds no line, or one that is none of such a list.
    """
    shown = source.shown(path)
    lines = _lines(source.read(path, limits.LARGEST_ANSWER), shown)
    parts = pc.extract_regex(lines, _LINE)
    broken = pc.indices_nonzero(parts.is_null())
    if not len(lines) or len(broken):
        line = f"line {broken[0].as_py() + 1}" if len(broken) else "its first line"
        raise TableError(
            f"{shown} is no list of checksums: expected '<64 hexadecimal digits> <path>' in "
            f"{line}, found something else. It may be a page that a server sent in its place: "
            "fetch it again."
        )
    digests = pc.utf8_lower(pc.struct_field(parts, "hex"))
    return Checksums(pc.struct_field(parts, "path"), digests)


def _lines(content: bytes, shown: str) -> pa.Array:
    if not content.strip():
        return pa.array([], pa.string())
    try:
        table = csv.read_csv(
            pa.py_buffer(content),
            csv.ReadOptions(column_names=["line"]),
            csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=True),
            csv.ConvertOptions(column_types={"line": pa.string()}, strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        raise TableError(
            f"{shown} is no list of checksums: it is no text in UTF-8. Fetch it again."
        ) from None
    return table.column("line").combine_chunks()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Give the sha256 of a file on a disk of this machine, in hexadecimal digits.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    with open(Path(path), "rb", buffering=0, opener=own.open_file) as file:
        return digest_of(file)


def digest_of(file: RawIOBase) -> str:
    """Give the sha256 of what is left of an open file, through a buffer that its thread keeps.

    Args:
        file: The file, opened in binary mode without a buffer of its own.

    Returns:
        64 small hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    if not hasattr(_buffers, "piece"):
        _buffers.piece = memoryview(bytearray(_PIECE))
    piece = _buffers.piece
    digest = hashlib.sha256()
    while read := file.readinto(piece):
        digest.update(piece[:read])
    return digest.hexdigest()
