"""Every file that Pillow opens becomes 8-bit grey, upright, by `decode` and by `image_size`."""

from __future__ import annotations

from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.images import decode
from cxr_datasets.images.grey import to_grey
from cxr_datasets.images.resize import FORMATS, reencode
from cxr_datasets.testing import copy_release, rewrite

HEIGHT, WIDTH = 60, 90
ORIENTATION = 0x0112
RAMP = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
GREY = PIL.Image.fromarray(RAMP)
COLOURS = PIL.Image.merge(
    "RGB", [GREY, GREY.transpose(PIL.Image.Transpose.ROTATE_180), PIL.Image.new("L", GREY.size, 80)]
)


def encoded(image: PIL.Image.Image, form: str = "png", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def deep(scale: float, offset: float, kind: type) -> PIL.Image.Image:
    """The ramp as 16 or 32-bit values."""
    values = RAMP.astype(float) * scale + offset
    return PIL.Image.fromarray(values.astype(kind))


def with_opacity(image: PIL.Image.Image) -> PIL.Image.Image:
    image = image.copy()
    image.putalpha(GREY)
    return image


LUMINANCE = np.asarray(COLOURS.convert("L"))
FILES: dict[str, tuple[bytes, np.ndarray[Any, Any]]] = {
    "L": (encoded(GREY), RAMP),
    "1": (encoded(GREY.convert("1")), np.asarray(GREY.convert("1")) * np.uint8(255)),
    "grey palette": (encoded(GREY.convert("P")), RAMP),
    "palette": (
        encoded(COLOURS.quantize(64)), np.asarray(COLOURS.quantize(64).convert("RGB").convert("L"))
    ),
    "palette of a GIF": (
        encoded(COLOURS.quantize(64), "gif"),
        np.asarray(COLOURS.quantize(64).convert("RGB").convert("L")),
    ),
    "LA": (encoded(with_opacity(GREY)), RAMP),
    "RGB": (encoded(COLOURS), LUMINANCE),
    "RGBA": (encoded(with_opacity(COLOURS)), LUMINANCE),
    "CMYK": (
        encoded(COLOURS.convert("CMYK"), "tiff"),
        np.asarray(COLOURS.convert("CMYK").convert("RGB").convert("L")),
    ),
    "16 bits": (encoded(deep(257, 0, np.uint16)), RAMP),
    "12 of 16 bits": (encoded(deep(16, 15, np.uint16)), RAMP),
    "16 bits of a TIFF": (encoded(deep(100, 300, np.uint16), "tiff"), RAMP),
    "32 bits": (encoded(deep(1_000_000, -100_000_000, np.int32), "tiff"), RAMP),
    "floats": (encoded(deep(0.001, -0.2, np.float32), "tiff"), RAMP),
    "16 bits of one value": (encoded(deep(0, 40_000, np.uint16)), RAMP * 0),
}  # fmt: skip

files = pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)


def row(content: bytes) -> dict[str, Any]:
    return {"image": {"bytes": content, "path": None}}


def difference(one: Any, other: Any) -> int:
    assert np.shape(one) == np.shape(other)
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@files
def test_decode_gives_8_bit_grey_of_every_mode(
    content: bytes, expected: np.ndarray[Any, Any]
) -> None:
    found = decode(row(content))
    assert found.dtype == np.uint8
    assert found.flags.writeable
    assert difference(found, expected) <= 1


@files
def test_a_smaller_image_is_that_of_the_grey_one(
    content: bytes, expected: np.ndarray[Any, Any]
) -> None:
    small = PIL.Image.fromarray(expected).resize((45, 30), PIL.Image.Resampling.LANCZOS)
    assert difference(decode(row(content), 30), small) <= 1


