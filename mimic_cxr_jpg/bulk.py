"""Reading an archive's members by column, all at once, where the archive is an ordinary one.

The readers of `archives` take any archive member by member. These take a table of members or a
piece of a tar with numpy, some ten times faster, and say None where a member is out of the
ordinary (long names, odd headers, bytes that look like a header), for the others to read it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.storage.ahead import one_ahead

_Bytes = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.int64]

_ENTRY_MARK = re.compile(rb"PK\x01\x02")
_ENTRY_SIZE = 46
_LOCAL_MARK = int.from_bytes(b"PK\x03\x04", "little")
_LOCAL_SIZE = 30
DEFLATED = 8
_IN_ZIP_64 = 0xFFFF_FFFF

_BLOCK = 512
_PIECE = 1 << 24
_MAGIC = np.frombuffer(b"ustar", np.uint8)
_FOLDER = ord("5")
_PLAIN_KINDS = (ord("0"), 0, _FOLDER)
_SIZE_DIGITS, _SUM_DIGITS = slice(124, 135), slice(148, 154)
_SUM_FIELD, _PREFIX = slice(148, 156), slice(345, 500)

OUTSIDE = r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)"
"""A member's name that is absolute, on a drive, or climbs."""


def read_zip_entries(directory: memoryview, count: int) -> dict[str, pa.Array] | None:
    """Read a zip archive's central directory.

    Args:
        directory: Its bytes, from the first entry on.
        count: Number of its entries.

    Returns:
        Columns `name`, `offset`, `stored`, `method` and `crc`, a row a member; or None.
    """
    found = (match.start() for match in _ENTRY_MARK.finditer(directory))
    starts = np.fromiter(found, np.int64)
    data = np.frombuffer(directory, np.uint8)
    if len(starts) != count or count == 0 or starts[-1] + _ENTRY_SIZE > len(data):
        return None
    name_sizes, *more = (_number(data, starts + at, 2) for at in (28, 30, 32))
    ends = starts + _ENTRY_SIZE + name_sizes + sum(more)
    offsets = _number(data, starts + 42, 4)
    if starts[0] or (ends[:-1] != starts[1:]).any() or ends[-1] > len(data):
        return None
    if (offsets == _IN_ZIP_64).any():
        return None
    names = _strings(_segments(data, starts + _ENTRY_SIZE, name_sizes))
    if names is None or pc.any(pc.match_substring_regex(names, OUTSIDE)).as_py():
        return None
    return {
        "name": names,
        "offset": pa.array(offsets),
        "stored": pa.array(_number(data, starts + 20, 4)),
        "method": pa.array(_number(data, starts + 10, 2), pa.uint16()),
        "crc": pa.array(_number(data, starts + 16, 4), pa.uint32()),
    }


