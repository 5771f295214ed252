"""`cxr export --dry-run`: what is to come, by a sample of the images; nothing is written."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import ExportError, MissingImagesError
from cxr_datasets.export import ExportEstimate, export
from cxr_datasets.testing import copy_release, files_under

from .conftest import CONFIGS

SMALL = {"image_size": 32, "rows_per_file": 20}


@pytest.fixture
def given(small_release: Path, tmp_path: Path) -> dict[str, Any]:
    return {"dataset": "mimic-cxr-jpg", "data_dir": small_release, "out": tmp_path / "out",
            "cache_dir": str(tmp_path / "cache"), "progress": False}  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS)
def test_it_foretells_rows_and_files_exactly_and_bytes_nearly(
    config: str, given: dict[str, Any]
) -> None:
    told = export(**given, config=config, dry_run=True, **SMALL)
    assert isinstance(told, ExportEstimate)
    assert not given["out"].exists()
    done = export(**given, config=config, **SMALL)
    assert (told.rows, told.files, told.finished) == (done.rows, done.files, 0)
    assert told.bytes == pytest.approx(done.bytes, rel=0.1)
    assert told.sampled > 0
    assert told.fits
    again = export(**given, config=config, dry_run=True, **SMALL)
    assert (again.files, again.finished, again.bytes, again.seconds) == (0, done.files, 0, 0)


def test_it_writes_nothing_but_the_index_that_loading_makes(
    given: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "beside").mkdir()
    before = sorted(os.listdir(tmp_path))
    export(**given, dry_run=True, **SMALL)
    assert sorted({*os.listdir(tmp_path)} - {"cache"}) == before
    cached = files_under(tmp_path / "cache")
    export(**given, **SMALL)
    assert files_under(tmp_path / "cache") == cached


def test_resized_images_are_re_encoded_and_others_taken_as_they_are(
    given: dict[str, Any], small_release: Path
) -> None:
    files = list((small_release / "files").rglob("*.jpg"))
    whole = export(**given, dry_run=True)
    assert whole.bytes > sum(file.stat().st_size for file in files)
    small = export(**given, dry_run=True, image_size=16)
    lossless = export(**given, dry_run=True, image_size=64, image_format="png")
    assert small.bytes < whole.bytes
    assert small.bytes < lossless.bytes


def test_time_is_that_of_the_images_left_at_the_rate_of_the_sample(given: dict[str, Any]) -> None:
    export(**given, split="train", **SMALL)
    told = export(**given, dry_run=True, **SMALL)
    assert told.finished > 0
    assert told.seconds == pytest.approx(told.rows / told.images_per_second, abs=0.11)


def test_the_command_says_it_in_a_line_and_in_json(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", given["dataset"], "--data-dir", str(given["data_dir"]), "--out",
             str(given["out"]), "--cache-dir", given["cache_dir"], "--dry-run"]  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{given['out']}: images, 44 rows, about ")
    assert re.search(
        r" files to write \(0 finished\), in about (a|\d+) seconds? at [\d,.]+ images ", said
    )
    assert said.endswith("bytes are free: enough. Nothing was written.\n")
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["sampled"], told["fits"]) == (44, 44, True)
    assert f"{told['bytes']:,} bytes" in said


def test_a_disk_without_room_is_told_and_ends_with_1(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    words = ["export", given["dataset"], "--data-dir", str(given["data_dir"]), "--out",
             str(given["out"]), "--cache-dir", given["cache_dir"], "--dry-run"]  # fmt: skip
    assert main(words) == 1
    assert "1,000 bytes are free: not enough" in capsys.readouterr().out


def test_a_store_does_not_tell_how_much_room_it_has(
    given: dict[str, Any], bucket: dict[str, Any]
) -> None:
    told = export("mimic-cxr-jpg", out="s3://exports/mimic/out", dry_run=True, **bucket, **SMALL)
    assert (told.free, told.fits, told.problems) == (None, None, 0)
    assert "the store does not tell" in str(told)


def test_absent_and_damaged_images_of_the_sample_are_counted(
    given: dict[str, Any], small_release: Path, tmp_path: Path
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    first, second, *others = sorted((release / "files").rglob("*.jpg"))
    first.unlink()
    second.unlink()
    second.write_bytes(b"no image" * 20)
    given["data_dir"] = release
    told = export(**given, dry_run=True, **SMALL)
    assert (told.absent, told.damaged) == (1, 1)
    assert "1 of them absent, 1 of them damaged" in str(told)
    for file in others:
        file.unlink()
    with pytest.raises(MissingImagesError):
        export(**given, dry_run=True, **SMALL)


def test_what_an_export_would_refuse_is_refused_now(given: dict[str, Any]) -> None:
    given["out"].mkdir()
    (given["out"] / "mine.txt").touch()
    with pytest.raises(ExportError, match="is not empty"):
        export(**given, dry_run=True)
    assert files_under(given["out"]) == ["mine.txt"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.3, "about a second"), (7, "about 7 seconds"), (90, "about 1.5 minutes"),
     (37_000, "about 10.3 hours")],
)  # fmt: skip
def test_time_is_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    told = ExportEstimate("out", "images", 1, 1, 0, 1, seconds, 1.0, 1, 0, 0, None)
    assert f", in {said} at 1.0 images a second" in str(told)
