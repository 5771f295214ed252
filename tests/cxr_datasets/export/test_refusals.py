"""What an export refuses, before it writes anything."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.export import ExportError, export
from cxr_datasets.testing import copy_release, edit_table, files_under
from tests.cxr_datasets.export.conftest import Exported, contents, finished, started


@pytest.fixture
def done(small_release: Path, export_cache: str, tmp_path: Path) -> dict[str, Any]:
    """An export and how it was made."""
    release = copy_release(small_release, tmp_path / "release")
    made = {"dataset": "mimic-cxr-jpg", "data_dir": release, "out": tmp_path / "out",
            "image_size": 32, "progress": False, "cache_dir": export_cache}  # fmt: skip
    export(**made)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"image_size": 48}, "image_size: 32 there, 48 now"),
        ({"image_size": None}, "image_size: 32 there, none now"),
        ({"image_format": "png"}, "image_format: jpeg there, png now"),
        ({"views": ["frontal"]}, "views: none there, ['frontal'] now"),
        ({"missing": "null"}, "missing: error there, null now"),
        ({"rows_per_file": 16}, "rows_per_file: none there, 16 now"),
    ],
)
def test_other_options_into_the_same_folder_are_refused_with_the_difference(
    done: dict[str, Any], options: dict[str, Any], difference: str
) -> None:
    before = contents(done["out"])
    with pytest.raises(ExportError, match=re.escape(difference)) as caught:
        export(**{**done, **options})
    assert str(done["out"]) in str(caught.value)
    assert "another folder" in str(caught.value)
    assert contents(done["out"]) == before


def test_a_changed_release_is_refused_with_the_file_that_changed(done: dict[str, Any]) -> None:
    table = done["data_dir"] / "mimic-cxr-2.0.0-negbio.csv.gz"
    before = contents(done["out"])
    sizes = [table.stat().st_size]
    edit_table(table, lambda labels: labels.drop(index=labels.index[-1]))
    sizes.append(table.stat().st_size)
    with pytest.raises(ExportError, match=r"release, mimic-cxr-2\.0\.0-negbio\.csv\.gz") as caught:
        export(**done)
    assert all(f"{size:,} bytes" in str(caught.value) for size in sizes)
    with pytest.raises(ExportError, match="negbio"):  # another config, too
        export(**{**done, "config": "studies"})
    assert contents(done["out"]) == before


def test_images_that_came_since_are_a_changed_release(done: dict[str, Any], tmp_path: Path) -> None:
    image = next(done["data_dir"].glob("files/*/*/*/*.jpg"))
    content = image.read_bytes()
    image.unlink()
    made = {**done, "out": tmp_path / "partial", "missing": "skip"}
    export(**made)
    image.write_bytes(content)
    with pytest.raises(ExportError, match="image files that are there"):
        export(**made)


def test_the_same_release_in_another_place_is_the_same(
    done: dict[str, Any], tmp_path: Path
) -> None:
    before = contents(done["out"])
    done["data_dir"].rename(tmp_path / "moved")
    assert export(**{**done, "data_dir": tmp_path / "moved"}).written == 0
    assert contents(done["out"]) == before


def test_another_dataset_into_the_same_folder_is_refused(
    done: dict[str, Any], indiana_release: Path, export_cache: str
) -> None:
    with pytest.raises(ExportError, match="dataset: mimic-cxr-jpg there, indiana-cxr now"):
        export("indiana-cxr", indiana_release, done["out"], config="studies", progress=False,
               cache_dir=export_cache)  # fmt: skip


def test_a_folder_with_something_else_in_it_is_left_alone(
    small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ExportError, match=r"not empty \(it holds README.md\)"):
        export("mimic-cxr-jpg", small_release, tmp_path, progress=False, cache_dir=export_cache)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert set(files_under(tmp_path)) <= {"README.md", ".cxr/lock"}


def test_the_second_of_two_exports_at_once_is_refused(
    slow_command: Callable[..., list[str]], undisturbed: Path, large_release: Path,
    export_cache: str, tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    first = started(slow_command(out))
    limit = time.monotonic() + 60
    while not finished(out):
        assert time.monotonic() < limit
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # or it might be done before the second one begins
    with pytest.raises(ExportError, match=rf"{out} is being written to by process {first.pid} on"):
        export("mimic-cxr-jpg", large_release, out, config="reports", progress=False,
               cache_dir=export_cache)  # fmt: skip
    assert first.poll() is None
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": "chexpert"}, "mimic-cxr-jpg"),
        ({"config": "image"}, "studies"),
        ({"split": "valid"}, "validation"),
        ({"split": ["train", "dev"]}, "'dev'"),
        ({"image_sise": 512}, "image_size"),
        ({"embed": False}, "always hold the images"),
        ({"image_size": 0}, "512"),
        ({"rows_per_file": 0}, "rows_per_file=0"),
        ({"num_proc": 0}, "num_proc=0"),
        ({"num_proc": 2, "dask": "tcp://localhost:1"}, "exclude each other"),
        ({"out": "s3://user:secret@bucket/out"}, "holds a password"),
        ({"out": "https://example.org/out"}, "cannot be written to"),
        ({"out": "zip://out::/tmp/archive.zip"}, "cannot be written to"),
    ],
)
def test_wrong_options_are_refused_with_the_right_ones(
    options: dict[str, Any], said: str, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    made = {"dataset": "mimic-cxr-jpg", "data_dir": small_release, "out": tmp_path / "out",
            "progress": False, "cache_dir": export_cache}  # fmt: skip
    with pytest.raises(OptionError) as caught:
        export(**{**made, **options})
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_broken_release_is_refused_before_anything_is_written(
    small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    (release / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    with pytest.raises(CxrError, match="metadata"):
        export("mimic-cxr-jpg", release, tmp_path / "out", progress=False, cache_dir=export_cache)
    assert not (tmp_path / "out").exists()


def test_a_name_with_underscores_is_the_same_dataset(exported: Exported) -> None:
    summary = export(exported.dataset.replace("-", "_"), exported.release, exported.out,
                     rows_per_file=40, progress=False, cache_dir=exported.cache)  # fmt: skip
    assert summary.written == 0
