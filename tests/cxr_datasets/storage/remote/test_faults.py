"""A server that fails for a while costs time and no rows; one that fails for good is named."""

from __future__ import annotations

import threading
import time
import zipfile
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cxr_datasets import limits
from cxr_datasets.errors import ImageError, StoreError, TableError
from cxr_datasets.storage import retry
from tests.fakes.physionet import (
    Fault,
    PhysioNet,
    Refuse,
    Reset,
    Short,
    Stall,
    Status,
    Truncate,
    WholeBody,
)
from tests.remote import Remote, Row, rows, rows_of, until_it_fails

pytestmark = pytest.mark.usefixtures("login")

IMPATIENT = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(sock_read=0.2)}}

FAULTS = [
    Refuse(),
    Reset(100),
    Reset(0),
    Short(100),
    Stall(100, seconds=30),
    Status(429, {"Retry-After": "0"}),
    Status(503, {"Retry-After": "0"}),
    Status(500),
]


def loaded(remote: Remote, streaming: bool = True, **options: Any) -> dict[str, list[Row]]:
    return rows_of(remote.load(streaming=streaming, storage_options=dict(IMPATIENT), **options))


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_fault_that_passes_costs_no_row_and_no_order(remote_mimic: Remote, fault: Fault) -> None:
    remote_mimic.server.fail(remote_mimic.images, fault, times=5, after=20)
    assert loaded(remote_mimic) == rows_of(remote_mimic.local())


def test_every_image_may_fail_in_every_way(remote: Remote) -> None:
    order = [Reset(100), Status(500), Short(10), Status(429), Refuse(), Status(503)]
    for row in rows(remote.local(split="train")):
        remote.server.fail(row["path"], *order[:3])
        order.append(order.pop(0))
    assert loaded(remote, streaming=False) == rows_of(remote.local())


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_tables_and_reports_are_tried_again_too(remote_mimic: Remote, fault: Fault) -> None:
    for file in (r"\.csv", r"\.zip$"):
        remote_mimic.server.fail(file, fault, times=3)
    found = remote_mimic.load("reports", storage_options=dict(IMPATIENT))
    assert rows_of(found) == rows_of(remote_mimic.local("reports"))


def test_two_processes_are_as_patient(remote: Remote) -> None:
    remote.server.fail(remote.images, Reset(100), Status(503), times=6, after=16)
    assert loaded(remote, streaming=False, num_proc=2) == rows_of(remote.local())


@pytest.mark.parametrize("config", ["images", "studies"])
def test_a_slow_image_is_waited_for_in_its_place(remote: Remote, config: str) -> None:
    paths = [row["path"] for row in rows(remote.local(split="train"))]
    for path in paths[::5]:
        remote.server.fail(path, Stall(10, seconds=0.05))
    assert rows_of(remote.load(config, streaming=True)) == rows_of(remote.local(config))


