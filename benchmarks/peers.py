"""What ours is compared with: a loader written by hand, copies in other forms and their loaders.

Each reads the same files and gives the same pixels: `opened` of the bytes, and 14 labels beside
them.
`is_there` tells which of them are installed.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch.utils.data import DataLoader, Dataset

Item = dict[str, bytes]
"""An image file and its 14 labels, both as bytes."""

Give = Callable[[Item], dict[str, Any]]

SHARD_ITEMS = 256
"""Images of a shard or chunk, where the form has such."""

BUFFER = 1_000
"""Rows of a shuffle buffer, as many as `datasets` takes."""


class Files(Dataset):
    """Opens files, as it is written by hand: the middle, from 0 to 1 or as bytes, and labels."""

    def __init__(
        self, paths: list[str], labels: np.ndarray, size: int, cut: int, floats: bool = True
    ):
        self.paths = paths
        self.labels = labels
        self.size = size
        self.cut = cut
        self.floats = floats

    def __len__(self) -> int:
        """Number of files."""
        return len(self.paths)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """One image and its labels."""
        image = PIL.Image.open(self.paths[number])
        pixels = middle(image, self.size, self.cut, self.floats)
        return {"pixel_values": pixels, "labels": self.labels[number]}


class Frame(Dataset):
    """Rows of a data frame and their images, as it is written by hand."""

    def __init__(self, frame: Any, labels: np.ndarray):
        self.frame = frame
        self.labels = labels

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.frame)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """One image and its labels."""
        row = self.frame.iloc[number]
        image = np.array(PIL.Image.open(row["file"]))
        return {
            "pixel_values": torch.from_numpy(image)[None].float() / 255,
            "labels": self.labels[number],
        }


def opened(item: Item, size: int, cut: int) -> dict[str, Any]:
    """Pixels from 0 to 1 of the middle of an image, and its labels, as it is written by hand."""
    image: Any = PIL.Image.open(BytesIO(item["image"]))
    return {
        "pixel_values": middle(image, size, cut),
        "labels": np.frombuffer(item["labels"], np.float32),
    }


def middle(image: Any, size: int, cut: int, floats: bool = True) -> torch.Tensor:
    """The middle of an image whose short side becomes `size`."""
    short = min(image.size)
    if short != size:
        image = image.resize([max(size, round(side * size / short)) for side in image.size])
    left, top = ((side - cut) // 2 for side in image.size)
    image = image.crop((left, top, left + cut, top + cut))
    pixels = torch.from_numpy(np.array(image))[None]
    return pixels.float() / 255 if floats else pixels


def write_litdata(items: list[Item], out: Path) -> None:
    """Chunks of litData."""
    import litdata

    litdata.optimize(
        fn=_same, inputs=items, output_dir=str(out), chunk_size=SHARD_ITEMS, num_workers=1,
        start_method="fork",
    )  # fmt: skip


def _same(item: Item) -> Item:
    return item


def litdata_loader(folder: Path, give: Give, **options: Any) -> Any:
    """Its own loader over its own dataset."""
    import litdata

    class Rows(litdata.StreamingDataset):
        def __getitem__(self, index: Any) -> dict[str, Any]:
            return give(super().__getitem__(index))

    return litdata.StreamingDataLoader(Rows(str(folder), shuffle=True), **options)


def write_webdataset(items: Iterable[Item], out: Path) -> None:
    """Tar files."""
    import webdataset

    out.mkdir(parents=True)
    with webdataset.ShardWriter(str(out / "%04d.tar"), maxcount=SHARD_ITEMS, verbose=0) as writer:
        for number, item in enumerate(items):
            names = {"jpg": item["image"], "labels": item["labels"]}
            writer.write({"__key__": f"{number:06d}", **names})


def webdataset_loader(folder: Path, give: Give, **options: Any) -> Any:
    """Shards in random order, and a buffer."""
    import webdataset

    shards = sorted(map(str, folder.glob("*.tar")))
    rows = webdataset.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
    rows = rows.shuffle(BUFFER).map(
        lambda row: give({"image": row["jpg"], "labels": row["labels"]})
    )
    return DataLoader(rows, **options)


def write_mds(items: Iterable[Item], out: Path) -> None:
    """Shards of MosaicML."""
    streaming = mosaic()
    columns = {"image": "bytes", "labels": "bytes"}
    with streaming.MDSWriter(out=str(out), columns=columns) as writer:
        for item in items:
            writer.write(item)


def mds_loader(folder: Path, give: Give, **options: Any) -> Any:
    """Its dataset in a `DataLoader` of torch, as its documentation has it."""
    streaming = mosaic()
    streaming.base.util.clean_stale_shared_memory()

    class Rows(streaming.StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            return give(super().__getitem__(index))

    rows = Rows(local=str(folder), shuffle=True, batch_size=options["batch_size"])
    return DataLoader(rows, **options)


def raw_litdata(address: str, cache: str, **options: Any) -> Any:
    """LitData's dataset of single files that are not converted."""
    import litdata
    from litdata.streaming import downloader

    # Its client refuses servers without TLS, such as one on loopback, and has no option for them.
    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True
    return litdata.StreamingRawDataset(address, cache_dir=cache, **options)


def mosaic() -> Any:
    """MosaicML's package `streaming`, which has the name of a benchmark that stands beside this.

    It imports torchvision for datasets that are not used here; so that is stood in for if need be.
    """
    if find_spec("torchvision") is None:
        for name in ("", ".datasets", ".transforms", ".transforms.functional"):
            module: Any = types.ModuleType("torchvision" + name)
            module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
            module.__path__ = []
            module.VisionDataset, module.to_tensor = object, None
            sys.modules[module.__name__] = module
    here = str(Path(__file__).parent)
    others = [place for place in sys.path if Path(place).resolve() != Path(here).resolve()]
    before, sys.path[:] = list(sys.path), others
    try:
        import streaming
    finally:
        sys.path[:] = before
    return streaming


def is_there(distribution: str) -> bool:
    """Whether a peer is installed; says so if not."""
    try:
        version(distribution)
    except PackageNotFoundError:
        print(f"left out: {distribution} is not installed", file=sys.stderr)
        return False
    return True
