"""Wholly invented releases of chest X-ray datasets, written from a seed.

`synthesize` is the door: it looks up the dataset's own writer by name. The rest of this module is
what every such writer needs: painted radiographs, seeded random streams, and file writers whose
bytes depend on nothing but their input.

What is promised: no pixel, word, id or label comes from a person. The same seed and options give
the same bytes on the same versions of Python, numpy, Pillow and zlib; other versions may draw or
compress differently.

What is true to a radiograph: 8-bit greyscale, dark lungs beside a bright mediastinum and heart,
ribs, a lateral view that looks unlike a frontal one, and fine noise, which gives files two thirds
the size of real ones. A few findings (`SIGNS`) can be seen, so that a model has something to learn.
What is not: anatomy, contrast and noise are far simpler than in any real image.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import inspect
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_datasets.errors import OptionError
from cxr_datasets.packages import package_of

SIGNS = ("cardiomegaly", "effusion", "opacity", "nodule", "device")
"""The findings that `paint_radiograph` can show."""

PAINTED_VIEWS = ("frontal", "lateral", "oblique")
"""The views that `paint_radiograph` can show."""

_Canvas = NDArray[np.floating[Any]]

# The anatomy is smooth, so it is painted no larger than this (pixels on the long side) and then
# enlarged; only the noise is drawn at full size.
_CANVAS_SIDE = 256

# The oldest time that a zip archive can hold. Any fixed time would do.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


# --- the door -------------------------------------------------------------------------------------


def synthesize(
    dataset: str, out: str | os.PathLike[str], *, seed: int = 0, **options: object
) -> Path:
    """Write an invented release of one dataset.

    Args:
        dataset: The dataset's name, such as `mimic-cxr-jpg`.
        out: The folder that becomes the release's root. It must be empty or not be there yet.
        seed: Another seed gives other ids, labels, texts and pixels; the same gives the same bytes.
        **options: What `write_release` of the package's `synthetic` module takes.

    Returns:
        The release's root.

    Raises:
        OptionError: There is no such dataset, it has no such option, an option's value is not
            allowed, or `out` is not empty.
    """
    write_release = importlib.import_module(f"{package_of(dataset)}.synthetic").write_release
    allowed = sorted(set(inspect.signature(write_release).parameters) - {"out", "seed"})
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise OptionError(
            f"The synthetic release of {dataset} has no option {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(allowed)}."
        )
    return write_release(out, seed=seed, **options)


# --- checks that every writer makes ---------------------------------------------------------------


def check_choice(option: str, value: object, allowed: Collection[object]) -> None:
    """Raise `OptionError`, naming the allowed values, unless `value` is one of them."""
    if value not in allowed:
        raise OptionError.unknown(option, value, allowed)


def check_count(option: str, value: int, *, low: int, high: int) -> None:
    """Raise `OptionError` unless `value` is a whole number in `low`..`high`, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionError(f"{option} must be a whole number from {low} to {high}, not {value!r}.")


def check_scale(value: float) -> None:
    """Raise `OptionError` unless `value`, a share of the real image size, is in 1/64..1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 / 64 <= value <= 1:
        raise OptionError(f"scale must be a number from 1/64 to 1, not {value!r}.")


def new_root(out: str | os.PathLike[str]) -> Path:
    """Make the folder `out`, which must be empty or not be there yet.

    Raises:
        OptionError: `out` is a file or holds something. Nothing is ever overwritten.
    """
    root = Path(out)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OptionError(
            f"{root} is not an empty folder, and nothing is overwritten: "
            "name a folder that is empty or not there yet."
        )
    root.mkdir(parents=True, exist_ok=True)
    return root


# --- seeded random streams ------------------------------------------------------------------------


def random_stream(seed: int, *purpose: object) -> random.Random:
    """Open the random stream that `seed` gives for one purpose, such as `("image", image_id)`.

    Streams of their own keep what is drawn for one purpose from shifting what another gets.
    """
    return random.Random("/".join(map(str, (seed, *purpose))))


def hex_id(rng: random.Random) -> str:
    """Draw an id of five groups of 8 lower-case hex digits, joined by `-`."""
    return "-".join(f"{rng.getrandbits(32):08x}" for _ in range(5))


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Scale a (height, width) in pixels, rounded to whole pixels."""
    return round(size[0] * scale), round(size[1] * scale)


