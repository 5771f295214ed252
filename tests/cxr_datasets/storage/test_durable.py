"""Appended lines are whole or not there, and file systems that sync nothing are done without."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.storage import durable
from tests.small_disk import PAGE, small_disk


def test_what_a_full_disk_takes_in_part_only_is_taken_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        (disk / "notes").write_bytes(b"a" * (PAGE - 100))
        (disk / "other").write_bytes(b"b" * PAGE)
        with pytest.raises(OSError) as caught:
            durable.append(disk / "notes", b"c" * 300)  # of which 100 bytes fit
        assert caught.value.errno == errno.ENOSPC
        assert (disk / "notes").read_bytes() == b"a" * (PAGE - 100)
        durable.append(disk / "notes", b"d" * 50)
        assert (disk / "notes").read_bytes() == b"a" * (PAGE - 100) + b"d" * 50


def test_what_the_disk_did_not_confirm_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_bytes(b"before\n")

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        durable.append(tmp_path / "notes", b"after\n")
    assert (tmp_path / "notes").read_bytes() == b"before\n"


@pytest.mark.parametrize("refusal", ["EINVAL", "ENOSYS", "ENOTSUP"])
@pytest.mark.parametrize("act", [
    lambda folder: durable.append(folder / "notes", b"1"),
    lambda folder: durable.rename(folder / "notes", folder / "named"),
    lambda folder: durable.remove(folder / "notes"),
    lambda folder: durable.make_folder(folder / "a" / "b"),
])  # fmt: skip
def test_a_file_system_that_syncs_nothing_is_used_all_the_same(
    act: Callable[[Path], None], refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_bytes(b"")

    def refuses(descriptor: int) -> None:
        raise OSError(getattr(errno, refusal), "refused")

    monkeypatch.setattr(os, "fsync", refuses)
    act(tmp_path)


def test_where_folders_cannot_be_opened_files_are_named_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_DIRECTORY")
    (tmp_path / "unfinished").write_bytes(b"1")
    durable.rename(tmp_path / "unfinished", tmp_path / "named")
    assert os.listdir(tmp_path) == ["named"]


def test_what_is_not_there_is_removed_without_an_error(tmp_path: Path) -> None:
    durable.remove(tmp_path / "absent")
    durable.remove(tmp_path / "no folder" / "absent")


def test_a_file_where_a_folder_must_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(NotADirectoryError, match="file"):
            durable.make_folder(path)
