"""Files are read where one asks: checksums, sizes, pixels; and not again with a state."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.cli import main
from cxr_datasets.copies import contents, verify
from cxr_datasets.errors import OptionError
from cxr_datasets.testing import edit_table, read_table, rewrite
from tests.cxr_datasets.copies.test_verify import images_of, problems, rows_of
from tests.forked import start

METADATA = "mimic-cxr-2.0.0-metadata.csv"
ALL = {"sizes": True, "checksums": True, "decode": True}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the files that are read, by whatever check."""
    paths: list[str] = []
    real = contents._Reader._read

    def note(self: Any, file: Any) -> Any:
        paths.append(file.path)
        return real(self, file)

    monkeypatch.setattr(contents._Reader, "_read", note)
    return paths


# --- what is wrong --------------------------------------------------------------------------------


def test_a_truncated_image_is_found_by_its_checksum_and_by_decoding(
    mimic: Path, indiana: Path, tmp_path: Path
) -> None:
    for copy in (mimic, indiana):
        image = images_of(copy)[1]
        rewrite(image, image.read_bytes()[: image.stat().st_size // 2])
        assert problems(copy) == {}  # without a look at its bytes it is there
        assert problems(copy, decode=True) == {"damaged": 1}
        (row,) = (
            row
            for row in rows_of(copy, tmp_path / "report.csv", decode=True)
            if row["problem"] == "damaged"
        )
        assert row["path"] == image.relative_to(copy).as_posix()
        assert row["image_id"] == image.name.split(".")[0]
        assert row["study_id"]
        assert "is cut off" in row["found"]
    assert problems(mimic, checksums=True) == {"wrong_checksum": 1}


def test_an_image_that_another_was_put_in_the_place_of_is_told_with_the_other(
    mimic: Path, tmp_path: Path
) -> None:
    first, second, *_ = images_of(mimic)
    rewrite(first, second.read_bytes())
    (row,) = [
        row for row in rows_of(mimic, tmp_path / "report.csv", checksums=True)
        if row["problem"] == "wrong_checksum"
    ]  # fmt: skip
    assert row["path"] == first.relative_to(mimic).as_posix()
    assert row["found"].endswith(f", as {second.relative_to(mimic).as_posix()}")
    assert row["expected"] in (mimic / "SHA256SUMS.txt").read_text()


def test_a_size_that_is_not_the_tables_is_found_without_decoding(
    mimic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL.JpegImagePlugin import JpegImageFile

    edit_table(mimic / METADATA, lambda table: table.__setitem__("Rows", ["7", *table["Rows"][1:]]))
    table = read_table(mimic / METADATA)
    monkeypatch.setattr(JpegImageFile, "load", lambda self: pytest.fail("decoded"))
    (row,) = [
        row for row in rows_of(mimic, tmp_path / "report.csv", sizes=True)
        if row["problem"] == "wrong_size"
    ]  # fmt: skip
    assert row["image_id"] == table["dicom_id"][0]
    assert row["expected"] == f"width {table['Columns'][0]}, height 7"
    assert row["found"].startswith(f"width {table['Columns'][0]}, height ")


def test_what_is_no_image_at_all_is_damaged(mimic: Path) -> None:
    rewrite(images_of(mimic)[0], b"<html>log in</html>")
    for check in ("sizes", "decode"):
        assert problems(mimic, **{check: True}) == {"damaged": 1}


def test_a_wrong_line_in_the_list_and_an_image_that_it_lacks_are_found(mimic: Path) -> None:
    sums = mimic / "SHA256SUMS.txt"
    first, *others = sums.read_text().splitlines(keepends=True)
    rewrite(sums, "".join(["0" * 64 + first[64:], *others[:-1]]).encode())
    assert problems(mimic, checksums=True) == {"wrong_checksum": 1, "no_checksum": 1}


def test_the_list_covers_tables_too_and_names_what_is_absent(mimic: Path) -> None:
    sums = mimic / "SHA256SUMS.txt"
    digest = hashlib.sha256((mimic / METADATA).read_bytes()).hexdigest()
    more = f"{digest} {METADATA}\n{'0' * 64} README\n{'0' * 64} files/p10/p1/s5/none.jpg\n"
    rewrite(sums, sums.read_bytes() + more.encode())
    verified = verify(mimic, checksums=True, progress=False)
    assert verified.findings.problems == {"wrong_checksum": 1, "not_in_tables": 1}
    (done,) = verified.checks
    assert done.files == len(images_of(mimic)) + 2


def test_without_a_list_of_checksums_that_is_the_problem(mimic: Path, indiana: Path) -> None:
    (mimic / "SHA256SUMS.txt").unlink()
    assert problems(mimic, checksums=True) == {"no_checksums": 1}
    rewrite(mimic / "SHA256SUMS.txt", b"<html>log in</html>")
    assert problems(mimic, checksums=True) == {"checksums_unreadable": 1}
    assert problems(indiana, checksums=True) == {}  # that release has none


def test_a_file_that_the_disk_cannot_read_is_told_and_read_again_next_time(
    mimic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, lost, *_ = images_of(mimic)
    real = contents._sha256

    def fail(path: str) -> str:
        if path == str(lost):
            raise FileNotFoundError(path)
        if path == str(bad):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(contents, "_sha256", fail)
        assert problems(mimic, checksums=True, since=tmp_path / "state") == {"unreadable": 2}
    assert problems(mimic, checksums=True, since=tmp_path / "state") == {}


# --- the state ------------------------------------------------------------------------------------


def test_with_a_state_only_what_changed_is_read_again(
    mimic: Path, tmp_path: Path, read: list[str]
) -> None:
    state, images = tmp_path / "state", images_of(mimic)
    verify(mimic, since=state, progress=False, **ALL)
    assert len(read) == len(images)
    read.clear()
    first = verify(mimic, since=state, progress=False, **ALL)
    assert read == []
    assert [done.right for done in first.checks] == [len(images)] * 3
    rewrite(images[0], images[0].read_bytes()[:-9])
    assert set(problems(mimic, since=state, **ALL)) == {"damaged", "wrong_checksum"}
    assert read == [images[0].relative_to(mimic).as_posix()]
    read.clear()
    assert set(problems(mimic, since=state, **ALL)) == {"damaged", "wrong_checksum"}
    assert read == []


def test_a_further_check_reads_again_and_both_are_known_then(
    mimic: Path, tmp_path: Path, read: list[str]
) -> None:
    state = tmp_path / "state"
    for options in ({"checksums": True}, {"sizes": True}):
        verify(mimic, since=state, progress=False, **options)
        assert len(read) == len(images_of(mimic))
        read.clear()
    verify(mimic, since=state, sizes=True, checksums=True, progress=False)
    assert read == []


def test_a_list_of_checksums_that_changed_is_compared_with_what_was_read(
    mimic: Path, tmp_path: Path, read: list[str]
) -> None:
    state = tmp_path / "state"
    verify(mimic, since=state, checksums=True, progress=False)
    sums = mimic / "SHA256SUMS.txt"
    rewrite(sums, b"0" * 64 + sums.read_bytes()[64:])
    read.clear()
    assert problems(mimic, since=state, checksums=True) == {"wrong_checksum": 1}
    assert read == []


def test_a_state_that_was_cut_or_changed_is_used_as_far_as_it_is_whole(
    mimic: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_AT_ONCE", 4)
    monkeypatch.setattr("cxr_datasets.copies.state._SECONDS", 0.0)
    state = tmp_path / "state"
    verify(mimic, since=state, checksums=True, progress=False)
    whole = state.read_bytes()
    assert whole.count(b"\n") > 4
    for damaged in (whole[:-10], whole[:300] + b"x" + whole[301:], whole + b'{"path'):
        state.write_bytes(damaged)
        read.clear()
        assert problems(mimic, since=state, checksums=True) == {}
        assert len(read) <= 8
        read.clear()
        verify(mimic, since=state, checksums=True, progress=False)
        assert read == []


def test_a_run_that_was_killed_goes_on(mimic: Path, tmp_path: Path, read: list[str]) -> None:
    state = tmp_path / "state"
    program = (
        "import time; from cxr_datasets.copies import contents, state, verify\n"
        "contents._AT_ONCE, state._SECONDS = 2, 0.0\n"
        "real = contents._Reader._read\n"
        "def slowly(self, file): time.sleep(0.1); return real(self, file)\n"
        "contents._Reader._read = slowly\n"
        f"verify({str(mimic)!r}, since={str(state)!r}, checksums=True, progress=False)\n"
    )
    running = start(["-c", program])
    end = time.monotonic() + 60
    while time.monotonic() < end and not (state.exists() and state.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    known = state.read_bytes().count(b"\n") - 1
    assert 0 < known < len(images_of(mimic))
    assert problems(mimic, since=state, checksums=True) == {}
    assert 0 < len(read) < len(images_of(mimic))


def test_ctrl_c_keeps_what_was_read(
    mimic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    monkeypatch.setattr(contents, "_AT_ONCE", 2)
    state, real, calls = tmp_path / "state", contents._Reader.read, []

    def stop(self: Any, files: Any) -> Any:
        calls.append(files)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(self, files)

    with monkeypatch.context() as patch:
        patch.setattr(contents._Reader, "read", stop)
        words = ["verify", str(mimic), "--checksums", "--since", str(state), "--no-progress"]
        assert main(words) == 130
    before = len(read)
    assert before
    read.clear()
    assert main(words) == 0
    assert 0 < len(read) < len(images_of(mimic))


def test_a_state_is_closed_with_an_agreement_and_another_file_is_refused(
    mimic: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    state = tmp_path / "state"
    verify(mimic, since=state, checksums=True, progress=False)
    assert state.stat().st_mode & stat.S_IRWXO == 0
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with pytest.raises(OptionError, match="no state of `cxr verify`"):
        verify(mimic, since=other, checksums=True, progress=False)
    assert other.read_text() == "mine"
