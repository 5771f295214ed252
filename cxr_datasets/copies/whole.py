"""Whether a file that came is whole: by its sha256, or by its own marks where none is published."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from cxr_datasets import limits, wording
from cxr_datasets.copies.checksums import sha256_of
from cxr_datasets.images.whole import DamagedImage, check_whole
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage.gzipped import GZIP
from cxr_datasets.storage.pages import page_kind

_IMAGES = (".jpg", ".jpeg", ".png")
_PIECE = 2**20


def fault_of(part: Path, path: str, expected: str | None) -> tuple[str | None, str]:
    """Say what is wrong with a file that came.

    Args:
        part: Where it is.
        path: Its path in the release.
        expected: Its sha256 as it was published; None: that is not known.

    Returns:
        What is wrong with it as a clause, or None; and its sha256.

    Raises:
        OSError: It cannot be read.
    """
    digest = sha256_of(part)
    if digest == expected:
        return None, digest
    if expected is None:
        return _fault_by_marks(part, path), digest
    return (_page(part) or f"its {part.stat().st_size:,} bytes have another sha256"), digest


def shows_its_end(path: str) -> bool:
    """Whether a file of this name has marks by which a part of it is told from the whole."""
    return path.lower().endswith((*_IMAGES, ".gz", ".zip"))


def _page(part: Path) -> str | None:
    with open(part, "rb") as file:
        kind = page_kind(file.read(_PIECE))
    return f"it is a page of {kind}, such as a server sends without a login" if kind else None


def _fault_by_marks(part: Path, path: str) -> str | None:
    if not part.stat().st_size:
        return "it is empty"
    name = path.lower()
    try:
        if name.endswith(_IMAGES):
            if part.stat().st_size > limits.LARGEST_IMAGE:
                return "it is larger than an image may be"
            check_whole(part.read_bytes())
        elif name.endswith(".gz"):
            return _page(part) or _fault_of_gzip(part)
        elif name.endswith(".zip"):
            with zipfile.ZipFile(part):
                pass
    except DamagedImage as error:
        return f"it {error}"
    except (TooLargeError, zipfile.BadZipFile, OSError) as error:
        return _page(part) or wording.said(error)
    return _page(part)


def _fault_of_gzip(part: Path) -> str | None:
    """Read it to its end, where its own checksum is. Some servers unpack such files on the way."""
    with open(part, "rb") as file:
        if file.read(2) != GZIP:
            return None
    try:
        with gzip.open(part) as unpacked:
            while unpacked.read(_PIECE):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"it is cut off or damaged ({type(error).__name__})"
    return None
