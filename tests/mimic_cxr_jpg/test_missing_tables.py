"""Without a table of labels its column is null, one line says so, and no cache forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import StoreError
from cxr_datasets.storage import retry
from cxr_datasets.testing import copy_release, load_rows
from tests.fakes.physionet import PhysioNet, Status

Row = dict[str, Any]

FILES = {
    "labels": "mimic-cxr-2.0.0-chexpert.csv.gz",
    "labels_negbio": "mimic-cxr-2.0.0-negbio.csv.gz",
    "labels_radiologist": "mimic-cxr-2.1.0-test-set-labeled.csv",
}


@pytest.fixture(scope="module")
def expected(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return load_rows("mimic_cxr_jpg", small_release, str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(small_release: Path, tmp_path: Path) -> Path:
    return copy_release(small_release, tmp_path / "copy")


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhysioNet]:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    with PhysioNet({"copy": root}, open_access=True) as running:
        yield running


def without(rows: list[Row], *columns: str) -> list[Row]:
    """The rows as they are where some columns are null."""
    return [{**row, **dict.fromkeys(columns)} for row in rows]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of tables: studies without a report have a line of their own."""
    said = [record for record in caplog.records if record.name.startswith("mimic")]
    found = [record.getMessage() for record in said if ".reports." not in record.name]
    caplog.clear()
    return found


@pytest.mark.parametrize("columns", [("labels",), ("labels_negbio",), ("labels", "labels_negbio")])
def test_without_a_table_of_labels_the_column_is_null_and_one_line_says_so(
    columns: tuple[str, ...],
    root: Path,
    cache: str,
    expected: list[Row],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for column in columns:
        (root / FILES[column]).unlink()
    for _ in range(2):  # built, and from the cache
        assert load_rows("mimic_cxr_jpg", root, cache) == without(expected, *columns)
        (line,) = lines(caplog)
        assert line.startswith(f"{len(columns)} of 4 tables are not in {root}: ")
        assert f"Null in every row: {', '.join(columns)}." in line
        for column, file in FILES.items():
            assert (file in line) == (column in columns)


def test_the_radiologists_table_is_not_missed_as_release_200_has_none(
    root: Path, cache: str, expected: list[Row], caplog: pytest.LogCaptureFixture
) -> None:
    (root / FILES["labels_radiologist"]).unlink()
    assert load_rows("mimic_cxr_jpg", root, cache) == without(expected, "labels_radiologist")
    assert lines(caplog) == []


@pytest.mark.parametrize("column", FILES)
def test_a_table_that_comes_later_is_noticed_and_so_is_one_that_goes(
    column: str, root: Path, cache: str, expected: list[Row]
) -> None:
    file = root / FILES[column]
    aside = root / "aside"
    file.rename(aside)
    assert load_rows("mimic_cxr_jpg", root, cache) == without(expected, column)
    aside.rename(file)
    assert load_rows("mimic_cxr_jpg", root, cache) == expected
    file.rename(aside)
    assert load_rows("mimic_cxr_jpg", root, cache) == without(expected, column)


def test_a_server_without_a_table_of_labels_gives_null_and_one_line(
    root: Path,
    server: PhysioNet,
    cache: str,
    expected: list[Row],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (root / FILES["labels"]).unlink()
    rows = load_rows("mimic_cxr_jpg", server.address("copy"), cache, "reports")
    assert {row["labels"] for row in rows} == {None}
    assert any(row["labels_negbio"] for row in rows)
    (line,) = lines(caplog)
    assert line.startswith("1 of 4 tables are not in ")


@pytest.mark.parametrize("column", FILES)
def test_a_table_that_a_server_refuses_is_an_error_and_not_a_missing_table(
    column: str, server: PhysioNet, cache: str
) -> None:
    server.fail(FILES[column].replace(".", r"\."), Status(403), times=None)
    with pytest.raises(StoreError, match=FILES[column]):
        load_rows("mimic_cxr_jpg", server.address("copy"), cache, "reports")
