"""Getting a copy from other stores, and onto a disk that is too small."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.copies import Downloaded, download
from cxr_datasets.errors import DownloadError, StoreError
from cxr_datasets.storage import retry
from cxr_datasets.testing import copy_release
from tests.fakes.gcs import Gcs
from tests.fakes.physionet import PhysioNet, Reset, Status
from tests.fakes.s3 import S3
from tests.fakes.sftp import Sftp
from tests.small_disk import grow, small_disk

DATASET = "mimic-cxr-jpg"
REPORTS = "mimic-cxr-reports.zip"


def images_in(place: Path) -> list[str]:
    return sorted(file.relative_to(place).as_posix() for file in (place / "files").rglob("*.jpg"))


def test_from_a_bucket_with_options_from_a_file(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with S3() as s3:
        place = s3.place("releases", "mimic/2.1.0", small_release)
        reader = s3.user("reader", read=["releases"])
        options = tmp_path / "options.json"
        options.write_text(json.dumps({**reader, "endpoint_url": s3.url}))
        command = ["download", DATASET, str(tmp_path / "out"), "--from", place.url,
                   "--from-options", str(options), "--limit", "6", "--no-progress"]  # fmt: skip
        assert main(command) == 0
        assert capsys.readouterr().out.strip().splitlines()[-1].startswith("load_dataset(")
        before = len(list(place.reads()))
        assert main(command) == 0
        assert len(list(place.reads())) == before  # nothing is fetched twice
        nobody = {**s3.user("nobody", read=["another"]), "endpoint_url": s3.url}
        with pytest.raises(StoreError, match="may not be read"):
            download(DATASET, tmp_path / "no", source=place.url, source_options=nobody)
    found = images_in(tmp_path / "out")
    assert len(found) == 6
    assert all((tmp_path / "out" / p).read_bytes() == (small_release / p).read_bytes()
               for p in found)  # fmt: skip


@pytest.mark.parametrize("kind", ["sftp", "gs"])
def test_from_a_server_by_sftp_and_from_google_cloud(
    kind: str, small_release: Path, tmp_path: Path
) -> None:
    with _store(kind, small_release, tmp_path) as (place, options):
        file = tmp_path / "options.json"
        file.write_text(json.dumps(options))
        command = ["download", DATASET, str(tmp_path / "out"), "--from", place.url, "--reports",
                   "--from-options", str(file), "--limit", "6", "--no-progress"]  # fmt: skip
        assert main(command) == 0
        before = len(list(place.reads()))
        assert main(command) == 0
        assert len(list(place.reads())) == before  # nothing is fetched twice
    found = [*images_in(tmp_path / "out"), REPORTS]
    assert len(found) == 7
    assert all((tmp_path / "out" / p).read_bytes() == (small_release / p).read_bytes()
               for p in found)  # fmt: skip


@pytest.mark.parametrize("way", ["a folder", "a server"])
def test_reports_come_from_their_own_project_beside_the_copy(
    way: str, small_release: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copy_release(small_release, tmp_path / "lab" / "mimic-cxr-jpg" / "2.1.0")
    beside = tmp_path / "lab" / "mimic-cxr" / "2.1.0"
    beside.mkdir(parents=True)
    (copy / REPORTS).rename(beside / REPORTS)
    digest = hashlib.sha256((beside / REPORTS).read_bytes()).hexdigest()
    (beside / "SHA256SUMS.txt").write_text(f"{digest} {REPORTS}\n")
    with PhysioNet({"lab": tmp_path / "lab"}, open_access=True, encrypted=True) as server:
        source = str(copy) if way == "a folder" else server.address("lab/mimic-cxr-jpg/2.1.0")
        options = {"source": source, "limit": 2, "reports": True, "progress": False}
        done = download(DATASET, tmp_path / "out", **options)
        assert isinstance(done, Downloaded)
        assert done.faults == {}
        got = (tmp_path / "out" / REPORTS).read_bytes()
        assert got == (small_release / REPORTS).read_bytes()
        (beside / "SHA256SUMS.txt").write_text(f"{'0' * 64} {REPORTS}\n")
        refused = download(DATASET, tmp_path / "again", **options)
        assert isinstance(refused, Downloaded)
        assert list(refused.faults) == [REPORTS]
        (beside / REPORTS).unlink()
        lacking = download(DATASET, tmp_path / "lacking", **options)
        assert isinstance(lacking, Downloaded)
        assert "is not there" in lacking.faults[REPORTS]


@contextmanager
def _store(kind: str, release: Path, folder: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A copy of a release in a store, and the options to read it with."""
    if kind == "sftp":
        copy_release(release, folder / "served" / "mimic")
        with Sftp(folder / "served") as sftp:
            yield sftp.place("mimic"), sftp.options
    else:
        with Gcs() as cloud:
            options = {"endpoint_url": cloud.url, "token": cloud.key}
            yield cloud.place("releases", "mimic/2.1.0", release), options


def test_from_a_web_server_with_faults(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    with PhysioNet({"copy": small_release}, open_access=True, encrypted=True) as server:
        server.fail(r"\.jpg$", Status(503), Reset(500))
        server.fail(r"SHA256SUMS", Reset(700))
        done = download(DATASET, tmp_path / "out", source=server.address("copy"), limit=8,
                        reports=True, progress=False)  # fmt: skip
    assert isinstance(done, Downloaded)
    assert done.faults == {}
    assert len(images_in(tmp_path / "out")) == 8
    assert (tmp_path / "out" / REPORTS).is_file()


@pytest.mark.parametrize("way", ["a folder", "wget"])
def test_a_disk_that_fills_up_is_told_and_the_rest_comes_when_there_is_room(
    way: str, small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes.physionet import PASSWORD, USER
    from tests.remote import MIMIC

    monkeypatch.setattr("mimic_cxr_jpg.mimic_cxr_jpg.MimicCxrJpg.MEAN_IMAGE_BYTES", 1)
    monkeypatch.setattr("cxr_datasets.copies.from_source.FromSource.size_of", lambda *_: 1.0)
    with (
        small_disk(tmp_path / "disk", 40) as disk,
        PhysioNet({MIMIC: small_release}, encrypted=True) as server,
    ):
        monkeypatch.setenv("PHYSIONET_HOST", f"127.0.0.1:{server.port}")
        monkeypatch.setenv("PHYSIONET_USERNAME", USER)
        monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
        source = small_release if way == "a folder" else None
        with pytest.raises(DownloadError, match=r"[Mm]ake room"):
            download(DATASET, disk / "out", source=source, progress=False)
        came = images_in(disk / "out")
        assert all((disk / "out" / p).read_bytes() == (small_release / p).read_bytes()
                   for p in came)  # fmt: skip
        grow(disk, 4_000)
        done = download(DATASET, disk / "out", source=source, progress=False)
        assert isinstance(done, Downloaded)
        assert done.faults == {}
        assert images_in(disk / "out") == images_in(small_release)
