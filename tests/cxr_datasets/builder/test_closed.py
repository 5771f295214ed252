"""What a dataset with an agreement leaves in the cache gives nothing to other users."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import datasets
import fsspec
import pytest
from datasets import load_dataset

import indiana_cxr
import mimic_cxr_jpg
from cxr_datasets.errors import CacheError
from tests.in_its_place import Link, dangling, hard, pipe, symbolic
from tests.modes import CREDENTIALED, Watch, modes, too_open, umask

KINDS = (
    "cxr_index/mimic_cxr_jpg-", "cxr_index/sample-", "cxr_index/mimic-cxr-reports-", ".zip.lock",
    ".zip.sum", ".zip", "_info.json", "-train.arrow", "cxr_sums.json", ".incomplete/",
    "_builder.lock", "_info.lock", "cache_mimic_cxr_jpg_", "tmp/cxr-tally-",
)  # fmt: skip
"""Parts of paths; each kind of file that is written has one of them."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, and their reports in a tar.gz."""
    from mimic_cxr_jpg.synthetic import write_release

    out = tmp_path_factory.mktemp("closed") / "release"
    return write_release(out, patients=3, reports="tar.gz", scale=1 / 64)


@pytest.fixture(scope="module")
def remote_reports(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the reports of another release, as a zip in a store."""
    from mimic_cxr_jpg.synthetic import write_release

    made = write_release(tmp_path_factory.mktemp("zip") / "release", patients=3, scale=1 / 64)
    (archive,) = made.glob("*.zip")
    address = "memory://closed/mimic-cxr-reports.zip"
    fsspec.filesystem("memory").pipe_file(address, archive.read_bytes())
    return address


def load(package: str, release: Path, cache: Path | str, **options: Any) -> Any:
    return load_dataset(package, data_dir=str(release), cache_dir=str(cache), **options)


# --- what is made ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", CREDENTIALED)
def test_whatever_the_umask_nothing_that_is_built_or_streamed_is_open_to_others(
    release: Path, remote_reports: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    place = tmp_path / "place"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", place / "usual" / "cache")
    with umask(mask):
        watch = Watch(place, monkeypatch)
        load("mimic_cxr_jpg", release, place / "cache")
        load("mimic_cxr_jpg", release, place / "cache", name="studies", num_proc=2, embed=True)
        load("mimic_cxr_jpg", release, place / "cache", name="reports", reports=remote_reports)
        usual = load_dataset("mimic_cxr_jpg", data_dir=str(release), streaming=True, split="train")
        next(iter(usual))
        seen, left = dict(watch.look()), modes(place)
    for kind in KINDS:
        assert any(kind in path for path in seen), kind
    folder, file = CREDENTIALED[mask]
    caches = ("cache/", "usual/", "usual/cache/")  # other datasets share them
    left = {path: mode for path, mode in left.items() if path not in caches}
    assert too_open(left, folder, file) == {}
    # While `datasets` writes, what it has just made is in a closed folder; its locks are empty.
    held = {
        path: mode for path, mode in seen.items()
        if path not in caches and not path.endswith(".lock") and "/0." not in path
    }  # fmt: skip
    assert too_open(held, folder, file) == {}


def test_a_dataset_that_is_built_elsewhere_is_closed_too(release: Path, tmp_path: Path) -> None:
    builder = datasets.load_dataset_builder(
        "mimic_cxr_jpg", data_dir=str(release), cache_dir=str(tmp_path / "cache")
    )
    (tmp_path / "mine").mkdir()
    with umask(0):
        builder.download_and_prepare(str(tmp_path / "mine" / "built"), file_format="parquet")
    assert too_open(modes(tmp_path / "mine"), 0o750, 0o640) == {}
    assert list((tmp_path / "mine" / "built").glob("*.parquet"))


def test_for_a_dataset_without_an_agreement_the_umask_decides(
    indiana_release: Path, tmp_path: Path
) -> None:
    with umask(0o022):
        load("indiana_cxr", indiana_release, tmp_path / "cache", name="reports")
        next(
            iter(load("indiana_cxr", indiana_release, tmp_path / "cache", streaming=True)["train"])
        )
    found = modes(tmp_path / "cache")
    assert {mode for path, mode in found.items() if path.endswith("/")} == {0o755}
    assert {mode for path, mode in found.items() if not path.endswith("/")} == {0o644}


def test_the_index_of_other_datasets_stays_open_to_those_who_share_the_cache(
    release: Path, indiana_release: Path, tmp_path: Path
) -> None:
    with umask(0o022):
        for package, data_dir in (("mimic_cxr_jpg", release), ("indiana_cxr", indiana_release)):
            next(iter(load(package, data_dir, tmp_path, streaming=True)["train"]))
            assert load(package, data_dir, tmp_path, name="reports")
    assert modes(tmp_path)["cxr_index/"] == 0o755
    assert modes(tmp_path)["indiana_cxr/"] == 0o755
    assert modes(tmp_path)["mimic_cxr_jpg/"] == 0o750


def test_the_umask_is_that_of_the_user_afterwards(release: Path, tmp_path: Path) -> None:
    with umask(0o002):
        load("mimic_cxr_jpg", release, tmp_path, num_proc=2, embed=True)
        assert os.umask(0o002) == 0o002


# --- what was open before -------------------------------------------------------------------------


def opened_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_cache_that_stood_open_is_closed_when_it_is_next_used(
    release: Path, tmp_path: Path, streaming: bool
) -> None:
    load("mimic_cxr_jpg", release, tmp_path)
    opened_to_all(tmp_path)
    load("mimic_cxr_jpg", release, tmp_path, streaming=streaming)
    assert too_open(modes(tmp_path), 0o750, 0o640) == {}
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_an_earlier_version_kept_beside_the_index_of_others_is_closed_and_theirs_is_not(
    release: Path, indiana_release: Path, tmp_path: Path
) -> None:
    with umask(0o022):
        next(iter(load("indiana_cxr", indiana_release, tmp_path, streaming=True)["train"]))
        next(iter(load("mimic_cxr_jpg", release, tmp_path, streaming=True)["train"]))
        shared = tmp_path / "cxr_index"
        theirs = {f"cxr_index/{file.name}" for file in shared.iterdir()}
        for file in (tmp_path / "mimic_cxr_jpg" / "cxr_index").iterdir():
            shutil.copyfile(file, shared / file.name)
        (shared / "0123456789abcdef-mimic-cxr-reports.zip").touch()
        load("mimic_cxr_jpg", release, tmp_path, streaming=True)
    found = modes(shared)
    ours = {path: mode for path, mode in found.items() if f"cxr_index/{path}" not in theirs}
    assert len(ours) == 4
    assert too_open(ours, 0o750, 0o640) == {}
    assert {modes(tmp_path)[path] for path in theirs} == {0o644}


def test_where_permissions_cannot_be_changed_one_line_says_so_and_the_work_goes_on(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load("mimic_cxr_jpg", release, tmp_path)
    opened_to_all(tmp_path)

    def refused(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cxr_datasets"):
        assert load("mimic_cxr_jpg", release, tmp_path)["train"].num_rows
        load("mimic_cxr_jpg", release, tmp_path, name="reports", streaming=True)
    (line,) = [text for text in caplog.messages if "stay open to other users" in text]
    assert f"in {tmp_path / 'mimic_cxr_jpg'} stay open" in line


# --- links in the place of what is ours -----------------------------------------------------------

PLACES: dict[str, tuple[str, bool]] = {
    "index": ("mimic_cxr_jpg/cxr_index/mimic_cxr_jpg-reports-*.arrow", False),
    "sample": ("mimic_cxr_jpg/cxr_index/sample-*.arrow", False),
    "texts": ("mimic_cxr_jpg/cxr_index/mimic-cxr-reports-*.arrow", False),
    "copy": ("mimic_cxr_jpg/cxr_index/*.zip", True),
    "sum of a copy": ("mimic_cxr_jpg/cxr_index/*.zip.sum", True),
    "lock of a copy": ("mimic_cxr_jpg/cxr_index/*.zip.lock", True),
    "lock in the cache": ("*_mimic_cxr_jpg_reports-*.lock", False),
    "lock of the build": ("mimic_cxr_jpg/*/*/*_builder.lock", False),
    "built rows": ("mimic_cxr_jpg/*/*/*/*-train.arrow", False),
    "what is built": ("mimic_cxr_jpg/*/*/*/dataset_info.json", False),
}


@pytest.mark.parametrize("link", [symbolic, dangling, pipe])
@pytest.mark.parametrize("name", PLACES)
def test_a_link_in_the_place_of_a_file_of_the_cache_is_told_and_not_followed(
    release: Path, remote_reports: str, tmp_path: Path, name: str,
    link: Link,
) -> None:  # fmt: skip
    cache, victim = tmp_path / "cache", tmp_path / "victim"
    victim.write_text("somebody's own")
    pattern, is_of_remote = PLACES[name]
    options = {"name": "reports", **({"reports": remote_reports} if is_of_remote else {})}
    load("mimic_cxr_jpg", release, cache, **options)
    (place,) = cache.glob(pattern)
    place.unlink()
    if name == "lock of a copy":  # it is taken when the copy is not there
        for copy in cache.glob("mimic_cxr_jpg/cxr_index/*.zip"):
            copy.unlink()
    link(place, victim)
    with pytest.raises(CacheError, match=r"Remove ") as raised:
        load("mimic_cxr_jpg", release, cache, streaming="cxr_index" in pattern, **options)
    assert place.name in str(raised.value) or str(place.parent) in str(raised.value)
    assert victim.read_text() == "somebody's own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "victim"]


@pytest.mark.parametrize("name", ["sum of a copy", "lock of a copy", "unfinished copy"])
def test_a_hard_link_in_the_place_of_what_is_written_on_is_told_and_not_written_to(
    release: Path, remote_reports: str, tmp_path: Path, name: str
) -> None:
    cache, victim = tmp_path / "cache", tmp_path / "victim"
    victim.write_text("somebody's own")
    load("mimic_cxr_jpg", release, cache, name="reports", reports=remote_reports)
    (copy,) = cache.glob("mimic_cxr_jpg/cxr_index/*.zip")
    for file in copy.parent.glob(f"{copy.name}*"):
        file.unlink()
    suffix = {"sum of a copy": ".sum", "lock of a copy": ".lock", "unfinished copy": ".incomplete"}
    hard(copy.with_name(f"{copy.name}{suffix[name]}"), victim)
    with pytest.raises(CacheError, match=r"a second name \(a hard link\).* Remove what stands"):
        load("mimic_cxr_jpg", release, cache, name="reports", reports=remote_reports,
             streaming=True)  # fmt: skip
    assert victim.read_text() == "somebody's own"


def test_a_link_in_the_place_of_an_unfinished_build_is_told_and_not_followed(
    indiana_release: Path, tmp_path: Path
) -> None:
    cache, victim = tmp_path / "cache", tmp_path / "victim"
    victim.mkdir()
    load("indiana_cxr", indiana_release, cache, name="reports")
    (info,) = cache.glob("indiana_cxr/*/*/*/dataset_info.json")
    shutil.rmtree(info.parent)
    info.parent.with_name(f"{info.parent.name}.incomplete").symlink_to(victim)
    with pytest.raises(CacheError, match=r"\.incomplete: a symbolic link .* Remove what stands"):
        load("indiana_cxr", indiana_release, cache, name="reports")
    assert list(victim.iterdir()) == []


def test_the_folder_of_a_dataset_may_be_this_users_link_to_a_larger_disk(
    release: Path, tmp_path: Path
) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mimic_cxr_jpg").symlink_to(tmp_path / "large")
    with umask(0o022):
        load("mimic_cxr_jpg", release, tmp_path / "cache", name="reports")
    assert modes(tmp_path)["large/"] == 0o750
    assert too_open(modes(tmp_path / "large"), 0o750, 0o640) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link another user's")
def test_another_users_link_in_the_place_of_the_folder_is_told_and_not_followed(
    release: Path, tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache").mkdir()
    link = tmp_path / "cache" / "mimic_cxr_jpg"
    link.symlink_to(tmp_path / "theirs")
    os.lchown(link, 54321, 54321)
    with pytest.raises(CacheError, match=r"mimic_cxr_jpg.*another user \(number 54321\).*Remove"):
        load("mimic_cxr_jpg", release, tmp_path / "cache", name="reports")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_package_says_itself_whether_its_data_are_credentialed() -> None:
    assert mimic_cxr_jpg.mimic_cxr_jpg.MimicCxrJpg.is_credentialed()
    assert not indiana_cxr.indiana_cxr.IndianaCxr.is_credentialed()
