"""An image that unpacks to gigabytes, or never ends, is an error within 2 GB of memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from cxr_datasets import limits
from cxr_datasets.errors import ImageError
from cxr_datasets.images import decode
from cxr_datasets.testing import copy_release, rewrite
from tests.bounded import MIB, Bounded, assert_told, bounded, sparse

HOWS: dict[str, dict[str, Any]] = {
    "decoded": {"decode": True}, "embedded": {"embed": True, "decode": True},
    "resized": {"image_size": 32},
}  # fmt: skip


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with bounded(tmp_path_factory.mktemp("bounded")) as process:
        yield process


def png(width: int, height: int, depth: int, pixels: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of grey pixels, which are compressed already, with more chunks before them."""
    header = struct.pack(">2L5B", width, height, depth, 0, 0, 0, 0)
    everything = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(content)) + kind + content
        + struct.pack(">L", zlib.crc32(kind + content))
        for kind, content in everything
    )  # fmt: skip


def zeros(size: int) -> bytes:
    """Zeros, compressed."""
    packing = zlib.compressobj(1)
    chunk = bytes(MIB)
    parts = [packing.compress(chunk) for _ in range(-(-size // MIB))]
    return b"".join([*parts, packing.flush()])


def of_many_scans() -> bytes:
    """A progressive JPEG that repeats its last scan, each of which goes over all its pixels."""
    out = BytesIO()
    PIL.Image.new("L", (4_000, 4_000), 9).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * 20_000 + b"\xff\xd9"


PILLOWS = "PIL.Image.MAX_IMAGE_PIXELS"

IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "pixels": (lambda: png(60_000, 60_000, 16, zeros(MIB)), PILLOWS),
    "pixels in one line": (lambda: png(2**31 - 1, 1, 8, zeros(MIB)), PILLOWS),
    "a few pixels too many": (lambda: png(10_000, 5_001, 16, zeros(MIB)), "MOST_PIXELS"),
    "scans": (of_many_scans, "MOST_SCANS"),
    "a comment": (
        lambda: png(8, 8, 8, zeros(64), (b"zTXt", b"a\0\0" + zeros(256 * MIB))),
        "Decompressed ",
    ),
    "a profile": (
        lambda: png(8, 8, 8, zeros(64), (b"iCCP", b"a\0\0" + zeros(256 * MIB))),
        "Decompressed ",
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of such an image, made once."""
    made: dict[str, bytes] = {}
    return lambda name: made.setdefault(name, made.get(name) or IMAGES[name][0]())


def one_changed(indiana_release: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A release, and the first of its images."""
    release = copy_release(indiana_release, tmp_path / "release")
    return release, sorted(release.rglob("*.png"))[0]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_beyond_a_limit_is_told(
    name: str,
    how: str,
    written: Callable[[str], bytes],
    child: Bounded,
    indiana_release: Path,
    tmp_path: Path,
) -> None:
    release, file = one_changed(indiana_release, tmp_path)
    rewrite(file, written(name))
    found = child.load("indiana_cxr", release, "images", **HOWS[how])
    assert found.error == "ImageError", found
    assert file.name in found.text
    assert IMAGES[name][1] in found.text
    assert "fetch it again" in found.text
    assert found.seconds < 60


@pytest.mark.parametrize("how", HOWS)
def test_a_file_beyond_the_limit_is_told(
    how: str, child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    release, file = one_changed(indiana_release, tmp_path)
    start = file.read_bytes()
    sparse(file, 40 * 2**30, start)
    found = child.load("indiana_cxr", release, "images", **HOWS[how])
    assert_told(found, "ImageError", file.name, "LARGEST_IMAGE")


def test_such_an_image_counts_as_damaged(
    child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    release, file = one_changed(indiana_release, tmp_path)
    whole = child.load("indiana_cxr", release, "images", embed=True)
    sparse(file, 40 * 2**30, file.read_bytes())
    found = child.load("indiana_cxr", release, "images", embed=True, damaged="skip")
    assert (found.error, found.rows) == ("", whole.rows - 1)


def test_an_image_as_large_as_the_limit_is_resized_within_2_gb(
    child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    release, file = one_changed(indiana_release, tmp_path)
    width, height = 10_000, limits.MOST_PIXELS // 10_000
    rewrite(file, png(width, height, 16, zeros(height * (1 + 2 * width))))
    found = child.load("indiana_cxr", release, "images", image_size=32)
    assert found.error == "", found


@pytest.mark.parametrize("image", ["bytes", "path"])
def test_decode_refuses_it_too(image: str, tmp_path: Path) -> None:
    content = png(10_000, 5_001, 8, zeros(64))
    (tmp_path / "large.png").write_bytes(content)
    of = {"bytes": content, "path": None}
    if image == "path":
        of = {"bytes": None, "path": str(tmp_path / "large.png")}
    with pytest.raises(ImageError, match=r"50,010,000.*MOST_PIXELS|MOST_PIXELS.*50,010,000"):
        decode(of, 32)
    with pytest.raises(ImageError, match="LARGEST_IMAGE"):
        decode({"bytes": bytes(limits.LARGEST_IMAGE + 1), "path": None})


def test_grey_of_deep_images_is_the_same_in_strips() -> None:
    values = np.random.default_rng(0).integers(100, 60_000, (700, 30)).astype(np.uint16)
    out = BytesIO()
    PIL.Image.fromarray(values).save(out, "PNG")
    low, high = int(values.min()), int(values.max())
    expected = ((values.astype(float) - low) * (255 / (high - low))).round().astype(np.uint8)
    np.testing.assert_array_equal(decode({"bytes": out.getvalue(), "path": None}), expected)


@pytest.mark.thorough
def test_the_limits_are_generous_for_the_largest_detectors() -> None:
    assert limits.MOST_PIXELS > 3 * 4_280 * 3_520
    assert limits.LARGEST_IMAGE > 2 * 4_280 * 3_520
