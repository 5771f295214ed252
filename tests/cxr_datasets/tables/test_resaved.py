"""What pandas or a spreadsheet did to a table is undone where nothing is lost, and else named."""

from __future__ import annotations

import io
import logging
import traceback
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table

COLUMNS = {"id": pa.int64(), "size": pa.int32(), "time": pa.float64(), "text": pa.string()}
TABLE = "id,size,time,text\n50000014,126,80556.875,CHEST\n50000015,,,\n"
ROWS = {
    "id": [50000014, 50000015],
    "size": [126, None],
    "time": [80556.875, None],
    "text": ["CHEST", None],
}
MARKER = "MARKERofsomebodysreport"


def write(tmp_path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / "t.csv").write_bytes(content)
    return tmp_path


def read(tmp_path: Path, content: str | bytes) -> Table:
    return read_table(open_place(write(tmp_path, content)), "t.csv", COLUMNS, exact=["time"])


def texts(tmp_path: Path, content: str) -> list[str | None]:
    table = read_table(open_place(write(tmp_path, content)), "t.csv", {"text": pa.string()})
    return table["text"].to_pylist()


def saved(**options: Any) -> str:
    return pd.read_csv(io.StringIO(TABLE)).to_csv(**options)


def as_text(*columns: str) -> str:
    """As `astype(str)` did before pandas 3."""
    rows = pd.read_csv(io.StringIO(TABLE))
    changed = {name: list(map(str, rows[name])) for name in columns or rows.columns}
    return rows.assign(**changed).to_csv(index=False)


UNDONE = {
    "as it was": TABLE,
    "pandas": saved(index=False),
    "with an index": saved(),
    "with an index twice": pd.read_csv(io.StringIO(saved())).to_csv(),
    "na_rep": saved(index=False, na_rep="nan"),
    "na_rep of R": saved(index=False, na_rep="NA").replace("CHEST,NA", "CHEST,"),
    "all as text": as_text(),
    "some as text": as_text("size", "time"),
    "all quoted": saved(index=False, quoting=1),
    "ids as decimals": pd.read_csv(io.StringIO(TABLE)).astype({"id": float}).to_csv(index=False),
    "windows": TABLE.replace("\n", "\r\n"),
    "a mark": "\ufeff" + TABLE,
    "rows of nothing": TABLE + ",,,\n,,,\n",
    "columns of nothing": "".join(f"{line},,\n" for line in TABLE.splitlines()),
    "blanks around": TABLE.replace("50000014,126", " 50000014.0 , 126.00 "),
}


@pytest.mark.parametrize("content", UNDONE.values(), ids=UNDONE)
def test_what_has_one_meaning_only_is_read_as_the_release_has_it(
    content: str, tmp_path: Path
) -> None:
    if "50000015,NA,NA,NA" in content:
        content = content.replace("NA\n", "\n")  # in a column of texts NA is a text
    assert read(tmp_path, content).rows.to_pydict() == ROWS


def test_one_line_counts_the_cells_and_rows_that_were_undone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read(tmp_path, as_text("size", "time") + ",,,\n")
        read(tmp_path, TABLE)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(
        "2 of 6 cells of 'size', 'time' say nan or the like, 1 of 3 cells of 'size' end in .0, "
        "1 of 3 rows are empty in "
    )
    assert f"{tmp_path}/t.csv: pandas or a spreadsheet saved this table again" in line


def test_the_line_names_a_few_columns_and_counts_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"c{number}" for number in range(14)]
    content = ",".join(names) + "\n" + ",".join(["nan"] * 14) + "\n" + ",".join("1" * 14) + "\n"
    with caplog.at_level(logging.WARNING):
        read_table(
            open_place(write(tmp_path, content)), "t.csv", dict.fromkeys(names, pa.float64())
        )
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("14 of 28 cells of 'c0', 'c1', 'c2' and 11 more say nan")


def test_nan_is_a_text_in_a_column_that_has_empty_cells_too(tmp_path: Path) -> None:
    assert texts(tmp_path, 'text\nnan\n""\nNaN\n') == ["nan", None, "NaN"]
    assert texts(tmp_path, "text\nnan\nNone\nNA\n") == [None, "None", "NA"]


