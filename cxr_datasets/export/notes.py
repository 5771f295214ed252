"""Lines of JSON that say whether they are whole: each ends with a sum of what stands before it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

_SUM = "sum"


def encoded(record: Mapping[str, Any]) -> bytes:
    """Write a record as a line."""
    text = json.dumps(record)
    return f"{text[:-1]}, {json.dumps(_SUM)}: {_sum_of(text)}}}\n".encode()


def decoded(line: bytes) -> dict[str, Any]:
    """Read a record from a line, with its end or without.

    Raises:
        ValueError: The line was cut or changed.
    """
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("no record")
    record.pop(_SUM, None)
    if line.rstrip(b"\n") + b"\n" != encoded(record):
        raise ValueError("another sum")
    return record


def _sum_of(text: str) -> int:
    return zlib.crc32(text.encode())
