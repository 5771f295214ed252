"""A dataset is built once, and built anew whenever anything that decides its rows has changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import textwrap
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import DownloadMode, load_dataset
from filelock import FileLock

import cxr_datasets.builder.overrides
import cxr_datasets.packages
import indiana_cxr
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.testing import (
    arrow_files,
    copy_release,
    edit_table,
    files_under,
    read_table,
    rewrite,
)
from tests.helpers import run_python

CHECKOUT = Path(indiana_cxr.__file__).parents[1]
TABLE = {"indiana_cxr": "indiana_reports.csv", "mimic_cxr_jpg": "mimic-cxr-2.0.0-chexpert.csv.gz"}


def load(
    package: str, release: Path | str, cache: str, config: str = "images", **options: Any
) -> Any:
    return load_dataset(
        package, config, data_dir=str(release), cache_dir=cache, split="train", **options
    )


def entries(cache: str) -> set[str]:
    """Folders of the datasets in a cache."""
    return {str(Path(file).parent) for file, _, _ in arrow_files(cache)}


def unfinished(cache: str) -> list[str]:
    """Files under a temporary name, but for the locks that `datasets` leaves behind."""
    files = files_under(cache)
    return [file for file in files if "incomplete" in file and not file.endswith(".lock")]


# Reused.


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_the_same_call_again_is_answered_from_the_cache(
    package: str, release: Path, cache: str, config: str
) -> None:
    first = load(package, release, cache, config)
    files, everything = arrow_files(cache), files_under(cache)
    again = load(package, release, cache, config)
    assert arrow_files(cache) == files
    assert files_under(cache) == everything
    assert again.cache_files == first.cache_files


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_the_same_call_again_is_reused_where_files_are_looked_for(
    package: str, release: Path, cache: str, missing: str
) -> None:
    load(package, release, cache, missing=missing)
    files = arrow_files(cache)
    load(package, release, cache, missing=missing)
    assert arrow_files(cache) == files


def test_ways_to_write_the_same_call_share_one_entry(
    package: str, release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(package, release, cache, views=["frontal", "lateral"])
    files = arrow_files(cache)
    monkeypatch.chdir(release.parent)
    for spelled in (f"{release}/", "./release", f"{release}/../release"):
        load(package, spelled, cache, views=["lateral", "frontal", "lateral"])
    for options in ({"num_proc": 2}, {"token": "hf_secret"}, {"missing": "error"}):
        load(package, release, cache, views=("frontal", "lateral"), **options)
    assert arrow_files(cache) == files


def test_one_view_may_be_a_string(package: str, release: Path, cache: str) -> None:
    load(package, release, cache, views="frontal")
    files = arrow_files(cache)
    load(package, release, cache, views=["frontal"])
    assert arrow_files(cache) == files


def test_streaming_reuses_the_index_of_the_built_dataset(
    package: str, release: Path, cache: str
) -> None:
    built = load(package, release, cache)
    (index,) = Path(cache).rglob("cxr_index")
    before = snapshot(index)
    streamed = load(package, release, cache, streaming=True)
    assert [row["path"] for row in streamed.select_columns(["path"])] == list(built["path"])
    assert snapshot(index) == before


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((f.name, f.stat().st_ino, f.stat().st_mtime_ns) for f in folder.iterdir())


# Built anew.


def test_a_table_with_other_content_makes_a_new_entry(
    package: str, release: Path, cache: str
) -> None:
    before = load(package, release, cache, "reports")

    def edit(rows: pd.DataFrame) -> None:
        if package == "indiana_cxr":
            rows["MeSH"] = "Cardiomegaly"
        else:
            rows["Cardiomegaly"] = "1.0"

    edit_table(release / TABLE[package], edit)
    after = load(package, release, cache, "reports")
    assert len(entries(cache)) == 2
    assert {study["Cardiomegaly"] for study in after["labels"] if study} == {1}
    assert {study["Cardiomegaly"] for study in before["labels"] if study} != {1}


def test_a_table_with_another_time_of_change_makes_a_new_entry(
    package: str, release: Path, cache: str
) -> None:
    load(package, release, cache)
    table = release / TABLE[package]
    changed = table.stat().st_mtime_ns
    rewrite(table, table.read_bytes())
    os.utime(table, ns=(changed, changed))
    load(package, release, cache)
    assert len(entries(cache)) == 1
    os.utime(table, ns=(changed, changed + 1_000_000_000))
    load(package, release, cache)
    assert len(entries(cache)) == 2


def test_a_copy_of_the_release_elsewhere_is_another_dataset(
    package: str, release: Path, cache: str
) -> None:
    load(package, release, cache)
    other = load(package, copy_release(release, release.parent / "other"), cache)
    assert len(entries(cache)) == 2
    assert str(release.parent / "other") in other.data["image"][0].as_py()["path"]


@pytest.mark.parametrize(
    "options",
    [
        {"views": ["frontal"]},
        {"views": ["lateral"]},
        {"missing": "skip"},
        {"missing": "null"},
        {"config": "studies"},
        {"config": "reports"},
    ],
)
def test_another_option_makes_a_new_entry(
    package: str, release: Path, cache: str, options: dict[str, Any]
) -> None:
    load(package, release, cache)
    load(package, release, cache, **options)
    assert len(entries(cache)) == 2


def test_another_way_to_split_makes_a_new_entry(indiana_release: Path, cache: str) -> None:
    for split_by in (None, "r2gen", "r2gen_pairs", "hash"):
        load("indiana_cxr", indiana_release, cache, split_by=split_by)
    assert len(entries(cache)) == 4


def test_other_rules_for_labels_make_a_new_entry_and_the_default_by_name_does_not(
    indiana_release: Path, cache: str
) -> None:
    found = [
        load("indiana_cxr", indiana_release, cache, **options)["labels"][:]
        for options in ({}, {"mesh_rules": "corrected"}, {"mesh_rules": "transchex"})
    ]
    assert len(entries(cache)) == 2
    assert found[0] == found[1] != found[2]


def test_another_place_of_the_reports_makes_a_new_entry(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    with_its_own = load("mimic_cxr_jpg", small_release, cache)
    elsewhere = tmp_path / "elsewhere" / "mimic-cxr-reports.zip"
    elsewhere.parent.mkdir()
    shutil.copy(small_release / elsewhere.name, elsewhere)
    given = load("mimic_cxr_jpg", small_release, cache, reports=str(elsewhere))
    assert len(entries(cache)) == 2
    assert given["report"][:] == with_its_own["report"][:]


def test_other_code_makes_a_new_entry(
    package: str, release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(package, release, cache)
    monkeypatch.setattr(cxr_datasets.builder.overrides, "code_hash", lambda *_: "0123456789abcdef")
    load(package, release, cache)
    assert len(entries(cache)) == 2


def test_datasets_can_be_told_to_build_again(package: str, release: Path, cache: str) -> None:
    load(package, release, cache)
    before = arrow_files(cache)
    load(package, release, cache, download_mode=DownloadMode.FORCE_REDOWNLOAD)
    after = arrow_files(cache)
    assert [file for file, *_ in after] == [file for file, *_ in before]
    assert after != before


@pytest.mark.parametrize("lost", ["cxr_index", "indiana_cxr"])
def test_a_cache_that_lost_a_part_is_completed(
    indiana_release: Path, cache: str, lost: str
) -> None:
    expected = load("indiana_cxr", indiana_release, cache, "reports")["report"][:]
    shutil.rmtree(Path(cache) / lost)
    assert load("indiana_cxr", indiana_release, cache, "reports")["report"][:] == expected
    streamed = load("indiana_cxr", indiana_release, cache, "reports", streaming=True)
    assert [row["report"] for row in streamed] == expected


# A download that goes on.


@pytest.mark.parametrize("streaming", [False, True])
def test_an_image_that_has_come_gives_its_row(
    package: str, release: Path, cache: str, streaming: bool
) -> None:
    paths = list(load(package, release, cache)["path"])
    late = release / paths[2]
    content = late.read_bytes()
    late.unlink()

    def found(missing: str) -> list[str]:
        rows = load(package, release, cache, missing=missing, streaming=streaming)
        return [row["path"] for row in rows if row["image"] is not None]

    for missing in ("skip", "null"):
        assert found(missing) == paths[:2] + paths[3:]
    late.write_bytes(content)
    for missing in ("skip", "null"):
        assert found(missing) == paths


def test_an_image_that_is_lost_takes_its_row(package: str, release: Path, cache: str) -> None:
    paths = list(load(package, release, cache, missing="skip")["path"])
    (release / paths[0]).unlink()
    assert list(load(package, release, cache, missing="skip")["path"]) == paths[1:]


# Interruptions and company.


def test_two_processes_that_build_the_same_thing_at_once_both_succeed(
    mimic_release: Path, tmp_path: Path
) -> None:
    program = f"""
        import json, multiprocessing
        import datasets, mimic_cxr_jpg

        def build(number, barrier):
            found = []
            barrier.wait()
            for config in ("images", "studies", "reports"):
                splits = datasets.load_dataset(
                    "mimic_cxr_jpg", config, data_dir={str(mimic_release)!r}, cache_dir="cache"
                )
                found.append({{name: len(split) for name, split in splits.items()}})
            with open(f"{{number}}.json", "w") as file:
                json.dump(found, file)

        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(2)
        both = [context.Process(target=build, args=(number, barrier)) for number in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
            assert process.exitcode == 0
    """
    run = run_python(textwrap.dedent(program), cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert run.returncode == 0, run.stderr
    one, other = (json.loads((tmp_path / f"{number}.json").read_text()) for number in range(2))
    assert one == other
    assert len(one) == 3
    cache = str(tmp_path / "cache")
    assert len(entries(cache)) == 3
    assert unfinished(cache) == []


@pytest.fixture(scope="module")
def many_reports(tmp_path_factory: pytest.TempPathFactory, indiana_release: Path) -> Path:
    """10,000 studies without images: they are built in several tables."""
    release = tmp_path_factory.mktemp("many")
    reports = read_table(indiana_release / "indiana_reports.csv")
    reports = pd.concat([reports] * 167, ignore_index=True)[:10_000]
    reports["uid"] = reports.index + 1
    reports.to_csv(release / "indiana_reports.csv", index=False)
    images = pd.DataFrame({"uid": reports.uid})
    images["filename"] = [f"{uid}_IM-0001-1001.dcm.png" for uid in reports.uid]
    images["projection"] = "Frontal"
    images.to_csv(release / "indiana_projections.csv", index=False)
    return release


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_in_the_middle_leaves_nothing_broken(
    many_reports: Path, cache: str, tmp_path: Path, sent: signal.Signals
) -> None:
    program = f"""
        import os
        import datasets, indiana_cxr
        from indiana_cxr.release import IndianaRelease

        tables = []

        def stop_at_the_second_table(release, rows):
            tables.append(rows)
            if len(tables) == 2:
                os.kill(os.getpid(), {int(sent)})
            return rows

        IndianaRelease.add_texts = stop_at_the_second_table
        datasets.load_dataset(
            "indiana_cxr", "reports", data_dir={str(many_reports)!r}, cache_dir={cache!r}
        )
    """
    run = run_python(textwrap.dedent(program), cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert run.returncode == -sent
    assert ("KeyboardInterrupt" in run.stderr) == (sent == signal.SIGINT)
    left = [file for file, *_ in arrow_files(cache) if ".incomplete" not in file]
    assert left == []
    assert bool(unfinished(cache)) == (sent == signal.SIGKILL)
    rows = load("indiana_cxr", many_reports, cache, "reports")
    assert list(rows["study_id"]) == list(range(1, 10_001))
    assert unfinished(cache) == []


KILLED_WHILE_IT_BUILDS = """
import os, signal
import datasets, indiana_cxr
from cxr_datasets.builder import overrides

def kill(*args):
    os.kill(os.getpid(), signal.SIGKILL)

overrides.DatasetsBuilder._save_info = kill
datasets.load_dataset(
    "indiana_cxr", "reports", data_dir={release!r}, cache_dir={cache!r}, num_proc=2
)
"""


def killed_build(release: Path, cache: str) -> Path:
    """What a build by two processes leaves that is killed at its end."""
    program = KILLED_WHILE_IT_BUILDS.format(release=str(release), cache=cache)
    run = run_python(program, cwd=release, pythonpath=CHECKOUT, forked=True)
    assert run.returncode == -signal.SIGKILL
    (left,) = Path(cache).glob("indiana_cxr/*/*/*.incomplete")
    assert len(list(left.glob("*.arrow"))) >= 2
    return left


def test_files_of_a_killed_build_do_not_get_among_those_of_the_next(
    many_reports: Path, cache: str
) -> None:
    left = killed_build(many_reports, cache)
    rows = load("indiana_cxr", many_reports, cache, "reports")
    assert not left.exists()
    used = {Path(file["filename"]) for file in rows.cache_files}
    assert set(next(iter(used)).parent.glob("*train*.arrow")) == used


def test_what_a_killed_build_of_another_config_left_is_removed_when_it_is_old_and_unlocked(
    many_reports: Path, cache: str
) -> None:
    left = killed_build(many_reports, cache)
    output = left.name.removesuffix(".incomplete")
    (lock,) = left.parent.glob(f"{output}*.lock")  # of `datasets`, while it builds
    long_ago = time.time() - 2 * 60 * 60
    load("indiana_cxr", many_reports, cache, "reports", split_by="hash")
    assert left.exists()  # its writer may be on another machine, whose locks are not seen here
    for file in (left, *left.iterdir()):
        os.utime(file, (long_ago, long_ago))
    with FileLock(lock):
        load("indiana_cxr", many_reports, cache, "reports", split_by="r2gen")
    assert left.exists()
    load("indiana_cxr", many_reports, cache, "reports", views="frontal")
    assert not left.exists()


# Names.


def test_no_path_option_or_credential_stands_in_a_name_or_file_of_the_cache(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(small_release, tmp_path / "secret-place")
    load("mimic_cxr_jpg", release, cache, views=["PA", "lateral"], token="hf_topsecret")
    load("mimic_cxr_jpg", release, cache, streaming=True, token="hf_topsecret")
    for file in files_under(cache):
        for word in ("secret-place", "lateral", "PA", "hf_topsecret"):
            assert word not in Path(file).name
        assert b"hf_topsecret" not in (Path(cache) / file).read_bytes()


def test_names_in_the_cache_stay_short_and_say_what_they_hold(
    indiana_release: Path, cache: str
) -> None:
    load("indiana_cxr", indiana_release, cache, "studies", views=["frontal"], missing="null")
    (entry,) = entries(cache)
    parts = Path(entry).relative_to(cache).parts
    assert parts[0] == "indiana_cxr"
    assert parts[1].startswith("studies-")
    assert all(len(part) <= 32 for part in parts)
