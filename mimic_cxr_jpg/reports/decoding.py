"""The bytes of reports as text."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.tables.keys import null_where


def decoded(contents: pa.Array | Sequence[bytes | None]) -> pa.Array:
    """Turn the bytes of reports into text.

    A file without a byte, such as an unfinished download, is no report: null.
    """
    binary = contents if isinstance(contents, pa.Array) else pa.array(contents, pa.binary())
    binary = null_where(pc.equal(pc.binary_length(binary), 0), binary)
    try:
        return binary.cast(pa.string())
    except pa.ArrowInvalid:
        texts = binary.to_pylist()
        return pa.array([None if text is None else decoded_text(text) for text in texts])


def decoded_text(content: bytes) -> str:
    """Read bytes as UTF-8; the few that are not, as Latin-1, which loses nothing."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
