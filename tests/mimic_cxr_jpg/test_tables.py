"""The pieces that turn MIMIC-CXR-JPG's tables into columns."""

from __future__ import annotations

import datetime
import logging
import math
import random
from pathlib import Path

import pyarrow as pa
import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.table import Table
from cxr_datasets.testing import copy_release, rewrite
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.join import TableReads, read_index

ID = "0a1b2c3d-4e5f6071-8293a4b5-c6d7e8f9-00112233"


def metadata(**columns: pa.Array) -> Table:
    return Table("metadata.csv", pa.table(columns))


def times(*values: float | None) -> list[str | None]:
    column = pa.array(values, pa.float64())
    return tables.study_times(metadata(StudyTime=column)).to_pylist()


def dates(*values: int | None) -> list[str | None]:
    column = pa.array(values, pa.int64())
    return tables.study_dates(metadata(StudyDate=column)).to_pylist()


def test_any_millisecond_of_the_day_comes_back_exactly_from_a_float_with_noise() -> None:
    rng = random.Random(0)
    milliseconds = [0, 1, 999, 86_399_999, *(rng.randrange(86_400_000) for _ in range(20_000))]
    expected, floats = [], []
    for number, total in enumerate(milliseconds):
        seconds, thousandths = divmod(total, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        expected.append(f"{hour:02}:{minute:02}:{second:02}.{thousandths:03}")
        exact = float(f"{hour:02}{minute:02}{second:02}.{thousandths:03}")
        floats.append((exact, math.nextafter(exact, 1e9), math.nextafter(exact, 0))[number % 3])
    assert times(*floats) == expected


def test_blank_times_and_dates_are_null() -> None:
    assert times(None, 1.0, None) == [None, "00:00:01.000", None]
    assert dates(None, 21000101) == [None, "2100-01-01"]


def test_texts_of_days_and_times_sort_as_they_follow_one_another_and_are_iso_8601() -> None:
    rng = random.Random(1)
    moments = [
        datetime.datetime(2100, 1, 1) + datetime.timedelta(milliseconds=rng.randrange(3 * 10**12))
        for _ in range(5_000)
    ]
    days = dates(*(int(f"{moment:%Y%m%d}") for moment in moments))
    clock = times(*(float(f"{moment:%H%M%S.%f}") for moment in moments))
    found = [f"{day}T{time}" for day, time in zip(days, clock, strict=True)]
    assert [datetime.datetime.fromisoformat(text) for text in found] == moments
    order = sorted(range(len(moments)), key=lambda number: moments[number])
    assert sorted(range(len(moments)), key=lambda number: found[number]) == order


def test_times_finer_than_milliseconds_are_rounded_and_counted_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert times(80556.875, None, 213014.53100000002) == [
            "08:05:56.875", None, "21:30:14.531",
        ]  # fmt: skip
        assert not caplog.messages
        assert times(80556.8754, 1.0, 80556.8756) == [
            "08:05:56.875", "00:00:01.000", "08:05:56.876",
        ]  # fmt: skip
    (line,) = caplog.messages
    assert line.startswith("metadata.csv: 2 of 3 values of 'StudyTime'")


@pytest.mark.parametrize(
    "value", [256199.0, 240000.0, 6000.0, 60.0, 235959.9999, -1.0, 1e7, 1e30, math.inf, math.nan]
)
def test_what_is_no_time_of_a_day_is_an_error_that_shows_it(value: float) -> None:
    with pytest.raises(TableError, match=r"metadata\.csv: column 'StudyTime' holds .* in row 2"):
        times(80556.875, value)


@pytest.mark.parametrize(
    "value", [21000231, 21001301, 21000100, 21000132, 2100, 210001011, 0, -21000101, 21010229]
)
def test_what_is_no_day_of_the_calendar_is_an_error_that_shows_it(value: int) -> None:
    with pytest.raises(TableError, match=rf"'StudyDate' holds '{value}' in row 2 .*YYYYMMDD"):
        dates(21000101, value)


def test_an_image_lies_in_the_folder_of_its_study_in_that_of_its_patient() -> None:
    paths = tables.image_paths(pa.array([10000032]), pa.array([50414267]), pa.array([ID]))
    assert paths.to_pylist() == [f"files/p10/p10000032/s50414267/{ID}.jpg"]


def test_the_group_of_a_patient_is_the_first_two_digits() -> None:
    folders = tables.patient_folders(pa.array([10000032, 19999999])).to_pylist()
    assert folders == ["files/p10/p10000032", "files/p19/p19999999"]


def test_tables_are_found_under_the_names_of_release_210(mimic_release: Path) -> None:
    assert tables.find_tables(open_place(mimic_release)) == {
        "split": "mimic-cxr-2.0.0-split.csv.gz",
        "metadata": "mimic-cxr-2.0.0-metadata.csv.gz",
        "chexpert": "mimic-cxr-2.0.0-chexpert.csv.gz",
        "negbio": "mimic-cxr-2.0.0-negbio.csv.gz",
        "test-set-labeled": "mimic-cxr-2.1.0-test-set-labeled.csv",
    }


def test_the_form_of_the_release_is_taken_where_a_table_is_in_both(
    mimic_release: Path, tmp_path: Path
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    for name in ("split", "metadata"):
        rewrite(root / f"mimic-cxr-2.0.0-{name}.csv", b"unpacked")
    rewrite(root / "mimic-cxr-2.1.0-test-set-labeled.csv.gz", b"packed")
    found = tables.find_tables(open_place(root))
    assert found["split"] == "mimic-cxr-2.0.0-split.csv.gz"
    assert found["metadata"] == "mimic-cxr-2.0.0-metadata.csv.gz"


def test_no_table_is_found_where_there_is_none(tmp_path: Path) -> None:
    assert tables.find_tables(open_place(tmp_path)) == {}
    assert tables.find_tables(open_place(tmp_path / "absent")) == {}


def test_index_has_a_row_per_image_and_what_the_builder_needs(mimic_release: Path) -> None:
    source = open_place(mimic_release)
    index = read_index(TableReads(source, tables.find_tables(source)), None, str(mimic_release))
    images = (mimic_release / "IMAGE_FILENAMES").read_text().split()
    assert sorted(index["path"].to_pylist()) == sorted(images)
    assert set(index["split"].to_pylist()) == {"train", "validation", "test"}
    assert {"rank", "view", "labels", "labels_negbio", "labels_radiologist"} < set(
        index.column_names
    )


def test_labels_come_under_our_names_whatever_the_table_calls_them(tmp_path: Path) -> None:
    columns = ["Airspace Opacity" if name == "Lung Opacity" else name for name in tables.LABELS]
    rows = [",".join(["study_id", *columns]), ",".join(["50000001", *["-1.0"] * 14])]
    (tmp_path / "radiologist.csv").write_text("\n".join(rows) + "\n")
    table = tables.read_labels(
        open_place(tmp_path), "radiologist.csv", tables.LABEL_TABLES["labels_radiologist"][1]
    )
    assert table.rows.column_names == ["study_id", *tables.LABELS]
    assert set(table.rows.to_pylist()[0].values()) == {50000001, -1.0}
