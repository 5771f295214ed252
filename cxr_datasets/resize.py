"""Smaller images: decoded at a fraction of their size where JPEG allows it.

A JPEG decoder can leave out high frequencies and so give the image at 1/2, 1/4 or 1/8 of its size
at a fraction of the time (Pillow calls it `draft`). The rest of the way is Lanczos. The decoder's
result is never less than `DRAFT_MARGIN` times the size asked for, which keeps the result at 48 dB
of PSNR or more against a full decode with Lanczos (benchmarks/quality.py: real radiographs,
painted ones and sharp edges, short sides of 224 to 1024; where that margin leaves no scale but 1,
as at 1024, the two are the same). A margin of 1 takes about two thirds of the time at 224 and 512
and falls to 44 dB on real radiographs and below on sharp edges.
"""

from __future__ import annotations

from io import BytesIO

import PIL.Image

JPEG = "jpeg"
PNG = "png"
FORMATS = (JPEG, PNG)
"""Formats of a re-encoded image: JPEG of quality 95, or lossless PNG."""

JPEG_QUALITY = 95
"""The quality the releases' own JPEGs have."""

DRAFT_MARGIN = 2
"""How much larger than the result the decoder's image is at least, on each side."""


def open_small(file: str | BytesIO, size: int | None) -> PIL.Image.Image:
    """Decode an image with its short side at most `size` pixels.

    Args:
        file: Path of an image file, or its bytes.
        size: Short side in pixels; an image that is smaller keeps its size. None: any size.

    Returns:
        The decoded image, its aspect and mode (`L` for the releases' files) kept.

    Raises:
        OSError: The file is truncated or no image.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    image = PIL.Image.open(file)
    target = image.size if size is None else _fitted(image.size, size)
    if target == image.size:
        image.load()
        return image
    margin = (target[0] * DRAFT_MARGIN, target[1] * DRAFT_MARGIN)
    # `draft` rounds up to whole blocks; the box says what of that is image.
    drafted = image.draft(None, margin)
    box = drafted[1] if drafted else None
    return image.resize(target, PIL.Image.Resampling.LANCZOS, box=box)


def _fitted(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """(width, height) with that short side and the aspect of `size`; `size` if it is smaller."""
    if min(size) <= short_side:
        return size
    factor = short_side / min(size)
    width, height = (max(short_side, round(side * factor)) for side in size)
    return width, height


def reencode(content: bytes, size: int, image_format: str) -> bytes:
    """Make an image file smaller.

    Args:
        content: A whole image file.
        size: Short side of the result in pixels; never enlarged.
        image_format: One of `FORMATS`.

    Returns:
        A whole image file. One that is small enough and of that format already is returned as it
        is, for every new JPEG loses something.

    Raises:
        OSError: The file is truncated or no image, or its mode does not fit the format.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    image = open_small(BytesIO(content), size)
    if (image.format or "").lower() == image_format:
        return content  # only an image that was not resized still has the file's format
    out = BytesIO()
    image.save(out, image_format, **({"quality": JPEG_QUALITY} if image_format == JPEG else {}))
    return out.getvalue()