LOST = {
    "id": ["5.0E+07", "5e7", "5,00E+07", "50,000,014", "50.000.014", "50 000 014", "5.00000e+07"],
    "size": ["1,5", "2100-02-01", "01.02.2100", "2/1/2100", "2100-02-01 00:00:00", "####", "#REF!"],
    "time": ["08:05:56", "8:05", "8.06E+04", "8e4", "80556,875", "80.556,875", "#NAME?", "#VALUE!"],
}


@pytest.mark.parametrize(
    ("column", "value"), [(column, value) for column in LOST for value in LOST[column]]
)
def test_what_lost_digits_or_may_mean_several_things_is_an_error_that_blames_the_saving(
    column: str, value: str, tmp_path: Path
) -> None:
    rows = pd.read_csv(io.StringIO(TABLE), dtype=str)
    rows.loc[1, column] = value
    with pytest.raises(TableError) as caught:
        read(tmp_path, rows.to_csv(index=False))
    message = str(caught.value)
    found = f"found a text of {len(value)} characters"
    for part in (f"{tmp_path}/t.csv: column '{column}'", found, "row 2", "Re-saving", "Put"):
        assert part in message
    assert "etch" not in message


@pytest.mark.parametrize("value", ["x", "1.5", "s50000014", "126.5.0", f"{MARKER} and more"])
def test_what_no_saving_does_is_not_blamed_on_it(value: str, tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, TABLE.replace(",126,", f",{value},"))
    assert "'size'" in str(caught.value)
    assert "Re-saving" not in str(caught.value)
    assert MARKER not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TABLE.replace(",", ";").encode(), "has semicolons between its cells"),
        (saved(index=False, sep=";", quoting=1).encode(), "has semicolons between its cells"),
        (TABLE.replace(",", "\t").encode(), "has tabs between its cells"),
        (TABLE.encode("utf-16"), "is in UTF-16"),
        (TABLE.replace(",", "\t").encode("utf-16"), "is in UTF-16"),
        (b"PK\x03\x04" + bytes(60), "is a zip archive, or a workbook"),
    ],
)
def test_a_table_in_another_form_is_an_error_that_says_which(
    content: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, content)
    for part in (f"{tmp_path}/t.csv {said}", "Re-saving", "Put the release's own file"):
        assert part in str(caught.value)
    assert "etch" not in str(caught.value)


@pytest.mark.parametrize("value", ["99999999999", "-2147483649"])
def test_a_number_that_its_type_cannot_hold_is_an_error(value: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=rf"'size' .* int32 \(found '{value}' in row 1"):
        read(tmp_path, TABLE.replace(",126,", f",{value},"))


MOMENTS = "id,at\n1,2180-05-06 22:23:00\n2,{}\n"


def moments(tmp_path: Path, cell: str) -> list[str | None]:
    columns = {"id": pa.int64(), "at": pa.timestamp("s")}
    table = read_table(open_place(write(tmp_path, MOMENTS.format(cell))), "t.csv", columns)
    return [None if at is None else str(at) for at in table["at"].to_pylist()]


@pytest.mark.parametrize("cell", ["", "NaT", "nan", "<NA>"])
def test_a_moment_that_is_not_there_is_null_however_it_was_saved(cell: str, tmp_path: Path) -> None:
    assert moments(tmp_path, cell) == ["2180-05-06 22:23:00", None]


@pytest.mark.parametrize(
    ("cell", "told"),
    [("5/6/2180 22:23", "a date in another form"), ("2180-02-31 10:00:00", "row 2"),
     ("soon", "such as 2180-05-06 22:23:00"), ("123", "such as 2180-05-06 22:23:00")],
)  # fmt: skip
def test_what_is_no_moment_is_an_error_that_names_its_cell(
    cell: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match="column 'at'") as caught:
        moments(tmp_path, cell)
    assert told in str(caught.value)
    assert "soon" not in str(caught.value)
