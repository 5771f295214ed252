"""Squares: each mode keeps what it says and says where that lies, as painted marks prove."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.images.square import SQUARES, Place, open_square
from cxr_datasets.synthetic import paint_radiograph
from cxr_datasets.training import boxes_to_original, boxes_to_square

SIDE = 96
MARK = 0.5, 0.625, 0.4375, 0.5625
"""Left, right, top, bottom of the mark, as shares of width and height."""

SIZES = [(384, 512), (512, 384), (400, 300), (96, 130), (131, 96), (64, 64), (40, 52), (96, 96)]
"""Larger than the square, as large, and smaller; upright and lying."""


def painted(width: int, height: int) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
    """A grey image with one white box, and the box."""
    pixels = np.full((height, width), 60, np.uint8)
    left, right = (round(share * width) for share in MARK[:2])
    top, bottom = (round(share * height) for share in MARK[2:])
    pixels[top:bottom, left:right] = 255
    return pixels, (left, top, right, bottom)


def encoded(pixels: np.ndarray[Any, Any], form: str, **options: Any) -> bytes:
    out = BytesIO()
    PIL.Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def opened(content: bytes, square: str) -> tuple[np.ndarray[Any, Any], Place]:
    out = np.zeros((SIDE, SIDE), np.uint8)
    return out, open_square(BytesIO(content), SIDE, square, out)


def row_of(place: Place) -> dict[str, Any]:
    return place._asdict()


def mark_in(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The edges of the mark, by the area that it covers: exact to parts of a pixel."""
    bright = (pixels.astype(float) - 60).clip(0) / 195
    down, across = bright.sum(1), bright.sum(0)
    middle = [(line @ (np.arange(SIDE) + 0.5)) / line.sum() for line in (across, down)]
    extent = [bright.sum() / line.max() for line in (down, across)]
    x, y, width, height = *middle, extent[1], extent[0]
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


@pytest.mark.parametrize("form", ["png", "jpeg"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("square", SQUARES)
def test_a_mark_lies_where_its_box_says(square: str, size: tuple[int, int], form: str) -> None:
    pixels, box = painted(*size)
    found, place = opened(encoded(pixels, form, quality=100), square)
    (expected,) = boxes_to_square([box], row_of(place))
    assert mark_in(found) == pytest.approx(expected, abs=0.35)
    assert boxes_to_original([expected], row_of(place))[0] == pytest.approx(box, abs=1e-3)
    assert place.original_size == size[::-1]


@pytest.mark.parametrize("size", SIZES)
def test_what_pad_puts_around_is_black_and_outside_of_the_valid_box(size: tuple[int, int]) -> None:
    found, place = opened(encoded(np.full(size[::-1], 200, np.uint8), "png"), "pad")
    left, top, right, bottom = map(int, place.valid_box)
    assert (found[top:bottom, left:right] == 200).all()
    assert found.sum() == 200 * (right - left) * (bottom - top)
    assert max(right - left, bottom - top) == SIDE
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=0.02)
    assert abs(left - (SIDE - right)) <= 1
    assert abs(top - (SIDE - bottom)) <= 1
    assert place.seen_box == (0, 0, *size)


@pytest.mark.parametrize("size", SIZES)
def test_crop_sees_the_middle_square_of_the_image_and_fills_its_own(
    size: tuple[int, int],
) -> None:
    _, place = opened(encoded(painted(*size)[0], "png"), "crop")
    left, top, right, bottom = place.seen_box
    assert place.valid_box == (0, 0, SIDE, SIDE)
    assert right - left == bottom - top == min(size)
    assert abs(left - (size[0] - right)) <= 1
    assert abs(top - (size[1] - bottom)) <= 1


@pytest.mark.parametrize("square", SQUARES)
def test_an_image_of_the_right_size_keeps_its_pixels(square: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    found, _ = opened(encoded(pixels, "png"), square)
    assert np.array_equal(found, pixels)


def test_crop_of_the_right_short_side_cuts_and_changes_no_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE + 35), np.uint8)
    found, place = opened(encoded(pixels, "png"), "crop")
    assert np.array_equal(found, pixels[:, 17 : 17 + SIDE])
    assert place.seen_box == (17, 0, 17 + SIDE, SIDE)


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
@pytest.mark.parametrize("size", [(400, 301), (97, 96)])
@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_upright_and_its_mark_lies_where_its_box_says(
    orientation: int, square: str, size: tuple[int, int], form: str
) -> None:
    pixels, box = painted(*size)
    turned = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1],
        5: pixels.T, 6: pixels.T[::-1], 7: pixels.T[::-1, ::-1], 8: pixels.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if form == "jpeg" else {}
    content = encoded(np.ascontiguousarray(turned), form, exif=exif, **options)
    found, place = opened(content, square)
    (expected,) = boxes_to_square([box], row_of(place))
    assert mark_in(found) == pytest.approx(expected, abs=0.35)
    assert place.original_size == size[::-1]


