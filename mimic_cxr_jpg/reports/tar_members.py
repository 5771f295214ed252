"""The members of a tar archive.

They are read by column: numpy finds the headers in a piece of the archive and takes all its members
at once, some ten times faster than `tarfile`, which builds an object for each of some 290,000
members. From the first piece on that holds anything but ordinary files and folders (long names,
links, odd headers, text that looks like a header) `tarfile` reads.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from cxr_datasets import limits
from cxr_datasets.errors import ReportsError
from cxr_datasets.limits import TooLargeError, too_large
from cxr_datasets.storage.ahead import one_ahead
from cxr_datasets.storage.metered import Metered
from mimic_cxr_jpg.reports.archived import Bytes, check_inside, damaged, plain_names, segments
from mimic_cxr_jpg.reports.members import Link, is_text
from mimic_cxr_jpg.reports.store import too_large_reports

PIECE = 1 << 24
"""Bytes read at once."""

_BLOCK = 512
_MAGIC = np.frombuffer(b"ustar", np.uint8)
_FILE, _FOLDER = ord("0"), ord("5")
_SIZE_DIGITS, _SUM_DIGITS = slice(124, 135), slice(148, 154)
_SUM_FIELD, _PREFIX = slice(148, 156), slice(345, 500)

_LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)
_LARGEST_MEMBER = 1 << 32
"""Bytes; a report has a few thousand."""

_MOST_GLOBAL_HEADERS = 1_000

DOES_NOT_DECOMPRESS = (OSError, EOFError, zlib.error)
_NO_TAR = (tarfile.TarError, ValueError, OverflowError, RecursionError)
"""What `tarfile` raises on a damaged header: its own errors, and those of reading numbers."""


# --- many members at once -------------------------------------------------------------------------


def read_pieces(stream: Metered) -> Iterator[tuple[pa.Array, pa.Array] | None]:
    """Read a tar archive from its beginning on, a piece at a time.

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
        rest = _without_zeros(rest)
    if rest.strip(b"\0") or len(rest) < _BLOCK:
        yield None


def _without_zeros(rest: bytes) -> bytes:
    """Drop the zeros at the end of an archive, of which there may be any number, but for one block.

    What is left of a piece is else the beginning of one member, which is no longer than a report.
    """
    if len(rest) > PIECE and not rest.strip(b"\0"):
        return rest[: _BLOCK + len(rest) % _BLOCK]
    return rest


def _pieces(stream: Metered) -> Iterator[bytes | None]:
    """Read a stream in pieces, the next one while one is worked on; None where that fails."""
    try:
        yield from one_ahead(iter(partial(stream.read, PIECE), b""))
    except TooLargeError:
        raise
    except DOES_NOT_DECOMPRESS:
        yield None


