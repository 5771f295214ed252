"""Is a slow store's release streamed as fast as its files can be fetched?

A loopback PhysioNet that answers every request 30 ms late holds the releases. Images: 500 of real
size (1.5 MB), streamed undecoded, against reading the same files one at a time with fsspec, and
against a plain concurrent download of them, by aiohttp alone, with as many connections. Start: the
first row of the whole release (377,110 images, reports in a zip), first with an empty cache and
then again, against pyarrow that reads and joins the four tables and reads no report; imports are
not counted, torch's among them. From the start of the process, on a disk, without reports: the
first row, and a whole build; there imports count. Memory: what a process that streams 2,000 images
grows by after the first 200.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import datasets
import fsspec
import pyarrow as pa
from build import TABLES, join
from harness import Ratio, main
from pyarrow import csv
from release import full_release, real_size_release
from rival import REPORTS

import mimic_cxr_jpg  # noqa: F401  (registers the builder)

LATENCY = 0.03
IMAGES = 500
MANY_IMAGES = 2_000
CONNECTIONS = 8
PATIENTS = 900

_SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.fakes.physionet import PhysioNet
with PhysioNet(
    {"release": Path(sys.argv[1])}, open_access=True, latency=float(sys.argv[2])
) as server:
    print(server.address("release"), flush=True)
    sys.stdin.read()
"""


_FROM_THE_START = """
import sys
import datasets
import mimic_cxr_jpg
datasets.disable_progress_bars()
rows = datasets.load_dataset("mimic_cxr_jpg", data_dir=sys.argv[1], cache_dir=sys.argv[2],
                             split="train", streaming=sys.argv[3] == "streamed")
print(next(iter(rows))["image_id"])
"""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder from another process; gives its address."""
    command = [sys.executable, "-c", _SERVER, str(root), str(LATENCY)]
    command.append(str(Path(__file__).parents[1]))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


def stream(address: str, cache: str, **options: Any) -> datasets.IterableDataset:
    """The training split, its images undecoded."""
    rows = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=address, cache_dir=cache, streaming=True, split="train", **options
    )
    return rows.cast_column("image", datasets.Image(decode=False))


def wanted(address: str, cache: str) -> list[str]:
    """Addresses of the images that are streamed."""
    rows = stream(address, cache).select_columns(["path"]).take(IMAGES)
    return [f"{address}/{row['path']}" for row in rows]


def images(read: Callable[[str, str], float]) -> float:
    """Seconds in which some way of reading gets the images, after everything is prepared."""
    with served(real_size_release(PATIENTS)) as address, tempfile.TemporaryDirectory() as cache:
        return read(address, cache)


def streamed(address: str, cache: str) -> float:
    """Ours."""
    rows = stream(address, cache, connections=CONNECTIONS).take(IMAGES)
    return _timed(lambda: [len(row["image"]["bytes"]) for row in rows])


def one_at_a_time(address: str, cache: str) -> float:
    """fsspec, as loaders do it."""
    addresses = wanted(address, cache)
    files = fsspec.filesystem("http")
    return _timed(lambda: [len(files.cat_file(file)) for file in addresses])


def concurrently(address: str, cache: str) -> float:
    """Nothing but aiohttp."""
    addresses = wanted(address, cache)
    return _timed(lambda: asyncio.run(_download(addresses)))


async def _download(addresses: list[str]) -> list[int]:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def size(address: str) -> int:
            async with session.get(address) as answer:
                return len(await answer.read())

        return await asyncio.gather(*map(size, addresses))


def _timed(work: Callable[[], list[int]]) -> float:
    start = time.perf_counter()
    sizes = work()
    seconds = time.perf_counter() - start
    assert len(sizes) == IMAGES
    assert min(sizes) > 100_000
    return seconds


def start(again: bool) -> float:
    """Seconds until the first row of the whole release is there, without imports."""
    # `datasets` imports both for its first stream, where they are installed.
    import scipy.io  # noqa: F401
    import torch  # noqa: F401

    gc.collect()  # or what they left would be looked through while the first row is waited for
    with served(full_release()) as address, tempfile.TemporaryDirectory() as cache:
        first = partial(_first_row, address, cache)
        return (first(), first())[again]


def _first_row(address: str, cache: str) -> float:
    begun = time.perf_counter()
    next(iter(stream(address, cache, reports=f"{address}/{REPORTS}")))
    return time.perf_counter() - begun


def from_the_start(how: str) -> float:
    """Seconds of a whole process that reads one row of the release, `streamed` or `built`."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", _FROM_THE_START, str(full_release()), cache, how]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - begun


def tables() -> float:
    """Seconds in which pyarrow reads and joins the tables, fetched all at once."""
    with served(full_release()) as address:
        files = fsspec.filesystem("http")
        begun = time.perf_counter()
        addresses = [f"{address}/mimic-cxr-2.0.0-{name}.csv.gz" for name in TABLES]
        contents = files.cat(addresses)
        join(address, (_read(contents[file]) for file in addresses))
        return time.perf_counter() - begun


def _read(content: bytes) -> pa.Table:
    return csv.read_csv(pa.CompressedInputStream(pa.BufferReader(content), "gzip"))


def growth() -> float:
    """Megabytes by which the peak memory grows after the first 200 images of many."""
    with served(real_size_release(PATIENTS)) as address, tempfile.TemporaryDirectory() as cache:
        rows = iter(stream(address, cache))
        assert sum(1 for _ in islice(rows, 200)) == 200
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert sum(1 for _ in islice(rows, MANY_IMAGES - 200)) == MANY_IMAGES - 200
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


if __name__ == "__main__":
    CONTENDERS = {
        "500 images: streamed": lambda: images(streamed),
        "500 images: one at a time": lambda: images(one_at_a_time),
        "500 images: concurrent download": lambda: images(concurrently),
        "first row: first start": lambda: start(again=False),
        "first row: second start": lambda: start(again=True),
        "tables: read and joined": tables,
        "process: first row": lambda: from_the_start("streamed"),
        "process: whole build": lambda: from_the_start("built"),
        "2,000 images: growth in MB": growth,
    }
    RATIOS = [
        Ratio("one at a time / streamed", "500 images: one at a time", "500 images: streamed",
              ">= 5"),
        Ratio("concurrent download / streamed", "500 images: concurrent download",
              "500 images: streamed", ">= 0.8"),
        Ratio("first start / tables", "first row: first start", "tables: read and joined",
              "<= 1.5"),
        Ratio("first row / whole build, from the start of the process", "process: first row",
              "process: whole build", "<= 1"),
        Ratio("second start / first start", "first row: second start", "first row: first start",
              "<= 0.25"),
    ]  # fmt: skip
    real_size_release(PATIENTS)
    full_release()
    main("streaming from a server 30 ms away", CONTENDERS, RATIOS, rounds=3)