@files
@pytest.mark.parametrize("size", [30, 1_000])
@pytest.mark.parametrize("form", FORMATS)
def test_image_size_takes_every_mode_and_stores_grey(
    content: bytes, expected: np.ndarray[Any, Any], form: str, size: int
) -> None:
    result = PIL.Image.open(BytesIO(reencode(content, size, form)))
    assert (result.mode, result.format) == ("L", form.upper())
    assert min(result.size) == min(size, HEIGHT)
    loss = 30 if form == "jpeg" else 1
    assert difference(result, decode(row(content), size)) <= loss


def test_values_that_are_no_number_do_not_set_the_range() -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    found = decode(row(encoded(PIL.Image.fromarray(values), "tiff")))
    assert difference(found[1:], RAMP[1:]) <= 1
    assert found[0, :3].tolist() == [0, 255, 0]
    nothing = PIL.Image.fromarray(np.full((4, 5), np.nan, np.float32))
    assert decode(row(encoded(nothing, "tiff"))).tolist() == [[0] * 5] * 4


@pytest.mark.parametrize("streaming", [False, True])
def test_a_release_of_such_images_loads_with_image_size(
    streaming: bool, small_release: Path, tmp_path: Path
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    load = {"data_dir": str(release), "split": "train", "cache_dir": str(tmp_path / "cache")}
    paths = datasets.load_dataset("mimic_cxr_jpg", **load)["path"][:]
    assert len(paths) > len(FILES)
    contents = dict(zip(paths, cycle(content for content, _ in FILES.values()), strict=False))
    for path, content in contents.items():
        rewrite(release / path, content)
    rows = list(
        datasets.load_dataset(
            "mimic_cxr_jpg", image_size=30, image_format="png", streaming=streaming, **load
        )
    )
    assert [row["path"] for row in rows] == paths
    for found in rows:
        assert found["image"].mode == "L"
        assert difference(found["image"], decode(row(contents[found["path"]]), 30)) == 0


# Orientation.


TURNED_BY = (None, *(PIL.Image.Transpose[name] for name in (
    "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE",
    "ROTATE_90",
)))  # fmt: skip
"""What makes an image of orientation 1 to 8 upright, by the standard of EXIF."""


def tagged(orientation: int, form: str) -> tuple[bytes, PIL.Image.Image]:
    """A file with that tag, and the image that it shows."""
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    picture = GREY.copy()
    picture.paste(255, (0, 0, 20, 10))
    options = {"quality": 95} if form == "jpeg" else {}
    shown = PIL.Image.open(BytesIO(encoded(picture, form, **options)))
    method = TURNED_BY[orientation - 1]
    return (
        encoded(picture, form, exif=exif, **options),
        shown if method is None else shown.transpose(method),
    )


@pytest.mark.parametrize("size", [None, 30, 1_000])
@pytest.mark.parametrize("form", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_on_every_path(orientation: int, form: str, size: int | None) -> None:
    """The tag is applied by `datasets` for `row["image"]`, and so by `decode` and `image_size`."""
    content, upright = tagged(orientation, form)
    if form != "tiff":  # an older Pillow and `datasets` each turn it, and so twice
        by_datasets = datasets.Image().decode_example({"bytes": content, "path": None})
        assert difference(by_datasets, upright) == 0
    found = decode(row(content), size)
    assert (
        found.shape
        == ((30, 45) if size == 30 else (HEIGHT, WIDTH))[:: 1 if orientation < 5 else -1]
    )
    if size != 30:
        assert difference(found, upright) == 0
    if size is None:
        return
    for stored_as in FORMATS:
        stored = reencode(content, size, stored_as)
        again = datasets.Image().decode_example({"bytes": stored, "path": None})
        assert again.size == found.shape[::-1]
        assert np.abs(np.asarray(again, int) - found).mean() < 3
        assert difference(decode(row(stored)), again) == 0


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB",
     "I", "F", "I;16", "I;16B", "I;16L"],
)  # fmt: skip
def test_every_mode_that_pillow_has_becomes_grey(mode: str) -> None:
    grey = to_grey(PIL.Image.new(mode, (3, 2)))
    assert (grey.mode, grey.size) == ("L", (3, 2))
