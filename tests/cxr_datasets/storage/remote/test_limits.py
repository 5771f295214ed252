"""A server that sends without an end, slowly, or not at all ends in an error within 2 GB."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_datasets.testing import files_under
from tests.bounded import MIB, Bounded, assert_told, bounded
from tests.fakes.endless import Answer, Endless, busy, dripping, file, said_to_be, without_end

SPLIT = "mimic-cxr-2.0.0-split.csv.gz"
ZIP = "mimic-cxr-reports.zip"
FEW = {"LARGEST_TABLE": 40 * MIB}
"""A lower limit, as it takes time to come to that of users."""

SOON = {"LONGEST_REQUEST": 1.0, "LONGEST_RETRY": 2.0}


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with bounded(tmp_path_factory.mktemp("bounded")) as process:
        yield process


def served(release: Path) -> dict[str, Answer]:
    """The files of a release, as they are."""
    return {f"/{name}": file((release / name).read_bytes()) for name in files_under(release)}


@pytest.fixture(scope="module")
def indiana(indiana_release: Path) -> dict[str, Answer]:
    return served(indiana_release)


@pytest.fixture(scope="module")
def mimic(small_release: Path) -> dict[str, Answer]:
    return served(small_release)


def left_out(rules: dict[str, Answer], end: str) -> dict[str, Answer]:
    return {path: answer for path, answer in rules.items() if not path.endswith(end)}


def test_a_right_server_is_read_within_2_gb(child: Bounded, indiana: dict[str, Answer]) -> None:
    with Endless(indiana) as server:
        found = child.load("indiana_cxr", f"{server.url}/data", "images")
    assert (found.error, found.rows > 0) == ("", True)


ENDLESS = {
    "without a length": without_end(), "with a length": said_to_be(2**40),
    "called a page": without_end(kind="text/html"),
}  # fmt: skip


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_a_table_without_an_end_is_told(
    answer: Answer, child: Bounded, indiana: dict[str, Answer]
) -> None:
    with Endless({**indiana, "/indiana_reports.csv": answer}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data", limits=FEW)
    assert_told(found, "TableError", "indiana_reports.csv", "LARGEST_TABLE")


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_an_image_without_an_end_is_told(
    answer: Answer, child: Bounded, indiana: dict[str, Answer]
) -> None:
    with Endless({".png": answer, **left_out(indiana, ".png")}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data", "images")
    assert_told(found, "ImageError", ".png", "LARGEST_IMAGE")


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_an_archive_of_reports_without_an_end_is_told(
    answer: Answer, child: Bounded, mimic: dict[str, Answer]
) -> None:
    with Endless({**mimic, f"/{ZIP}": answer}) as server:
        found = child.load("mimic_cxr_jpg", f"{server.url}/data", limits=FEW)
    limit = "LARGEST_ARCHIVE" if answer is ENDLESS["with a length"] else "LARGEST_ANSWER"
    assert_told(found, "ReportsError", ZIP, limit)


def test_a_report_without_an_end_is_told(child: Bounded, mimic: dict[str, Answer]) -> None:
    rules = {name: answer for name, answer in mimic.items() if name != f"/{ZIP}"}
    with Endless({**rules, ".txt": without_end()}) as server:
        found = child.load("mimic_cxr_jpg", f"{server.url}/data")
    assert_told(found, "ReportsError", ".txt", "LARGEST_REPORT")


def test_a_list_of_a_folder_without_an_end_is_an_error(child: Bounded) -> None:
    page = without_end(b"<html>" + b'<a href="1">' * 1_000, "text/html")
    with Endless({"/data/": page}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data")
    assert found.error == "ReleaseError", found
    assert found.seconds < 60


LINKS = {
    "blanks": b"<a " + b" " * MIB,
    "words": b"<a" + b" b" * (MIB // 2),
    "beginnings": b"<a " * (MIB // 3),
    "long tags": b"<a " + b" b" * 20_000 + b">",
}


@pytest.mark.parametrize("page", LINKS.values(), ids=LINKS)
def test_a_list_that_takes_long_to_look_through_is_looked_through_quickly(
    page: bytes, child: Bounded
) -> None:
    def listed(connection: object) -> None:
        connection.begin(Content_Length=len(page), Content_Type="text/html")  # type: ignore[attr-defined]
        connection.wfile.write(page)  # type: ignore[attr-defined]

    with Endless({"/data/": listed}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data")
    assert found.error == "ReleaseError"
    assert found.seconds < 15


SLOW = {"a table": "/indiana_reports.csv", "an image": ".png"}


@pytest.mark.parametrize("path", SLOW.values(), ids=SLOW)
def test_a_byte_at_a_time_is_not_waited_for_without_an_end(
    path: str, child: Bounded, indiana: dict[str, Answer]
) -> None:
    with Endless({path: dripping(5_000, 0.2), **left_out(indiana, path)}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data", "images", limits=SOON)
    assert found.error == "StoreError", found
    assert path in found.text
    assert found.seconds < 15


def test_an_archive_that_comes_a_byte_at_a_time_is_not_waited_for(child: Bounded) -> None:
    with Endless({"/archive.zip": dripping(5_000, 0.2)}) as server:
        found = child.load("indiana_cxr", f"{server.url}/archive.zip", limits=SOON)
    assert found.error == "StoreError", found
    assert "archive.zip" in found.text
    assert found.seconds < 20


def test_a_wait_of_a_day_is_not_waited(child: Bounded, indiana: dict[str, Answer]) -> None:
    with Endless({**indiana, "/indiana_reports.csv": busy(86_400)}) as server:
        found = child.load("indiana_cxr", f"{server.url}/data")
    assert found.error == "StoreError"
    assert "indiana_reports.csv" in found.text
    assert "86,400 seconds" in found.text
    assert "cxr_datasets.limits.LONGEST_RETRY" in found.text
    assert found.seconds < 5


def test_an_archive_in_place_whose_table_unpacks_to_gigabytes_is_told(
    child: Bounded, indiana_release: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in files_under(indiana_release):
            if name != "indiana_reports.csv":
                archive.write(indiana_release / name, name)
        with archive.open("indiana_reports.csv", "w", force_zip64=True) as table:
            for _ in range(20):
                table.write(b"uid,MeSH\n" * (MIB // 4))
    with Endless({"/archive.zip": file(packed.getvalue())}) as server:
        found = child.load("indiana_cxr", f"{server.url}/archive.zip", limits=FEW)
    assert_told(found, "TableError", "indiana_reports.csv", "LARGEST_TABLE")
