"""Finished files are proven by their size at each start, and by their sha256 where one asks."""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import ExportError
from cxr_datasets.export import export, verify, workers
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.line import Line
from cxr_datasets.export.proof import wrong_files
from cxr_datasets.testing import copy_release, rewrite
from tests.cxr_datasets.export.conftest import contents, finished, states

Write = Callable[..., Any]


@pytest.fixture(scope="module")
def write(small_release: Path, export_cache: str) -> Write:
    def write(out: str | Path, **options: Any) -> Any:
        return export("mimic-cxr-jpg", small_release, out, image_size=32, rows_per_file=8,
                      progress=False, cache_dir=export_cache, **options)  # fmt: skip

    return write


@pytest.fixture(scope="module")
def whole(write: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configs in one folder. Read only."""
    out = tmp_path_factory.mktemp("whole") / "out"
    write(out)
    write(out, config="reports")
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return copy_release(whole, tmp_path / "out")


def flip(file: Path) -> None:
    """Change a byte of an image, so that the file still reads as Parquet."""
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    rewrite(file, bytes(content))


def cut(file: Path) -> None:
    rewrite(file, file.read_bytes()[:-10])


def replace_by_a_foreign_one(file: Path) -> None:
    other = next(other for other in file.parent.iterdir() if other != file)
    rewrite(file, other.read_bytes())


def link_elsewhere(file: Path) -> None:
    file.rename(file.parents[2] / "elsewhere.parquet")
    file.symlink_to(file.parents[2] / "elsewhere.parquet")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (flip, "holds other bytes than were written"),
    "cut off": (cut, r"has [\d,]+ bytes, and [\d,]+ were written"),
    "foreign": (replace_by_a_foreign_one, "h.* bytes"),
    "gone": (Path.unlink, "is not there"),
    "a link": (link_elsewhere, "is no file"),
}


def test_an_export_that_is_whole_is_told_with_how_much_was_read(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [*finished(whole, "images"), *finished(whole, "reports")]
    size = sum((whole / name).stat().st_size for name in files)
    assert main(["verify", str(whole), "--no-progress"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{whole}: an export of mimic-cxr-jpg, images, reports"
    told = dict(line.rsplit("  ", 1) for line in lines if "  " in line)
    told = {name.strip(): count.strip() for name, count in told.items()}
    assert told["files"] == str(len(files))
    assert told["bytes"] == f"{size:,}"
    assert told["sha256 as noted"] == f"{len(files)} of {len(files)}"
    assert lines[-1] == "No problem was found."
    assert str(verify(whole, progress=False)) == (
        f"{whole}: images, reports, {size:,} bytes in {len(files)} files read, and all have the "
        "sha256 that was noted"
    )


@pytest.mark.parametrize(("spoil", "what"), WRONG.values(), ids=WRONG)
def test_a_file_that_was_changed_is_named_and_written_again_by_the_export_with_verify(
    spoil: Callable[[Path], object], what: str, out: Path, whole: Path, write: Write,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first, *others = finished(out)
    kept = states(out, others)
    spoil(out / first)
    with pytest.raises(ExportError, match=rf"{first} {what}") as caught:
        verify(out, progress=False)
    assert f"1 of {len(others) + 1 + len(finished(out, 'reports'))} files" in str(caught.value)
    assert main(["verify", str(out), "--no-progress"]) == 1
    assert "--verify" in str(caught.value)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(rf"problem wrong_file +1 +such as {first}, .* found {what}", printed.out)

    with caplog.at_level(logging.WARNING):
        assert write(out, verify=True).written == 1
    assert len([line for line in caplog.messages if first in line and "1 of" in line]) == 1
    assert contents(out) == contents(whole)
    assert states(out, others) == kept
    verify(out, progress=False)


def test_the_same_command_looks_at_sizes_and_leaves_bytes_unread(
    out: Path, whole: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, *others = finished(out)
    cut(out / first)
    flip(out / second)
    with caplog.at_level(logging.WARNING):
        assert write(out).written == 1
    (line,) = [line for line in caplog.messages if "another size" in line]
    assert f"1 of {len(others) + 2} finished files" in line
    assert first in line
    changed = {name for name, sha in contents(out).items() if contents(whole)[name] != sha}
    assert changed == {second}


def test_a_foreign_file_that_would_be_loaded_too_is_named_by_both(
    out: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    (out / "images" / "train-extra.parquet").write_bytes(b"PAR1")
    (out / "images" / "notes.txt").write_text("nobody loads this")
    with pytest.raises(ExportError, match=r"0 of \d+ files are wrong and 1 beyond") as caught:
        verify(out, progress=False)
    assert "images/train-extra.parquet" in str(caught.value)
    assert "notes.txt" not in str(caught.value)
    assert "Remove" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        write(out)
    (line,) = [line for line in caplog.messages if "train-extra" in line]
    assert line.startswith("1 Parquet files")


def test_a_file_that_nothing_was_noted_of_is_not_proven(
    out: Path, whole: Path, write: Write
) -> None:
    first, *_ = finished(out)
    flip(out / first)
    manifest = out / ".cxr" / "images.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    rewrite(manifest, b"".join(line for line in lines if first.encode() not in line[:200]))
    with pytest.raises(ExportError, match=f"{first} is not noted as finished"):
        verify(out, progress=False)
    assert write(out, verify=True).written == 1
    assert contents(out) == contents(whole)


def test_stopped_before_a_wrong_file_was_written_again_it_is_not_taken_for_whole(
    out: Path, whole: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(out / finished(out)[0])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workers, "write_all", stop)
        with pytest.raises(KeyboardInterrupt):
            write(out, verify=True)
    assert write(out).written == 1
    assert contents(out) == contents(whole)


def test_an_unfinished_export_is_told_with_what_is_left(
    write: Write, tmp_path: Path, whole: Path
) -> None:
    write(tmp_path / "out", split="validation")
    summary = verify(tmp_path / "out", progress=False)
    assert summary.files == len(list((whole / "images").glob("validation-*")))
    assert summary.unwritten == len(finished(whole)) - summary.files
    assert str(summary).endswith(f"; {summary.unwritten} more are not written")


def test_a_folder_without_an_export_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ExportError, match=rf"{folder} holds no export"):
            verify(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_was_changed_is_told(out: Path) -> None:
    manifest = out / ".cxr" / "images.jsonl"
    rewrite(manifest, manifest.read_bytes()[5:])
    assert main(["verify", str(out)]) == 1


def test_of_many_wrong_files_some_are_named_and_all_are_counted(out: Path) -> None:
    names = finished(out)
    extra = 12 - len(names)
    for name in names:
        (out / name).unlink()
    for number in range(extra):
        (out / "images" / f"train-{number}.parquet").touch()
    with pytest.raises(ExportError, match=r"; and 2 more\.") as caught:
        verify(out, progress=False)
    assert str(caught.value).count("\n") == 0


def test_an_address_is_verified_too(write: Write) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.mkdir("/proof")
    write("memory://proof/out")
    summary = verify("memory://proof/out", progress=False)
    assert summary.files > 3
    (first, *_) = memory.glob("/proof/out/images/*")
    content = bytearray(memory.cat_file(first))
    content[500] ^= 1
    memory.pipe_file(first, bytes(content))
    with pytest.raises(ExportError, match="other bytes"):
        verify("memory://proof/out", progress=False)
    write("memory://proof/out", verify=True)
    assert verify("memory://proof/out", progress=False) == summary
    memory.rm("/proof", recursive=True)


class Failing(io.BytesIO):
    def readinto(self, buffer: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_the_disk_cannot_read_is_wrong_and_the_others_are_read(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, lost, *_ = finished(out)
    (out / lost).unlink()
    real = Folder.open
    monkeypatch.setattr(
        Folder, "open", lambda self, name: Failing() if name == bad else real(self, name)
    )
    with pytest.raises(ExportError, match="2 of") as caught:
        verify(out, progress=False)
    assert f"{bad} cannot be read (Input/output error)" in str(caught.value)


def test_large_files_are_read_within_little_memory(tmp_path: Path) -> None:
    import hashlib

    size = 50_000_000
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.parquet").write_bytes(bytes(size))
    shutil.copy(tmp_path / "images" / "a.parquet", tmp_path / "images" / "b.parquet")
    sha = hashlib.sha256(bytes(size)).hexdigest()
    lines = [Line(f"images/{name}.parquet", 1, size, size, sha) for name in "ab"]
    tracemalloc.start()
    assert wrong_files(Folder(tmp_path), lines) == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