def _plain_members(data: bytes) -> tuple[pa.Array, pa.Array, bytes] | None:
    """Give names and contents of the whole files in a piece of a tar, and the bytes left over."""
    buffer = np.frombuffer(data, np.uint8)
    blocks = buffer[: len(data) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    heads = np.flatnonzero((blocks[:, 257:262] == _MAGIC).all(axis=1))
    headers = blocks[heads]
    sizes = _octal(headers[:, _SIZE_DIGITS])
    if sizes is None or not _are_plain(headers) or (sizes > limits.LARGEST_REPORT).any():
        return None
    following = heads + 1 + -(-sizes // _BLOCK)
    whole = len(heads) - int(len(heads) > 0 and following[-1] > len(blocks))
    end = following[whole - 1] if whole else 0
    if (following[: len(heads) - 1] != heads[1:]).any() or (heads[:1] != 0).any():
        return None
    if whole == len(heads) and blocks[end : end + 1].any():
        return None  # what follows is no header
    files = np.flatnonzero(headers[:whole, 156] == _FILE)
    names = plain_names(pa.array(np.ascontiguousarray(headers[files, :100]).view("S100")[:, 0]))
    if names is None:
        return None
    if not len(files):
        return names, pa.array([], pa.binary()), data[end * _BLOCK :]
    contents = segments(buffer, heads[files] * _BLOCK + _BLOCK, sizes[files])
    return names, contents, data[end * _BLOCK :]


def _are_plain(headers: Bytes) -> bool:
    """Say whether all are headers of files and folders with short names and a right checksum."""
    stated = _octal(headers[:, _SUM_DIGITS])
    if stated is None:
        return False
    sums = headers.sum(axis=1, dtype=np.int64) - headers[:, _SUM_FIELD].sum(axis=1, dtype=np.int64)
    plain = np.isin(headers[:, 156], (_FILE, _FOLDER)) & ~headers[:, _PREFIX].any(axis=1)
    return bool((plain & (sums + 8 * ord(" ") == stated)).all())


def _octal(digits: Bytes) -> Any:
    """Read numbers written in octal, a row each; None if one is not."""
    values = digits.astype(np.int64) - ord("0")
    if ((values < 0) | (values > 7)).any():
        return None
    return values @ 8 ** np.arange(digits.shape[1] - 1, -1, -1)


# --- one member after the other -------------------------------------------------------------------


class Member(NamedTuple):
    """A file of an archive, or a link.

    Attributes:
        name: Its name.
        content: Its bytes; of a link none.
        link: Where it leads; of a file None.
    """

    name: str
    content: bytes
    link: Link | None


def read_members(stream: Metered, address: str) -> Iterator[Member]:
    """Read a tar archive from its beginning to its end.

    Args:
        stream: Its bytes, already decompressed.
        address: Where it is, for the errors.

    Yields:
        Its files and links; folders and devices are passed over.

    Raises:
        ReportsError: It is no tar archive, is truncated, a member's name leads outside it, or a
            report is a sparse file or too large.
        TooLargeError: It is beyond another limit.
    """
    try:
        with tarfile.open(
            fileobj=cast(BinaryIO, stream), mode="r|", tarinfo=_member_of(stream), encoding="utf-8",
            errors="replace",
        ) as archive:  # fmt: skip
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # or it keeps all it has met
                if len(archive.pax_headers) > _MOST_GLOBAL_HEADERS:
                    raise tarfile.ReadError("too many global headers")
                _check_size(member)
                if member.type in _LINKS:
                    check_inside(member.name, address)
                    is_hard = member.type == tarfile.LNKTYPE
                    yield Member(member.name, b"", Link(member.linkname, is_hard))
                elif _is_file(member, address):
                    yield Member(member.name, _content(archive, member, address), None)
        while stream.read(PIECE):
            pass  # what is compressed ends with its checksum
    except TooLargeError:
        raise
    except DOES_NOT_DECOMPRESS:
        raise damaged(address, "it does not decompress to its end") from None
    except _NO_TAR:
        raise damaged(address, "it is no tar archive, breaks off, or a header is damaged") from None


def _is_file(member: tarfile.TarInfo, address: str) -> bool:
    """Whether a member that is no link has a content. As in `tarfile`, unknown types do."""
    if not member.isreg() and member.type in tarfile.SUPPORTED_TYPES:
        return False
    check_inside(member.name, address)
    if member.issparse() and is_text(member.name):
        raise ReportsError(
            f"{address}: {member.name[-80:]!r} is a sparse file, which is not read here. Pack the "
            "reports again without --sparse, or pass the folder that holds files/ as reports=."
        )
    return not member.issparse()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, address: str) -> bytes:
    """Read a member; of one that is no report and too large for one nothing."""
    if member.size > limits.LARGEST_REPORT:
        if is_text(member.name):
            error = too_large(limits.LARGEST_REPORT, member.size)
            raise too_large_reports(f"{address}: {member.name[-80:]!r}", error)
        return b""
    content = archive.extractfile(member)
    assert content is not None
    return content.read()


class _Member(tarfile.TarInfo):
    """A member whose header must be whole: `tarfile` takes a damaged one for the archive's end.

    Attributes:
        meter: The stream that the archive is read from.
    """

    meter: Metered

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Read what an archive says of a member after its first header, and which has no end."""
        with self.meter.at_most(limits.LARGEST_MEMBER_HEADER):
            return super()._proc_member(archive)  # type: ignore[misc]

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == _BLOCK and not buf.strip(b"\0"):
                raise  # a block of zeros, which is the end
            raise tarfile.ReadError(str(error)) from None
        _check_size(member)
        return member


def _member_of(stream: Metered) -> type[_Member]:
    """Give the class of the members of an archive that is read from a stream."""
    return type("_MemberOfArchive", (_Member,), {"meter": stream})


def _check_size(member: tarfile.TarInfo) -> None:
    """Refuse an impossible size, for which `tarfile` would skip for hours, or step backwards."""
    if not 0 <= member.size <= _LARGEST_MEMBER:
        raise tarfile.ReadError("impossible size")
