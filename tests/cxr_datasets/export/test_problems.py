"""An export meets all its absent and damaged images in one run, and lists them."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, MissingImagesError
from cxr_datasets.export import ExportError, ExportSummary, export
from cxr_datasets.testing import copy_release, files_under, rewrite
from tests.cxr_datasets.export.conftest import contents, finished, states

WHAT = {
    "gone": "is not there",
    "empty": "is not there",
    "cut": "is a JPEG that is cut off: its last 4,096 bytes hold no end marker FF D9",
    "page": "is a page of HTML, such as a server sends without a login, and no image",
}
"""How an image is bad, and what the list says of it."""

WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "resized": {"image_size": 32},
    "studies": {"config": "studies"},
    "two processes": {"image_size": 32, "num_proc": 2},
}


def write(release: Path, out: Path, cache: str, **options: Any) -> ExportSummary:
    return export("mimic-cxr-jpg", release, out, progress=False, rows_per_file=10,
                  cache_dir=cache, **options)  # fmt: skip


def listed(out: Path) -> list[dict[str, str]]:
    with (out / ".cxr" / "problems.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def spoil(image: Path, how: str) -> None:
    content = image.read_bytes()
    if how == "gone":
        image.unlink()
    else:
        rewrite(image, {"empty": b"", "cut": content[:5_000], "page": b"<html>Log in"}[how])


@pytest.fixture
def release(small_release: Path, tmp_path: Path) -> Path:
    return copy_release(small_release, tmp_path / "release")


@pytest.fixture
def whole(release: Path, export_cache: str, tmp_path: Path) -> Path:
    """An export that nothing disturbed."""
    write(release, tmp_path / "whole", export_cache)
    return tmp_path / "whole"


def paths_of(
    release: Path, cache: str, tmp_path: Path, way: dict[str, Any]
) -> dict[str, list[str]]:
    """Name of a file -> paths of its images, in an undisturbed export."""
    out = tmp_path / "undisturbed"
    write(release, out, cache, **way)
    column = "paths" if way.get("config") == "studies" else "path"
    found = {}
    for name in finished(out, way.get("config", "images")):
        rows = pq.read_table(out / name, columns=[column])[column].to_pylist()
        found[name] = rows if column == "path" else [path for row in rows for path in row]
    return found


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_all_bad_images_are_met_in_one_run_and_later_only_what_is_left_is_done(
    way: dict[str, Any], release: Path, small_release: Path, export_cache: str, tmp_path: Path
) -> None:
    config = way.get("config", "images")
    files = paths_of(release, export_cache, tmp_path, way)
    names = list(files)
    # Two in the first file and one in the last but one; the others are whole.
    first, late = files[names[0]], files[names[-2]]
    bad = {first[0]: "cut", first[-1]: "gone", late[1]: "page", late[0]: "empty"}
    for path, how in bad.items():
        spoil(release / path, how)
    out = tmp_path / "out"
    with pytest.raises(ExportError) as caught:
        write(release, out, export_cache, **way)
    message = str(caught.value)
    images = sum(map(len, files.values()))
    assert f"4 of {images} images are absent or damaged" in message
    assert f"{len(names) - 2} of {len(names)} files are finished" in message
    assert f"{out}/.cxr/problems.csv" in message
    assert listed(out) == [
        {"id": Path(path).stem, "path": path, "what is wrong": WHAT[bad[path]]}
        for name in names for path in files[name] if path in bad
    ]  # fmt: skip
    assert sorted(finished(out, config)) == sorted({*names} - {names[0], names[-2]})
    assert not (out / "README.md").exists()
    assert files_under(out / ".cxr" / "unfinished") == []

    kept = states(out, finished(out, config))
    for path in bad:
        rewrite(release / path, (small_release / path).read_bytes())
    assert write(release, out, export_cache, **way).written == 2
    assert states(out, list(kept)) == kept
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_the_list_is_that_of_the_last_run(
    release: Path, small_release: Path, export_cache: str, tmp_path: Path, whole: Path
) -> None:
    out = tmp_path / "out"
    paths = pq.read_table(whole / finished(whole)[0])["path"].to_pylist()
    for path in paths[:3]:
        spoil(release / path, "cut")
    with pytest.raises(ExportError, match=paths[0]):
        write(release, out, export_cache)
    rewrite(release / paths[0], (small_release / paths[0]).read_bytes())
    with pytest.raises(ExportError, match=r"2 of \d+ images"):
        write(release, out, export_cache)
    assert [row["path"] for row in listed(out)] == paths[1:3]


def test_the_command_ends_with_exit_code_1_and_one_sentence(
    release: Path, export_cache: str, tmp_path: Path, whole: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = pq.read_table(whole / finished(whole)[1])["path"][3].as_py()
    spoil(release / path, "page")
    out = tmp_path / "out"
    words = ["export", "mimic-cxr-jpg", "--data-dir", str(release), "--out", str(out),
             "--cache-dir", export_cache, "--rows-per-file", "10", "--no-progress"]  # fmt: skip
    assert main(words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.count(". ") == 0
    assert "problems.csv" in printed.err


def test_what_the_options_allow_is_no_problem_and_the_rest_is(
    release: Path, export_cache: str, tmp_path: Path, whole: Path
) -> None:
    paths = pq.read_table(whole / finished(whole)[0])["path"].to_pylist()
    spoil(release / paths[0], "gone")
    spoil(release / paths[1], "cut")
    for options, problem in (({"missing": "null"}, paths[1]), ({"damaged": "skip"}, paths[0])):
        out = tmp_path / str(options)
        with pytest.raises(ExportError, match=problem):
            write(release, out, export_cache, **options)
        assert [row["path"] for row in listed(out)] == [problem]


def test_an_absent_image_that_came_since_is_no_other_release(
    release: Path, small_release: Path, export_cache: str, tmp_path: Path, whole: Path
) -> None:
    paths = pq.read_table(whole / finished(whole)[0])["path"].to_pylist()
    spoil(release / paths[0], "gone")
    spoil(release / paths[1], "cut")
    out = tmp_path / "out"
    with pytest.raises(ExportError, match=paths[0]):
        write(release, out, export_cache, damaged="skip")
    rewrite(release / paths[0], (small_release / paths[0]).read_bytes())
    summary = write(release, out, export_cache, damaged="skip")
    assert (summary.written, summary.skipped) == (1, 1)
    assert (out / "skipped-images.txt").read_text() == f"{Path(paths[1]).stem}\n"


def test_a_sample_without_a_single_image_ends_it_before_anything_is_written(
    release: Path, export_cache: str, tmp_path: Path
) -> None:
    for image in release.glob("files/*/*/*/*.jpg"):
        image.unlink()
    for missing in ("error", "skip", "null"):
        with pytest.raises(MissingImagesError):
            write(release, tmp_path / "out", export_cache, missing=missing)
    assert files_under(tmp_path / "out") == []


def test_some_absent_images_in_the_sample_are_counted_at_the_start(
    release: Path, export_cache: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = sorted(release.glob("files/*/*/*/*.jpg"))
    images[4].unlink()
    with caplog.at_level(logging.WARNING), pytest.raises(ExportError):
        write(release, tmp_path / "out", export_cache)
    (line,) = (text for text in caplog.messages if "sample" in text)
    assert f"1 of a sample of {len(images)} image files" in line


@pytest.mark.parametrize("damaged", ["skip", "null"])
def test_where_every_image_is_damaged_no_file_is_kept(
    release: Path, small_release: Path, export_cache: str, tmp_path: Path, damaged: str
) -> None:
    for image in release.glob("files/*/*/*/*.jpg"):
        spoil(image, "page")
    out = tmp_path / "out"
    with pytest.raises(CxrError, match=r"All \d+ image files .* are damaged"):
        write(release, out, export_cache, damaged=damaged)
    assert list(out.rglob("*.parquet")) == []
    assert finished(out) == []
    assert not (out / "README.md").exists()


def test_paths_are_those_of_the_files_where_images_says_they_are(
    release: Path, export_cache: str, tmp_path: Path
) -> None:
    small = tmp_path / "flat"
    images = sorted(release.glob("files/*/*/*/*.jpg"))
    for image in images:
        rewrite(small / image.name, image.read_bytes())
        image.unlink()
    spoil(small / images[3].name, "cut")
    with pytest.raises(ExportError, match=f"such as {images[3].name}"):
        write(release, tmp_path / "out", export_cache, images=small)
    (row,) = listed(tmp_path / "out")
    assert (row["id"], row["path"]) == (images[3].stem, images[3].name)
