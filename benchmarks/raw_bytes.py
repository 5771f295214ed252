"""How fast do the bytes of raw files come from S3, against litData's `StreamingRawDataset`?

A lean bucket on this machine (`bucket.py`) serves a small release of full-size files, 30 ms away,
and each reads it with eight connections. Seconds are those of a file, without the first batch; with
`CXR_BENCH_CLOCK=processor` they are of processor time, the server's not counted. Needs torch and
litData (`pip install ".[bench]"`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from tempfile import TemporaryDirectory

import datasets

try:
    from torch.utils.data import DataLoader
except ImportError:
    raise SystemExit("raw_bytes.py needs torch: install the build your machine wants") from None
import peers
from bucket import BUCKET, served
from harness import Ratio, clock, main
from release import real_size_release

import mimic_cxr_jpg  # noqa: F401  (registers the builder)

IMAGES, CONNECTIONS, LATENCY = 160, 8, 0.03
BATCH = 32

datasets.disable_progress_bars()

LOGIN = {"key": "reader", "secret": "anything"}
"""The bucket wants a login, as most do, and looks at none."""


def ours() -> float:
    """Ours: undecoded images of a stream."""
    with served(real_size_release(), LATENCY) as url, TemporaryDirectory() as cache:
        rows = datasets.load_dataset(
            "mimic_cxr_jpg", data_dir=f"s3://{BUCKET}", split="train", streaming=True,
            cache_dir=cache, connections=CONNECTIONS,
            storage_options={"endpoint_url": url, **LOGIN},
        ).cast_column("image", datasets.Image(decode=False)).select_columns(["image"])  # fmt: skip
        contents = (row["image"]["bytes"] for row in rows)
        return _read_all(contents)


def litdata() -> float:
    """LitData's raw streaming, in the order of its list of the files."""
    with served(real_size_release(), LATENCY) as url, TemporaryDirectory() as cache:
        os.environ |= {  # which both of the libraries that it asks S3 with look at
            "AWS_ACCESS_KEY_ID": LOGIN["key"],
            "AWS_SECRET_ACCESS_KEY": LOGIN["secret"],
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
        }
        rows = peers.raw_litdata(
            f"s3://{BUCKET}/files/", cache, max_concurrent_downloads=CONNECTIONS
        )
        batches = DataLoader(rows, batch_size=BATCH, collate_fn=list)
        return _read_all(one for batch in batches for one in batch)


def _read_all(contents: Iterator[bytes]) -> float:
    """Seconds a file, after the first batch: until then tables are read and connections made."""
    assert len(list(islice(contents, BATCH))) == BATCH
    started = clock()
    sizes = [len(content) for content in islice(contents, IMAGES)]
    seconds = clock() - started
    assert len(sizes) == IMAGES
    assert min(sizes) > 100_000
    return seconds / IMAGES


CONTENDERS = {"ours": ours, "litData": litdata}
RATIOS = [Ratio("ours / litData (rate)", "litData", "ours", ">= 1.0")]

if __name__ == "__main__":
    if not peers.is_there("litdata"):
        raise SystemExit('raw_bytes.py needs litData: pip install ".[bench]"')
    main("bytes of raw files from S3 30 ms away; seconds a file", CONTENDERS, RATIOS)
