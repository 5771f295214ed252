"""Odd tables that are no error load, and one line says what is odd about them."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import copy_release, edit_table, read_table, rewrite
from indiana_cxr.release import REPORTS_IN_ALL, read_reports

PROJECTIONS, REPORTS = "indiana_projections.csv", "indiana_reports.csv"


@pytest.fixture
def release(indiana_release: Path, tmp_path: Path) -> Path:
    return copy_release(indiana_release, tmp_path / "release")


def load(data_dir: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_dataset("indiana_cxr", config, data_dir=str(data_dir), cache_dir=cache, **options)


def test_a_report_without_an_image_is_ignored_and_counted(
    release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    more = pd.DataFrame([{"uid": "3999", "MeSH": "normal", "findings": "Clear."}])
    edit_table(release / REPORTS, lambda rows: pd.concat([rows, more]).fillna(""))
    with caplog.at_level(logging.WARNING):
        rows = load(release, cache, "reports")["train"]
    assert 3999 not in rows["study_id"]
    assert [record.getMessage() for record in caplog.records] == [
        f"1 of 61 reports in {release / REPORTS} are ignored: {PROJECTIONS} lists no image of "
        "theirs. If that table was cut short, fetch it again"
    ]


def test_cells_that_a_spreadsheet_broke_give_one_warning_that_names_their_uids(
    release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(rows: pd.DataFrame) -> None:
        rows.loc[[2, 9, 4], "indication"] = "#NAME?"
        rows.loc[9, "findings"] = "#NAME?"

    edit_table(release / REPORTS, edit)
    with caplog.at_level(logging.WARNING):
        rows = load(release, cache, "reports")["train"]
    (warning,) = [record.getMessage() for record in caplog.records]
    table = read_table(release / REPORTS)
    uids = sorted(int(table.uid[row]) for row in (2, 4, 9))
    assert f"uid {', '.join(map(str, uids))} hold #NAME?" in warning
    assert REPORTS in warning
    assert "kaggle.com" in warning
    assert rows.num_rows == len(table)


def test_other_errors_of_a_spreadsheet_are_told_too(
    release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(rows: pd.DataFrame) -> None:
        rows.loc[[2, 9], "findings"] = ["#REF!", "#VALUE!"]

    edit_table(release / REPORTS, edit)
    with caplog.at_level(logging.WARNING):
        load(release, cache, "reports")
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "hold #REF!, #VALUE!:" in warning


def test_images_of_no_split_are_counted_in_one_line(
    indiana_release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        splits = load(indiana_release, cache, split_by="r2gen")
    images = len(read_table(indiana_release / PROJECTIONS))
    left_out = images - sum(split.num_rows for split in splits.values())
    assert left_out > 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{images - left_out} of {images} images (")
    assert line.endswith(f" studies) are left: split_by=r2gen leaves out {left_out}")


def test_the_usual_release_gives_no_warning(
    indiana_release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(indiana_release, cache)
    assert caplog.records == []


@pytest.mark.parametrize("form", ["decimals", "text"])
def test_tables_that_pandas_saved_again_give_the_same_rows(
    form: str, release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load(release, cache, "reports")["train"].data.table.to_pylist()
    for name in (PROJECTIONS, REPORTS):
        rows = pd.read_csv(release / name, keep_default_na=False, na_values=[""])
        if form == "decimals":
            again = rows.astype({"uid": float}).to_csv()
        else:
            again = pd.DataFrame({name: list(map(str, rows[name])) for name in rows}).to_csv()
        rewrite(release / name, again.encode())
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert load(release, cache, "reports")["train"].data.table.to_pylist() == expected
    lines = [record.getMessage() for record in caplog.records]
    assert all("pandas or a spreadsheet saved this table again" in line for line in lines)
    assert len(lines) == (2 if form == "decimals" else 1)  # PROJECTIONS has no cell to be empty


@pytest.mark.parametrize("comparison", ["None", ""])
def test_a_whole_table_without_the_word_none_gives_one_warning(
    comparison: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = "uid,MeSH,Problems,image,indication,comparison,findings,impression"
    lines = [f"{uid},normal,normal,PA,,,," for uid in range(1, REPORTS_IN_ALL)]
    rows = [names, *lines, f"{REPORTS_IN_ALL},normal,normal,PA,,{comparison},,"]
    (tmp_path / REPORTS).write_text("\n".join(rows))
    with caplog.at_level(logging.WARNING):
        read_reports(open_place(tmp_path))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (0 if comparison else 1)
    for line in lines:
        assert line.startswith(f"0 of 3851 comparisons in {tmp_path / REPORTS} are the word None")
        assert "pandas" in line
        assert "kaggle.com" in line


CHANGES = (
    lambda text: text.replace(b"\n", b"\r\n"),
    lambda text: b"\xef\xbb\xbf" + text,
    gzip.compress,
)


def test_tables_with_windows_line_ends_or_a_byte_order_mark_or_packed_are_read(
    release: Path, cache: str
) -> None:
    expected = load(release, cache, "reports")["train"].data.table.to_pylist()
    contents = {name: (release / name).read_bytes() for name in (PROJECTIONS, REPORTS)}
    for change in CHANGES:
        for name, content in contents.items():
            rewrite(release / name, change(content))
        assert load(release, cache, "reports")["train"].data.table.to_pylist() == expected
