"""Bytes count as an image if they are one to its end, whatever their file is called."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
import pytest

from cxr_datasets.errors import CxrError
from cxr_datasets.images.faults import what_is_wrong
from cxr_datasets.images.whole import PADDING, DamagedImage, check_whole

PIXELS = np.random.default_rng(0).integers(0, 255, (150, 200), np.uint8)


def file_of(image_format: str, mode: str = "L", **options: Any) -> bytes:
    out = BytesIO()
    PIL.Image.fromarray(PIXELS).convert(mode).save(out, image_format, **options)
    return out.getvalue()


def with_thumbnail(content: bytes) -> bytes:
    """A JPEG with another whole JPEG in its header."""
    small = BytesIO()
    PIL.Image.fromarray(PIXELS[:32, :32]).save(small, "JPEG")
    body = b"Exif\0\0" + small.getvalue()
    return content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


JPEG = file_of("JPEG", quality=95)
PNG = file_of("PNG")
WHOLE = {
    "jpeg": JPEG,
    "progressive jpeg": file_of("JPEG", progressive=True),
    "jpeg with a thumbnail": with_thumbnail(JPEG),
    "colour jpeg": file_of("JPEG", "RGB"),
    "png": PNG,
    "palette png": file_of("PNG", "P"),
    "one-bit png": file_of("PNG", "1"),
    "tiff": file_of("TIFF"),
    "gif": file_of("GIF"),
    "bmp": file_of("BMP"),
    "webp": file_of("WEBP", "RGB"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_whole_image_passes(content: bytes) -> None:
    check_whole(content)


@pytest.mark.parametrize("content", [JPEG, PNG], ids=["jpeg", "png"])
@pytest.mark.parametrize(
    "padding", [b"\0", b"\n", b"\xff" * 7, b"\0" * 512, b" " * (PADDING - 12)], ids=len
)
def test_padding_after_the_end_mark_is_tolerated_up_to_a_bound(
    content: bytes, padding: bytes
) -> None:
    check_whole(content + padding)
    with pytest.raises(DamagedImage, match="cut off"):
        check_whole(content + padding + bytes(PADDING))


@pytest.mark.parametrize("name", ["jpeg", "progressive jpeg", "jpeg with a thumbnail", "png"])
def test_a_file_cut_anywhere_is_damaged(name: str) -> None:
    content = WHOLE[name]
    lengths = {*range(12, len(content) - 1, 97), len(content) - 1, len(content) - 2, 5_000}
    for length in sorted(lengths):
        with pytest.raises(DamagedImage, match="cut off"):
            check_whole(content[:length])


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_a_file_whose_end_was_reserved_and_never_written_is_damaged(name: str) -> None:
    """As download programs leave that reserve the room first; Pillow shows such a JPEG as grey."""
    content = WHOLE[name]
    half = len(content) // 2
    with pytest.raises(DamagedImage, match="cut off"):
        check_whole(content[:half] + bytes(len(content) - half))


def test_stray_bytes_between_segments_are_passed_over_as_decoders_do() -> None:
    content = JPEG[:2] + b"\xff\xe0\x00\x04ab" + b"\0\0\0" + JPEG[2:] + b"\0"
    check_whole(content)


@pytest.mark.parametrize("name", ["tiff", "gif", "bmp", "webp"])
def test_other_formats_must_decode(name: str) -> None:
    with pytest.raises((OSError, SyntaxError, IndexError)) as caught:
        check_whole(WHOLE[name][:300])
    assert not isinstance(caught.value, CxrError)
    assert what_is_wrong(caught.value).startswith(("does not decode", "is no image"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "is a page of HTML"),
        (b'{"error": "login required"}', "is a page of JSON"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a page of XML"),
        (bytes(9_000), "is no image in a format that is opened here"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is no image in a format that is opened here",
        ),
        (b"\xff\xd8\xff\xd9", "in its header"),
        (b"\xff\xd8 and no more", "is no image in a format that is opened here"),
        (b"x", "is no image in a format that is opened here"),
    ],
)
def test_what_is_no_image_is_told_by_what_it_is(content: bytes, said: str) -> None:
    with pytest.raises((DamagedImage, PIL.UnidentifiedImageError)) as caught:
        check_whole(content)
    assert said in what_is_wrong(caught.value)
    assert "0x" not in what_is_wrong(caught.value)
