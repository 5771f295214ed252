"""A cluster without workers, or with workers that have other code or none, writes nothing wrong."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

import cxr_datasets
from cxr_datasets.export import ExportError, agreement, export
from cxr_datasets.packages import code_hash
from tests.cxr_datasets.export.conftest import SLOW, contents, finished
from tests.fakes.dask import Worker

CHECKOUT = Path(cxr_datasets.__file__).parents[1]


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """A scheduler, and no worker yet."""
    with LocalCluster(n_workers=0, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, of the same version, that stores JPEGs with another quality."""
    copy = tmp_path_factory.mktemp("changed")
    for package in ("cxr_datasets", "mimic_cxr_jpg"):
        shutil.copytree(CHECKOUT / package, copy / package,
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    file = copy / "cxr_datasets" / "images" / "resize.py"
    text = file.read_text()
    assert "JPEG_QUALITY = 95" in text
    file.write_text(text.replace("JPEG_QUALITY = 95", "JPEG_QUALITY = 80"))
    return copy


def write(release: Path, out: Path, cache: str, client: Client, **options: Any) -> None:
    export("mimic-cxr-jpg", release, out, progress=False, cache_dir=cache, client=client,
           **options)  # fmt: skip


def address(client: Client, others: tuple[str, ...] = ()) -> str:
    """Wait for one more worker, and give its address."""
    client.wait_for_workers(len(others) + 1, timeout=60)
    (found,) = set(client.nthreads()) - set(others)
    return found


def files(out: Path) -> list[Path]:
    return sorted(out.rglob("*.parquet*"))


def test_workers_with_other_code_or_none_end_the_export_before_they_write(
    client: Client,
    changed: Path,
    small_release: Path,
    export_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, scheduler = tmp_path / "out", client.scheduler.address
    with Worker(scheduler, folder=tmp_path):
        right = address(client)
        with Worker(scheduler, folder=tmp_path, code=changed):
            other = address(client, (right,))
            with pytest.raises(ExportError, match="would write other bytes") as caught:
                write(small_release, out, export_cache, client)
            said = str(caught.value)
            assert f"The Dask worker at {other} " in said
            assert right not in said
            assert code_hash("mimic_cxr_jpg", also=("export",)) in said
            assert "start them anew" in said
        for package in ("cxr_datasets", "mimic_cxr_jpg"):
            while len(client.nthreads()) > 1:
                time.sleep(0.05)
            with Worker(scheduler, folder=tmp_path, missing=(package,)):
                other = address(client, (right,))
                with pytest.raises(ExportError, match=f"cannot import {package}") as caught:
                    write(small_release, out, export_cache, client)
                assert f"The Dask worker at {other} " in str(caught.value)
                assert f"Install cxr-datasets {cxr_datasets.__version__}" in str(caught.value)
        assert files(out) == []
        # One that is too busy to answer is no reason to stop: it is looked at with its file.
        monkeypatch.setattr(agreement, "_ANSWER_WITHIN", 0.5)
        while len(client.nthreads()) > 1:
            time.sleep(0.05)
        busy = threading.Thread(target=client.run, args=(time.sleep, 3))
        busy.start()
        write(small_release, out, export_cache, client)
        busy.join()
    assert files(out) != []


@pytest.mark.parametrize("missing", [(), ("cxr_datasets",)], ids=["other code", "no package"])
def test_a_worker_that_joins_later_is_looked_at_too(
    missing: tuple[str, ...],
    client: Client,
    changed: Path,
    large_release: Path,
    undisturbed: Path,
    export_cache: str,
    tmp_path: Path,
) -> None:
    out, gate, scheduler = tmp_path / "out", tmp_path / "gate", client.scheduler.address

    def open_gate() -> None:
        while not finished(out):
            time.sleep(0.01)
        gate.touch()

    with (
        Worker(scheduler, folder=tmp_path),
        Worker(scheduler, folder=tmp_path, gate=gate, missing=missing,
               code=None if missing else changed) as late,
    ):  # fmt: skip
        right = address(client)
        thread = threading.Thread(target=open_gate)
        thread.start()
        expected = "cannot import cxr_datasets" if missing else "would write other bytes"
        with pytest.raises(ExportError, match=expected) as caught:
            write(large_release, out, export_cache, client, **SLOW)
        thread.join()
        assert late.process.poll() is None
        assert "The Dask worker at tcp://" in str(caught.value)
        assert right not in str(caught.value)
    whole = contents(undisturbed)
    assert {name: contents(out)[name] for name in finished(out)}.items() <= whole.items()


def test_a_cluster_without_workers_or_with_paused_ones_is_told(
    client: Client,
    small_release: Path,
    export_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert agreement.WORKERS_WITHIN < 25
    monkeypatch.setattr(agreement, "WORKERS_WITHIN", 1)
    out, scheduler = tmp_path / "out", client.scheduler.address
    with pytest.raises(ExportError, match="had no workers for 1 seconds"):
        write(small_release, out, export_cache, client)
    pause = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "0.001"}
    with Worker(scheduler, "--memory-limit", "4GB", folder=tmp_path, **pause):
        paused = address(client)
        with pytest.raises(ExportError, match="1 of them are paused") as caught:
            write(small_release, out, export_cache, client)
        assert paused in str(caught.value)
    assert files(out) == []


@pytest.mark.thorough
def test_workers_that_are_all_gone_are_waited_for_with_a_line(
    client: Client,
    large_release: Path,
    undisturbed: Path,
    export_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(agreement, "WORKERS_WITHIN", 0.5)
    monkeypatch.setattr(agreement, "_QUIET", 0.1)
    out, gate, scheduler = tmp_path / "out", tmp_path / "gate", client.scheduler.address
    with (
        Worker(scheduler, folder=tmp_path) as first,
        Worker(scheduler, folder=tmp_path, gate=gate),
    ):
        address(client)

        def replace() -> None:
            while not finished(out):
                time.sleep(0.01)
            first.process.kill()
            while "waits for workers" not in caplog.text:
                time.sleep(0.05)
            gate.touch()

        thread = threading.Thread(target=replace)
        thread.start()
        write(large_release, out, export_cache, client, **SLOW)
        thread.join()
    told = [record.message for record in caplog.records if "waits for" in record.message]
    assert len(told) == 1
    assert "had no workers" in told[0]
    assert contents(out) == contents(undisturbed)


@pytest.mark.thorough
def test_a_cluster_that_starts_workers_for_tasks_gets_one(
    cluster: LocalCluster, client: Client, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    cluster.adapt(minimum=0, maximum=1, interval="100ms")
    write(small_release, tmp_path / "out", export_cache, client)
    assert files(tmp_path / "out") != []