# ------------------------------------------------------------------ ranges


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from cxr_datasets.storage import download

    monkeypatch.setattr(download, "PIECE", 1500)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "fault",
    [Refuse(), Reset(100), Short(100), Status(503), WholeBody(), Truncate(700), Truncate(0)],
    ids=repr,
)
@pytest.mark.parametrize("after", [0, 3])
def test_an_archive_in_pieces_is_put_together_whole(
    remote_mimic: Remote, fault: Fault, after: int
) -> None:
    remote_mimic.server.fail(r"\.zip$", fault, times=2, after=after)
    assert rows_of(remote_mimic.load("reports", storage_options=dict(IMPATIENT))) == rows_of(
        remote_mimic.local("reports")
    )
    assert remote_mimic.reports
    pieces = -(-remote_mimic.reports.stat().st_size // 1500)
    assert len(remote_mimic.asked(".zip")) <= pieces + 2


@pytest.mark.usefixtures("small_pieces")
def test_a_server_without_ranges_sends_an_archive_once(remote_mimic: Remote) -> None:
    remote_mimic.server.ranges = False
    expected = rows_of(remote_mimic.local("reports"))
    assert rows_of(remote_mimic.load("reports")) == expected
    assert len(remote_mimic.asked(".zip")) == 1


@pytest.mark.parametrize(
    "fault", [WholeBody(), Reset(100), Short(100), Status(503), Refuse()], ids=repr
)
def test_faults_pass_in_an_archive_read_in_place(
    remote_indiana: Remote, tmp_path: Path, fault: Fault
) -> None:
    from indiana_cxr.synthetic import write_release

    release = write_release(tmp_path / "zipped", studies=12, layout="zip")
    remote_indiana.server.folders[remote_indiana.place] = release
    remote_indiana.server.fail(r"archive\.zip$", fault, times=2, after=1)
    remote_indiana.server.fail(r"archive\.zip$", fault, times=2, after=6)
    expected = rows_of(remote_indiana.local(data_dir=str(release / "archive.zip"), embed=True))
    assert (
        rows_of(remote_indiana.load(data_dir=remote_indiana.address + "/archive.zip")) == expected
    )


# ------------------------------------------------------------------ waits


def times_of(server: PhysioNet, path: str) -> list[float]:
    return [r.start for r in server.requests if r.path.endswith(path) and r.method == "GET"]


def an_image(remote: Remote, row: int = 3) -> str:
    return remote.local(split="train")[row]["path"]


def asked_again(remote: Remote, retry_after: str) -> tuple[float, float]:
    """When an image was asked for, answered 429, and asked for again."""
    path = an_image(remote)
    stream = remote.stream()
    remote.server.fail(path, Status(429, {"Retry-After": retry_after}))
    list(rows(stream))
    first, second = times_of(remote.server, path)
    return first, second


def test_retry_after_is_obeyed(remote_mimic: Remote) -> None:
    first, second = asked_again(remote_mimic, "1")
    assert second - first >= 1


def test_retry_after_may_be_a_date(remote_mimic: Remote) -> None:
    date = int(time.time()) + 2
    _, second = asked_again(remote_mimic, formatdate(date, usegmt=True))
    assert second >= date - (time.time() - time.monotonic()) - 0.05


def test_waits_grow_and_the_tries_end(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 10)
    path = an_image(remote_mimic)
    remote_mimic.server.fail(path, Reset(10), times=None)
    until_it_fails(rows(remote_mimic.stream()), StoreError)
    times = times_of(remote_mimic.server, path)
    assert len(times) == retry.MOST_TRIES
    waits = [after - before for before, after in pairwise(times)]
    for number, wait in enumerate(waits):
        assert wait >= 0.02 * 2**number * 0.74  # they vary by a quarter


@pytest.mark.parametrize("fault", [Status(500), Status(503, {"Retry-After": "3600"})], ids=repr)
def test_the_waits_have_a_bound_in_all(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(limits, "LONGEST_RETRY", 0.1)
    monkeypatch.setattr(retry, "MOST_TRIES", 1000)
    stream = remote_mimic.stream()
    remote_mimic.server.fail(an_image(remote_mimic), fault, times=None)
    start = time.monotonic()
    until_it_fails(rows(stream), StoreError)
    assert time.monotonic() - start < 3


# ------------------------------------------------------------------ for good


@pytest.mark.parametrize(
    ("fault", "words", "config"),
    [
        (Reset(100), "Client", "images"),
        (Short(100), "Client", "studies"),
        (Stall(100, seconds=30), "went silent", "images"),
        (Status(500), "the server answered 500", "studies"),
        (Status(429), "the server answered 429", "images"),
    ],
    ids=repr,
)
def test_after_too_many_tries_the_file_is_named_and_the_rows_before_it_are_there(
    remote_mimic: Remote, fault: Fault, words: str, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MOST_TRIES", 3)
    expected = list(rows(remote_mimic.local(config, split="train")))
    stream = remote_mimic.stream(config, storage_options=dict(IMPATIENT))
    broken = expected[9]["path"] if config == "images" else expected[9]["paths"][-1]
    remote_mimic.server.fail(broken, fault, times=None)
    found, error = until_it_fails(iter(stream), StoreError)
    assert f"{remote_mimic.address}/{broken} could not be read" in str(error)
    assert words in str(error)
    assert "3 times" in str(error)
    assert [row["study_id"] for row in found] == [row["study_id"] for row in expected[:9]]


@pytest.mark.parametrize("file", ["split", "reports"])
def test_a_table_or_archive_that_never_comes_is_named(remote_mimic: Remote, file: str) -> None:
    remote_mimic.server.fail(file, Reset(100), times=None)
    with pytest.raises(StoreError, match=file) as caught:
        remote_mimic.load()
    assert "could not be read: Client" in str(caught.value)


def test_a_build_that_fails_names_the_file_and_goes_on_when_the_server_is_well(
    remote: Remote,
) -> None:
    path = an_image(remote, 9)
    remote.server.fail(path, Status(503), times=None)
    with pytest.raises(StoreError, match=path):
        remote.load()
    remote.server.heal()
    assert rows_of(remote.load()) == rows_of(remote.local())


@pytest.mark.parametrize("status", [400, 403, 410, 418])
def test_what_does_not_pass_is_not_asked_again(remote: Remote, status: int) -> None:
    stream = remote.stream()
    path = an_image(remote, 2)
    remote.server.reset()
    remote.server.fail(path, Status(status), times=None)
    _, error = until_it_fails(rows(stream), StoreError)
    assert f"answered {status}" in str(error)
    assert path in str(error)
    assert len(times_of(remote.server, path)) == 1


def test_a_server_that_dies_is_an_error_that_names_a_file(remote_mimic: Remote) -> None:
    stream = iter(remote_mimic.stream())
    remote_mimic.server.latency = 0.2  # so that it does not serve all before it dies
    next(stream)
    remote_mimic.server.stop()
    _, error = until_it_fails(stream, StoreError)
    assert f"{remote_mimic.address}/" in str(error)
    assert "whether the server is up" in str(error)
    with pytest.raises(StoreError, match=remote_mimic.address):
        remote_mimic.load()


def test_a_server_that_comes_back_costs_no_row(
    remote_mimic: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 10)
    expected = list(rows(remote_mimic.local(split="train")))
    stream = rows(remote_mimic.stream())
    remote_mimic.server.latency = 0.2
    found = [next(stream)]
    remote_mimic.server.stop()
    remote_mimic.server.reset()
    back = threading.Timer(0.3, remote_mimic.server.start)
    back.start()
    found += stream
    back.join()
    assert found == expected
    assert remote_mimic.asked(".jpg")


@pytest.mark.parametrize(
    ("member", "expected"), [(".png", ImageError), ("reports.csv", TableError)]
)
def test_a_damaged_member_of_a_remote_archive_is_no_fault_of_the_store(
    tmp_path: Path, cache: str, member: str, expected: type[Exception]
) -> None:
    import datasets

    from indiana_cxr.synthetic import write_release

    archive = write_release(tmp_path / "copy", studies=3, scale=1 / 64, layout="zip")
    archive = archive / "archive.zip"
    with zipfile.ZipFile(archive) as opened:
        entry = next(info for info in opened.infolist() if info.filename.endswith(member))
    content = bytearray(archive.read_bytes())
    content[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 255
    archive.write_bytes(content)
    with PhysioNet({"data": archive.parent}, open_access=True, encrypted=True) as server:
        address = server.address("data/archive.zip")
        with pytest.raises(expected, match="a member of the archive is damaged"):
            datasets.load_dataset("indiana_cxr", data_dir=address, cache_dir=cache)
