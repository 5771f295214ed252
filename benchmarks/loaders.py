"""How fast do images reach a training loop, against other loaders of the same images?

Three questions, and a fourth where there is a GPU. In all, the pixels of a batch and the 14 labels
of its rows are handed over.

- A copy: about 3,000 JPEGs of 512 pixels, made by `cxr export`, of which 448 x 448 in the middle
  are wanted; two workers, batches of 32, shuffled by each loader's own usual way. The plain dataset
  opens loose files. Ours reads the Arrow that `load_dataset` makes of the export, and streams
  the Parquet of it as docs/export.md says. litData, WebDataset and MDS read copies in their own
  forms.
- Raw: full-size files to 512 x 512, two workers, against the plain dataset and litData's
  `StreamingRawDataset`.
- Whole rows: tiny files in one process, against a loader over a data frame.
- With `CXR_BENCH_DEVICE=cuda` batches of the first two are pinned and copied to the GPU, and the
  mean of their pixels is asked of it: an epoch ends when it has all of them. `CXR_BENCH_WORKERS`
  says how many workers there are, and `CXR_BENCH_TIMES` how many times as many images: many workers
  are through with 3,000 in no time. Two more contenders hand over uint8, which the GPU scales.

Seconds are those of a whole second epoch, from its start to its last batch, for all alike; the
workers stay between the epochs. A long epoch is like that: what a worker does once (it starts,
imports and touches its memory first) is not counted; what it does in each epoch (it fills its
shuffle buffer, has its last batch ready before another worker) is. With
`CXR_BENCH_CLOCK=processor` they are of processor time, of all processes: on a machine that does
other work the ratios of the first two questions differ less that way, but waiting is not seen.
Peers that are not installed are left out:
`pip install ".[bench]"`. Needs torch.
"""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image

try:
    import torch
    from torch.utils.data import DataLoader, Dataset
except ImportError:
    raise SystemExit("loaders.py needs torch: install the build your machine wants") from None
import peers
from harness import Ratio, clock, main
from release import folder, full_release, real_size_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.export import export
from cxr_datasets.export.identity import FORMAT
from cxr_datasets.images.together import share_of_cores
from cxr_datasets.labels import label_matrix
from cxr_datasets.training import ImageTransform, collate_studies

SIZE, CUT = 512, 448
EDGE = (SIZE - CUT) // 2
TIMES = int(os.environ.get("CXR_BENCH_TIMES", "1"))
PATIENTS = 900 * TIMES
WORKERS = int(os.environ.get("CXR_BENCH_WORKERS", "2"))
BATCH = 32
DEVICE = os.environ.get("CXR_BENCH_DEVICE", "")
EPOCHS = 2
RAW_IMAGES = 192 * TIMES
ROWS = 4_000
PART = 0.1
WANTED = ["image", "labels"]

Loader = Callable[[], tuple[Any, int]]
"""Gives a loader and how many rows it has."""

datasets.disable_progress_bars()


def middle(square: np.ndarray) -> np.ndarray:
    """The middle of a square."""
    return square[:, EDGE : EDGE + CUT, EDGE : EDGE + CUT]


# What is made once -------------------------------------------------------------------------------


def exported() -> str:
    """The Parquet files of a copy of all splits, as one pattern."""
    out = folder() / f"loaders-512-{FORMAT}-{PATIENTS}"
    if not (out / ".done").exists():
        cores = share_of_cores()
        export("mimic-cxr-jpg", real_size_release(PATIENTS), out, image_size=SIZE, num_proc=cores)
        (out / ".done").touch()
    return str(out / "images" / "*.parquet")


def copied() -> datasets.Dataset:
    """The rows of the copy as Arrow."""
    cache = str(folder() / "cache")
    loaded = datasets.load_dataset("parquet", data_files=exported(), split="train", cache_dir=cache)
    return loaded.select_columns(WANTED)


def items() -> list[peers.Item]:
    """The files of the copy, and their labels."""
    rows = copied()
    undecoded = rows.cast_column("image", datasets.Image(decode=False))
    return [
        {"image": row["image"]["bytes"], "labels": labels.tobytes()}
        for row, labels in zip(undecoded, label_matrix(rows), strict=True)
    ]


def made(form: str) -> Path:
    """The copy in the form of a peer."""
    out = folder() / f"loaders-{form}-{PATIENTS}"
    if not out.exists():
        unfinished = out.with_suffix(".unfinished")
        subprocess.run(["rm", "-rf", str(unfinished)], check=True)
        WRITERS[form](items(), unfinished)
        unfinished.rename(out)
    return out


def write_loose(some: list[peers.Item], out: Path) -> None:
    """Loose files and an array of labels."""
    out.mkdir(parents=True)
    for number, item in enumerate(some):
        (out / f"{number:05d}.jpg").write_bytes(item["image"])
    labels = [np.frombuffer(item["labels"], np.float32) for item in some]
    np.save(out / "labels.npy", np.stack(labels))


