"""Tables are read by column name and checked cell by cell."""

from __future__ import annotations

import gzip
import traceback
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.table import Table, read_table

TEXT, NUMBER, FLOAT = pa.string(), pa.int64(), pa.float64()
MARKER = "MARKERofsomebodysreport"


def read(
    tmp_path: Path, content: bytes | str, columns: dict[str, Any], name: str = "t.csv"
) -> Table:
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_table(open_place(tmp_path), name, columns)


def table(**columns: Any) -> Table:
    return Table("place/t.csv", pa.table(columns))


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_columns_come_by_name_in_the_order_asked_for(name: str, tmp_path: Path) -> None:
    found = read(tmp_path, "a,b,c\n1,x,2.5\n2,y,\n", {"c": FLOAT, "a": NUMBER}, name)
    assert found.rows.to_pydict() == {"c": [2.5, None], "a": [1, 2]}
    assert found.address == str(tmp_path / name)


def test_an_empty_cell_is_null_and_every_other_text_is_that_text(tmp_path: Path) -> None:
    cells = ["", "None", "NA", "nan", "NULL", "#N/A", "null", " ", "-", "1", "TRUE", "2100-01-01"]
    content = "t,n\n" + "".join(f"{cell},1\n" for cell in cells)
    assert read(tmp_path, content, {"t": TEXT})["t"].to_pylist() == [None, *cells[1:]]
    assert read(tmp_path, 't\n""\nx\n', {"t": TEXT})["t"].to_pylist() == [None, "x"]


def test_quoted_cells_may_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    content = 't,n\n"a, ""b""\nc",1\n"\r\n",2\n'
    assert read(tmp_path, content, {"t": TEXT})["t"].to_pylist() == ['a, "b"\nc', "\r\n"]


def test_lines_of_windows_a_byte_order_mark_and_no_last_newline_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffa,b\r\n1,x\r\n2,y", {"a": NUMBER, "b": TEXT})
    assert found.rows.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_a_table_of_several_megabytes_is_read_whole(tmp_path: Path) -> None:
    content = "n,t\n" + "".join(f'{number},"{number}\n"\n' for number in range(200_000))
    found = read(tmp_path, content, {"n": NUMBER, "t": TEXT}, "t.csv.gz")
    assert found["n"].to_pylist() == list(range(200_000))
    assert found["t"][199_999].as_py() == "199999\n"


def refused(tmp_path: Path, content: bytes | str, columns: dict[str, Any], *parts: str) -> None:
    for name in ("t.csv", "t.csv.gz"):
        with pytest.raises(TableError) as caught:
            read(tmp_path, content, columns, name)
        for part in (str(tmp_path / name), *parts):
            assert part in str(caught.value)
        assert MARKER not in "".join(traceback.format_exception(caught.value))


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "", {"a": TEXT}, "is empty")


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "a,b\n", {"a": TEXT}, "no rows")


def test_a_missing_column_is_named_among_those_there_are(tmp_path: Path) -> None:
    refused(tmp_path, "a,b\n1,2\n", {"a": TEXT, "c": TEXT}, "no column 'c'", "'a', 'b'")


@pytest.mark.parametrize("cell", ["x", "1.5", "1e3", MARKER, f"{MARKER} and more"])
def test_a_cell_of_another_type_is_named_by_its_column_and_text_is_not_quoted(
    cell: str, tmp_path: Path
) -> None:
    if cell.startswith(MARKER):
        cell += ", all of it"  # a number is shown, and one short word; a sentence is not
    refused(tmp_path, f'a,b\n1,2\n1,"{cell}"\n', {"a": NUMBER, "b": NUMBER}, "'b'", "int64")


def test_a_row_of_another_length_is_refused_and_not_quoted(tmp_path: Path) -> None:
    refused(tmp_path, f"a,b\n1,2\n1,{MARKER},3\n", {"a": NUMBER}, "Expected 2 columns, got 3")


def test_a_quote_that_is_not_closed_is_refused_or_read_and_not_quoted(tmp_path: Path) -> None:
    columns = {"a": NUMBER, "b": NUMBER}
    refused(tmp_path, f'a,b\n1,"{MARKER}\n2,3\n', columns)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, b"a,b\n\xff\xfe,1\n", {"a": TEXT}, "'a'")


def test_what_is_no_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(TableError, match=r"t\.csv\.gz cannot be read"):
        read_table(open_place(tmp_path), "t.csv.gz", {"a": TEXT})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"absent\.csv cannot be read"):
        read_table(open_place(tmp_path), "absent.csv", {"a": TEXT})


# --- checks ---------------------------------------------------------------------------------------


def test_good_tables_pass_every_check_and_checks_chain() -> None:
    good = table(key=["a", "b"], number=[1, None], text=["x1", "x2"])
    assert good.check_filled("key", "text").check_unique("key") is good
    assert good.check_pattern("text", r"x\d", "x1") is good
    assert good.check_range("number", 1, 1).check_values("number", [1, 2]) is good
    good.require("number", pa.array([True, None]), "anything")


def fails(expected: str) -> Any:
    return pytest.raises(TableError, match=rf"place/t\.csv: column {expected}")


def test_an_empty_cell_is_counted_and_placed() -> None:
    with fails(r"'b' is empty in 2 of 3 rows, first in row 2\."):
        table(a=[1, 2, 3], b=[1, None, None]).check_filled("a", "b")


def test_a_value_that_stands_twice_is_named_with_its_count() -> None:
    with fails(r"'a' must not repeat .* 2 stand more than once, first 'x' \(3 rows\)"):
        table(a=["x", "y", "x", "z", "z", "x"]).check_unique("a")


@pytest.mark.parametrize("value", ["ab", "a1b", "A1", "", "a1\n", "\na1", "a1/..", "../a1"])
def test_a_pattern_must_match_the_whole_value(value: str) -> None:
    with fails(r"'a' holds .* in row 2 .*expected like a7"):
        table(a=["a1", value]).check_pattern("a", r"a\d", "a7")


@pytest.mark.parametrize("pattern", [r"a|b", r"a\d"])
def test_alternatives_of_a_pattern_are_each_whole(pattern: str) -> None:
    with fails("'a' holds 'bx'"):
        table(a=["bx"]).check_pattern("a", pattern, "a")


@pytest.mark.parametrize("value", [0, 11, -5])
def test_bounds_are_both_included(value: int) -> None:
    table(a=[1, 10]).check_range("a", 1, 10)
    with fails(rf"'a' holds '{value}' in row 2 .* from 1 to 10"):
        table(a=[1, value]).check_range("a", 1, 10)


def test_values_must_be_among_those_allowed() -> None:
    with fails(r"'a' holds 'dev' in row 2 \(and 1 more such cells\); expected one of 'x', 'y'"):
        table(a=["x", "dev", None, "test"]).check_values("a", ["x", "y"])
    with fails("'a' holds 'nan' in row 1"):
        table(a=[float("nan")]).check_values("a", [1.0])


def test_a_long_value_is_cut() -> None:
    with pytest.raises(TableError) as caught:
        table(a=["x" * 5000]).check_values("a", ["y"])
    assert len(str(caught.value)) < 300
