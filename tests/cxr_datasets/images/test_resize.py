"""Smaller images are as good as a full decode, keep their mode, and are never half an image."""

from __future__ import annotations

import random
from io import BytesIO

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFile
import pytest

from cxr_datasets.images.resize import FORMATS, JPEG, PNG, open_small, reencode
from cxr_datasets.synthetic import paint_radiograph


def encoded(image: PIL.Image.Image, form: str = "jpeg", **options: int) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def radiograph(height: int = 1_528, width: int = 1_272) -> PIL.Image.Image:
    return PIL.Image.fromarray(paint_radiograph(height, width, rng=random.Random(0)))


def sharp_edges(height: int = 1_528, width: int = 1_272) -> PIL.Image.Image:
    rng = random.Random(0)
    image = PIL.Image.new("L", (width, height))
    draw = PIL.ImageDraw.Draw(image)
    for _ in range(200):
        x, y = rng.randrange(width), rng.randrange(height)
        box = (x, y, x + rng.randrange(1, 200), y + rng.randrange(1, 200))
        draw.rectangle(box, fill=rng.randrange(256))
    return image


@pytest.mark.parametrize(
    ("kind", "size", "margin", "expected"),
    [("aslant, 6 wide", 512, 2, 34.8), ("upright, 11 wide", 224, 2, 36.6),
     ("upright, 3 wide", 512, 1, 16.0)],
)  # fmt: skip
def test_stripes_of_a_few_pixels_are_as_far_off_as_the_pages_say(
    kind: str, size: int, margin: int, expected: float
) -> None:
    """At real size, for which the pages give their figures."""
    down, across = np.mgrid[0:3056, 0:2544]
    pattern = {
        "aslant, 6 wide": (down + across) // 6,
        "upright, 11 wide": across // 11,
        "upright, 3 wide": across // 3,
    }[kind]
    content = encoded(PIL.Image.fromarray((pattern % 2 * 255).astype(np.uint8)), quality=95)
    small = open_small(BytesIO(content), size, margin)
    full = PIL.Image.open(BytesIO(content)).resize(small.size, PIL.Image.Resampling.LANCZOS)
    assert psnr(small, full) == pytest.approx(expected, abs=0.3)


def psnr(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    difference = np.asarray(one, float) - np.asarray(other, float)
    mean = (difference**2).mean()
    return float("inf") if mean == 0 else 10 * np.log10(255**2 / mean)


@pytest.mark.parametrize("size", [112, 192, 224, 256, 384, 512])
@pytest.mark.parametrize("paint", [radiograph, sharp_edges])
def test_a_smaller_jpeg_is_45_db_or_closer_to_a_full_decode(paint: object, size: int) -> None:
    content = encoded(paint(), quality=95)  # type: ignore[operator]
    small = open_small(BytesIO(content), size)
    full = PIL.Image.open(BytesIO(content)).resize(small.size, PIL.Image.Resampling.LANCZOS)
    assert psnr(small, full) >= 45


@pytest.mark.parametrize("size", [(1_272, 1_528), (1_528, 1_272), (1_000, 999), (3_001, 517)])
@pytest.mark.parametrize("short_side", [100, 224, 333])
def test_the_short_side_is_as_asked_and_the_aspect_is_kept(
    size: tuple[int, int], short_side: int
) -> None:
    content = encoded(PIL.Image.new("L", size, 100))
    small = open_small(BytesIO(content), short_side)
    assert min(small.size) == short_side
    factor = short_side / min(size)
    assert small.size == tuple(round(side * factor) for side in size)
    assert small.mode == "L"


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_is_never_enlarged(form: str) -> None:
    image = radiograph(90, 70)
    result = PIL.Image.open(BytesIO(reencode(encoded(image, "png"), 512, form)))
    assert result.size == (70, 90)
    assert result.format == form.upper()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_small_enough_and_of_the_format_is_kept_to_the_byte(form: str) -> None:
    content = encoded(radiograph(90, 70), form)
    assert reencode(content, 70, form) == content


def test_a_png_stays_lossless_and_a_jpeg_has_quality_95() -> None:
    image = radiograph(400, 300)
    content = encoded(image, "png")
    small = open_small(BytesIO(content), 200)
    lossless = PIL.Image.open(BytesIO(reencode(content, 200, PNG)))
    assert psnr(lossless, small) == float("inf")
    jpeg = PIL.Image.open(BytesIO(reencode(content, 200, JPEG)))
    reference = PIL.Image.open(BytesIO(encoded(small, quality=95)))
    assert jpeg.quantization == reference.quantization  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [64, 10_000])
@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_a_truncated_file_is_an_error_and_not_half_a_picture(form: str, size: int) -> None:
    content = encoded(radiograph(400, 300), form)
    for share in (0.3, 0.6, 0.95):
        cut = content[: int(len(content) * share)]
        with pytest.raises((OSError, SyntaxError)):
            reencode(cut, size, form)
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_decompression_bomb_is_refused_by_pillows_own_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = encoded(PIL.Image.new("L", (300, 300)))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1_000)
    with pytest.raises(PIL.Image.DecompressionBombError):
        reencode(content, 64, JPEG)
