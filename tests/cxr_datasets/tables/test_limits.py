"""A table without an end, or one that unpacks to gigabytes, is an error within 2 GB of memory."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_datasets import limits
from cxr_datasets.testing import copy_release, rewrite
from tests.bounded import MIB, Bounded, assert_told, bounded, gzipped, sparse

SPLIT = "mimic-cxr-2.0.0-split.csv.gz"
HEADER = b"dicom_id,study_id,subject_id,split\n"
ROW = b"0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d,50000001,10000001,train\n"
BLANKS = b" " * 4_000


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with bounded(tmp_path_factory.mktemp("bounded")) as process:
        yield process


def wide(start: bytes, repeated: bytes, size: int) -> Callable[[Path], None]:
    return lambda file: rewrite(file, gzipped(start, repeated, size))


def packed_again_and_again(file: Path) -> None:
    content = HEADER + ROW
    for _ in range(8):
        content = gzip.compress(content)
    rewrite(file, content)


def plain_and_huge(file: Path) -> None:
    sparse(file, 40 * 2**30, HEADER + ROW)


TABLES: dict[str, tuple[Callable[[Path], None], str]] = {
    "rows without an end": (wide(HEADER, ROW, 6_000 * MIB), "MOST_LINES"),
    "lines in a cell": (wide(HEADER + ROW + b'"', b" \n" + BLANKS, 6_000 * MIB), "LONGEST_LINE"),
    "wide rows without an end": (
        wide(HEADER, ROW.replace(b"train", BLANKS), 6_000 * MIB), "LARGEST_TABLE"
    ),
    "empty rows without an end": (wide(HEADER, b",,,\n", 6_000 * MIB), "MOST_LINES"),
    "old ends of lines": (wide(HEADER[:-1] + b"\r", b",,,\r", 6_000 * MIB), "MOST_LINES"),
    "a line without an end": (wide(HEADER, b"x", 6_000 * MIB), "LONGEST_LINE"),
    "a cell without an end": (wide(HEADER + b'"', b"x", 6_000 * MIB), "LONGEST_LINE"),
    "a first line without an end": (wide(b"dicom_id", b"x", 6_000 * MIB), "LONGEST_FIRST_LINE"),
    "millions of columns": (wide(HEADER[:-1], b",x", 64 * MIB), "LONGEST_FIRST_LINE"),
    "packed again and again": (packed_again_and_again, "MOST_PACKINGS"),
    "plain and huge": (plain_and_huge, "LARGEST_TABLE"),
}  # fmt: skip


def test_a_right_release_is_read_within_2_gb(
    child: Bounded, small_release: Path, indiana_release: Path
) -> None:
    """So that the others fail by what is wrong with them."""
    for package, release in (("mimic_cxr_jpg", small_release), ("indiana_cxr", indiana_release)):
        for config in ("reports", "images"):
            found = child.load(package, release, config, embed=True)
            assert (found.error, found.rows > 0) == ("", True)


@pytest.mark.parametrize(("write", "limit"), TABLES.values(), ids=TABLES)
def test_a_table_beyond_a_limit_is_told(
    write: Callable[[Path], None], limit: str, child: Bounded, small_release: Path, tmp_path: Path
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    write(release / SPLIT)
    assert_told(child.load("mimic_cxr_jpg", release), "TableError", SPLIT, limit)


@pytest.mark.thorough
def test_an_unpacked_table_of_the_other_dataset_too(
    child: Bounded, indiana_release: Path, tmp_path: Path
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    sparse(release / "indiana_reports.csv", 3 * 2**30, b"uid,MeSH\n")
    found = child.load("indiana_cxr", release)
    assert_told(found, "TableError", "indiana_reports.csv", "LARGEST_TABLE")


@pytest.mark.thorough
def test_the_limits_are_generous_for_the_largest_tables() -> None:
    """Sizes and counts as PhysioNet gives them for release 2.1.0."""
    assert limits.MOST_LINES > 5 * 377_111
    assert limits.LARGEST_TABLE > 3 * 377_111 * 190
