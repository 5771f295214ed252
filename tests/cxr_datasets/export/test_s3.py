"""An export from one bucket into another, each with a login of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import s3fs

from cxr_datasets.export import ExportError, ExportSummary, export, verify
from cxr_datasets.testing import files_under
from tests.fakes.s3 import S3
from tests.processes import descendants


def write(bucket: dict[str, Any], out: str | Path, **more: Any) -> ExportSummary:
    return export("mimic-cxr-jpg", out=out, rows_per_file=16, progress=False,
                  **{**bucket, **more})  # fmt: skip


def stored(bucket: dict[str, Any], out: str) -> dict[str, bytes]:
    files = s3fs.S3FileSystem(**bucket["out_options"], skip_instance_cache=True)
    root = out.removeprefix("s3://")
    return {name.removeprefix(f"{root}/"): files.cat_file(name) for name in files.find(root)}


@contextmanager
def others_look(shown: dict[str, bytes]) -> Iterator[None]:
    """Note the words and the environment of all processes that are started in the block."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for child in descendants(os.getpid()):
                for name in (f"/proc/{child}/cmdline", f"/proc/{child}/environ"):
                    with suppress(OSError):
                        shown[name] = Path(name).read_bytes()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_two_processes_write_into_a_bucket_what_one_writes_on_a_disk(
    bucket: dict[str, Any], tmp_path: Path
) -> None:
    out = "s3://exports/mimic/out"
    shown: dict[str, bytes] = {}
    with others_look(shown):
        summary = write(bucket, out, num_proc=2)
    assert summary.written == summary.files > 3
    write(bucket, tmp_path / "out", out_options=None)
    local = {
        name: (tmp_path / "out" / name).read_bytes()
        for name in files_under(tmp_path / "out")
        if name != ".cxr/lock"
    }
    found = stored(bucket, out)
    assert found == local
    secrets = [bucket[name]["secret"].encode() for name in ("storage_options", "out_options")]
    assert len([name for name in shown if name.endswith("cmdline")]) >= 2
    contents = [*found.values(), *shown.values()]
    assert not any(secret in content for content in contents for secret in secrets)
    assert write(bucket, out).written == 0


def test_a_file_is_not_there_until_it_is_whole(bucket: dict[str, Any]) -> None:
    from cxr_datasets.export.folder import Folder
    from cxr_datasets.storage.credentials import StorageOptions

    out = "s3://exports/mimic/out"
    folder = Folder(out, StorageOptions(bucket["out_options"], out))
    for size in (10, 60_000_000):  # sent at once, and in parts
        attempt = folder.writing("images/a.parquet")
        attempt.__enter__().write(bytes(size))
        assert attempt.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None) is False
        assert stored(bucket, out) == {}
    with folder.writing("images/a.parquet") as sink:
        sink.write(b"whole")
    assert stored(bucket, out) == {"images/a.parquet": b"whole"}


def test_who_may_not_write_is_told_before_images_are_read(bucket: dict[str, Any], s3: S3) -> None:
    with pytest.raises(ExportError, match=r"s3://exports/mimic/out/.* may not be") as caught:
        write(bucket, "s3://exports/mimic/out", out_options=bucket["storage_options"])
    assert bucket["storage_options"]["secret"] not in str(caught.value)
    assert not any(".jpg" in asked.path for asked in s3.requests if asked.method == "GET")


@pytest.mark.thorough
def test_an_export_in_a_bucket_is_verified_and_mended(bucket: dict[str, Any], s3: S3) -> None:
    out = "s3://exports/mimic/out"
    summary = write(bucket, out)
    options = bucket["out_options"]
    assert verify(out, out_options=options, progress=False).bytes == summary.bytes
    name, content = next(
        (name, content) for name, content in stored(bucket, out).items() if "train" in name
    )
    changed = content[:500] + bytes([content[500] ^ 1]) + content[501:]
    s3.place("exports", "mimic/out").put(name, changed)
    with pytest.raises(ExportError, match=f"{name} holds other bytes") as caught:
        verify(out, out_options=options, progress=False)
    assert options["secret"] not in str(caught.value)
    assert write(bucket, out, verify=True).written == 1
    assert stored(bucket, out)[name] == content
