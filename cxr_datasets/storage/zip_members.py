"""The members of a zip archive that `zipfile` reads in place: names, repeats, what is not read.

What is said of all members is said when the archive is opened, before a row is made. A single
member that is not read may be a damaged one: that shows when it is read.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

from cxr_datasets import limits
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import Limit, check_limit, too_large
from cxr_datasets.storage.addresses import shown

METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 10: "IBM TERSE", 12: "bzip2", 14: "LZMA",
    93: "Zstandard", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES",
}  # fmt: skip
"""Names of the methods of compression beyond Deflate, from PKWARE's APPNOTE, section 4.4.5."""

ENCRYPTED = 1
"""The flag of a member that needs a password."""

_READ = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA,
         getattr(zipfile, "ZIP_ZSTANDARD", zipfile.ZIP_STORED)}  # fmt: skip

_COMPRESSED_PART = 4_096
"""Compressed bytes that are unpacked at once, by methods that unpack all that they are given."""

_ENTRY_MARK = b"PK\x01\x02"


class Guarded:
    """The file of an archive, which lets `zipfile` read a table of members of usual size only.

    `zipfile` reads that table at once, as long as the archive says it is, and builds an object for
    each entry. Nothing else that it reads is as large.
    """

    def __init__(self, file: Any):
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Guarded:  # fsspec takes what this gives
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def read(self, size: int = -1) -> bytes:
        """Read some bytes.

        Raises:
            TooLargeError: They are more than a table of members may have, or hold more entries.
        """
        check_limit(size, limits.LARGEST_DIRECTORY)
        content = self._file.read(size)
        if len(content) > limits.MOST_MEMBERS_IN_PLACE:
            check_limit(content.count(_ENTRY_MARK), limits.MOST_MEMBERS_IN_PLACE)
        return content


class Joined(io.RawIOBase):
    """The bytes of an archive and an end of our own, as one file, without a copy of the archive."""

    def __init__(self, archive: memoryview, end: bytes):
        self._archive, self._end, self._at = archive, end, 0

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        whole = len(self._archive) + len(self._end)
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: whole}[whence]
        if start + offset < 0:
            raise OSError("before the beginning")
        self._at = start + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read some bytes, or the rest."""
        whole = len(self._archive) + len(self._end)
        stop = whole if size < 0 else min(whole, self._at + size)
        border = len(self._archive)
        content = bytes(self._archive[self._at : stop])
        content += self._end[max(0, self._at - border) : max(0, stop - border)]
        self._at += len(content)
        return content


def read_member(files: Any, place: str, limit: Limit) -> bytes:
    """Read a member whole. What the archive says of its size is not believed.

    Args:
        files: fsspec's files of the archive.
        place: The member.
        limit: How many bytes it may have.

    Raises:
        FileNotFoundError: It is not there.
        TooLargeError: It has more bytes.
    """
    with files.open(place, "rb") as file:
        if file._compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            content = file.read(limit + 1)
        else:
            content = _in_parts(file, limit)
    if len(content) > limit:
        raise too_large(limit)
    return content


def _in_parts(file: Any, limit: Limit) -> bytes:
    parts, size = [], 0
    while size <= limit and (part := file.read1(_COMPRESSED_PART)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def method_name(method: int) -> str:
    """Name a method of compression, with its number."""
    return f"{METHODS.get(method, 'a method unknown here')} (method {method})"


def write_slashes(archive: zipfile.ZipFile) -> None:
    """Give members whose names have back-slashes, as some programs on Windows write, slashes."""
    for info in archive.infolist():
        if "\\" in info.filename:
            info.filename = info.filename.replace("\\", "/")
            archive.NameToInfo[info.filename] = info


def check_readable(archive: zipfile.ZipFile, address: str) -> None:
    """Refuse an archive most of whose members are encrypted, or compressed in an unknown way.

    Args:
        archive: The archive.
        address: Where it is.

    Raises:
        StoreError: It is one.
    """
    files = [info for info in archive.infolist() if not info.is_dir()]
    step = "Unpack it, with 7-Zip for example, and pass the folder that it unpacks to."
    if 2 * sum(info.flag_bits & ENCRYPTED for info in files) > len(files):
        raise StoreError(f"{shown(address)} is encrypted. {step}")
    others = [info.compress_type for info in files if info.compress_type not in _READ]
    if 2 * len(others) > len(files):
        raise StoreError(
            f"{shown(address)} is compressed by {method_name(others[0])}, which is not read here. "
            f"{step}"
        )


def count_repeats(archive: zipfile.ZipFile) -> tuple[int, int]:
    """Count the members whose name a later one has, too, and all members.

    `zipfile` and `unzip` take the last one.
    """
    names = [info.filename for info in archive.infolist()]
    return len(names) - len(set(names)), len(names)
