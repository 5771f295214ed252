"""No link, pipe or stranger's file in an export's folder is followed, written to or taken over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, ExportError
from cxr_datasets.export import export
from cxr_datasets.export.folder import Folder
from tests.in_its_place import Link, dangling, device, hard, pipe, symbolic

CONFIG = "reports"
THEIRS = "somebody's own\n"


@pytest.fixture(scope="module")
def finished(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished export. Copy it to change it."""
    out = tmp_path_factory.mktemp("finished") / "out"
    write(small_release, out)
    return out


def write(release: Path, out: Path) -> None:
    cache = out.with_name(f"{out.name}-cache")
    export("mimic-cxr-jpg", release, out, config=CONFIG, cache_dir=str(cache), progress=False)


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody's, to which something in the export's folder leads."""
    file = tmp_path / "victim"
    file.write_text(THEIRS)
    return file


def unharmed(victim: Path) -> bool:
    return victim.read_text() == THEIRS and not victim.with_name("not there yet").exists()


# --- files that are read or written in place ------------------------------------------------------


@pytest.mark.parametrize("link", [symbolic, dangling, hard, pipe, device])
def test_a_link_in_the_place_of_the_lock_is_told_and_nothing_is_written(
    small_release: Path, out: Path, victim: Path, link: Link
) -> None:
    before = (out / "README.md").stat().st_mtime_ns
    (out / ".cxr" / "lock").unlink()
    link(out / ".cxr" / "lock", victim)
    with pytest.raises(ExportError, match=r"\.cxr/lock .*Remove"):
        write(small_release, out)
    assert unharmed(victim)
    assert (out / "README.md").stat().st_mtime_ns == before


@pytest.mark.parametrize("link", [symbolic, dangling, pipe, device])
def test_a_link_in_the_place_of_the_manifest_is_told_and_not_read(
    small_release: Path, out: Path, victim: Path, link: Link
) -> None:
    (out / ".cxr" / f"{CONFIG}.jsonl").unlink()
    link(out / ".cxr" / f"{CONFIG}.jsonl", victim)
    with pytest.raises(ExportError, match=r"\.cxr/reports\.jsonl could not be read: .*Remove what"):
        write(small_release, out)
    assert unharmed(victim)


def test_a_hard_link_in_the_place_of_the_manifest_is_made_anew_and_not_written_to(
    small_release: Path, out: Path, victim: Path
) -> None:
    whole = (out / ".cxr" / f"{CONFIG}.jsonl").read_bytes()
    (out / ".cxr" / f"{CONFIG}.jsonl").unlink()
    hard(out / ".cxr" / f"{CONFIG}.jsonl", victim)
    write(small_release, out)
    assert unharmed(victim)
    assert (out / ".cxr" / f"{CONFIG}.jsonl").read_bytes() == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file another user's")
@pytest.mark.parametrize("name", [".cxr/lock", f".cxr/{CONFIG}.jsonl", ".cxr"])
def test_another_users_file_in_the_place_of_ours_is_told_and_not_written_to(
    small_release: Path, out: Path, name: str
) -> None:
    os.chown(out / name, 54321, 54321)
    with pytest.raises(ExportError, match=rf"{name} .*another user \(number 54321\)\. Remove"):
        write(small_release, out)


# --- files that are replaced ----------------------------------------------------------------------


@pytest.mark.parametrize("link", [symbolic, dangling, hard, pipe])
@pytest.mark.parametrize("name", ["README.md", "croissant.json"])
def test_a_link_in_the_place_of_what_stands_beside_the_files_is_replaced_and_not_followed(
    small_release: Path, finished: Path, out: Path, victim: Path, name: str, link: Link
) -> None:
    (out / name).unlink()
    link(out / name, victim)
    write(small_release, out)
    assert unharmed(victim)
    assert not (out / name).is_symlink()
    assert (out / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize("link", [symbolic, dangling, pipe])
def test_a_link_in_the_place_of_a_finished_file_is_not_taken_for_it(
    small_release: Path, finished: Path, out: Path, victim: Path, link: Link
) -> None:
    """Not even if it leads to the very same bytes."""
    (file, *_) = sorted((out / CONFIG).iterdir())
    there = file.rename(victim.with_name("elsewhere.parquet"))
    link(file, there if link is symbolic else victim)
    write(small_release, out)
    assert unharmed(victim)
    assert not file.is_symlink()
    assert file.read_bytes() == (finished / CONFIG / file.name).read_bytes() == there.read_bytes()


def test_a_link_in_the_place_of_the_list_of_problems_is_replaced_and_not_followed(
    small_release: Path, tmp_path: Path, victim: Path
) -> None:
    release = shutil.copytree(small_release, tmp_path / "release")
    sorted(release.rglob("*.jpg"))[0].write_bytes(b"no image")
    (tmp_path / "out" / ".cxr").mkdir(parents=True)
    (tmp_path / "out" / ".cxr" / "problems.csv").symlink_to(victim)
    with pytest.raises(ExportError, match=r"problems\.csv lists these images"):
        export("mimic-cxr-jpg", release, tmp_path / "out", cache_dir=str(tmp_path / "cache"),
               progress=False, image_size=16)  # fmt: skip
    assert unharmed(victim)
    assert not (tmp_path / "out" / ".cxr" / "problems.csv").is_symlink()


def test_a_link_in_the_place_of_a_file_that_is_being_written_is_not_followed(
    small_release: Path, tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.export import folder

    monkeypatch.setattr(folder, "_aside", lambda name: ".cxr/unfinished/guessed")
    unfinished = tmp_path / "out" / ".cxr" / "unfinished"
    monkeypatch.setattr(Folder, "remove_unfinished", lambda folder: None)
    unfinished.mkdir(parents=True)
    (unfinished / "guessed").symlink_to(victim)
    with pytest.raises(ExportError, match=r"unfinished/guessed.* symbolic link .*Remove what"):
        write(small_release, tmp_path / "out")
    assert unharmed(victim)


# --- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".cxr", ".cxr/unfinished", CONFIG])
def test_a_folder_of_an_export_that_is_a_link_is_told_and_nothing_is_written_there(
    small_release: Path, out: Path, tmp_path: Path, name: str
) -> None:
    (out / name).rename(tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    for file in (out / CONFIG).iterdir():
        file.unlink()
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(ExportError, match=rf"{name} could not .* symbolic link .*Remove what"):
        write(small_release, out)
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before


def test_the_folder_itself_may_be_a_link_to_a_larger_disk(
    small_release: Path, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large")
    write(small_release, tmp_path / "out")
    write(small_release, tmp_path / "out")
    for file in finished.glob("*/*.parquet"):
        there = tmp_path / "large" / file.relative_to(finished)
        assert there.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", [".hidden", ".git/", ".cxr-other", "..."])
def test_hidden_names_count_when_a_folder_must_be_empty(
    small_release: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).mkdir() if name.endswith("/") else (out / name).touch()
    with pytest.raises(ExportError, match=rf"not empty \(it holds {name.rstrip('/')}\).*Give an"):
        write(small_release, out)


@pytest.mark.parametrize("name", ["lost+found/", ".DS_Store"])
def test_what_a_new_disk_or_a_mac_brings_does_not_count(
    small_release: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).mkdir() if name.endswith("/") else (out / name).touch()
    write(small_release, out)


# --- what reads an export -------------------------------------------------------------------------


@pytest.mark.parametrize("link", [symbolic, dangling, pipe])
@pytest.mark.parametrize("name", ["README.md", "croissant.json", f"{CONFIG}/*.parquet",
                                  f".cxr/{CONFIG}.jsonl", ".cxr"])  # fmt: skip
def test_a_link_in_an_export_is_not_pushed(
    out: Path, victim: Path, name: str, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.push.contents import read_contents

    place = sorted(out.glob(name))[0]
    there = place.rename(victim.with_name("elsewhere"))
    link(place, there if link is symbolic else victim)
    with pytest.raises(CxrError, match=r"symbolic link|pipe|not there|no export") as raised:
        read_contents(out)
    assert unharmed(victim)
    assert str(out) in str(raised.value)


def test_the_command_says_what_is_wrong_and_ends_with_1(
    small_release: Path, out: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (out / ".cxr" / "lock").unlink()
    (out / ".cxr" / "lock").symlink_to(victim)
    code = main(["export", "mimic-cxr-jpg", "--data-dir", str(small_release), "--out", str(out),
                 "--config", CONFIG, "--cache-dir", str(out.with_name("cache"))])  # fmt: skip
    assert code == 1
    assert "a symbolic link is in its place" in capsys.readouterr().err
    assert unharmed(victim)
