"""A finished file of an export: what the manifest notes of it, and the file itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cxr_datasets.export.folder import Folder

NOTE = b"cxr_export"
"""Name of the metadata in a Parquet file that says which export the file belongs to."""

_READ_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Line:
    """A finished file.

    Attributes:
        name: Its place in the folder.
        rows: Rows in it.
        bytes: Its size on disk.
        memory: Bytes that its rows take in memory; `datasets` calls them `num_bytes`.
        sha256: Hash of its bytes, in hexadecimal digits.
        skipped: Ids of the images left out of it, with `missing="skip"` or `damaged="skip"`.
        absent: Images of it that were looked for and are not there.
        damaged: Images of it that are damaged.
        earlier: Images of earlier studies that were looked for.
        earlier_null: Of these, those that are not there or damaged.
        without_entry: Rows that have no entry in a task file: no text to write, or no image.
    """

    name: str
    rows: int
    bytes: int
    memory: int
    sha256: str
    skipped: list[str] = field(default_factory=list)
    absent: int = 0
    damaged: int = 0
    earlier: int = 0
    earlier_null: int = 0
    without_entry: int = 0


def adopted(folder: Folder, name: str, size: int, key: str) -> Line | None:
    """Return the line of a file that was finished, but not noted when its export was stopped."""
    try:
        with folder.open(name) as file:
            metadata = pq.read_metadata(pa.PythonFile(file, mode="r"))
            noted = _noted(metadata)
            if noted.get("key") != key:
                return None
            file.seek(0)
            sha256 = hashlib.sha256()
            while piece := file.read(_READ_AT_ONCE):
                sha256.update(piece)
    except (pa.ArrowException, OSError, ValueError):
        return None
    del noted["key"]
    return Line(name=name, rows=metadata.num_rows, bytes=size, sha256=sha256.hexdigest(), **noted)


def notes_in(folder: Folder, name: str) -> dict[str, Any]:
    """What a Parquet file says of its export; empty if it is not there, or not whole."""
    try:
        with folder.open(name) as file:
            return _noted(pq.read_metadata(pa.PythonFile(file, mode="r")))
    except (pa.ArrowException, OSError, ValueError):
        return {}


def _noted(metadata: Any) -> dict[str, Any]:
    return json.loads((metadata.metadata or {}).get(NOTE, b"{}"))