@pytest.mark.parametrize("square", SQUARES)
def test_a_jpeg_is_decoded_at_a_fraction_of_its_size(square: str) -> None:
    content = encoded(painted(1_600, 1_200)[0], "jpeg", quality=95)
    scales = []
    original = PIL.Image.Image.resize

    def resize(self: PIL.Image.Image, *args: Any, **options: Any) -> PIL.Image.Image:
        scales.append(self.size)
        return original(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PIL.Image.Image, "resize", resize)
        opened(content, square)
    assert scales == [(200, 150)]


@pytest.mark.parametrize("square", SQUARES)
def test_a_decoded_image_gives_the_same_square_as_its_file(square: str) -> None:
    content = encoded(painted(70, 150)[0], "png")
    found, place = opened(content, square)
    out = np.zeros_like(found)
    assert open_square(PIL.Image.open(BytesIO(content)), SIDE, square, out) == place
    assert np.array_equal(found, out)


@pytest.mark.skipif(not hasattr(PIL.Image.Image, "__arrow_c_array__"), reason="Pillow before 11.2")
@pytest.mark.parametrize("form", ["bmp", "tiff"])
def test_pixels_that_are_not_the_images_own_are_not_handed_over_by_pillow(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow before 13 ends the process when it is asked for them without a copy."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    made = PIL.Image.fromarray(pixels)
    mapped = tmp_path / f"image.{form}"
    made.save(mapped)
    loaded = PIL.Image.open(mapped)
    loaded.load()
    assert made.readonly
    assert loaded.readonly
    hand_over = PIL.Image.Image.__arrow_c_array__
    asked = []

    def handed_over(image: PIL.Image.Image, *args: Any) -> Any:
        asked.append(image.readonly)
        return hand_over(image, *args)

    monkeypatch.setattr(PIL.Image.Image, "__arrow_c_array__", handed_over)
    for image in (made, loaded, str(mapped), made.copy()):
        out = np.zeros_like(pixels)
        open_square(image, SIDE, "pad", out)
        assert np.array_equal(out, pixels)
    assert asked
    assert not any(asked)


@pytest.mark.parametrize("size", [(1_272, 1_528), (800, 640), (90, 70)])
@pytest.mark.parametrize("square", SQUARES)
def test_a_square_is_near_to_one_of_a_full_decode(square: str, size: tuple[int, int]) -> None:
    radiograph = paint_radiograph(*size, rng=random.Random(0))
    content = encoded(radiograph, "jpeg", quality=95)
    found, _ = opened(content, square)
    full = np.zeros_like(found)
    open_square(PIL.Image.open(BytesIO(content)), SIDE, square, full)
    assert ((found.astype(float) - full) ** 2).mean() <= 255**2 / 10**4.4  # 44 dB


def test_boxes_of_another_shape_and_rows_without_places_are_refused() -> None:
    place = {"valid_box": np.zeros(4), "seen_box": np.zeros(4)}
    for boxes in ([1, 2, 3], "x", None):
        with pytest.raises(OptionError, match=r"not of shape \(k, 4\)"):
            boxes_to_square(boxes, place)
    with pytest.raises(OptionError, match="row has no valid_box"):
        boxes_to_original([[1, 2, 3, 4]], {})