# --- painted radiographs --------------------------------------------------------------------------


def paint_radiograph(
    height: int,
    width: int,
    *,
    view: str = "frontal",
    rng: random.Random,
    signs: Collection[str] = (),
    noise: float = 1.0,
) -> NDArray[np.uint8]:
    """Paint an image that looks like a chest radiograph.

    Args:
        height: Rows, in pixels.
        width: Columns, in pixels.
        view: One of `PAINTED_VIEWS`.
        rng: Where the patient's build, the side of a finding and the noise come from.
        signs: Any of `SIGNS`: an enlarged heart, fluid at one lung's base, a hazy patch, a nodule,
            a line from the neck to the heart.
        noise: Standard deviation of the noise, in grey levels.

    Returns:
        A uint8 array of shape (height, width): 0 is black (air), 255 white (bone, metal).

    Raises:
        OptionError: `view` or one of `signs` is unknown.
    """
    check_choice("view", view, PAINTED_VIEWS)
    for sign in signs:
        check_choice("sign", sign, SIGNS)
    shrink = max(1.0, max(height, width) / _CANVAS_SIDE)
    rows, columns = max(1, round(height / shrink)), max(1, round(width / shrink))
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None] + rng.uniform(-0.03, 0.03)
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns)[None, :] + rng.uniform(-0.03, 0.03)
    if view == "lateral":
        canvas = _lateral_chest(x, y, rng, signs)
    else:
        canvas = _frontal_chest(x, y, rng, signs, turn=0.1 if view == "oblique" else 0.0)
    return _with_noise(canvas, height, width, rng, noise)


def _frontal_chest(
    x: _Canvas, y: _Canvas, rng: random.Random, signs: Collection[str], turn: float
) -> _Canvas:
    """Paint a chest from the front; `turn` moves the spine sideways, as in an oblique view."""
    spine_x = 0.5 - turn
    size = rng.uniform(0.92, 1.08) * (1.45 if "cardiomegaly" in signs else 1.0)
    side = rng.choice((-1, 1))
    aside = np.abs(x - 0.5)
    body = _blob(x, y, 0.5, 0.68, 0.56, 0.72, soft=0.4)
    heart = _blob(x, y, 0.55 + 0.5 * turn, 0.62, 0.14 * size, 0.14 * size**0.5)
    diaphragm = 0.72 + 2.0 * (aside - 0.21) ** 2
    lungs = _blob(x, y, 0.29, 0.45, 0.17, 0.36) + _blob(x, y, 0.71, 0.45, 0.17, 0.36)
    lungs = lungs * np.clip((diaphragm - y) / 0.03, 0, 1) * (1 - 0.75 * heart)
    image = 0.06 + (0.44 + 0.10 * y) * body - 0.36 * lungs + 0.12 * heart
    image += 0.05 * lungs * np.sin(70 * (y + 1.6 * (aside - 0.3) ** 2))
    image += 0.20 * body * _ridge(x - spine_x, 0.075)
    image += 0.03 * _ridge(x - spine_x, 0.04) * np.sign(np.sin(90 * y))
    image += 0.10 * _ridge(y - 0.15 - 0.25 * (0.35 - aside) ** 2, 0.02) * (aside < 0.36)
    if "effusion" in signs:
        one_lung = lungs * (np.sign(x - 0.5) == side)
        image += 0.42 * one_lung * np.clip((y - 0.60 + 0.3 * (aside - 0.2)) / 0.06, 0, 1)
    patch_x, patch_y = 0.5 - side * rng.uniform(0.17, 0.24), rng.uniform(0.3, 0.6)
    return _with_patches(image, x, y, signs, patch_x, patch_y)


