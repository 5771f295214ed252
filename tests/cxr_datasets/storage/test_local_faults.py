"""A disk that fails is no absent file, and a name that leads nowhere is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import StoreError
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import copy_release

UNREADABLE = Path("/proc/self/mem")
"""A file that is there; whoever reads its first byte gets an input/output error."""

needs_proc = pytest.mark.skipif(not UNREADABLE.exists(), reason="no /proc here")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    return tmp_path


@pytest.mark.parametrize(
    "path", ["absent", "file/below", "folder", "round", "round/below", "nowhere", "x" * 300]
)
def test_what_is_no_file_is_not_there_for_every_question(place: Path, path: str) -> None:
    source = open_place(place)
    for read in (source.read, source.arrow_file, source.mapped):
        with pytest.raises(FileNotFoundError):
            read(path)
    assert not source.size(path)
    assert source.sizes([path])[0] <= 0
    assert source.names(path) == []


@needs_proc
def test_a_disk_that_fails_is_a_fault_of_the_store_and_not_an_absent_file(place: Path) -> None:
    (place / "bad").symlink_to(UNREADABLE)
    with pytest.raises(StoreError, match=r"bad could not be read: Input/output error.*Check the"):
        open_place(place).read("bad")


@needs_proc
def test_a_report_on_a_disk_that_fails_is_told_and_not_left_out(
    tmp_path: Path, small_release: Path, cache: str
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    shutil.unpack_archive(release / "mimic-cxr-reports.zip", release)
    (release / "mimic-cxr-reports.zip").unlink()
    text = sorted(release.rglob("s5*.txt"))[0]
    text.unlink()
    text.symlink_to(UNREADABLE)
    with pytest.raises(StoreError, match=text.name):
        load_dataset("mimic_cxr_jpg", data_dir=str(release), cache_dir=cache)
