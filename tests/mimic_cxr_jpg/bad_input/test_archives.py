"""A broken archive of reports is refused with an error that says what to do; nothing is built."""

from __future__ import annotations

import gzip
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.errors import ReportsError
from cxr_datasets.testing import datasets_under, read_table, rewrite
from tests.mimic_cxr_jpg.bad_input.conftest import MARKER, SPLIT, load_everything, refused
from tests.mimic_cxr_jpg.reports.forms import TAR, ZIP, texts_of, write_tar, write_zip


def with_reports(root: Path, name: str, content: bytes) -> None:
    (root / ZIP).unlink(missing_ok=True)
    rewrite(root / name, content)


@pytest.mark.parametrize("name", [ZIP, TAR])
@pytest.mark.parametrize(
    "content",
    [b"<html>Log in</html>", MARKER.encode() * 1000, b"\0" * 4096, gzip.compress(b"\1" * 4096)],
    ids=["a web page", "text", "zeros", "packed text"],
)
def test_a_file_that_is_no_archive_of_reports_is_named(
    content: bytes, name: str, root: Path, cache: str
) -> None:
    with_reports(root, name, content)
    refused(root, cache, ReportsError, str(root / name), "Fetch the reports again")


@pytest.mark.parametrize("keep", [30, 0.2, 0.5, 0.9, -100, -23, -1])
def test_a_zip_of_reports_cut_anywhere_is_named(keep: float, root: Path, cache: str) -> None:
    content = (root / ZIP).read_bytes()
    size = int(len(content) * keep) if isinstance(keep, float) else keep
    with_reports(root, ZIP, content[:size])
    refused(root, cache, ReportsError, str(root / ZIP), "Fetch the reports again")


@pytest.mark.parametrize("keep", [30, 0.2, 0.5, 0.9, -9, -5, -1])
def test_a_tar_gz_of_reports_cut_anywhere_is_named(keep: float, root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    content = (root / TAR).read_bytes()
    size = int(len(content) * keep) if isinstance(keep, float) else keep
    with_reports(root, TAR, content[:size])
    refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


def test_a_tar_of_reports_cut_before_it_was_packed_is_named(root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    unpacked = gzip.decompress((root / TAR).read_bytes()).rstrip(b"\0")
    for size in (511, 512, len(unpacked) // 2, len(unpacked) - 1):
        with_reports(root, TAR, gzip.compress(unpacked[:size]))
        refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    "name",
    [
        "../x.txt",
        "../../etc/passwd",
        "files/../../x.txt",
        "files/p10/..",
        "/etc/passwd",
        "\\windows\\x.txt",
        "files\\..\\..\\x.txt",
        "C:\\windows\\x.txt",
    ],
)
def test_a_member_that_leads_outside_the_archive_is_shown(
    name: str, form: str, root: Path, cache: str
) -> None:
    texts = {**texts_of(root), name: MARKER.encode()}
    if form == "zip":
        write_zip(root / ZIP, texts)
    else:
        (root / ZIP).unlink()
        write_tar(root / TAR, texts)
    file = ZIP if form == "zip" else TAR
    refused(root, cache, ReportsError, str(root / file), repr(name), "outside")


def corrupt(stored: bool, where: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        write_zip(root / ZIP, texts_of(root), method)
        content = bytearray((root / ZIP).read_bytes())
        with zipfile.ZipFile(root / ZIP) as archive:
            member = archive.infolist()[0]
        name_size = len(member.filename)
        place = {
            "its text": member.header_offset + 30 + name_size + 20,
            "its header": member.header_offset,
        }[where]
        content[place] ^= 0x20
        rewrite(root / ZIP, bytes(content))

    return change


@pytest.mark.parametrize("num_proc", [None, 2])
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("where", ["its text", "its header"])
def test_a_corrupted_member_is_an_error_and_no_dataset_is_left(
    where: str, stored: bool, num_proc: int | None, root: Path, cache: str
) -> None:
    corrupt(stored, where)(root)
    options = {} if num_proc is None else {"num_proc": num_proc}
    if num_proc is None:
        refused(root, cache, ReportsError, str(root / ZIP), "Fetch the reports again")
    with pytest.raises(ReportsError, match=ZIP) as caught:
        load_everything(str(root), cache, **options)
    assert MARKER not in "".join(traceback.format_exception(caught.value))
    assert datasets_under(cache) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_by_a_method_that_is_not_read_is_named(
    method: int, root: Path, cache: str
) -> None:
    write_zip(root / ZIP, texts_of(root), method)
    refused(root, cache, ReportsError, str(root / ZIP), f"method {method}")


def test_a_tar_gz_with_a_changed_byte_is_named(root: Path, cache: str) -> None:
    write_tar(root / TAR, texts_of(root))
    content = bytearray((root / TAR).read_bytes())
    content[-6] ^= 1  # of the checksum at its end
    with_reports(root, TAR, bytes(content))
    refused(root, cache, ReportsError, str(root / TAR), "Fetch the reports again")


def test_a_broken_archive_loads_once_it_is_mended(root: Path, cache: str) -> None:
    good = (root / ZIP).read_bytes()
    with_reports(root, ZIP, good[: len(good) // 2])
    refused(root, cache, ReportsError, ZIP)
    with_reports(root, ZIP, good)
    assert load_everything(str(root), cache) == len(read_table(root / SPLIT))
