"""How fast do batches of pixels reach a training loop, against a plain `Dataset` of `Image.open`?

Three questions, each with a `DataLoader` of two workers, shuffled batches of 32, and 14 labels:

- Raw: full-size files to 512 x 512. The plain dataset opens and decodes each file, makes its short
  side 512 and cuts out the middle. Ours is `ImageTransform(512).on(rows)` of the same files.
- A copy: JPEGs of 512 pixels, of which 448 x 448 in the middle are handed over. The plain dataset
  reads them as loose files. Ours reads the Arrow that `load_dataset` makes of `cxr export`, by
  `ImageTransform.on`, and by `with_transform` of undecoded images.
- A server 30 ms away: small files to 224 x 224, from rows that were built without the bytes of
  their images (`embed=False`), against the same rows streamed.

Ours is collated by `collate_studies`, and for the copy by torch, too. Needs torch.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import numpy as np

try:
    import torch
    from torch.utils.data import DataLoader
except ImportError:
    raise SystemExit("pixels.py needs torch: install the build your machine wants") from None
import peers
from harness import Ratio, main
from release import folder, real_size_release
from streaming import served

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.export import export
from cxr_datasets.labels import label_matrix
from cxr_datasets.training import ImageTransform, collate_studies
from mimic_cxr_jpg.synthetic import write_release

SIZE, CUT = 512, 448
RAW_IMAGES, COPY_IMAGES = 192, 3_072
WORKERS, BATCH = 2, 32
EDGE = (SIZE - CUT) // 2

datasets.disable_progress_bars()


def middle(square: np.ndarray) -> np.ndarray:
    """The middle of a square."""
    return square[:, EDGE : EDGE + CUT, EDGE : EDGE + CUT]


def _raw() -> datasets.Dataset:
    loaded = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(real_size_release()), split="train",
        cache_dir=str(folder() / "cache"),
    )  # fmt: skip
    return _repeated(loaded, RAW_IMAGES)


def _copy() -> datasets.Dataset:
    loaded = datasets.load_dataset(
        "parquet", data_files=str(_exported() / "images" / "train-*.parquet"), split="train",
        cache_dir=str(folder() / "cache"),
    )  # fmt: skip
    return _repeated(loaded, COPY_IMAGES)


def _repeated(rows: datasets.Dataset, count: int) -> datasets.Dataset:
    return rows.select([number % len(rows) for number in range(count)]).select_columns(
        ["image", "labels"]
    )


def _exported() -> Path:
    out = folder() / "export-512"
    if not (out / ".done").exists():
        export("mimic-cxr-jpg", real_size_release(), out, split="train", image_size=SIZE)
        (out / ".done").touch()
    return out


def _loose(rows: datasets.Dataset) -> list[str]:
    """Paths of the images of rows; embedded ones as loose files, which are made once."""
    paths: dict[str, str] = {}
    place = folder() / "loose-512"
    place.mkdir(exist_ok=True)
    found = []
    for row in rows.cast_column("image", datasets.Image(decode=False)).select_columns("image"):
        path, content = row["image"]["path"], row["image"]["bytes"]
        if content is not None and path not in paths:
            paths[path] = str(place / Path(path).name)
            Path(paths[path]).write_bytes(content)
        found.append(paths.get(path, path))
    return found


def _read(dataset: Any, collate: Any = None) -> float:
    """Seconds an image."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    options = {"batch_size": BATCH, "num_workers": WORKERS}
    if not isinstance(dataset, datasets.IterableDataset):
        options["shuffle"] = True
    loader: Any = DataLoader(dataset, collate_fn=collate, **options)
    start = time.perf_counter()
    seen = 0
    for batch in loader:
        seen += len(batch["pixel_values"])
        assert batch["labels"].shape[1] == 14
    return (time.perf_counter() - start) / seen


def _served(**options: Any) -> float:
    with served(_small_release()) as address, TemporaryDirectory() as cache:
        rows = datasets.load_dataset(
            "mimic_cxr_jpg", data_dir=address, split="train", cache_dir=cache, **options
        ).select_columns(["image", "labels"])
        return _read(ImageTransform(224).on(rows), collate_studies(targets=None))


def _small_release() -> Path:
    root = folder() / "release-small"
    if not (root / ".done").exists():
        write_release(root, patients=240, scale=0.125)
        (root / ".done").touch()
    return root


def raw_plain() -> float:
    """A plain `Dataset` of full-size files."""
    rows = _raw()
    return _read(peers.Files(_loose(rows), label_matrix(rows), SIZE, SIZE))


def raw_ours() -> float:
    """Ours, of the same files."""
    return _read(ImageTransform(SIZE).on(_raw()), collate_studies(targets=None))


def copy_plain() -> float:
    """A plain `Dataset` of small loose files."""
    rows = _copy()
    return _read(peers.Files(_loose(rows), label_matrix(rows), SIZE, CUT))


def copy_ours() -> float:
    """Ours, of an export as Arrow."""
    return _read(ImageTransform(SIZE, augment=middle).on(_copy()), collate_studies(targets=None))


def copy_default() -> float:
    """The same, collated by torch."""
    return _read(ImageTransform(SIZE, augment=middle).on(_copy()))


def copy_transform() -> float:
    """Ours, by `with_transform`; labels become arrays beside it, as they must to stack."""
    transform = ImageTransform(SIZE, augment=middle)
    rows = _copy().cast_column("image", datasets.Image(decode=False))
    return _read(rows.with_transform(_WithLabels(transform)))


class _WithLabels:
    def __init__(self, transform: ImageTransform):
        self.transform = transform

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return self.transform({"image": batch["image"]}) | {"labels": label_matrix(batch["labels"])}


def remote_built() -> float:
    """Rows that were built, and whose images stay on the server."""
    return _served(embed=False)


def remote_streamed() -> float:
    """The same rows as a stream."""
    return _served(streaming=True)


CONTENDERS = {
    "raw: plain Dataset": raw_plain,
    "raw: ImageTransform.on": raw_ours,
    "copy: plain Dataset": copy_plain,
    "copy: ImageTransform.on": copy_ours,
    "copy: ImageTransform.on, default collation": copy_default,
    "copy: with_transform": copy_transform,
    "remote: streamed": remote_streamed,
    "remote: built": remote_built,
}

if __name__ == "__main__":
    real_size_release()
    _exported()
    _small_release()
    RATIOS = [
        Ratio("raw to 512: ImageTransform.on / plain (rate)", "raw: plain Dataset",
              "raw: ImageTransform.on", ">= 1.8"),
        Ratio("copy of 512: ImageTransform.on / plain (rate)", "copy: plain Dataset",
              "copy: ImageTransform.on", ">= 1.05"),
        Ratio("the same, collated by torch", "copy: plain Dataset",
              "copy: ImageTransform.on, default collation"),
        Ratio("copy of 512: with_transform / plain (rate)", "copy: plain Dataset",
              "copy: with_transform"),
        Ratio("30 ms away: built, embed=False / streamed (rate)", "remote: streamed",
              "remote: built", ">= 0.8"),
    ]  # fmt: skip
    main("batches of pixels for training; seconds an image", CONTENDERS, RATIOS)
