"""What does a resized copy cost, against Pillow's usual way, a plain generator and the decoder?

`full decode` is what everybody does: decode all pixels, Lanczos, JPEG. `bare` is the scaled decode
and the encode with nothing around them, in as many threads as our build has. The generator hands
resized PIL images to `datasets`, which stores them as PNG. Images have the real size, about 1.5 MB
each; the release around them is a small synthetic one with its files replaced.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import datasets
import PIL.Image
from harness import Ratio, main
from release import real_size_images, real_size_release

from cxr_datasets.builder.pixels import THREADS, Pace
from cxr_datasets.images.resize import open_small, reencode
from mimic_cxr_jpg import MimicCxrJpg

IMAGES = 96
SIZES = (512, 224)
LANCZOS = PIL.Image.Resampling.LANCZOS

datasets.disable_progress_bars()


def _contents() -> list[bytes]:
    return [path.read_bytes() for path in real_size_images()[:IMAGES]]


def decode(size: int, scaled: bool) -> float:
    """Decode and resize in one thread, without encoding."""
    contents = _contents()
    start = time.perf_counter()
    for content in contents:
        if scaled:
            open_small(BytesIO(content), size)
        else:
            image = PIL.Image.open(BytesIO(content))
            factor = size / min(image.size)
            image.resize((round(image.width * factor), round(image.height * factor)), LANCZOS)
    return (time.perf_counter() - start) / len(contents)


def bare(size: int, threads: int | None = None) -> float:
    """Read, scaled decode and encode, in threads."""
    paths = [str(path) for path in sorted(real_size_release().glob("files/*/*/*/*.jpg"))]

    def one(path: str) -> bytes:
        with open(path, "rb") as file:
            return reencode(file.read(), size, "jpeg")

    start = time.perf_counter()
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        count = sum(1 for _ in pool.map(one, paths))
    return (time.perf_counter() - start) / count


def build(size: int, threads: int | None = None, num_proc: int | None = None) -> float:
    """Build the release with `image_size`; seconds an image."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        builder = MimicCxrJpg(cache_dir=cache, data_dir=str(real_size_release()), image_size=size)
        builder.pace = Pace(threads=threads or THREADS)
        builder.download_and_prepare(num_proc=num_proc)
        built = builder.as_dataset()
        return (time.perf_counter() - start) / sum(map(len, built.values()))


def generator(size: int) -> float:
    """Build from a generator of resized PIL images; seconds an image."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        datasets.Dataset.from_generator(
            _resized, gen_kwargs={"size": size}, cache_dir=cache,
            features=datasets.Features({"image": datasets.Image()}),
        )  # fmt: skip
        return (time.perf_counter() - start) / IMAGES


def _resized(size: int) -> Iterator[dict[str, Any]]:
    for path in sorted(real_size_release().glob("files/*/*/*/*.jpg"))[:IMAGES]:
        image = PIL.Image.open(path)
        factor = size / min(image.size)
        target = (round(image.width * factor), round(image.height * factor))
        yield {"image": image.resize(target, LANCZOS)}


def _contenders() -> dict[str, Callable[[], float]]:
    contenders: dict[str, Callable[[], float]] = {}
    for size in SIZES:
        contenders |= {
            f"{size}: full decode + Lanczos": lambda size=size: decode(size, scaled=False),
            f"{size}: ours": lambda size=size: decode(size, scaled=True),
        }
    return contenders | {
        "512: build": lambda: build(512),
        "512: build, 1 thread": lambda: build(512, threads=1),
        "512: build, 2 processes of 1 thread": lambda: build(512, threads=1, num_proc=2),
        "512: bare": lambda: bare(512),
        "512: generator": lambda: generator(512),
    }


if __name__ == "__main__":
    real_size_release()
    RATIOS = [
        Ratio("full decode / ours at 512", "512: full decode + Lanczos", "512: ours", ">= 1.8"),
        Ratio("full decode / ours at 224", "224: full decode + Lanczos", "224: ours", ">= 2.3"),
        Ratio("generator / build", "512: generator", "512: build", ">= 6"),
        Ratio("bare / build (rate)", "512: bare", "512: build", ">= 0.85"),
        Ratio("1 thread / 2", "512: build, 1 thread", "512: build", ">= 1.7"),
        Ratio("1 thread / 2 processes", "512: build, 1 thread",
              "512: build, 2 processes of 1 thread", ">= 1.7"),
    ]  # fmt: skip
    main("re-encoding real-size images; seconds an image", _contenders(), RATIOS, rounds=3)
