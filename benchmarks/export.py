"""What does an export to Parquet cost, against bare pyarrow and `datasets`, and how is it laid out?

`bare` reads the same files one after another and writes their bytes to Parquet, 32 to a row group,
with nothing else in the rows. `datasets` is `download_and_prepare(file_format="parquet")` of the
same builder. Images have the real size; the release around them is a synthetic one whose files are
links to 600 of them. Processes of `2 processes` are started before the clock is, for an export that
needs several takes hours; what a second one gains at most is shown by processes that only resize.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from harness import Ratio, main
from release import folder, real_size_release

from cxr_datasets.export import export, parquet
from cxr_datasets.images.column import IMAGE_TYPE
from cxr_datasets.images.resize import reencode
from mimic_cxr_jpg import MimicCxrJpg

PATIENTS = 240
RESIZED_PATIENTS = 120
MEGABYTES = (4, 16, 32, 64, 128)
"""Sizes of row groups that are compared."""

CODECS = ("none", "snappy", "zstd")

datasets.disable_progress_bars()


def paths(root: Path) -> list[str]:
    """All images of a release."""
    return [str(path) for path in sorted(root.glob("files/*/*/*/*.jpg"))]


def ours(patients: int = PATIENTS, **options: object) -> float:
    """Export; seconds without imports."""
    with tempfile.TemporaryDirectory(dir=folder()) as out:
        start = time.perf_counter()
        export("mimic-cxr-jpg", real_size_release(patients), f"{out}/out", cache_dir=f"{out}/cache",
               progress=False, **options)  # type: ignore[arg-type]  # fmt: skip
        return time.perf_counter() - start


def with_processes(count: int) -> float:
    """Export resized images by processes that are up already."""
    from distributed import Client, LocalCluster

    alone = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=count, **alone) as cluster, Client(cluster) as client:
        client.run(__import__, "cxr_datasets.export.tasks")
        return ours(RESIZED_PATIENTS, image_size=512, rows_per_file=32, client=client)


def laid_out(megabytes: int = 32, codec: str = "none") -> float:
    """Export with other row groups, or with compressed images."""
    parquet.GROUP_BYTES = megabytes * 1_000_000
    if codec != "none":
        writer = pq.ParquetWriter

        def compressing(*arguments: object, **options: object) -> pq.ParquetWriter:
            return writer(*arguments, **{**options, "compression": codec})

        parquet.pq.ParquetWriter = compressing
    return ours()


def bare(codec: str = "none") -> float:
    """Write the files' bytes with nothing but pyarrow."""
    found = paths(real_size_release(PATIENTS))
    with tempfile.TemporaryDirectory(dir=folder()) as out:
        start = time.perf_counter()
        schema = pa.schema({"image": IMAGE_TYPE})
        with pq.ParquetWriter(
            f"{out}/out.parquet", schema, compression=codec, use_dictionary=False
        ) as writer:
            for table in bare_tables(found, schema):
                writer.write_table(table)
        return time.perf_counter() - start


def bare_tables(found: list[str], schema: pa.Schema) -> Iterator[pa.Table]:
    """The files' bytes, 32 at a time."""
    for first in range(0, len(found), 32):
        some = found[first : first + 32]
        contents = []
        for path in some:
            with open(path, "rb") as file:
                contents.append(file.read())
        images = pa.StructArray.from_arrays(
            [pa.array(contents, pa.binary()), pa.array(some)], fields=list(IMAGE_TYPE)
        )
        yield pa.table([images], schema)


def prepared() -> float:
    """Write the same rows as Parquet with `datasets`."""
    with tempfile.TemporaryDirectory(dir=folder()) as out:
        builder = MimicCxrJpg(cache_dir=f"{out}/cache", data_dir=str(real_size_release(PATIENTS)))
        start = time.perf_counter()
        builder.download_and_prepare(f"{out}/out", file_format="parquet")
        return time.perf_counter() - start


def bare_resized(processes: int) -> float:
    """Only read, resize and encode the same images: how much a second process gains."""
    found = paths(real_size_release(RESIZED_PATIENTS))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_reencode, found[:processes], chunksize=1)  # imports
        start = time.perf_counter()
        pool.map(_reencode, found, chunksize=8)
        return time.perf_counter() - start


def _reencode(path: str) -> int:
    return len(reencode(Path(path).read_bytes(), 512, "jpeg"))


def contenders() -> dict[str, Callable[[], float]]:
    """What is run in turn."""
    one = {"image_size": 512, "rows_per_file": 32, "num_proc": 1}
    return {
        "export": ours,
        "export, studies": lambda: ours(config="studies"),
        "bare": bare,
        "datasets": prepared,
        "512: 1 process": lambda: ours(RESIZED_PATIENTS, **one),
        "512: 2 processes": lambda: with_processes(2),
        "512: bare, 1 process": lambda: bare_resized(1),
        "512: bare, 2 processes": lambda: bare_resized(2),
        **{
            f"row groups of {size} MB": lambda size=size: laid_out(megabytes=size)
            for size in MEGABYTES
        },
        **{f"images in {codec}": lambda codec=codec: laid_out(codec=codec) for codec in CODECS},
    }


def print_reading() -> None:
    """What a reader pays: for one image of a row group, and for columns without images."""
    print("reading one image at random, ms, and what of a file is read for columns without images")
    for size in MEGABYTES:
        with tempfile.TemporaryDirectory(dir=folder()) as out:
            parquet.GROUP_BYTES = size * 1_000_000
            export("mimic-cxr-jpg", real_size_release(PATIENTS), out, split="train", progress=False)
            (file, *_) = sorted(Path(out).glob("images/*.parquet"))
            metadata = pq.read_metadata(file)
            times = [_one_image(file) for _ in range(25)]
            read = _bytes_read(file, ["study_id", "findings", "labels"])
            print(
                f"row groups of {size:3} MB: {statistics.median(times) * 1e3:7.1f} ms, "
                f"{metadata.num_row_groups} groups, {read / file.stat().st_size:.2%}",
                flush=True,
            )


def _one_image(file: Path) -> float:
    start = time.perf_counter()
    with pq.ParquetFile(file) as opened:
        group = random.randrange(opened.num_row_groups)
        opened.read_row_group(group, columns=["image"])["image"][0].as_py()
    return time.perf_counter() - start


def _bytes_read(file: Path, columns: list[str]) -> int:
    class Counting:
        def __init__(self) -> None:
            self.file, self.count, self.closed = file.open("rb"), 0, False

        def read(self, size: int = -1) -> bytes:
            content = self.file.read(size)
            self.count += len(content)
            return content

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    counting = Counting()
    pq.read_table(pa.PythonFile(counting, mode="r"), columns=columns, pre_buffer=False)
    return counting.count


if __name__ == "__main__":
    real_size_release(PATIENTS)
    real_size_release(RESIZED_PATIENTS)
    RATIOS = [
        Ratio("bare / export (rate)", "bare", "export", ">= 0.8"),
        Ratio("datasets / export", "datasets", "export", ">= 2"),
        Ratio("512: 1 process / 2", "512: 1 process", "512: 2 processes", ">= 1.7"),
        Ratio("512: the same without an export", "512: bare, 1 process", "512: bare, 2 processes"),
        *(Ratio(f"row groups of {size} MB / 32 MB", f"row groups of {size} MB",
                "row groups of 32 MB") for size in MEGABYTES),
        *(Ratio(f"images in {codec} / as they are", f"images in {codec}", "images in none")
          for codec in CODECS),
    ]  # fmt: skip
    main("export of real-size images to Parquet; seconds", contenders(), RATIOS, rounds=3)
    print_reading()
