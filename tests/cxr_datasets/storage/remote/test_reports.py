"""Remote reports: in every form, at every address, fetched once and resumed where it broke off."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from cxr_datasets.errors import CacheError, OptionError, ReportsError, StoreError
from cxr_datasets.storage import download
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import rewrite
from tests.fakes.physionet import Flip, PhysioNet, Reset, Stall
from tests.forked import start
from tests.remote import MIMIC_REPORTS, Remote, rows_of

pytestmark = pytest.mark.usefixtures("login")

ZIP = "mimic-cxr-reports.zip"
PIECE = 1500
MOST_LOOKED_FOR = 4 * 4
"""Texts that a start looks for where an archive is found: four in each of four folders."""


@pytest.fixture
def folder(remote_mimic: Remote, tmp_path: Path) -> Path:
    """The folder that is served as the project of the reports."""
    return tmp_path / "reports"


@pytest.fixture
def expected(remote_mimic: Remote) -> dict[str, list[dict[str, object]]]:
    return rows_of(remote_mimic.local("reports"))


def as_zip(folder: Path) -> str:
    return ZIP


def as_tar(folder: Path) -> str:
    shutil.unpack_archive(folder / ZIP, folder / "unpacked")
    (folder / ZIP).unlink()
    shutil.make_archive(str(folder / "mimic-cxr-reports"), "gztar", folder / "unpacked", "files")
    shutil.rmtree(folder / "unpacked")
    return "mimic-cxr-reports.tar.gz"


def as_tree(folder: Path) -> str:
    shutil.unpack_archive(folder / ZIP, folder)
    (folder / ZIP).unlink()
    return ""


FORMS = [as_zip, as_tar, as_tree]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_form_beside_the_release_gives_the_same_texts(
    remote_mimic: Remote, folder: Path, expected: object,
    form: Callable[[Path], str], streaming: bool,
) -> None:  # fmt: skip
    form(folder)
    assert rows_of(remote_mimic.load("reports", streaming=streaming)) == expected


@pytest.mark.parametrize("form", FORMS)
def test_reports_may_be_at_another_address(
    remote_mimic: Remote, folder: Path, expected: object, form: Callable[[Path], str]
) -> None:
    file = form(folder)
    del remote_mimic.server.folders[MIMIC_REPORTS]
    with PhysioNet({"elsewhere": folder}, open_access=True, encrypted=True) as other:
        for reports in {f"elsewhere/{file}", "elsewhere"}:
            address = other.address(reports)
            assert rows_of(remote_mimic.load("reports", reports=address)) == expected
        local = str(folder / file)
        assert rows_of(remote_mimic.load("reports", reports=local, num_proc=2)) == expected
        found = remote_mimic.local("reports", reports=other.address(f"elsewhere/{file}"))
        assert rows_of(found) == expected


def test_a_tree_among_the_images_is_found(
    remote_mimic: Remote, folder: Path, expected: object
) -> None:
    shutil.unpack_archive(folder / ZIP, remote_mimic.release)
    (folder / ZIP).unlink()
    assert rows_of(remote_mimic.load("reports")) == expected


@pytest.mark.parametrize("form", [as_zip, as_tar])
def test_one_text_among_the_images_hides_no_archive(
    remote_mimic: Remote, folder: Path, expected: object, form: Callable[[Path], str]
) -> None:
    with zipfile.ZipFile(folder / ZIP) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".txt"))
    form(folder)
    rewrite(remote_mimic.release / name, b"unpacked")
    assert rows_of(remote_mimic.load("reports")) == expected
    assert rows_of(remote_mimic.load("reports", streaming=True)) == expected


def test_a_start_looks_for_few_texts_and_fetches_no_archive_to_compare_places(
    remote_mimic: Remote, folder: Path
) -> None:
    for _ in range(2):
        remote_mimic.server.reset()
        remote_mimic.stream("reports")
        assert len(remote_mimic.asked(".txt", "HEAD")) == MOST_LOOKED_FOR
        assert not remote_mimic.asked(".txt")
    assert not remote_mimic.asked(".zip")


def test_of_a_remote_tree_a_sample_tells_how_many_studies_have_no_report(
    remote_mimic: Remote, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    as_tree(folder)
    remote_mimic.load("reports")
    (line,) = [r.getMessage() for r in caplog.records if "have no report" in r.getMessage()]
    assert re.match(r"1 of \d+ studies that were looked for have no report in https://", line)


def test_a_folder_in_a_remote_archive_holds_reports(
    remote_mimic: Remote, folder: Path, expected: object
) -> None:
    shutil.copy(folder / ZIP, folder / "other-name.zip")
    (folder / ZIP).unlink()
    address = remote_mimic.server.address(f"{MIMIC_REPORTS}/other-name.zip")
    for reports in (address, f"zip://::{address}"):
        assert rows_of(remote_mimic.load("reports", reports=reports)) == expected


def test_reports_that_are_not_there_are_named(remote_mimic: Remote) -> None:
    address = remote_mimic.server.address(f"{MIMIC_REPORTS}/no-such.zip")
    with pytest.raises(ReportsError, match=re.escape(address)):
        remote_mimic.load(reports=address)


@pytest.mark.parametrize("secret", ["http://name:word@127.0.0.1/x.zip", "https://a/x.zip?sig=word"])
def test_an_address_of_reports_with_a_secret_is_refused(remote_mimic: Remote, secret: str) -> None:
    with pytest.raises(OptionError, match="reports=") as caught:
        remote_mimic.load(reports=secret)
    assert "word@" not in str(caught.value)
    assert "sig=" not in str(caught.value)


# ------------------------------------------------------------------ fetched once


@pytest.mark.parametrize("form", [as_zip, as_tar])
def test_an_archive_is_fetched_once_for_all_configs_and_starts(
    remote_mimic: Remote, folder: Path, form: Callable[[Path], str]
) -> None:
    file = form(folder)
    for config in ("reports", "studies", "images"):
        remote_mimic.load(config)
        remote_mimic.stream(config, views="frontal")
    assert len(remote_mimic.asked(file)) == 1


@pytest.mark.parametrize("form", [as_zip, as_tar])
def test_a_changed_archive_is_fetched_again(
    remote_mimic: Remote, folder: Path, form: Callable[[Path], str]
) -> None:
    file = form(folder)
    remote_mimic.load("reports")
    rewrite(folder / file, (folder / file).read_bytes())
    os.utime(folder / file, (10**9, 10**9))
    remote_mimic.load("reports")
    assert len(remote_mimic.asked(file)) == 2


@pytest.mark.parametrize("change", ["cut", "one bit", "no sum"])
def test_a_copy_that_was_changed_in_the_cache_is_fetched_again(
    remote_mimic: Remote, folder: Path, expected: object, cache: str, change: str
) -> None:
    remote_mimic.load("reports")
    (copy,) = Path(remote_mimic.cache, "mimic_cxr_jpg", "cxr_index").glob(f"*-{ZIP}")
    content = bytearray(copy.read_bytes())
    if change == "no sum":
        Path(f"{copy}.sum").unlink()
    elif change == "cut":
        rewrite(copy, bytes(content[:-100]))
    else:
        content[len(content) // 2] ^= 1
        rewrite(copy, bytes(content))
    rows = remote_mimic.load("reports", download_mode="force_redownload")
    assert rows_of(rows) == expected
    assert len(remote_mimic.asked(ZIP)) == 2


Rows = dict[str, list[dict[str, object]]]


def spoil_on_the_way(remote: Remote, zipped: Path, rows: Rows, what: str = "text") -> None:
    """Change a bit of a zip archive once on its way, in some part of the entry of a study."""
    study = rows["train"][5]["study_id"]
    content = zipped.read_bytes()
    with zipfile.ZipFile(zipped) as archive:
        member = next(one for one in archive.infolist() if f"s{study}.txt" in one.filename)
        entry = content.rindex(member.filename.encode()) - 46
    place = {
        "text": member.header_offset + 30 + len(member.filename) + 20,
        "header": member.header_offset + 14,
        "name in its header": member.header_offset + 45,
        "name in the directory": entry + 60,
        "place in the directory": entry + 43,
        "sum in the directory": entry + 17,
    }[what]
    remote.server.fail(re.escape(ZIP), Flip((place + 0.5) / len(content)))


@pytest.mark.parametrize(
    "what",
    [
        "text", "header", "name in its header", "name in the directory",
        "place in the directory", "sum in the directory",
    ],
)  # fmt: skip
def test_a_zip_that_the_way_changed_is_fetched_once_more(
    remote_mimic: Remote, folder: Path, expected: Rows, what: str
) -> None:
    spoil_on_the_way(remote_mimic, folder / ZIP, expected, what)
    assert rows_of(remote_mimic.load("reports")) == expected
    assert len(remote_mimic.asked(ZIP)) == 2


def test_a_tar_that_the_way_changed_is_fetched_once_more(
    remote_mimic: Remote, folder: Path, expected: object
) -> None:
    file = as_tar(folder)
    remote_mimic.server.fail(re.escape(file), Flip())
    assert rows_of(remote_mimic.load("reports")) == expected
    assert len(remote_mimic.asked(file)) == 2


def test_processes_that_find_the_same_damage_fetch_the_zip_once_more_for_all(
    remote_mimic: Remote, folder: Path, expected: Rows
) -> None:
    spoil_on_the_way(remote_mimic, folder / ZIP, expected)
    rows = remote_mimic.load("reports", num_proc=2)
    assert rows_of(rows) == expected
    assert len(remote_mimic.asked(ZIP)) == 2


def test_a_stream_that_was_begun_reads_on_from_the_zip_that_came_once_more(
    remote_mimic: Remote, folder: Path, expected: Rows
) -> None:
    spoil_on_the_way(remote_mimic, folder / ZIP, expected)
    first, second = (iter(remote_mimic.stream("reports")) for _ in range(2))
    next(second)
    assert list(first) == expected["train"]
    assert len(list(second)) == len(expected["train"]) - 1
    assert len(remote_mimic.asked(ZIP)) == 2


@pytest.mark.parametrize("form", [as_zip, as_tar])
def test_an_archive_that_the_store_has_damaged_is_fetched_twice_and_never_again(
    remote_mimic: Remote, folder: Path, form: Callable[[Path], str]
) -> None:
    file = form(folder)
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 4
    rewrite(folder / file, bytes(content))
    for _ in range(3):
        with pytest.raises(ReportsError, match=rf"{file}.*Fetch the reports again"):
            remote_mimic.load("reports")
        assert len(remote_mimic.asked(file)) == 2


def test_what_is_left_of_a_copy_of_another_version_is_removed_unless_somebody_makes_it(
    remote_mimic: Remote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", PIECE)
    rewrite(folder / ZIP, (folder / ZIP).read_bytes())  # it was linked to one that others read
    for age in (1, 2):  # two versions, of which neither is fetched to its end
        os.utime(folder / ZIP, (10**9 + age, 10**9 + age))
        remote_mimic.server.fail(r"\.zip$", Reset(10), times=None, after=3)
        with pytest.raises(StoreError, match=ZIP):
            remote_mimic.load("reports", connections=1)
        remote_mimic.server.heal()
    index = next(Path(remote_mimic.cache).rglob("cxr_index"))
    first, second = sorted(index.glob("*.zip.incomplete"), key=lambda file: file.stat().st_mtime)
    os.utime(folder / ZIP, (10**9, 10**9))
    with FileLock(str(second).replace(".incomplete", ".lock")):
        remote_mimic.load("reports")
    assert not first.exists()
    assert second.exists()


def test_a_cache_without_room_for_the_archive_is_told(remote_mimic: Remote) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PIECE, before[1]))
    try:
        with pytest.raises(CacheError, match=rf"{ZIP}.*Make room"):
            remote_mimic.load("reports")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_two_who_want_one_archive_fetch_it_once(
    remote_mimic: Remote, folder: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", PIECE)
    address = remote_mimic.server.address(MIMIC_REPORTS)
    remote_mimic.server.latency = 0.02
    with ThreadPoolExecutor(3) as pool:
        copies = list(
            pool.map(lambda _: download.fetched(open_place(address), ZIP, cache), range(3))
        )
    assert len(set(copies)) == 1
    assert copies[0].read_bytes() == (folder / ZIP).read_bytes()
    size = (folder / ZIP).stat().st_size
    assert len(remote_mimic.asked(ZIP)) == -(-size // PIECE)


PROGRAM = """
import sys
import mimic_cxr_jpg
from cxr_datasets.storage import download
from datasets import load_dataset

