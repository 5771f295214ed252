"""Releases to export, exports of them, and the command in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cxr_datasets.export import export
from cxr_datasets.testing import files_under
from tests.forked import Forked, start
from tests.helpers import made_once

if TYPE_CHECKING:
    from tests.fakes.s3 import S3

CONFIGS = ("images", "studies", "reports")
ROWS = 40
"""Rows in a file here, so that small releases become several files."""

SLOW = {"image_size": 256, "image_format": "png", "rows_per_file": 10}
"""Options with which an export of `large_release` takes seconds, so that it can be killed."""


@dataclass(frozen=True)
class Exported:
    """An export of all configs of one dataset into one folder."""

    dataset: str
    release: Path
    out: Path
    cache: str


@pytest.fixture(scope="session")
def large_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of MIMIC-CXR-JPG whose images take a moment to resize. Read only."""
    from mimic_cxr_jpg.synthetic import write_release

    return made_once(
        tmp_path_factory, "large-mimic", lambda out: write_release(out, patients=18, scale=1 / 5)
    )


@pytest.fixture(scope="session", params=["mimic-cxr-jpg", "indiana-cxr"])
def exported(
    request: pytest.FixtureRequest,
    mimic_release: Path,
    indiana_release: Path,
    export_cache: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    """All configs of a dataset, exported one after another into one folder. Read only."""
    release = mimic_release if request.param == "mimic-cxr-jpg" else indiana_release
    out = tmp_path_factory.mktemp("exported") / "out"
    for config in CONFIGS:
        export(
            request.param, release, out, config=config, rows_per_file=ROWS, progress=False,
            cache_dir=export_cache,
        )  # fmt: skip
    return Exported(request.param, release, out, export_cache)


@pytest.fixture(scope="session")
def undisturbed(
    large_release: Path, export_cache: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An export of `large_release` with the options `SLOW`, in one go and one process."""

    def make(out: Path) -> None:
        export("mimic-cxr-jpg", large_release, out, progress=False, cache_dir=export_cache, **SLOW)  # type: ignore[arg-type]

    return made_once(tmp_path_factory, "undisturbed", make)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """S3, and no login for it in the environment."""
    from tests.fakes.s3 import S3

    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with S3() as s3:
        yield s3


@pytest.fixture
def bucket(s3: S3, small_release: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of an export: its two buckets, and a login for each."""
    release = s3.place("releases", "mimic", small_release)
    s3.place("exports", "mimic")
    reader = s3.user("reader", read=["releases"])
    writer = s3.user("writer", allow=["arn:aws:s3:::exports", "arn:aws:s3:::exports/*"])
    return {
        "data_dir": release.url,
        "storage_options": {"endpoint_url": s3.url, **reader},
        "out_options": {"endpoint_url": s3.url, **writer},
        "cache_dir": str(tmp_path / "cache"),
    }


@pytest.fixture(scope="session")
def slow_command(large_release: Path, export_cache: str) -> Callable[..., list[str]]:
    """Words of the command that writes the same export as `undisturbed` to another place."""

    def command(out: Path, *more: str) -> list[str]:
        return [
            str(Path(sys.executable).with_name("cxr")), "export", "mimic-cxr-jpg",
            "--data-dir", str(large_release), "--out", str(out), "--cache-dir", export_cache,
            *(word for name, value in SLOW.items()
              for word in (f"--{name.replace('_', '-')}", str(value))),
            *more,
        ]  # fmt: skip

    return command


def started(words: list[str]) -> Forked | subprocess.Popen[str]:
    """Start a program of Python in a session of its own, as a terminal does."""
    return start(words, new_session=True)


def contents(out: Path, folder: str = "") -> dict[str, str]:
    """Hash of every file of an export except the lock."""
    return {
        file: hashlib.sha256((out / folder / file).read_bytes()).hexdigest()
        for file in files_under(out / folder)
        if file != ".cxr/lock"
    }


def finished(out: Path, config: str = "images") -> list[str]:
    """Names of the files that the manifest says are finished."""
    import json

    manifest = out / ".cxr" / f"{config}.jsonl"
    if not manifest.exists():
        return []
    lines = manifest.read_text().split("\n")[1:-1]
    return [json.loads(line)["name"] for line in lines]


def states(out: Path, names: list[str]) -> dict[str, tuple[int, int]]:
    """Time of change and inode of files: they change when a file is written anew."""
    return {name: ((out / name).stat().st_mtime_ns, os.stat(out / name).st_ino) for name in names}
