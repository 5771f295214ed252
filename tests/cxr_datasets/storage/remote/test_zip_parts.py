"""A large remote zip of reports: the first rows come from parts of it, the others from a copy."""

from __future__ import annotations

import pickle
import re
import zipfile
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import CxrError, ReportsError, StoreError
from cxr_datasets.testing import rewrite
from mimic_cxr_jpg.reports import zip_parts, zipped
from tests.fakes.physionet import Fault, Flip, NotFound, Page, PhysioNet, Reset, Status, WholeBody
from tests.remote import Remote, rows, taken

pytestmark = pytest.mark.usefixtures("login", "is_large")

ZIP = "mimic-cxr-reports.zip"


@pytest.fixture
def is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the few reports of the tests be a large archive."""
    monkeypatch.setattr(zip_parts, "LARGE", 1_000)
    monkeypatch.setattr(zip_parts, "_NEIGHBOURS", 100)


@pytest.fixture
def zipped_reports(remote_mimic: Remote, tmp_path: Path) -> Path:
    return tmp_path / "reports" / ZIP


@pytest.fixture
def expected(remote_mimic: Remote) -> list[dict[str, Any]]:
    return list(remote_mimic.local("reports")["train"])


def copies(remote: Remote) -> list[Path]:
    return list(Path(remote.cache, "mimic_cxr_jpg", "cxr_index").glob(f"*-{ZIP}"))


def ranges(server: PhysioNet) -> list[tuple[int, int]]:
    """First and last byte of each part of the zip that was asked for."""
    found = [r.headers.get("Range", "") for r in server.requests if r.path.endswith(ZIP)]
    return [(int(a), int(b)) for a, b in (re.findall(r"\d+", one) for one in found if one)]


@pytest.fixture
def short_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the end of the zip in its last bytes: in so small a one all are within reach."""
    monkeypatch.setattr(zip_parts, "LONGEST_END", 200)


def directory_of(zipped_reports: Path) -> int:
    """Where the list of members begins."""
    with zipfile.ZipFile(zipped_reports) as archive:
        return archive.start_dir


# ------------------------------------------------------------------ what is fetched


@pytest.mark.usefixtures("short_end")
def test_the_first_rows_of_a_stream_come_without_a_copy(
    remote_mimic: Remote, zipped_reports: Path
) -> None:
    first = next(iter(remote_mimic.stream()))
    assert first["report"] == remote_mimic.local()["train"][0]["report"] is not None
    assert not copies(remote_mimic)
    start = directory_of(zipped_reports)
    texts = [one for one in ranges(remote_mimic.server) if one[1] < start]
    fetched = {byte for first, last in texts for byte in range(first, last + 1)}
    assert 0 < len(fetched) < start


def test_whoever_reads_on_copies_the_zip_once(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "_MOST_READS", 1)
    expected = list(rows(remote_mimic.local()["train"]))
    assert list(rows(remote_mimic.stream())) == expected
    assert len(copies(remote_mimic)) == 1
    remote_mimic.server.reset()
    assert list(rows(remote_mimic.stream())) == expected
    assert not remote_mimic.asked(ZIP)


def test_rows_of_many_texts_are_read_from_a_copy(
    remote_mimic: Remote, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_parts, "_MOST_BYTES", 1_000)
    assert list(remote_mimic.load("reports", num_proc=2)["train"]) == expected
    assert len(copies(remote_mimic)) == 1


@pytest.mark.usefixtures("short_end")
def test_a_second_start_without_a_copy_asks_for_texts_alone(
    remote_mimic: Remote, zipped_reports: Path
) -> None:
    first = taken(remote_mimic.stream(), 1)
    remote_mimic.server.reset()
    assert taken(remote_mimic.stream(), 1) == first
    assert ranges(remote_mimic.server)
    assert max(ranges(remote_mimic.server)) < (directory_of(zipped_reports), 0)


def test_rows_drawn_from_everywhere_are_the_same(remote_mimic: Remote) -> None:
    streams = (remote_mimic.stream(), remote_mimic.local(split="train", streaming=True))
    drawn, expected = (taken(stream.shuffle(seed=3), 8) for stream in streams)
    assert drawn == expected


def test_workers_read_the_same_rows(remote_mimic: Remote, expected: Any) -> None:
    stream = remote_mimic.stream("reports")
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(stream, num_workers=2, batch_size=None)
    found = {row["study_id"]: row["report"] for row in loader}
    assert found == {row["study_id"]: row["report"] for row in expected}


def test_a_pickled_stream_reads_the_same_rows(remote_mimic: Remote, expected: object) -> None:
    stream = remote_mimic.stream("reports")
    next(iter(stream))
    assert list(pickle.loads(pickle.dumps(stream))) == expected


def test_a_small_zip_is_copied_at_once(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_parts, "LARGE", 10**6)
    taken(remote_mimic.stream(), 1)
    assert len(copies(remote_mimic)) == 1


# ------------------------------------------------------------------ what goes wrong