def inflate_members(
    archive: memoryview, offsets: _Numbers, stored: _Numbers, crcs: _Numbers
) -> list[bytes] | None:
    """Decompress deflated members of a zip archive.

    Args:
        archive: Its bytes.
        offsets: Where the members begin.
        stored: Their sizes there.
        crcs: Their checksums.

    Returns:
        Their contents; None where one of them does not decompress or is not what it should be.
    """
    data = np.frombuffer(archive, np.uint8)
    if len(offsets) and offsets.max() + _LOCAL_SIZE > len(data):
        return None
    starts = offsets + _LOCAL_SIZE + _number(data, offsets + 26, 2) + _number(data, offsets + 28, 2)
    ends = starts + stored
    # Some writers leave the checksum here to what follows the member.
    stated = (_number(data, offsets + 14, 4) == crcs) | (_number(data, offsets + 6, 2) & 8 != 0)
    if not (stated & (_number(data, offsets, 4) == _LOCAL_MARK) & (ends <= len(data))).all():
        return None
    inflate = zlib.decompress
    try:
        contents = [
            inflate(archive[start:end], -zlib.MAX_WBITS)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    except zlib.error:
        return None
    return contents if list(map(zlib.crc32, contents)) == crcs.tolist() else None


def _number(data: _Bytes, at: _Numbers, size: int) -> _Numbers:
    """Little-endian numbers at some places."""
    return sum(
        (data[at + byte].astype(np.int64) << (8 * byte) for byte in range(size)), np.int64(0)
    )


def _segments(data: _Bytes, starts: _Numbers, sizes: _Numbers) -> pa.Array:
    """Copy pieces of a buffer, in order and not overlapping, into one binary array."""
    # As an Arrow array the buffer is piece, gap, piece, gap, ...; of these every second is taken.
    limits = np.stack([starts, starts + sizes], axis=1).ravel().astype(np.int32)
    both = pa.BinaryArray.from_buffers(
        pa.binary(), len(limits) - 1, [None, pa.py_buffer(limits), pa.py_buffer(data)]
    )
    return both.take(pa.array(np.arange(0, len(limits) - 1, 2)))


def _strings(binary: pa.Array) -> pa.Array | None:
    try:
        return binary.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def read_tar_pieces(stream: BinaryIO) -> Iterator[tuple[pa.Array, pa.Array] | None]:
    """Read a tar archive from its beginning to its end, a piece at a time.

    Args:
        stream: Its bytes, already decompressed.

    Yields:
        Names and contents of the files of a piece; or None, and nothing more, where a member is
        out of the ordinary, or the archive breaks off or does not decompress.
    """
    rest = b""
    for piece in _pieces(stream):
        members = None if piece is None else _plain_members(rest + piece)
        if members is None:
            yield None
            return
        names, contents, rest = members
        yield names, contents
    if rest.strip(b"\0") or len(rest) < _BLOCK:
        yield None


def _pieces(stream: BinaryIO) -> Iterator[bytes | None]:
    """Pieces of a stream, the next one decompressed while one is worked on; None if it fails."""
    try:
        yield from one_ahead(iter(partial(stream.read, _PIECE), b""))
    except (OSError, EOFError):
        yield None


def _plain_members(data: bytes) -> tuple[pa.Array, pa.Array, bytes] | None:
    """Names and contents of the whole files in a piece of a tar, and the bytes left over."""
    buffer = np.frombuffer(data, np.uint8)
    blocks = buffer[: len(data) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    heads = np.flatnonzero((blocks[:, 257:262] == _MAGIC).all(axis=1))
    headers = blocks[heads]
    sizes = _octal(headers[:, _SIZE_DIGITS])
    if sizes is None or not _are_plain(headers):
        return None
    following = heads + 1 + -(-sizes // _BLOCK)
    whole = len(heads) - int(len(heads) > 0 and following[-1] > len(blocks))
    end = following[whole - 1] if whole else 0
    if (following[: len(heads) - 1] != heads[1:]).any() or (heads[:1] != 0).any():
        return None
    if whole == len(heads) and blocks[end : end + 1].any():
        return None  # what follows is no header
    files = np.flatnonzero(headers[:whole, 156] != _FOLDER)
    names = _strings(pa.array(np.ascontiguousarray(headers[files, :100]).view("S100")[:, 0]))
    if names is None or pc.any(pc.match_substring_regex(names, OUTSIDE)).as_py():
        return None
    if not len(files):
        return names, pa.array([], pa.binary()), data[end * _BLOCK :]
    contents = _segments(buffer, heads[files] * _BLOCK + _BLOCK, sizes[files])
    return names, contents, data[end * _BLOCK :]


def _are_plain(headers: _Bytes) -> bool:
    """Whether all are headers of files and folders with short names, and match their checksum."""
    stated = _octal(headers[:, _SUM_DIGITS])
    if stated is None:
        return False
    sums = headers.sum(axis=1, dtype=np.int64) - headers[:, _SUM_FIELD].sum(axis=1, dtype=np.int64)
    plain = np.isin(headers[:, 156], _PLAIN_KINDS) & ~headers[:, _PREFIX].any(axis=1)
    return bool((plain & (sums + 8 * ord(" ") == stated)).all())


def _octal(digits: _Bytes) -> Any:
    """Numbers written in octal, a row each; None if one is not."""
    values = digits.astype(np.int64) - ord("0")
    if ((values < 0) | (values > 7)).any():
        return None
    return values @ 8 ** np.arange(digits.shape[1] - 1, -1, -1)
