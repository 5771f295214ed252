"""Reports that unpack to gigabytes, or never end, are an error within 2 GB of memory."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_datasets import limits
from cxr_datasets.testing import copy_release, rewrite
from tests.bounded import MIB, Bounded, assert_told, bounded, deflated, gzipped, sparse
from tests.mimic_cxr_jpg.reports.forms import ZIP, texts_of

TAR = "mimic-cxr-reports.tar.gz"
HUGE = 3 * 2**30


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with bounded(tmp_path_factory.mktemp("bounded")) as process:
        yield process


@pytest.fixture(scope="module")
def texts(mimic_release: Path) -> list[str]:
    """The names of all reports of the release."""
    return sorted(texts_of(mimic_release))


@pytest.fixture
def release(mimic_release: Path, tmp_path: Path) -> Path:
    """A release without reports."""
    copy = copy_release(mimic_release, tmp_path / "release")
    (copy / ZIP).unlink()
    return copy


# --- zip ------------------------------------------------------------------------------------------

LOCAL = struct.Struct("<4s5H3L2H")
ENTRY = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


def zip_of(
    names: list[str], packed: bytes, method: int = 8, crc: int = 0, stated: int = 9
) -> bytes:
    """A zip all of whose members are the same bytes; it says that they unpack to a few."""
    first = names[0].encode()
    sizes = (crc, len(packed), stated)
    local = LOCAL.pack(b"PK\3\4", 20, 0, method, 0, 0, *sizes, len(first), 0) + first
    directory = b"".join(
        ENTRY.pack(b"PK\1\2", 20, 20, 0, method, 0, 0, *sizes, len(name), 0, 0, 0, 0, 0, 0)
        + name.encode()
        for name in names
    )
    count, at = len(names), len(local) + len(packed)
    end = END.pack(b"PK\5\6", 0, 0, count, count, len(directory), at, 0)
    return local + packed + directory + end


def a_zip_with_one_huge_text(file: Path, texts: list[str]) -> None:
    rewrite(file, zip_of(texts[:1], deflated(b" text\n", HUGE)))


def a_zip_with_a_huge_text_that_is_stored(file: Path, texts: list[str]) -> None:
    rewrite(file, zip_of(texts[:1], bytes(limits.LARGEST_REPORT + 1), method=0))


def a_zip_with_one_large_text_for_all(file: Path, texts: list[str]) -> None:
    content = b" text\n" * (limits.LARGEST_REPORT // 6)
    packing = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packing.compress(content) + packing.flush()
    assert len(content) * len(texts) > limits.LARGEST_REPORTS
    rewrite(file, zip_of(texts, packed, crc=zlib.crc32(content)))


def a_zip_with_a_huge_directory(file: Path, texts: list[str]) -> None:
    size = limits.LARGEST_DIRECTORY + 1
    sparse(file, size, b"PK\1\2", END.pack(b"PK\5\6", 0, 0, 1, 1, size, 0, 0))


def a_zip_with_millions_of_members(file: Path, texts: list[str]) -> None:
    # A name that is not UTF-8 leaves the directory to `zipfile`, which makes an object of each.
    entry = ENTRY.pack(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"\xff"
    directory = entry * (limits.MOST_MEMBERS_IN_PLACE + 1)
    rewrite(file, directory + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0))


def a_huge_zip(file: Path, texts: list[str]) -> None:
    sparse(file, limits.LARGEST_ARCHIVE + 1, b"PK\3\4")


# --- tar ------------------------------------------------------------------------------------------


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def a_tar_with_one_huge_text(file: Path, texts: list[str]) -> None:
    rewrite(file, gzipped(header(texts[0], HUGE), b" text\n", HUGE))


def a_tar_of_zeros(file: Path, texts: list[str]) -> None:
    rewrite(file, gzipped(header(texts[0], 1) + b"a".ljust(512, b"\0"), b"\0", 400 * MIB))


def a_tar_with_a_huge_file_of_another_kind(file: Path, texts: list[str]) -> None:
    rewrite(file, gzipped(header("files/film.avi", HUGE), b"film", HUGE))


def a_tar_with_a_name_without_an_end(file: Path, texts: list[str]) -> None:
    rewrite(file, gzipped(header("long", HUGE, tarfile.GNUTYPE_LONGNAME), b"a", HUGE))


def a_tar_with_a_record_without_an_end(file: Path, texts: list[str]) -> None:
    rewrite(file, gzipped(header("pax", HUGE, tarfile.XHDTYPE), b"a", HUGE))


def a_tar_with_holes_without_an_end(file: Path, texts: list[str]) -> None:
    first = bytearray(header(texts[0], 0, tarfile.GNUTYPE_SPARSE))
    first[482] = 1  # the map of holes goes on in the next block
    first[148:156] = b" " * 8
    first[148:156] = f"{sum(first):06o}\0 ".encode()
    holes = (b"00000000001\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    rewrite(file, gzipped(bytes(first), holes, HUGE))


def a_tar_with_records_one_after_the_other(file: Path, texts: list[str]) -> None:
    record = b"11 a=bcdef\n".ljust(512, b"\0")
    rewrite(file, gzipped(b"", header("pax", 11, tarfile.XHDTYPE) + record, HUGE))


def a_tar_of_empty_streams(file: Path, texts: list[str]) -> None:
    sparse(file, limits.LARGEST_ARCHIVE + 1, gzip.compress(b""))


ARCHIVES: dict[Callable[[Path, list[str]], None], str] = {
    a_zip_with_one_huge_text: "LARGEST_REPORT",
    a_zip_with_a_huge_text_that_is_stored: "LARGEST_REPORT",
    a_zip_with_one_large_text_for_all: "LARGEST_REPORTS",
    a_zip_with_a_huge_directory: "LARGEST_DIRECTORY",
    a_zip_with_millions_of_members: "MOST_MEMBERS_IN_PLACE",
    a_huge_zip: "LARGEST_ARCHIVE",
    a_tar_with_one_huge_text: "LARGEST_REPORT",
    a_tar_of_zeros: "LARGEST_UNPACKED",
    a_tar_with_a_huge_file_of_another_kind: "LARGEST_UNPACKED",
    a_tar_with_a_name_without_an_end: "LARGEST_MEMBER_HEADER",
    a_tar_with_a_record_without_an_end: "LARGEST_MEMBER_HEADER",
    a_tar_with_holes_without_an_end: "LARGEST_MEMBER_HEADER",
    a_tar_of_empty_streams: "LARGEST_ARCHIVE",
}


@pytest.mark.parametrize(("write", "limit"), ARCHIVES.items(), ids=[w.__name__ for w in ARCHIVES])
def test_an_archive_beyond_a_limit_is_told(
    write: Callable[[Path, list[str]], None],
    limit: str,
    child: Bounded,
    release: Path,
    texts: list[str],
) -> None:
    name = ZIP if "zip" in write.__name__ else TAR
    write(release / name, texts)
    # A lower one for what unpacks, which is read to the limit: that costs time.
    found = child.load("mimic_cxr_jpg", release, limits={"LARGEST_UNPACKED": 200 * MIB})
    assert_told(found, "ReportsError", name, limit)


def test_records_one_after_the_other_end_in_an_error(
    child: Bounded, release: Path, texts: list[str]
) -> None:
    a_tar_with_records_one_after_the_other(release / TAR, texts)
    found = child.load("mimic_cxr_jpg", release)
    assert found.error == "ReportsError"
    assert TAR in found.text
    assert found.seconds < 60


def test_a_report_of_a_tree_beyond_a_limit_is_told(
    child: Bounded, mimic_release: Path, release: Path
) -> None:
    for name, text in texts_of(mimic_release).items():
        rewrite(release / name, text)
    sparse(release / name, 40 * 2**30)
    found = child.load("mimic_cxr_jpg", release)
    assert_told(found, "ReportsError", name, "LARGEST_REPORT")


def test_reports_of_a_tree_that_are_too_large_together_are_told(
    child: Bounded, mimic_release: Path, release: Path
) -> None:
    names = texts_of(mimic_release)
    assert len(names) * limits.LARGEST_REPORT > limits.LARGEST_REPORTS
    for name in names:
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        sparse(release / name, limits.LARGEST_REPORT)
    found = child.load("mimic_cxr_jpg", release)
    assert_told(found, "ReportsError", str(release), "LARGEST_REPORTS")


def test_an_archive_with_a_large_file_beside_the_reports_is_read(
    child: Bounded, mimic_release: Path, release: Path
) -> None:
    texts = texts_of(mimic_release)
    members = [("another.bin", bytes(limits.LARGEST_REPORT + 1)), *texts.items()]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    rewrite(release / TAR, packed.getvalue())
    found = child.load("mimic_cxr_jpg", release)
    assert found.error == ""
    (release / TAR).unlink()
    with zipfile.ZipFile(release / ZIP, "w", zipfile.ZIP_DEFLATED) as other:
        for name, content in members:
            other.writestr(name, content)
    assert child.load("mimic_cxr_jpg", release).rows == found.rows > 0


def test_a_report_as_large_as_the_limit_is_read(
    child: Bounded, mimic_release: Path, release: Path
) -> None:
    texts = texts_of(mimic_release)
    texts[min(texts)] = b" a text\n" * (limits.LARGEST_REPORT // 8)
    with zipfile.ZipFile(release / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts.items():
            archive.writestr(name, content)
    assert child.load("mimic_cxr_jpg", release).error == ""


SECTIONED = b"study,impression,findings,last_paragraph,comparison\n"


@pytest.mark.parametrize(
    ("row", "limit", "few"),
    [
        (b's50000001,"a\n b\n c",,,\n', "MOST_LINES_OF_TEXTS", 1_000_000),
        (b"s50000001," + b"a" * 4_000 + b",,,\n", "LARGEST_TABLE", 20 * MIB),
    ],
)
def test_a_table_of_sections_beyond_a_limit_is_told(
    row: bytes, limit: str, few: int, child: Bounded, release: Path, tmp_path: Path
) -> None:
    rewrite(tmp_path / "own.csv", gzipped(SECTIONED, row, HUGE))
    own = str(tmp_path / "own.csv")
    found = child.load("mimic_cxr_jpg", release, limits={limit: few}, reports=own)
    assert_told(found, "TableError", "own.csv", limit)


@pytest.mark.thorough
def test_a_table_of_sections_may_have_more_lines_than_other_tables(
    child: Bounded, release: Path, texts: list[str], tmp_path: Path
) -> None:
    cell = "a\n" * 500
    rows = [f'{Path(name).stem},"{cell}",,,\n' for name in texts]
    rewrite(tmp_path / "own.csv", SECTIONED + "".join(rows).encode())
    own = str(tmp_path / "own.csv")
    found = child.load("mimic_cxr_jpg", release, limits={"MOST_LINES": 20_000}, reports=own)
    assert (found.error, found.rows > 0) == ("", True)


@pytest.mark.thorough
def test_the_limit_is_generous_for_the_table_of_the_whole_release() -> None:
    """With 10 lines a report in its findings and impression."""
    assert limits.MOST_LINES_OF_TEXTS > 3 * 227_827 * 10
