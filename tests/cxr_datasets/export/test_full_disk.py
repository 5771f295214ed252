"""A disk that is full, wherever it happens, leaves an export that goes on to the same bytes."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.export import ExportError, ExportSummary, export, notes
from cxr_datasets.storage import durable
from tests.cxr_datasets.export.conftest import contents
from tests.small_disk import PAGE, grow, small_disk

Write = Callable[[Path], ExportSummary]


@pytest.fixture
def write(small_release: Path, export_cache: str) -> Write:
    return lambda out: export(
        "mimic-cxr-jpg", small_release, out, image_size=32, rows_per_file=8, progress=False,
        cache_dir=export_cache,
    )  # fmt: skip


@pytest.fixture
def whole(write: Write, tmp_path: Path) -> Path:
    write(tmp_path / "whole")
    return tmp_path / "whole"


def test_wherever_the_room_ends_it_goes_on_when_there_is_more(
    write: Write, whole: Path, tmp_path: Path
) -> None:
    sizes = [file.stat().st_size for file in whole.rglob("*") if file.is_file()]
    pages = sum(-(-size // PAGE) for size in sizes)
    for room in (1, 2, *range(4, pages, pages // 8)):
        with small_disk(tmp_path / "disk", room) as disk:
            with pytest.raises(ExportError, match=r"No space left on device\. Make room"):
                write(disk / "out")
            grow(disk, 4 * pages)
            write(disk / "out")
            assert contents(disk / "out") == contents(whole), f"{room} of {pages} pages"


class Filling(io.FileIO):
    """A file on a disk that is full after a part of what is written."""

    def write(self, content: Any) -> int:
        super().write(bytes(content)[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("torn", [1, 2])
def test_a_torn_note_is_taken_back_and_the_next_one_stands(
    torn: int, write: Write, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def opening(path: str, mode: str, **options: Any) -> Any:
        opened.append(path)
        return Filling(path, "ab") if len(opened) == torn else open(path, mode, **options)

    monkeypatch.setattr(durable, "open", opening, raising=False)
    out = tmp_path / "out"
    with pytest.raises(ExportError, match=r"images\.jsonl could not be written: No space left"):
        write(out)
    assert len(opened) > torn  # others were noted behind it
    lines = (out / ".cxr" / "images.jsonl").read_bytes().splitlines()
    assert len(list(map(notes.decoded, lines))) == len(opened)  # the header, and all but one
    assert write(out).written == 0  # what was not noted is whole
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("tail", [b'{"name": "images/trai', b"\0" * 300, b"\0" * 300 + b"\n"])
def test_a_torn_tail_is_dropped_and_what_was_written_behind_it_costs_no_more(
    tail: bytes, write: Write, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write(out)
    manifest = out / ".cxr" / "images.jsonl"
    first, second, *rest = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join([first, second, tail, *rest]))
    assert write(out).written == 0
    assert contents(out) == contents(whole)
    assert all(json.loads(line) for line in manifest.read_bytes().splitlines())
