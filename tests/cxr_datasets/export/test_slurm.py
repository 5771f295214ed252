"""An export by jobs of SLURM."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dask_jobqueue import SLURMCluster
from distributed import Client

from cxr_datasets.export import export
from tests.cxr_datasets.export.conftest import SLOW, contents
from tests.fakes.slurm import write_slurm


def test_jobs_of_slurm_write_the_same_bytes(
    large_release: Path, undisturbed: Path, export_cache: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    slurm = write_slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm}:{os.environ['PATH']}")
    with (
        SLURMCluster(
            cores=1, memory="2GB", walltime="00:10:00", interface="lo", local_directory=tmp_path,
            scheduler_options={"dashboard_address": "127.0.0.1:0"}, security=True,
            shared_temp_directory=str(tmp_path),
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        cluster.scale(jobs=2)
        client.wait_for_workers(1, timeout=60)
        summary = export("mimic-cxr-jpg", large_release, tmp_path / "out", client=client,
                         progress=False, cache_dir=export_cache, **SLOW)  # type: ignore[arg-type]  # fmt: skip
    assert summary.written == summary.files
    assert len(list(slurm.glob("*.job"))) == 2
    assert contents(tmp_path / "out") == contents(undisturbed)
