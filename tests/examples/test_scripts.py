"""Every script of `examples/` runs as its docstring says, prints what it promises, and draws."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from cxr_datasets.builder.pixels import ROWS_AT_ONCE
from tests.examples.conftest import Run
from tests.examples.scripts import SCRIPTS, WITHOUT_PICTURE
from tests.fakes.slurm import write_slurm

ALONE = {
    "both": r"^\d+ images; columns: image, image_id, study_id, subject_id, view, report, ",
    "classifier": r"^epoch 1: loss 0\.\d+\nepoch 2: loss 0\.\d+\n(?:epoch .*\n)*"
    r"test: AUROC 0\.\d\d, the mean of [1-9]\d? labels$",
    "cohort": r"^all of the release: \d+ images, \d+ studies, \d+ patients\n"
    r"split_file=\d+ studies, digest \w{16}: .+\nviews=\['frontal'\]: .+\nrequire=findings: .+\n"
    r"require=labels: .+\n[1-9]\d* patients were held out once, \d are 1 %$",
    "labels": r"^\d+ studies; \d\d% of the cells are null$",
    "layers": r"^\d+ images, [3-9]\d* with boxes and masks$",
    "look": r"^train: \d+ frontal images\nvalidation: \d+ frontal images\ntest: \d+ frontal",
    "priors": r"^\d+ frontal images: \d+ of a first study, \d+ of unknown order\n[1-9]\d* with a ",
    "patients": r"^\d+ studies; sex and age of \d+; in an admission: \d+$",
    "report_generation": "",
    "resume": r"^3 batches before the stop, \d+ after it; every row once, in order$",
    "resume_training": r"^two workers: every row once: True; the same weights, bit for bit: True\n"
    r"three ranks: every row once: True$",
    "study": r"^study \d{8}: frontal, lateral",
}
"""Scripts that need nothing but a release, and what they print."""

WITH_MORE = {"dask_export", "remote", "slurm_export", "sql"}
"""Scripts with a test of their own below."""


def test_every_script_is_run() -> None:
    assert {*ALONE, *WITH_MORE} == {*SCRIPTS}


def assert_picture(file: Path) -> None:
    """Fail unless something is to be seen."""
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
        assert len(set(picture.convert("L").resize((200, 100)).tobytes())) > 20


@pytest.mark.parametrize("script", ALONE)
def test_a_script_prints_what_it_promises_and_draws(
    script: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    if script == "report_generation":
        pytest.importorskip("transformers")
    pictures = run(script)
    assert re.search(ALONE[script], capsys.readouterr().out, re.MULTILINE)
    assert_picture(pictures / f"{script}.png")


def test_sql_counts_labels_and_finds_images(
    run: Run, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = run("sql")
    said = capsys.readouterr().out
    studies = sum(
        pq.read_metadata(file).num_rows for file in (desk / "practice/export/reports").iterdir()
    )
    cells = re.search(r"Edema\W+(\d+)\W+(\d+)\W+(\d+)\W+(\d+)", said)
    assert cells is not None
    assert sum(map(int, cells.groups())) == studies
    assert re.search(r"^[1-4] images of moderately enlarged hearts$", said, re.MULTILINE)
    assert_picture(pictures / "sql.png")


def test_dask_workers_write_the_export_and_their_times_are_drawn(
    run: Run, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = run("dask_export")
    (files,) = re.findall(r"in (\d+) files", capsys.readouterr().out)
    assert len(list((desk / "practice/dask/images").iterdir())) == int(files) > 2
    assert_picture(pictures / "dask_export.png")


def test_jobs_of_slurm_write_the_export(
    run: Run, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import dask

    slurm = write_slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm}:{os.environ['PATH']}")
    here = {"interface": "lo"}
    import dask_jobqueue  # noqa: F401  fills in the configuration that is changed here

    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in here.items()}):
        run("slurm_export")
    said = capsys.readouterr().out
    assert "#SBATCH -t 01:00:00" in said
    assert "practice/slurm: images, " in said
    assert len(list(slurm.glob("*.job"))) == 2
    assert list((desk / "practice/slurm/images").glob("train-*.parquet"))


class Server(SimpleHTTPRequestHandler):
    """A plain web server that keeps what it was asked for."""

    asked: list[str] = []

    def log_message(self, *words: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def server(desk: Path) -> Iterator[str]:
    """The address of the releases on a plain web server."""
    Server.asked.clear()
    handler = partial(Server, directory=str(desk / "practice"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_remote_copy_is_streamed_and_a_split_of_it_copied(
    run: Run, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = run("remote", **{"data-dir": f"{server}/mimic"})
    said = capsys.readouterr().out
    shown = re.findall(r"^(files/\S+\.jpg): ", said, re.MULTILINE)
    (copied,) = re.findall(r"practice/remote: images, (\d+) rows", said)
    fetched = {path for path in Server.asked if path.endswith(".jpg")}
    assert len(shown) == 8
    assert {f"/mimic/{path}" for path in shown} <= fetched
    assert 8 + int(copied) <= len(fetched) <= 8 + int(copied) + 2 * ROWS_AT_ONCE  # read ahead
    assert_picture(pictures / "remote.png")


def test_pictures_are_of_scripts_that_draw(desk: Path) -> None:
    assert not {f"{script}.png" for script in WITHOUT_PICTURE} & {
        file.name for file in (desk / "pictures").glob("*")
    }
