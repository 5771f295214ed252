"""Make images smaller: decode them at a fraction of their size where JPEG allows it.

A JPEG decoder can leave out high frequencies, and so give an image at 1/2, 1/4 or 1/8 of its size
in a fraction of the time; Pillow calls it `draft`. Lanczos does the rest. The *margin* says how
many times larger than the result the decoder's image is at least. It decides on quality and time.
Compared with a full decode and Lanczos, for short sides of 224, 384, 512 and 1024 pixels
(benchmarks/quality.py: real radiographs, painted ones, an image of rectangles and lines, and
stripes a few pixels wide in black and white, which are the hardest):

| margin | PSNR, lowest: real / painted / rectangles / stripes | SSIM* | time at 512 |
|---|---|---|---|
| 1 | 44.0 / 52.0 / 33.7 / 16.0 dB | 0.985 | 0.4 of a full decode's |
| 2 | 48.7 / 54.7 / 46.8 / 34.8 dB | 0.997 | 0.55 |

*The lowest of all but the stripes.

Where a margin leaves only the scale 1, as 2 does at 1024, nothing is lost and nothing gained.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

from cxr_datasets.images.grey import to_grey
from cxr_datasets.images.opening import open_image

Size: TypeAlias = tuple[int, int]
"""(width, height) in pixels, in Pillow's order."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom: from the upper left corner, in pixels."""

JPEG = "jpeg"
PNG = "png"
FORMATS = (JPEG, PNG)
"""Formats of a re-encoded image: JPEG of quality 95, or lossless PNG."""

JPEG_QUALITY = 95
"""The quality that releases usually have."""

DRAFT_MARGIN = 2
"""The margin of images that are stored: 45 dB and more, but for patterns as fine as pixels."""

TRAINING_MARGIN = 1
"""The margin of images that a training loop decodes again each time: speed first."""

_FIRST_LYING = 5
"""Of the EXIF orientations, those from this one on swap width and height."""


class Fit(NamedTuple):
    """Which part of an image becomes pixels, and how many.

    Attributes:
        size: (width, height) of the result.
        box: That part, in pixels of the image: left, top, right, bottom.
    """

    size: Size
    box: Box


def whole(size: Size) -> Box:
    """The box that holds all of an image of a size."""
    return 0, 0, *size


def open_small(
    file: str | BytesIO, size: int | None, margin: int = DRAFT_MARGIN
) -> PIL.Image.Image:
    """Decode an image with its short side at most `size` pixels.

    Args:
        file: Path of an image file, or its bytes.
        size: Short side in pixels; an image that is smaller keeps its size. None: any size.
        margin: How many times larger than the result the decoder's image is at least.

    Returns:
        The image, as `open_fitted` gives it. Its aspect is kept.

    Raises:
        OSError: The file is truncated, no image of a format that is opened, or beyond a limit.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    return open_fitted(file, partial(smaller, short_side=size), margin)[0]


def open_fitted(
    file: str | BytesIO, fitted: Callable[[Size], Fit], margin: int = DRAFT_MARGIN
) -> tuple[PIL.Image.Image, Size]:
    """Decode an image at the scale that fits what is wanted of it.

    Args:
        file: Path of an image file, or its bytes.
        fitted: Says of the file's (width, height), before it is turned upright, what is wanted.
        margin: How many times larger than the result the decoder's image is at least.

    Returns:
        The decoded image in mode `L`, by the rule of `cxr_datasets.images.grey`, and upright: the
        EXIF orientation is applied. And the size that the whole upright image has.

    Raises:
        OSError: The file is truncated, no image of a format that is opened, or beyond a limit.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    image = open_image(file)
    is_turned = image.format == "TIFF"  # which Pillow itself turns, while it loads it
    size = image.size
    # `draft` rounds up to whole squares of 8 pixels; the box says which part is image.
    drafted = _draft(image, fitted(size), margin)
    image.load()
    if drafted is None:
        size = image.size
    image = resized(image, fitted(size), drafted[1][2] / size[0] if drafted else 1)
    if is_turned:
        return image, size
    lies = _lies(image)
    PIL.ImageOps.exif_transpose(image, in_place=True)
    return image, size[::-1] if lies else size


def _lies(image: PIL.Image.Image) -> bool:
    """Whether an image that is not turned upright yet has width and height exchanged."""
    return bool(image.getexif().get(PIL.ExifTags.Base.Orientation, 1) >= _FIRST_LYING)


def upright_size(file: str | BytesIO) -> Size:
    """Tell the size of an image, upright, and decode none of it where the format allows that.

    Args:
        file: Path of an image file, or its bytes; its beginning, if that tells the size.

    Raises:
        OSError: It is no image of a format that is opened, or beyond a limit.
    """
    image = open_image(file)
    if image.format == "TIFF":  # which Pillow turns while it loads it
        image.load()
        return image.size
    return image.size[::-1] if _lies(image) else image.size


def resized(image: PIL.Image.Image, fit: Fit, scale: float = 1) -> PIL.Image.Image:
    """Make of a loaded image what is wanted of it, in mode `L`.

    Args:
        image: The image, or one that a decoder made smaller.
        fit: What is wanted of the image before it was made smaller.
        scale: How large it is by now.
    """
    if image.mode != "L":
        image = to_grey(image)
    left, top, right, bottom = fit.box
    if fit.size == (right - left, bottom - top):
        return image if fit.box == whole(image.size) else image.crop(fit.box)
    box = (left * scale, top * scale, right * scale, bottom * scale)
    return image.resize(fit.size, PIL.Image.Resampling.LANCZOS, box=box)


def _draft(image: PIL.Image.Image, fit: Fit, margin: int) -> Any:
    """Let the decoder of a JPEG make a smaller image; None where it makes the whole one."""
    width, height = fit.size
    left, top, right, bottom = fit.box
    if (width, height) == (right - left, bottom - top):
        return None
    across, down = image.width / (right - left), image.height / (bottom - top)
    return image.draft(None, (round(width * across * margin), round(height * down * margin)))


def smaller(size: Size, short_side: int | None) -> Fit:
    """All of an image with that short side, or as it is if it is smaller.

    Args:
        size: (width, height) of the image.
        short_side: In pixels; None: any.
    """
    if short_side is None or min(size) <= short_side:
        return Fit(size, whole(size))
    factor = short_side / min(size)
    width, height = (max(short_side, round(side * factor)) for side in size)
    return Fit((width, height), whole(size))


def reencode(content: bytes, size: int, image_format: str) -> bytes:
    """Make an image file smaller.

    Args:
        content: A whole image file.
        size: Short side of the result in pixels; never enlarged.
        image_format: One of `FORMATS`.

    Returns:
        A whole image file of mode `L`, by the rule of `cxr_datasets.images.grey`, and upright. A
        file that is small enough, of that format and of mode `L` already is returned unchanged,
        with its EXIF orientation, because every new JPEG loses something.

    Raises:
        OSError: The file is truncated, no image of a format that is opened, or beyond a limit.
        PIL.Image.DecompressionBombError: It has more pixels than Pillow's limit allows.
    """
    image = open_small(BytesIO(content), size)
    if (image.format or "").lower() == image_format:
        return content  # only an image that was not changed still has the file's format
    out = BytesIO()
    image.save(out, image_format, **({"quality": JPEG_QUALITY} if image_format == JPEG else {}))
    return out.getvalue()
