"""Tables are read by column name, whatever form the file has."""

from __future__ import annotations

import gzip
import traceback
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import StoreError, TableError
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table
from tests.fakes.physionet import PhysioNet

TEXT, NUMBER, FLOAT = pa.string(), pa.int64(), pa.float64()
MARKER = "MARKERofsomebodysreport"


def read(
    tmp_path: Path, content: bytes | str, columns: dict[str, Any], name: str = "t.csv"
) -> Table:
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_table(open_place(tmp_path), name, columns)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_columns_come_by_name_in_the_order_asked_for(name: str, tmp_path: Path) -> None:
    found = read(tmp_path, "a,b,c\n1,x,2.5\n2,y,\n", {"c": FLOAT, "a": NUMBER}, name)
    assert found.rows.to_pydict() == {"c": [2.5, None], "a": [1, 2]}
    assert found.address == str(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1.0", "", "-1"], pa.int8(), [1, None, -1]),
        (["", "0", ""], pa.int8(), [None, 0, None]),
        (["1.0", "2.0", ""], FLOAT, [1.0, 2.0, None]),
        (["0.5", "1.0", ""], FLOAT, [0.5, 1.0, None]),
        (["300", "1.0", ""], FLOAT, [300.0, 1.0, None]),
        (["nan", "1.0", "0.0"], FLOAT, [None, 1.0, 0.0]),
    ],
)
def test_flags_are_small_where_all_are_flags_and_else_decimals(
    cells: list[str], kind: pa.DataType, values: list[float | None], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{cell},1.0\n" for cell in cells))
    columns = {"a": FLOAT, "b": FLOAT}
    found = read_table(open_place(tmp_path), "t.csv", columns, flags=["a", "b"])
    assert [found[name].type for name in columns] == [kind, kind]
    assert found["a"].to_pylist() == values


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
    refused(tmp_path, "a,b\n1,2\n", {"a": TEXT, "c": TEXT}, "no column 'c'", "'a' and 1 more")
    # What is spelt in another way is shown; what may be a cell is not.
    header = f"a,{MARKER},D_icom Id"
    refused(tmp_path, f"{header}\n1,2,3\n", {"a": TEXT, "dicom_id": TEXT}, "'a', 'D_icom Id' and 1")


def test_an_optional_column_is_read_where_it_is_and_left_out_where_not(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    columns = {"a": NUMBER, "b": NUMBER, "c": NUMBER}
    found = read_table(open_place(tmp_path), "t.csv", columns, optional=["b", "c"])
    assert found.rows.to_pydict() == {"a": [1], "b": [2]}
    with pytest.raises(TableError, match=r"t\.csv has no column 'c'"):
        read_table(open_place(tmp_path), "t.csv", columns, optional=["b"])


def test_a_column_that_stands_twice_is_refused_and_named(tmp_path: Path) -> None:
    for header in ("a,b,a", "a,a,b", 'a,"a",b', "\ufeffa,b,a"):
        refused(tmp_path, f"{header}\n1,2,3\n", {"a": TEXT}, "has column 'a' more than once")
    refused(tmp_path, "a,b,b\n1,2,3\n", {"a": TEXT}, "has column number 2 more than once")
    assert read(tmp_path, ",,a\n1,2,3\n", {"a": NUMBER})["a"].to_pylist() == [3]


def test_a_line_that_repeats_a_word_is_not_shown_where_the_header_is_lost(tmp_path: Path) -> None:
    refused(tmp_path, f"{MARKER},{MARKER}\n1,2\n", {"a": TEXT}, "does not begin with a header")


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


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("form", ["plain", "packed", "packed twice", "packed in two parts"])
def test_gzip_is_known_by_the_first_bytes_and_not_by_the_name(
    form: str, name: str, tmp_path: Path
) -> None:
    text = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(20_000))
    half = len(text) // 2
    content = {
        "plain": text,
        "packed": gzip.compress(text),
        "packed twice": gzip.compress(gzip.compress(text)),
        "packed in two parts": gzip.compress(text[:half]) + gzip.compress(text[half:]),
    }[form]
    (tmp_path / name).write_bytes(content)
    found = read_table(open_place(tmp_path), name, {"a": NUMBER})
    assert found["a"].to_pylist() == list(range(20_000))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("keep", [1, 2, 9, 30, -1])
def test_a_packed_table_that_was_cut_is_refused_whatever_its_name(
    keep: int, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n1,x\n" * 500)[:keep])
    with pytest.raises(TableError, match=r"t\.csv.* downloaded to its end"):
        read_table(open_place(tmp_path), name, {"a": NUMBER})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_packed_table_in_an_archive_is_read(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, gzip.compress(b"a,b\n1,x\n"))
    found = read_table(open_place(tmp_path / "all.zip"), name, {"b": TEXT, "a": NUMBER})
    assert found.rows.to_pydict() == {"b": ["x"], "a": [1]}


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<html>", "<html><body>Log in", "\n <HTML>\n"])
def test_a_web_page_is_no_table_and_from_a_server_a_fault_of_the_store(
    page: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(page)
    with pytest.raises(TableError, match=r"t\.csv is a page of HTML .* log in"):
        read_table(open_place(tmp_path), "t.csv", {"a": TEXT})
    with PhysioNet({"copy": tmp_path}, open_access=True) as server:
        place = open_place(server.address("copy"))
        with pytest.raises(StoreError, match=r"copy/t\.csv .* a page of HTML came in its place"):
            read_table(place, "t.csv", {"a": TEXT})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"absent\.csv cannot be read"):
        read_table(open_place(tmp_path), "absent.csv", {"a": TEXT})