WRITERS = {
    "loose": write_loose,
    "litdata": peers.write_litdata,
    "webdataset": peers.write_webdataset,
    "mds": peers.write_mds,
}


def raw() -> datasets.Dataset:
    """Rows of full-size files."""
    loaded = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(real_size_release(PATIENTS)), split="train",
        cache_dir=str(folder() / "cache"),
    )  # fmt: skip
    return loaded.select(range(RAW_IMAGES)).select_columns(WANTED)


def raw_paths() -> list[str]:
    """Where they are."""
    rows = raw().cast_column("image", datasets.Image(decode=False))
    return [row["image"]["path"] for row in rows]


# Loaders -----------------------------------------------------------------------------------------


def plain_copy(floats: bool = True) -> tuple[Any, int]:
    """Loose files."""
    place = made("loose")
    labels = np.load(place / "labels.npy")
    files = peers.Files(sorted(map(str, place.glob("*.jpg"))), labels, SIZE, CUT, floats)
    return _loader(files, shuffle=True), len(files)


def ours_of_arrow(scale: str = "0-1") -> tuple[Any, int]:
    """Ours, from the Arrow of the export."""
    rows = copied()
    transform = ImageTransform(SIZE, augment=middle, scale=scale)
    return _ours(transform.on(rows), shuffle=True), len(rows)


def ours_streamed() -> tuple[Any, int]:
    """Ours, from its Parquet."""
    stream = datasets.load_dataset(
        "parquet", data_files=exported(), split="train", streaming=True, columns=WANTED
    )
    shuffled = stream.reshard().shuffle(seed=0, max_buffer_input_shards=1)
    return _ours(ImageTransform(SIZE, augment=middle).on(shuffled)), len(copied())


def of_peer(form: str, loader: Callable[..., Any]) -> tuple[Any, int]:
    """Another loader, from its own form."""
    give = partial(peers.opened, size=SIZE, cut=CUT)
    loaded = loader(
        made(form), give, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True,
        pin_memory=bool(DEVICE),
    )  # fmt: skip
    return loaded, len(copied())


def raw_plain() -> tuple[Any, int]:
    """A plain dataset of full-size files."""
    files = peers.Files(raw_paths(), label_matrix(raw()), SIZE, SIZE)
    return _loader(files, shuffle=True), len(files)


def raw_ours() -> tuple[Any, int]:
    """Ours, of the same files."""
    return _ours(ImageTransform(SIZE).on(raw()), shuffle=True), RAW_IMAGES


def raw_litdata() -> tuple[Any, int]:
    """LitData's raw streaming, of the same files; labels come beside them, by their number."""
    labels = torch.from_numpy(label_matrix(raw()))
    rows = peers.raw_litdata(str(raw_folder()), str(folder() / "litdata-cache"))
    rows.transform = _middle_of_bytes
    return _loader(_Numbered(rows, labels), shuffle=True), RAW_IMAGES


def raw_folder() -> Path:
    """A folder of links to these files alone, in their order."""
    place = folder() / f"loaders-raw-{RAW_IMAGES}"
    place.mkdir(exist_ok=True)
    for number, path in enumerate(raw_paths()):
        link = place / f"{number:05d}.jpg"
        if not link.exists():
            os.link(path, link)
    return place


def _middle_of_bytes(content: bytes) -> torch.Tensor:
    from io import BytesIO

    return peers.middle(PIL.Image.open(BytesIO(content)), SIZE, SIZE)


class _Numbered(Dataset):
    """Rows of another dataset, read together, with their labels."""

    def __init__(self, rows: Any, labels: torch.Tensor):
        self.rows = rows
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        pixels = self.rows.__getitems__(numbers)
        return [
            {"pixel_values": one, "labels": self.labels[number]}
            for one, number in zip(pixels, numbers, strict=True)
        ]


def frame_rows() -> tuple[Any, int]:
    """A loader over a data frame of the same columns."""
    rows = tiny()
    plain = rows.cast_column("image", datasets.Image(decode=False))
    frame = plain.remove_columns(["image", "labels"]).to_pandas()
    frame["file"] = [image["path"] for image in plain["image"]]
    return _loader(peers.Frame(frame, label_matrix(rows)), num_workers=0, shuffle=True), ROWS


def ours_rows() -> tuple[Any, int]:
    """Ours, straight to pixels."""
    rows = ImageTransform(32).on(tiny().select_columns(WANTED))
    return _ours(rows, num_workers=0, shuffle=True), ROWS


def tiny() -> datasets.Dataset:
    """Rows of tiny files, with all columns."""
    loaded = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(full_release(PART)), split="train",
        reports=str(full_release(PART) / "zip" / "mimic-cxr-reports.zip"),
        cache_dir=str(folder() / "cache"),
    )  # fmt: skip
    return loaded.select(range(ROWS))


def _loader(rows: Any, **options: Any) -> Any:
    options = {
        "batch_size": BATCH, "num_workers": WORKERS, "pin_memory": bool(DEVICE), **options
    }  # fmt: skip
    return DataLoader(rows, persistent_workers=options["num_workers"] > 0, **options)


