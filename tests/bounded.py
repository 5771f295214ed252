"""Loads in a process that may have 2 GB of addresses, and files that unpack to far more.

The system counts addresses that are set aside and never used, too: pyarrow's own allocator sets
aside 1 GB when it starts, and the C library 64 MB for each thread. So that the limit is one of
what is used, the process takes the system's allocator for both, with few arenas.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESSES = 2 * 2**30
MIB = 2**20
CHUNK = 16 * MIB

SETTINGS = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}

_PROGRAM = """
import json, os, resource, sys, tempfile, time
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
answers, sys.stdout = sys.stdout, sys.stderr
from datasets import disable_progress_bars, load_dataset
import indiana_cxr, mimic_cxr_jpg
from cxr_datasets import CxrError, limits
disable_progress_bars()

def rows(ask):
    options = {"cache_dir": tempfile.mkdtemp(dir=ask["cache"]), **ask["options"]}
    splits = load_dataset(ask["package"], ask["config"], data_dir=ask["data_dir"], **options)
    if ask["decode"]:
        return sum(1 for split in splits.values() for row in split if row["image"].load())
    return sum(
        batch.num_rows
        for split in splits.values() for batch in split.with_format("arrow").iter(100)
    )

usual = {name: value for name, value in vars(limits).items() if name.isupper()}
for line in sys.stdin:
    ask = json.loads(line)
    for name, most in ask["limits"].items():
        kind = usual[name]
        changed = limits.Limit(most, kind.what) if hasattr(kind, "what") else most
        if hasattr(kind, "what"):
            changed.name = name
        setattr(limits, name, changed)
    began = time.monotonic()
    try:
        answer = {"rows": rows(ask), "error": "", "text": ""}
    except Exception as error:
        kind = type(error).__name__ if isinstance(error, CxrError) else repr(error)
        answer = {"rows": 0, "error": kind, "text": str(error)}
    answer["seconds"] = time.monotonic() - began
    vars(limits).update(usual)
    print(json.dumps(answer), file=answers, flush=True)
"""


@dataclass
class Outcome:
    """What came of a load.

    Attributes:
        rows: How many rows came.
        error: The name of the `CxrError` that came, or what another one says of itself.
        text: Its text.
        seconds: How long it took.
    """

    rows: int
    error: str
    text: str
    seconds: float


class Bounded:
    """A process that loads what it is asked to, one after the other, within 2 GB of addresses."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(ADDRESSES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            stderr=(folder / "said").open("w"),
            env={**os.environ, **SETTINGS, "TMPDIR": str(folder),
                 "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )  # fmt: skip

    def load(
        self,
        package: str,
        data_dir: Any,
        config: str = "reports",
        *,
        decode: bool = False,
        limits: dict[str, float] | None = None,
        **options: Any,
    ) -> Outcome:
        """Load every row of a release.

        Args:
            package: The dataset.
            data_dir: The release.
            config: The config.
            decode: Whether to decode the images of config `images`.
            limits: Constants of `cxr_datasets.limits` that have another value for this load.
            **options: Further options of `load_dataset`.
        """
        ask = {
            "package": package, "data_dir": str(data_dir), "config": config, "decode": decode,
            "limits": limits or {}, "options": options, "cache": str(self._folder),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(ask) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"The process ended: {(self._folder / 'said').read_text()[-2_000:]}"
        return Outcome(**json.loads(answer))

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def bounded(folder: Path) -> Iterator[Bounded]:
    """Start such a process and end it."""
    process = Bounded(folder)
    try:
        yield process
    finally:
        process.stop()


def gzipped(start: bytes, repeated: bytes, size: int) -> bytes:
    """Gzip some bytes and then others again and again, until they are so many.

    Args:
        start: The beginning.
        repeated: What follows it.
        size: Bytes that come out when it is unpacked; at least.
    """
    chunk = repeated * max(1, CHUNK // len(repeated))
    return gzip.compress(start, 1) + gzip.compress(chunk, 1) * -(-size // len(chunk))


def deflated(content: bytes, size: int) -> bytes:
    """Deflate some bytes again and again, until they are so many: a stream without a header."""
    chunk = content * max(1, CHUNK // len(content))
    packing = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A full flush ends at a whole byte and refers to nothing before it: so it can be repeated.
    packed = packing.compress(chunk) + packing.flush(zlib.Z_FULL_FLUSH)
    return packed * -(-size // len(chunk)) + packing.flush(zlib.Z_FINISH)


def sparse(file: Path, size: int, start: bytes = b"", end: bytes = b"") -> None:
    """Write a file of so many bytes that takes hardly any room."""
    file.unlink(missing_ok=True)
    with file.open("wb") as out:
        out.write(start)
        out.truncate(size)
        out.seek(0, os.SEEK_END)
        out.write(end)


def assert_told(found: Outcome, error: str, name: str, limit: str) -> None:
    """Require an error that names the file and the limit, and says what to do, within seconds."""
    assert found.error == error, found
    assert name in found.text, found.text
    assert f"cxr_datasets.limits.{limit}" in found.text, found.text
    assert "etch" in found.text, found.text
    assert found.seconds < 60