download.PIECE = int(sys.argv[3])
load_dataset("mimic_cxr_jpg", "reports", data_dir=sys.argv[1], cache_dir=sys.argv[2])
"""


def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(
    remote_mimic: Remote, folder: Path, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_mimic.server.fail(r"\.zip$", Stall(10, seconds=60), times=None, after=4)
    words = ["-c", PROGRAM, remote_mimic.address, remote_mimic.cache, str(PIECE)]
    process = start(words, cwd=Path(__file__).parents[4])
    index = Path(remote_mimic.cache, "mimic_cxr_jpg", "cxr_index")
    try:
        until = time.monotonic() + 30
        while not sum(file.stat().st_size for file in index.glob("*.zip.incomplete")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (unfinished,) = index.glob("*.zip.incomplete")
    had = unfinished.stat().st_size
    assert (folder / ZIP).read_bytes().startswith(unfinished.read_bytes())
    remote_mimic.server.heal()
    remote_mimic.server.reset()
    monkeypatch.setattr(download, "PIECE", PIECE)
    assert rows_of(remote_mimic.load("reports")) == expected
    starts = [
        int(re.fullmatch(r"bytes=(\d+)-\d+", request.headers["Range"])[1])  # type: ignore[index]
        for request in remote_mimic.server.requests
        if request.method == "GET" and request.path.endswith(ZIP)
    ]
    assert min(starts) == had > 0
    assert len(starts) == -(-((folder / ZIP).stat().st_size - had) // PIECE)


def test_an_archive_that_broke_off_for_good_goes_on_later(
    remote_mimic: Remote, folder: Path, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", PIECE)
    remote_mimic.server.fail(r"\.zip$", Reset(10), times=None, after=3)
    with pytest.raises(StoreError, match=ZIP):
        remote_mimic.load("reports", connections=1)
    served = [r.headers["Range"] for r in remote_mimic.server.requests if r.status == 206][:3]
    assert len(served) == 3
    remote_mimic.server.heal()
    remote_mimic.server.reset()
    assert rows_of(remote_mimic.load("reports")) == expected
    again = {r.headers.get("Range") for r in remote_mimic.server.requests}
    assert not again & set(served)
