"""How fast do full-size images reach a training loop, against a plain `Dataset` of `Image.open`?

The plain dataset opens and decodes each file to a tensor, and does nothing else. Ours is
`ds.with_format("torch")`, and the same with `cxr_datasets.images.decode`, which decodes at a
fraction of the size, and with `decode_batch`, which does so in a thread for each core. All go
through a `DataLoader` in the main process. How far one thread can get is shown by a decode at an
eighth of the size that hands over nothing. Needs torch.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import datasets
import numpy as np
import PIL.Image

try:
    import torch
    from torch.utils.data import DataLoader, Dataset
except ImportError:
    raise SystemExit("training.py needs torch: install the build your machine wants") from None
from harness import Ratio, main
from release import folder, real_size_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.images import decode, decode_batch

IMAGES = 96
SIZES = (224, 512)
BATCH = 16

datasets.disable_progress_bars()


def _load() -> datasets.Dataset:
    loaded = datasets.load_dataset(
        "mimic_cxr_jpg",
        data_dir=str(real_size_release()),
        split="train",
        cache_dir=str(folder() / "cache"),
    )
    return loaded.select(range(IMAGES)).select_columns(["image"])


class Plain(Dataset):
    """Opens files and does nothing else."""

    def __init__(self, paths: list[str]):
        self.paths = paths

    def __len__(self) -> int:
        """Number of files."""
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        """One decoded image."""
        return torch.from_numpy(np.array(PIL.Image.open(self.paths[number])))


class Small(Dataset):
    """Decodes at a fraction of the size."""

    def __init__(self, rows: datasets.Dataset, size: int):
        self.rows = rows.cast_column("image", datasets.Image(decode=False))
        self.size = size

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __getitem__(self, number: int) -> torch.Tensor:
        """One image with a short side of that many pixels."""
        return torch.from_numpy(decode(self.rows[number], self.size))


class Coarsest(Plain):
    """Decodes at an eighth of the size, the least that a JPEG decoder can do; no image is made."""

    def __getitem__(self, number: int) -> torch.Tensor:
        """Nothing."""
        image = PIL.Image.open(self.paths[number])
        image.draft(None, (1, 1))
        image.load()
        return torch.empty(0)


def _paths() -> list[str]:
    undecoded = _load().cast_column("image", datasets.Image(decode=False))
    return [row["image"]["path"] for row in undecoded]


def _read_batches(size: int) -> float:
    """Seconds an image."""
    rows = _load().cast_column("image", datasets.Image(decode=False))
    batches = rows.with_transform(lambda batch: {"pixels": decode_batch(batch, size)})
    loader = DataLoader(batches, batch_size=BATCH, collate_fn=list)  # type: ignore[arg-type]
    start = time.perf_counter()
    for batch in loader:
        for row in batch:
            torch.from_numpy(row["pixels"])
    return (time.perf_counter() - start) / IMAGES


def _first(items: list[Any]) -> Any:
    return items[0]


def _read(dataset: Any) -> float:
    loader = DataLoader(dataset, batch_size=1, collate_fn=_first)
    start = time.perf_counter()
    for _ in loader:
        pass
    return (time.perf_counter() - start) / IMAGES


def plain() -> float:
    """A `Dataset` of `Image.open`."""
    return _read(Plain(_paths()))


def coarsest() -> float:
    """What every decoder has to do: read the file and undo its entropy coding."""
    return _read(Coarsest(_paths()))


def with_format() -> float:
    """Ours, as `datasets` decodes."""
    return _read(_load().with_format("torch"))


def small(size: int) -> float:
    """Ours, decoded at a fraction of the size."""
    return _read(Small(_load(), size))


CONTENDERS = {
    "plain Dataset": plain,
    'with_format("torch")': with_format,
    "coarsest decode": coarsest,
    **{f"decode(row, {size})": partial(small, size) for size in SIZES},
    **{f"decode_batch(batch, {size})": partial(_read_batches, size) for size in SIZES},
}

if __name__ == "__main__":
    real_size_release()
    RATIOS = [
        Ratio("plain / with_format (rate)", "plain Dataset", 'with_format("torch")', ">= 0.95"),
        Ratio("plain / decode at 224 (rate)", "plain Dataset", "decode(row, 224)", ">= 2"),
        Ratio("plain / decode at 512 (rate)", "plain Dataset", "decode(row, 512)", ">= 2"),
        Ratio("plain / coarsest decode (rate): the limit", "plain Dataset", "coarsest decode"),
        Ratio("plain / decode_batch at 224 (rate)", "plain Dataset", "decode_batch(batch, 224)",
              ">= 2"),
        Ratio("plain / decode_batch at 512 (rate)", "plain Dataset", "decode_batch(batch, 512)",
              ">= 2"),
    ]  # fmt: skip
    main("reading full-size images for training; seconds an image", CONTENDERS, RATIOS)
