"""Do images that are kept on disk (`cache="200GB"`) come as fast as local files, at what cost?

A loopback PhysioNet that answers every request 30 ms late holds a release of full-size images. Rows
are built without pixels (`embed=False`), and read as 224 x 224 by `ImageTransform.on` through a
`DataLoader` of two workers, shuffled, as in training.

- First epoch: with `cache`, all is fetched and kept, against all is fetched and not kept.
- Second epoch: all comes from the folder, against the same files of a local copy.
- The same in one process, by processor time, which a busy machine changes less.
- Without decoding: seconds to get the bytes of a kept file, against reading the local file.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets

try:
    import torch
    from torch.utils.data import DataLoader
except ImportError:
    raise SystemExit("cache.py needs torch: install the build your machine wants") from None
from harness import Ratio, main
from release import real_size_release
from streaming import served

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.storage.by_address import read_address
from cxr_datasets.training import ImageTransform, collate_studies

WORKERS, BATCH, SIZE, IMAGES = 2, 32, 224, 192

datasets.disable_progress_bars()


def _load(place: str, folder: str, **options: Any) -> datasets.Dataset:
    split = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=place, split="train", cache_dir=folder, embed=False, **options
    )
    return split.select(range(IMAGES))


@contextmanager
def _remote(**options: Any) -> Iterator[datasets.Dataset]:
    with tempfile.TemporaryDirectory() as cache, served(real_size_release()) as address:
        yield _load(address, cache, **options)


def _local() -> datasets.Dataset:
    with tempfile.TemporaryDirectory() as cache:
        return _load(str(real_size_release()), cache)


def _epoch(rows: datasets.Dataset, seed: int = 0) -> float:
    """Seconds an image."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    loader: Any = DataLoader(
        ImageTransform(SIZE).on(rows.select_columns(["image", "labels"])), BATCH, shuffle=True,
        num_workers=WORKERS, collate_fn=collate_studies(targets=None),
    )  # fmt: skip
    start = time.perf_counter()
    seen = sum(len(batch["pixel_values"]) for batch in loader)
    assert seen == len(rows)
    return (time.perf_counter() - start) / seen


def first_without() -> float:
    """The first epoch, and nothing is kept."""
    with _remote() as rows:
        return _epoch(rows)


def first_with() -> float:
    """The first epoch, and all is kept."""
    with _remote(cache="200GB") as rows:
        return _epoch(rows)


def second_with() -> float:
    """The second epoch, of what the first one kept."""
    with _remote(cache="200GB") as rows:
        _epoch(rows)
        return _epoch(rows, seed=1)


def local() -> float:
    """An epoch of a local copy of the same files, which were read before."""
    rows = _local()
    _epoch(rows)
    return _epoch(rows, seed=1)


def busy_kept() -> float:
    """Processor time of an image of the folder, in one process."""
    with _remote(cache="200GB") as rows:
        _busy(rows)
        return _busy(rows)


def busy_local() -> float:
    """Processor time of a local image, likewise."""
    rows = _local()
    _busy(rows)
    return _busy(rows)


def _busy(rows: datasets.Dataset) -> float:
    torch.set_num_threads(1)
    pixels = ImageTransform(SIZE).on(rows.select_columns("image"))
    start = time.process_time()
    for first in range(0, len(rows), BATCH):
        assert len(pixels[first : first + BATCH]["pixel_values"])
    return (time.process_time() - start) / len(rows)


def bytes_kept() -> float:
    """Bytes of kept files, one after the other, decoded by nobody."""
    with _remote(cache="200GB") as rows:
        _epoch(rows)
        addresses = [image["path"] for image in _stored(rows)]
        return _each(addresses, read_address)


def bytes_local() -> float:
    """Bytes of local files."""
    rows = _local()
    paths = [image["path"] for image in _stored(rows)]
    _each(paths, _read)
    return _each(paths, _read)


def _stored(rows: datasets.Dataset) -> list[dict[str, Any]]:
    return rows.cast_column("image", datasets.Image(decode=False))[:]["image"]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _each(places: list[str], read: Any) -> float:
    start = time.perf_counter()
    for place in places:
        assert read(place)
    return (time.perf_counter() - start) / len(places)


CONTENDERS = {
    "first epoch, nothing kept": first_without,
    "first epoch, all kept": first_with,
    "second epoch, of what is kept": second_with,
    "local files": local,
    "processor time, kept": busy_kept,
    "processor time, local": busy_local,
    "bytes of kept files": bytes_kept,
    "bytes of local files": bytes_local,
}

if __name__ == "__main__":
    real_size_release()
    RATIOS = [
        Ratio("second epoch of what is kept / local files (rate)", "local files",
              "second epoch, of what is kept", ">= 0.95"),
        Ratio("processor time of an image, local / kept", "processor time, local",
              "processor time, kept"),
        Ratio("first epoch, kept / not kept (rate)", "first epoch, nothing kept",
              "first epoch, all kept", ">= 0.9"),
        Ratio("bytes of kept files / of local files (rate)", "bytes of local files",
              "bytes of kept files"),
    ]  # fmt: skip
    main("images of a remote copy that are kept on disk; seconds an image", CONTENDERS, RATIOS)