def _ours(rows: Any, **options: Any) -> Any:
    return _loader(rows, collate_fn=collate_studies(targets=None), **options)


# What is measured --------------------------------------------------------------------------------


def epoch(made_loader: Loader) -> float:
    """Seconds an image of the last epoch."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    loader, rows = made_loader()
    for number in range(EPOCHS):
        if isinstance(loader.dataset, datasets.IterableDataset):
            loader.dataset.set_epoch(number)
        started = clock()
        seen = 0
        means = torch.zeros((), device=DEVICE or "cpu")
        for batch in loader:
            seen += len(batch["pixel_values"])
            assert batch["labels"].shape[1] == 14
            if DEVICE:
                means += on_device(batch).mean()
        assert means.isfinite()  # waits for the device, if there is one
        seconds = clock() - started
        # MDS and litData give each worker as much, and repeat a few rows for that.
        assert rows <= seen < rows + WORKERS * BATCH, (seen, rows)
    del loader, batch
    gc.collect()  # ends the workers, so that the harness counts what they used
    return seconds / seen


def on_device(batch: dict[str, Any]) -> Any:
    """Pixels from 0 to 1, there; the labels are copied too."""
    batch["labels"].to(DEVICE, non_blocking=True)
    pixels = batch["pixel_values"].to(DEVICE, non_blocking=True)
    return pixels if pixels.is_floating_point() else pixels.float() / 255


def single(columns: list[str] | None) -> float:
    """Seconds a row, one after another: all columns of it, or some; their images decoded."""
    rows = tiny() if columns is None else tiny().select_columns(columns)
    order = torch.randperm(ROWS).tolist()
    started = clock()
    for number in order:
        np.array(rows[number]["image"])
    return (clock() - started) / ROWS


def single_of_frame() -> float:
    """The same, of a data frame."""
    frame = frame_rows()[0].dataset
    order = torch.randperm(ROWS).tolist()
    started = clock()
    for number in order:
        frame[number]
    return (clock() - started) / ROWS


CONTENDERS: dict[str, Callable[[], float]] = {
    "copy: plain files": partial(epoch, plain_copy),
    "copy: ours, Arrow": partial(epoch, ours_of_arrow),
    "copy: ours, Parquet streamed": partial(epoch, ours_streamed),
}
OURS, STREAMED = "copy: ours, Arrow", "copy: ours, Parquet streamed"
RATIOS = [
    Ratio("copy: ours from Arrow / plain files (rate)", "copy: plain files", OURS, ">= 1.05"),
    Ratio("copy: ours streamed / plain files (rate)", "copy: plain files", STREAMED, ">= 0.9"),
]
for _name, _package, _form, _peer in (
    ("litData", "litdata", "litdata", peers.litdata_loader),
    ("WebDataset", "webdataset", "webdataset", peers.webdataset_loader),
    ("MDS", "mosaicml-streaming", "mds", peers.mds_loader),
):
    if peers.is_there(_package):
        CONTENDERS[f"copy: {_name}"] = partial(epoch, partial(of_peer, _form, _peer))
        RATIOS += [
            Ratio(f"copy: ours from Arrow / {_name} (rate)", f"copy: {_name}", OURS, ">= 1.2")
        ]
if DEVICE:
    CONTENDERS |= {
        "copy: plain files, uint8": partial(epoch, partial(plain_copy, floats=False)),
        "copy: ours, Arrow, uint8": partial(epoch, partial(ours_of_arrow, scale="uint8")),
    }
    RATIOS += [
        Ratio("copy: uint8, ours / plain files (rate)", "copy: plain files, uint8",
              "copy: ours, Arrow, uint8"),
    ]  # fmt: skip
CONTENDERS |= {
    "raw: plain files": partial(epoch, raw_plain),
    "raw: ours": partial(epoch, raw_ours),
}
RATIOS += [Ratio("raw: ours / plain files (rate)", "raw: plain files", "raw: ours", ">= 1.8")]
if peers.is_there("litdata"):
    CONTENDERS["raw: litData"] = partial(epoch, raw_litdata)
    RATIOS += [Ratio("raw: ours / litData (rate)", "raw: litData", "raw: ours", ">= 1.5")]
CONTENDERS |= {
    "rows: data frame": partial(epoch, frame_rows),
    "rows: ImageTransform": partial(epoch, ours_rows),
    "single: data frame": single_of_frame,
    "single: image and labels": partial(single, WANTED),
    "single: all columns": partial(single, None),
}
RATIOS += [
    Ratio("rows: ImageTransform / data frame (rate)", "rows: data frame", "rows: ImageTransform",
          ">= 1.0"),
    Ratio("single rows: image and labels / data frame (rate)", "single: data frame",
          "single: image and labels", ">= 1.0"),
    Ratio("single rows: all columns / data frame (rate)", "single: data frame",
          "single: all columns"),
]  # fmt: skip

if __name__ == "__main__":
    main("loaders of images; seconds an image or row", CONTENDERS, RATIOS)
