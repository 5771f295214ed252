"""An export of a dataset with an agreement gives nothing to other users of the machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import ExportError
from cxr_datasets.export import export
from cxr_datasets.testing import copy_release, rewrite
from tests.modes import CREDENTIALED, Watch, modes, too_open, umask

KINDS = (
    "out/images/", "out/.cxr/images.jsonl", "out/.cxr/lock", "out/.cxr/problems.csv",
    "out/.cxr/unfinished/", "out/.cxr/unfinished/images--", "skip/.cxr/unfinished/README.md",
    "skip/README.md", "skip/croissant.json", "cache/mimic_cxr_jpg/cxr_index/mimic_cxr_jpg-",
)  # fmt: skip
"""Parts of paths; each kind of file that is written has one of them."""


def write(dataset: str, release: Path, out: Path, cache: Path, **options: Any) -> Any:
    return export(dataset, release, out, cache_dir=str(cache), progress=False, **options)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, and an image that is damaged."""
    from mimic_cxr_jpg.synthetic import write_release

    out = tmp_path_factory.mktemp("closed") / "release"
    made = write_release(out, patients=3, scale=1 / 64)
    image = sorted(made.rglob("*.jpg"))[0]
    rewrite(image, b"no image")
    return made


@pytest.mark.parametrize("mask", CREDENTIALED)
def test_whatever_the_umask_nothing_of_an_export_is_open_to_others(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    place = tmp_path / "place"
    with umask(mask):
        watch = Watch(place, monkeypatch)
        with pytest.raises(ExportError, match=r"problems\.csv lists these"):
            write("mimic-cxr-jpg", release, place / "out", place / "cache", rows_per_file=1)
        watch.look()
        write("mimic-cxr-jpg", release, place / "skip", place / "cache", damaged="skip")
    seen = watch.look()
    for kind in KINDS:
        assert any(kind in path for path in seen), kind
    folder, file = CREDENTIALED[mask]
    assert too_open({path: seen[path] for path in seen if path != "cache/"}, folder, file) == {}


def test_neither_is_what_several_processes_write(release: Path, tmp_path: Path) -> None:
    with umask(0):
        write("mimic-cxr-jpg", release, tmp_path / "out", tmp_path / "cache", damaged="null",
              num_proc=2, rows_per_file=2)  # fmt: skip
    found = modes(tmp_path / "out")
    assert sum(path.startswith("images/") for path in found) > 3
    assert too_open(found, 0o750, 0o640) == {}
    assert too_open({"out/": (tmp_path / "out").stat().st_mode & 0o777}, 0o750, 0) == {}


def test_for_a_dataset_without_an_agreement_the_umask_decides(
    indiana_release: Path, tmp_path: Path
) -> None:
    with umask(0o022):
        write("indiana-cxr", indiana_release, tmp_path / "out", tmp_path / "cache",
              config="reports")  # fmt: skip
    found = modes(tmp_path)
    assert {mode for path, mode in found.items() if path.endswith("/")} == {0o755}
    assert {mode for path, mode in found.items() if not path.endswith("/")} == {0o644}


def opened_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_an_export_that_stood_open_is_closed_by_the_next_one_into_its_folder(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write("mimic-cxr-jpg", small_release, out, tmp_path / "cache", config="reports")
    opened_to_all(out)
    write("mimic-cxr-jpg", small_release, out, tmp_path / "cache", config="reports")
    assert too_open({"out/": out.stat().st_mode & 0o777, **modes(out)}, 0o750, 0o640) == {}


def test_so_is_an_empty_folder_of_the_users_and_one_that_is_linked(
    small_release: Path, tmp_path: Path
) -> None:
    large, out = tmp_path / "large", tmp_path / "out"
    large.mkdir(0o755)
    out.symlink_to(large)
    with umask(0o022):
        write("mimic-cxr-jpg", small_release, out, tmp_path / "cache", config="reports")
    assert out.is_symlink()
    assert modes(tmp_path)["large/"] == 0o750
    assert too_open(modes(large), 0o750, 0o640) == {}


def test_a_folder_that_holds_something_else_stays_as_it_is(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(0o755)
    (out / "theirs.txt").touch(0o644)
    with pytest.raises(ExportError, match="is not empty"):
        write("mimic-cxr-jpg", small_release, out, tmp_path / "cache", config="reports")
    assert modes(out)["theirs.txt"] == 0o644
    assert modes(tmp_path)["out/"] == 0o755


def test_where_permissions_cannot_be_changed_one_line_says_so_and_the_export_goes_on(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    out.mkdir(0o755)

    def refused(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    with caplog.at_level(logging.WARNING, "cxr_datasets"):
        for _ in range(2):
            write("mimic-cxr-jpg", small_release, out, tmp_path / "cache", config="reports")
    (line,) = [text for text in caplog.messages if "stay open to other users" in text]
    assert line.startswith("1 of ")
    assert f"in {out} stay open" in line


def test_the_copy_that_a_push_loads_back_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from cxr_datasets.push import reading

    class Program:
        """What runs in the process that loads the copy back."""

        @staticmethod
        def read_text(encoding: str) -> str:
            return (
                "import json, os, pathlib\n"
                "made = pathlib.Path(os.environ['HF_DATASETS_CACHE'], 'rows.arrow')\n"
                "made.parent.mkdir()\n"
                "made.touch()\n"
                "places = (made, made.parent, pathlib.Path.cwd())\n"
                "print(json.dumps({'rows': [p.stat().st_mode & 0o777 for p in places]}))\n"
            )

    monkeypatch.setattr(reading, "_PROGRAM", Program)
    with umask(0):
        assert reading.load_back("somebody/films", ["images"]) == [0o600, 0o700, 0o700]


def test_a_copy_of_an_export_goes_on(release: Path, tmp_path: Path) -> None:
    """One made by hard links, as snapshots are, with all of its files."""
    out, copy = tmp_path / "out", tmp_path / "copy"
    write("mimic-cxr-jpg", release, out, tmp_path / "cache", damaged="skip")
    copy_release(out, copy)
    before = (out / ".cxr" / "images.jsonl").read_bytes()
    (copy / "images" / "train-00000-of-00001.parquet").unlink()
    write("mimic-cxr-jpg", release, copy, tmp_path / "cache", damaged="skip")
    assert (out / ".cxr" / "images.jsonl").read_bytes() == before
    assert (copy / ".cxr" / "images.jsonl").read_bytes() == before
