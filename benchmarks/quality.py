"""How close is a scaled decode to a full one? PSNR and SSIM for each choice of the scale.

Over the real-size set, an image of rectangles and lines, stripes a few pixels wide, and, where
CXR_INDIANA_DIR names the real release (or a part of it), its PNGs as JPEGs of quality 95. Margin 2
is `resize.DRAFT_MARGIN`, for images that are stored, and 1 `resize.TRAINING_MARGIN`.
Needs scikit-image.
"""

from __future__ import annotations

import os
import random
import statistics
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

try:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
except ImportError:
    raise SystemExit('quality.py needs scikit-image: pip install ".[bench]"') from None
from harness import machine
from release import real_size_images

from cxr_datasets.images import resize

SIZES = (224, 384, 512, 1024)
MARGINS = (resize.TRAINING_MARGIN, resize.DRAFT_MARGIN, 3)
PAINTED = 8


def _jpeg(image: PIL.Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


def _rectangles() -> bytes:
    rng = random.Random(0)
    image = PIL.Image.new("L", (2544, 3056))
    draw = PIL.ImageDraw.Draw(image)
    for _ in range(600):
        x, y = rng.randrange(2544), rng.randrange(3056)
        box = (x, y, x + rng.randrange(1, 400), y + rng.randrange(1, 400))
        draw.rectangle(box, fill=rng.randrange(256))
        draw.line((x, y, rng.randrange(2544), rng.randrange(3056)), fill=255, width=2)
    return _jpeg(image)


def _stripes() -> list[bytes]:
    """Stripes upright and aslant, of the widths for which a scaled decode does worst."""
    down, across = np.mgrid[0:3056, 0:2544]
    patterns = [across // 3, across // 11, (down + across) // 6, (down + across) // 8]
    stripes = ((pattern % 2 * 255).astype(np.uint8) for pattern in patterns)
    return [_jpeg(PIL.Image.fromarray(pixels)) for pixels in stripes]


def _sets() -> dict[str, list[bytes]]:
    sets = {
        "painted radiographs": [path.read_bytes() for path in real_size_images()[:PAINTED]],
        "rectangles": [_rectangles()],
        "stripes": _stripes(),
    }
    real = os.environ.get("CXR_INDIANA_DIR")
    if real:
        files = sorted(Path(real).rglob("*.png"))[:PAINTED]
        sets["real radiographs"] = [_jpeg(PIL.Image.open(file).convert("L")) for file in files]
    return sets


def _compare(content: bytes, size: int, margin: int) -> tuple[float, float]:
    small = resize.open_small(BytesIO(content), size, margin)
    whole = PIL.Image.open(BytesIO(content))
    full = whole.resize(small.size, PIL.Image.Resampling.LANCZOS)
    ours, theirs = np.asarray(small), np.asarray(full)
    if (ours == theirs).all():
        return float("inf"), 1.0
    return (
        float(peak_signal_noise_ratio(theirs, ours)),
        float(structural_similarity(theirs, ours)),
    )


def main() -> None:
    """Print a line for each set, size and margin."""
    print(f"# scaled decode against full decode + Lanczos\n{machine()}\n")
    print(
        f"{'set':20} {'short side':>10} {'margin':>6} {'PSNR min':>9} {'median':>7} {'SSIM min':>9}"
    )
    for name, contents in _sets().items():
        for size in SIZES:
            for margin in MARGINS:
                results = [_compare(content, size, margin) for content in contents]
                psnr, ssim = zip(*results, strict=True)
                print(
                    f"{name:20} {size:10} {margin:6} {min(psnr):9.1f} "
                    f"{statistics.median(psnr):7.1f} {min(ssim):9.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
