"""Whether the bytes of an image file are those of a whole image, told by the marks of its format.

A file that was cut, or that is something else, shows at its two ends. To look there costs a few
microseconds; to decode an image costs some ten thousand. The marks are those of the standards: for
JPEG, ITU-T T.81, annex B (SOI, SOS, EOI); for PNG, ISO/IEC 15948, clauses 5.2 and 11.2.5.

Files of the other formats that `cxr_datasets.images.opening` names are decoded.
"""

from __future__ import annotations

from io import BytesIO

from cxr_datasets import limits
from cxr_datasets.images.opening import open_image
from cxr_datasets.limits import check_limit
from cxr_datasets.storage.pages import page_kind

PADDING = 4_096
"""Bytes at the end of a file in which its end mark must stand. Some encoders pad their files."""

_JPEG_START = b"\xff\xd8\xff"
_JPEG_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""Second bytes of JPEG markers that no length follows."""


class DamagedImage(ValueError):
    """Bytes that are no whole image; the text says, after the name of a file, what they are."""


def check_whole(content: bytes) -> None:
    """Require that bytes are those of a whole image file.

    A JPEG begins with its start marker, has the start of a scan, and after it, within its last
    4,096 bytes, its end marker. A PNG begins with its signature and has its IEND chunk, with its
    checksum, within its last 4,096 bytes. Anything else must decode.

    What lies between the marks is not looked at.

    Args:
        content: All bytes of a file.

    Raises:
        DamagedImage: They are not.
        TooLargeError: They are more than an image may have.
        OSError: It is an image of another format and does not decode, or is not opened.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    check_limit(len(content), limits.LARGEST_IMAGE)
    if content.startswith(_JPEG_START):
        _check_jpeg(content)
    elif content.startswith(_PNG_START):
        if content.rfind(_PNG_END, -PADDING) < 0:
            raise DamagedImage(f"is a PNG that is cut off: {_no_end('chunk IEND')}")
    else:
        _check_other(content)


def _check_jpeg(content: bytes) -> None:
    if content.endswith(_JPEG_END) and _JPEG_SCAN in content:
        return  # as nearly all files, so that these cost least
    scan = _start_of_scan(content)
    if scan < 0:
        raise DamagedImage("is a JPEG that is cut off in its header")
    if content.rfind(_JPEG_END, max(scan, len(content) - PADDING)) < 0:
        raise DamagedImage(f"is a JPEG that is cut off: {_no_end('end marker FF D9')}")


def _start_of_scan(content: bytes) -> int:
    """Find where the pixels begin: a thumbnail in the header has marks of its own.

    Returns:
        The place of the marker; -1 if there is none.
    """
    at = 2
    while content[at : at + 1] == b"\xff":
        marker = content[at + 1 : at + 2]
        if marker == b"\xda":
            return at
        if marker == b"\xff":  # fill
            at += 1
        elif marker and marker[0] in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content.find(_JPEG_SCAN, at)  # decoders pass over stray bytes between segments


def _no_end(mark: str) -> str:
    return f"its last {PADDING:,} bytes hold no {mark}"


def _check_other(content: bytes) -> None:
    page = page_kind(content)
    if page:
        raise DamagedImage(
            f"is a page of {page}, such as a server sends without a login, and no image"
        )
    with open_image(BytesIO(content)) as image:
        image.load()