FAULTS: dict[str, Fault] = {
    "whole files": WholeBody(),
    "a changed bit": Flip(0.3),
    "a changed bit at the end": Flip(0.9995),
    "a lost connection": Reset(10),
}
CASES = list(product(FAULTS, range(5)))  # of the end, both again, the directory, the texts


@pytest.mark.parametrize("case", CASES, ids=map(str, CASES))
def test_rows_are_the_same_whatever_part_came_wrong(
    remote_mimic: Remote, expected: object, case: tuple[str, int]
) -> None:
    fault, after = case
    remote_mimic.server.fail(r"\.zip$", FAULTS[fault], after=after)
    assert list(remote_mimic.stream("reports")) == expected


@pytest.mark.parametrize("fault", [Status(401), Status(403), NotFound(), Page()], ids=repr)
def test_a_worker_that_is_answered_otherwise_makes_no_other_copy(
    remote_mimic: Remote, expected: object, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "_MOST_READS", 0)
    stream = pickle.loads(pickle.dumps(remote_mimic.stream("reports")))
    remote_mimic.server.fail(r"\.zip$", fault)
    with suppress(CxrError):
        assert list(stream) == expected
    remote_mimic.server.heal()
    assert list(stream) == expected
    assert list(remote_mimic.stream("reports")) == expected
    assert len(copies(remote_mimic)) == 1


def test_a_server_that_sends_whole_files_alone_gives_the_same_rows(
    remote_mimic: Remote, expected: object
) -> None:
    remote_mimic.server.fail(r"\.zip$", WholeBody(), times=None)
    assert list(remote_mimic.stream("reports")) == expected
    assert len(copies(remote_mimic)) == 1


def test_a_text_that_the_store_has_damaged_is_told_once_a_copy_has_it_too(
    remote_mimic: Remote, zipped_reports: Path, expected: list[dict[str, Any]]
) -> None:
    content = bytearray(zipped_reports.read_bytes())
    with zipfile.ZipFile(zipped_reports) as archive:
        member = next(m for m in archive.infolist()
                      if f"s{expected[0]['study_id']}" in m.filename)  # fmt: skip
    content[member.header_offset + 30 + len(member.filename) + 20] ^= 4
    rewrite(zipped_reports, bytes(content))
    stream = iter(remote_mimic.stream("reports"))
    with pytest.raises(ReportsError, match=rf"{ZIP}.*Fetch the reports again"):
        next(stream)


def test_a_zip_without_its_end_is_told(remote_mimic: Remote, zipped_reports: Path) -> None:
    rewrite(zipped_reports, zipped_reports.read_bytes()[:-2_000])
    with pytest.raises(ReportsError, match=rf"{ZIP}.*its end is missing"):
        remote_mimic.stream("reports")


def test_a_server_that_is_gone_before_the_texts_are_read_is_told(
    remote_mimic: Remote, zipped_reports: Path
) -> None:
    stream = remote_mimic.stream("reports")
    remote_mimic.server.fail(r"\.zip$", Reset(10), times=None)
    with pytest.raises(StoreError, match=ZIP):
        next(iter(stream))
    remote_mimic.server.heal()
    assert next(iter(stream))["report"]


def test_a_zip_that_is_gone_before_its_texts_are_read_is_told(
    remote_mimic: Remote, zipped_reports: Path
) -> None:
    stream = remote_mimic.stream("reports")
    zipped_reports.unlink()
    with pytest.raises(CxrError, match=rf"{ZIP} is not there any more"):
        next(iter(stream))


def test_a_zip_that_is_another_one_before_its_texts_are_read_gives_no_wrong_text(
    remote_mimic: Remote, zipped_reports: Path
) -> None:
    stream = remote_mimic.stream("reports")
    content = zipped_reports.read_bytes()
    rewrite(zipped_reports, content[-500:] + content)
    with pytest.raises(CxrError, match=ZIP):
        next(iter(stream))


# ------------------------------------------------------------------ zips of every kind


def comment(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x05\x06 all reports" + bytes(40_000)


def bytes_before(path: Path) -> None:
    path.write_bytes(bytes(5_000) + path.read_bytes())


def bytes_behind(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(3_000))


def long_folder(path: Path) -> None:
    _repacked(path, lambda info: setattr(info, "filename", f"{'a' * 600}/{info.filename}"))


def extra_fields(path: Path) -> None:
    _repacked(path, lambda info: setattr(info, "extra", b"\x99\x99\x10\x02" + bytes(528)))


def another_name(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("\u00fcnlisted.txt", b"a name that is not ASCII")


def _repacked(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    path.unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            change(info)
            archive.writestr(info, content)


@pytest.mark.parametrize(
    "change", [comment, bytes_before, bytes_behind, long_folder, extra_fields, another_name]
)
def test_a_zip_of_another_kind_gives_the_same_rows(
    remote_mimic: Remote, zipped_reports: Path, expected: object, change: Any
) -> None:
    rewrite(zipped_reports, zipped_reports.read_bytes())  # it was linked to one that others read
    change(zipped_reports)
    assert list(remote_mimic.stream("reports")) == expected