def _lateral_chest(x: _Canvas, y: _Canvas, rng: random.Random, signs: Collection[str]) -> _Canvas:
    """Paint a chest from the side: the breastbone at the left edge, the spine at the right."""
    size = rng.uniform(0.92, 1.08) * (1.35 if "cardiomegaly" in signs else 1.0)
    body = _blob(x, y, 0.5, 0.6, 0.46, 0.7, soft=0.4)
    heart = _blob(x, y, 0.36, 0.62, 0.15 * size, 0.15 * size)
    spine_x = 0.76 + 0.10 * np.sin(3.0 * (y - 0.1))
    diaphragm = 0.74 + 0.5 * (x - 0.38) ** 2 + 0.12 * (x - 0.4)
    lung = _blob(x - 0.10 * (y - 0.5), y, 0.48, 0.47, 0.30, 0.38)
    lung = lung * np.clip((diaphragm - y) / 0.03, 0, 1) * (1 - 0.7 * heart)
    image = 0.06 + (0.42 + 0.16 * y) * body - 0.34 * lung + 0.06 * heart
    image += (0.20 + 0.04 * np.sign(np.sin(75 * y))) * body * _ridge(x - spine_x, 0.06)
    image += 0.18 * body * _ridge(x - 0.15 - 0.1 * (y - 0.4), 0.02)
    image += 0.04 * lung * np.sin(60 * (y - 0.5 * x))
    if "effusion" in signs:
        image += 0.38 * lung * np.clip((y - 0.62 + 0.2 * (0.6 - x)) / 0.05, 0, 1)
    return _with_patches(image, x, y, signs, rng.uniform(0.4, 0.6), rng.uniform(0.3, 0.55))


def _with_patches(
    image: _Canvas, x: _Canvas, y: _Canvas, signs: Collection[str], patch_x: float, patch_y: float
) -> _Canvas:
    """Add the signs that look alike from the front and from the side."""
    if "opacity" in signs:
        image += 0.24 * _ridge(np.hypot(x - patch_x, y - patch_y), 0.07)
    if "nodule" in signs:
        image += 0.34 * _ridge(np.hypot(x - patch_x, y - patch_y + 0.05), 0.018)
    if "device" in signs:
        image += 0.45 * _ridge(x - 0.38 - 0.2 * y**2, 0.006) * (y < 0.55)
    return image


def _blob(
    x: _Canvas, y: _Canvas, cx: float, cy: float, rx: float, ry: float, soft: float = 0.15
) -> _Canvas:
    """Fill an ellipse: 1 inside, 0 outside, with an edge that takes `soft` of its radius."""
    distance = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
    return np.clip((1 - distance) / (2 * soft) + 0.5, 0, 1)


def _ridge(distance: _Canvas, width: float) -> _Canvas:
    """Draw a soft line: 1 where `distance` is 0, falling off over `width`."""
    line: _Canvas = np.exp(-((distance / width) ** 2))
    return line


def _with_noise(
    canvas: _Canvas, height: int, width: int, rng: random.Random, noise: float
) -> NDArray[np.uint8]:
    smooth = Image.fromarray(np.ascontiguousarray(canvas, dtype=np.float32) * 255)
    pixels = np.asarray(smooth.resize((width, height), Image.Resampling.BICUBIC))
    grains = np.random.default_rng(rng.getrandbits(64))
    grain = grains.standard_normal((height, width), dtype=np.float32)
    grey: NDArray[np.uint8] = np.clip(pixels + noise * grain, 0, 255).astype(np.uint8)
    return grey


def jpeg_bytes(image: Image.Image, *, quality: int = 95) -> bytes:
    """Encode an image as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png_bytes(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


# --- files whose bytes depend on their content only -----------------------------------------------


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Write a table as CSV: UTF-8, LF line ends, quotes only where they are needed."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def gzip_bytes(data: bytes) -> bytes:
    """Compress with gzip, with neither a name nor a time in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def write_files(root: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (path relative to `root`, content) pairs as files, making the folders they need."""
    for name, data in members:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, content) pairs as a zip archive with fixed times and modes.

    A name that ends with `/` is a folder; see `with_folders`.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.create_system = 3  # Unix, so that the mode below is read as one.
            info.external_attr = 0o40755 << 16 | 0x10 if name.endswith("/") else 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if data else zipfile.ZIP_STORED
            archive.writestr(info, data)


def write_tar_gz(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, content) pairs as a tar.gz archive with fixed times, owners and modes.

    A name that ends with `/` is a folder; see `with_folders`.
    """
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.mode = 0o755 if name.endswith("/") else 0o644
            archive.addfile(info, io.BytesIO(data))


def with_folders(members: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Put an empty `folder/` member before the first member inside it, as `zip -r` and tar do."""
    seen: set[str] = set()
    for name, data in members:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth]) + "/"
            if folder not in seen:
                seen.add(folder)
                yield folder, b""
        yield name, data
