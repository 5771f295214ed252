"""Clusters: the same bytes, and no file lost with a worker."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context

from cxr_datasets.export import ExportError, ExportSummary, export
from cxr_datasets.testing import edit_table
from tests.cxr_datasets.export.conftest import SLOW, contents, finished
from tests.fakes.dask import Scheduler, Worker
from tests.forked import LIBRARIES


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes of some cluster, which know nothing of the test."""
    # Dask looks 15 s after a worker was lost whether one of its name is there, and else starts no
    # more of that name. A later test may have killed the next one just then.
    lost = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    # They are forked from a process that has imported what takes a worker a second and more.
    fork = {"distributed.worker.multiprocessing-method": "forkserver"}
    with dask.config.set(fork):
        get_mp_context().set_forkserver_preload(["distributed", *LIBRARIES])
    with (
        dask.config.set({**lost, **fork}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


def write(release: Path, out: Path, cache: str, **options: Any) -> ExportSummary:
    return export("mimic-cxr-jpg", release, out, progress=False, cache_dir=cache,
                  **{**SLOW, **options})  # fmt: skip


def test_a_cluster_writes_the_same_bytes(
    client: Client, large_release: Path, undisturbed: Path, export_cache: str, tmp_path: Path
) -> None:
    assert write(large_release, tmp_path / "out", export_cache, client=client).written > 3
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_little_goes_through_the_scheduler(
    client: Client,
    large_release: Path,
    export_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    submit = client.submit

    def weighing(*arguments: Any, **options: Any) -> Any:
        sent.append(len(pickle.dumps(arguments)))
        return submit(*arguments, **options)

    monkeypatch.setattr(client, "submit", weighing)
    summary = write(large_release, tmp_path / "out", export_cache, client=client)
    assert len(sent) == summary.files > 3
    assert max(sent) < 20_000
    # What comes back is the line of the manifest.
    lines = (tmp_path / "out" / ".cxr" / "images.jsonl").read_bytes().splitlines()[1:]
    assert max(map(len, lines)) < 1_000
    assert summary.bytes > 100_000 * summary.files


@pytest.mark.parametrize("allowed", [3, 0], ids=["allowed", "blamed on the file"])
def test_a_killed_worker_loses_no_file(
    allowed: int,
    cluster: LocalCluster,
    client: Client,
    large_release: Path,
    undisturbed: Path,
    export_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With 0, Dask gives up the file that a lost worker was writing.
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", allowed)
    out = tmp_path / "out"
    pids = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill() -> None:
        while not finished(out):
            time.sleep(0.01)
        for pid in pids:  # of all workers; the nannies start others
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    write(large_release, out, export_cache, client=client)
    thread.join()
    assert len(killed) == 2
    assert not set(pids) & set(client.run(os.getpid).values())
    assert contents(out) == contents(undisturbed)


def test_a_cluster_meets_all_bad_images_and_later_does_only_what_is_left(
    client: Client, large_release: Path, undisturbed: Path, export_cache: str, tmp_path: Path
) -> None:
    from cxr_datasets.testing import copy_release, rewrite

    release = copy_release(large_release, tmp_path / "release")
    images = sorted(release.glob("files/*/*/*/*.jpg"))
    bad = [images[20], images[50]]
    for image in bad:
        rewrite(image, image.read_bytes()[:-500])
    out = tmp_path / "out"
    with pytest.raises(ExportError, match=r"2 of \d+ images are absent or damaged") as caught:
        write(release, out, export_cache, client=client)
    assert any(image.name in str(caught.value) for image in bad)
    listed = (out / ".cxr" / "problems.csv").read_text()
    assert all(image.stem in listed for image in bad)
    assert len(listed.splitlines()) == 3
    for image in bad:
        rewrite(image, (large_release / image.relative_to(release)).read_bytes())
    assert write(release, out, export_cache, client=client).written <= 2
    assert contents(out) == contents(undisturbed)


def test_a_scheduler_is_named_by_its_address(
    cluster: LocalCluster, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    from cxr_datasets.cli import main

    out = tmp_path / "out"
    words = ["export", "mimic-cxr-jpg", "--data-dir", str(small_release), "--cache-dir",
             export_cache, "--no-progress", "--out"]  # fmt: skip
    assert main([*words, str(out), "--dask", cluster.scheduler_address]) == 0
    assert main([*words, str(tmp_path / "alone")]) == 0
    assert contents(out) == contents(tmp_path / "alone")


def test_a_scheduler_that_does_not_answer_is_named(
    small_release: Path, export_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.export import cluster as ours

    monkeypatch.setattr(ours, "_CONNECTING", 1)
    with pytest.raises(ExportError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        export("mimic-cxr-jpg", small_release, tmp_path / "out", dask="tcp://127.0.0.1:9",
               progress=False, cache_dir=export_cache)  # fmt: skip


@pytest.fixture
def lone_scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler and a worker, each a process of its own; scheduler.json has the address."""
    words = ("--scheduler-file", str(tmp_path / "scheduler.json"))
    with Scheduler(*words, folder=tmp_path) as scheduler, Worker(*words, folder=tmp_path):
        yield scheduler


def test_a_scheduler_that_is_lost_is_an_error_and_the_same_command_goes_on(
    lone_scheduler: Scheduler,
    large_release: Path,
    undisturbed: Path,
    export_cache: str,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"

    def kill() -> None:
        while not finished(out):
            time.sleep(0.01)
        lone_scheduler.process.kill()

    with Client(scheduler_file=str(tmp_path / "scheduler.json"), timeout=30) as client:
        client.wait_for_workers(1, timeout=60)
        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(ExportError, match="connection to the Dask scheduler was lost"):
            write(large_release, out, export_cache, client=client)
        thread.join()
    done = len(finished(out))
    summary = write(large_release, out, export_cache)
    assert 0 < summary.written <= summary.files - done
    assert contents(out) == contents(undisturbed)


@pytest.fixture
def unshared(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], object]], str]:
    """Removes the index before workers use it, and does one thing more then."""

    def arrange(happen: Callable[[], object]) -> str:
        from cxr_datasets.export import workers

        cache = tmp_path / "cache-of-this-machine"
        write_all = workers.write_all

        def happening(*arguments: Any, **options: Any) -> None:
            if cache.exists():  # as on a machine that does not share it
                shutil.rmtree(cache)
                happen()
            write_all(*arguments, **options)

        monkeypatch.setattr(workers, "write_all", happening)
        return str(cache)

    return arrange


@pytest.mark.thorough
def test_workers_without_the_index_make_their_own(
    client: Client, small_release: Path, export_cache: str, tmp_path: Path, unshared: Any
) -> None:
    cache = unshared(lambda: None)
    export("mimic-cxr-jpg", small_release, tmp_path / "out", client=client, progress=False,
           cache_dir=cache)  # fmt: skip
    export("mimic-cxr-jpg", small_release, tmp_path / "alone", progress=False,
           cache_dir=export_cache)  # fmt: skip
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.mark.thorough
def test_workers_that_see_another_release_are_refused(
    client: Client, small_release: Path, tmp_path: Path, unshared: Any
) -> None:
    from cxr_datasets.testing import copy_release

    release = copy_release(small_release, tmp_path / "release")
    table = release / "mimic-cxr-2.0.0-negbio.csv.gz"
    change = lambda: edit_table(table, lambda rows: rows.drop(index=rows.index[-1]))  # noqa: E731
    cache = unshared(change)
    with pytest.raises(ExportError, match="sees another release"):
        export("mimic-cxr-jpg", release, tmp_path / "out", client=client, progress=False,
               cache_dir=cache)  # fmt: skip
