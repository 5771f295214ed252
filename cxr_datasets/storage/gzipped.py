"""Gzipped files that are read whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from cxr_datasets.limits import Limit, joined

GZIP = b"\x1f\x8b"
"""What a gzipped file begins with."""

_PIECE = 2**20


def unpacked(content: bytes, limit: Limit) -> bytes:
    """Unpack a file if it is gzipped.

    Args:
        content: Its bytes.
        limit: How many bytes it may have once it is unpacked.

    Returns:
        Its bytes unpacked; as they are if it is not gzipped.

    Raises:
        TooLargeError: It has more.
        EOFError: It is cut off or damaged.
    """
    if not content.startswith(GZIP):
        return content
    try:
        return joined(_pieces(content), limit)
    except zlib.error:
        raise EOFError from None


def _pieces(content: bytes) -> Iterator[bytes]:
    while content:  # one compressed stream may follow another
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        yield unpacking.decompress(content, _PIECE)
        while not unpacking.eof:
            piece = unpacking.decompress(unpacking.unconsumed_tail, _PIECE)
            if not piece and not unpacking.eof and not unpacking.unconsumed_tail:
                raise EOFError
            yield piece
        content = unpacking.unused_data.lstrip(b"\0")  # zeros may fill up its last block
