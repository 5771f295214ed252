"""The only place that opens image files: in few formats, and within limits.

Pillow knows some fifty formats, and takes a file for what its first bytes say, whatever its name
is. For PostScript it starts another program, Ghostscript. So a file is opened in these formats
alone, all of which Pillow and the libraries built into it decode in this process:

- JPEG and PNG: what the releases hold, and what images are stored in here.
- TIFF: `datasets` itself stores in it what PNG cannot hold, such as floats.
- BMP, GIF, WebP: what viewers and converters write.
"""

from __future__ import annotations

import os
import stat
from io import BytesIO
from typing import Any

import PIL.Image

from cxr_datasets import limits
from cxr_datasets.limits import check_limit

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")
"""Formats that are opened, by Pillow's names; the usual ones first."""

_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")
"""First bytes of PostScript, as text and behind a preview in binary."""

_SCAN = b"\xff\xda"


def open_image(file: str | os.PathLike[str] | BytesIO) -> PIL.Image.Image:
    """Open an image file, of which no pixel is decoded yet.

    Args:
        file: Path of the file, or its bytes.

    Returns:
        The image, in one of `FORMATS`.

    Raises:
        FileNotFoundError: It is not there, or no file.
        TooLargeError: It is beyond a limit of `cxr_datasets.limits`.
        OSError: It is no image in one of `FORMATS`, or may not be read.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    if not isinstance(file, BytesIO):
        _check_file(file)
    image: PIL.Image.Image = PIL.Image.open(file, formats=FORMATS)
    try:
        _check(image)
    except Exception:
        image.close()
        raise
    return image


def is_postscript(content: bytes) -> bool:
    """Whether a file that begins with some bytes is PostScript, which Pillow gives to a program."""
    return content.startswith(_POSTSCRIPT)


def _check_file(path: str | os.PathLike[str]) -> None:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, and a device never ends
        raise FileNotFoundError(path)
    check_limit(found.st_size, limits.LARGEST_IMAGE)


def _check(image: Any) -> None:
    check_limit(image.width * image.height, limits.MOST_PIXELS)
    # Of a grey JPEG that is not progressive, as the releases have, only one scan is decoded.
    if image.format in ("JPEG", "MPO") and (image.info.get("progressive") or image.layers > 1):
        at = image.fp.tell()
        image.fp.seek(0)
        scans = image.fp.read().count(_SCAN)
        image.fp.seek(at)
        check_limit(scans, limits.MOST_SCANS)
