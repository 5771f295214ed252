"""How long does reading all reports take, against the standard library and bare decompression?"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from harness import Ratio, main
from pyarrow import csv
from release import full_release

from cxr_datasets.storage.source import open_place
from mimic_cxr_jpg.reports import ReportStore, ReportTree, TarredReports, ZippedReports

ZIP, TAR, TREE = "zip/mimic-cxr-reports.zip", "tar/mimic-cxr-reports.tar.gz", "tree/files"


def ours(store: type[ReportStore], path: str) -> float:
    """Locate and read the report of every study."""
    root = full_release()
    with pa.OSFile(str(root / "mimic-cxr-2.0.0-chexpert.csv.gz")) as file:
        studies = csv.read_csv(pa.CompressedInputStream(file, "gzip"))
    ids = [studies[name].combine_chunks() for name in ("subject_id", "study_id")]
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        reports = store(open_place(root), path)
        reports.prepare(cache)
        places = reports.locate(*ids)
        for first in range(0, len(places), 4_096):
            assert reports.read(places.slice(first, 4_096)).null_count == 0
        return time.perf_counter() - start


def by_zipfile() -> float:
    """Read every member with the standard library."""
    start = time.perf_counter()
    with zipfile.ZipFile(full_release() / ZIP) as archive:
        for member in archive.infolist():
            archive.read(member)
    return time.perf_counter() - start


def by_tarfile() -> float:
    """Read every member with the standard library."""
    start = time.perf_counter()
    with tarfile.open(full_release() / TAR, "r|gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file
            file.read()
    return time.perf_counter() - start


def gunzip() -> float:
    """Decompress the tar.gz and throw it away."""
    start = time.perf_counter()
    with gzip.open(full_release() / TAR, "rb") as stream, open(os.devnull, "wb") as sink:
        shutil.copyfileobj(stream, sink, 1 << 20)
    return time.perf_counter() - start


def by_open() -> float:
    """Walk the tree and read every file."""
    start = time.perf_counter()
    for folder, _, names in os.walk(full_release() / TREE):
        for name in names:
            Path(folder, name).read_bytes()
    return time.perf_counter() - start


CONTENDERS: dict[str, Callable[[], float]] = {
    "zip, ours": lambda: ours(ZippedReports, ZIP),
    "zip, zipfile": by_zipfile,
    "tar.gz, ours": lambda: ours(TarredReports, TAR),
    "tar.gz, tarfile": by_tarfile,
    "tar.gz, gunzip alone": gunzip,
    "tree, ours": lambda: ours(ReportTree, TREE),
    "tree, walk and open": by_open,
}

if __name__ == "__main__":
    full_release()
    RATIOS = [
        Ratio("zip: ours / zipfile", "zip, ours", "zip, zipfile", "<= 0.5"),
        Ratio("tar.gz: ours / gunzip", "tar.gz, ours", "tar.gz, gunzip alone", "<= 1.5"),
        Ratio("tar.gz: ours / tarfile", "tar.gz, ours", "tar.gz, tarfile"),
        Ratio("tree: ours / walk and open", "tree, ours", "tree, walk and open"),
    ]
    main("reading 227,835 reports", CONTENDERS, RATIOS, rounds=3)
