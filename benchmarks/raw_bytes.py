"""How fast do the bytes of raw files come from S3, against litData's `StreamingRawDataset`?

A small release of full-size files is served by moto's S3, 30 ms away, and read with eight
connections by each. Seconds are those of a file, without the first batch. Needs torch and litData
(`pip install ".[bench]"`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets

try:
    from torch.utils.data import DataLoader
except ImportError:
    raise SystemExit("raw_bytes.py needs torch: install the build your machine wants") from None
import peers
from harness import Ratio, main
from release import real_size_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)

IMAGES, CONNECTIONS, LATENCY = 160, 8, 0.03
BATCH = 32

datasets.disable_progress_bars()

_SERVER = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.fakes.s3 import S3
with S3() as s3:
    s3.place("releases", "mimic", Path(sys.argv[1]))
    user = s3.user("reader", read=["releases"])
    answer = s3._answer
    def late(environ, start):
        time.sleep(float(sys.argv[2]))
        return answer(environ, start)
    s3._server.app = late
    print(json.dumps({"url": s3.url, **user}), flush=True)
    sys.stdin.read()
"""


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serve a small release of full-size files as S3, from another process."""
    command = [sys.executable, "-c", _SERVER, str(real_size_release()), str(LATENCY)]
    command.append(str(Path(__file__).parents[1]))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.stdin.close()


def ours() -> float:
    """Ours: undecoded images of a stream."""
    with served() as place, TemporaryDirectory() as cache:
        access = {"key": place["key"], "secret": place["secret"], "endpoint_url": place["url"]}
        rows = datasets.load_dataset(
            "mimic_cxr_jpg", data_dir="s3://releases/mimic", split="train", streaming=True,
            storage_options=access, connections=CONNECTIONS, cache_dir=cache,
        ).cast_column("image", datasets.Image(decode=False)).select_columns(["image"])  # fmt: skip
        contents = (row["image"]["bytes"] for row in rows)
        return _read_all(contents)


def litdata() -> float:
    """LitData's raw streaming, in the order of its list of the files."""
    with served() as place, TemporaryDirectory() as cache:
        os.environ |= {  # which both of the libraries that it asks S3 with look at
            "AWS_ACCESS_KEY_ID": place["key"],
            "AWS_SECRET_ACCESS_KEY": place["secret"],
            "AWS_ENDPOINT_URL": place["url"],
            "AWS_REGION": "us-east-1",
        }
        rows = peers.raw_litdata(
            "s3://releases/mimic/files/", cache, max_concurrent_downloads=CONNECTIONS
        )
        batches = DataLoader(rows, batch_size=BATCH, collate_fn=list)
        return _read_all(one for batch in batches for one in batch)


def _read_all(contents: Iterator[bytes]) -> float:
    """Seconds a file, after the first batch: until then tables are read and connections made."""
    assert len(list(islice(contents, BATCH))) == BATCH
    started = time.perf_counter()
    sizes = [len(content) for content in islice(contents, IMAGES)]
    seconds = time.perf_counter() - started
    assert len(sizes) == IMAGES
    assert min(sizes) > 100_000
    return seconds / IMAGES


CONTENDERS = {"ours": ours, "litData": litdata}
RATIOS = [Ratio("ours / litData (rate)", "litData", "ours", ">= 1.0")]

if __name__ == "__main__":
    if not peers.is_there("litdata"):
        raise SystemExit('raw_bytes.py needs litData: pip install ".[bench]"')
    main("bytes of raw files from S3 30 ms away; seconds a file", CONTENDERS, RATIOS)
