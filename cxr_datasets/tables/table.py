"""Read the CSV tables of a release: by column name, checked, with errors that name the cell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import Source

_DAMAGED = (
    "The file is damaged or was not downloaded to its end: fetch it again and compare it with the "
    "release's checksums."
)


_LONGEST_HEADER = 2_048
"""Bytes; the longest first line known has some 300."""


@dataclass(frozen=True)
class Table:
    """The rows of one CSV file, and its address for the errors.

    Attributes:
        address: Where the file is.
        rows: Its columns; an empty cell is null, never `""` or NaN.
    """

    address: str
    rows: pa.Table

    def __getitem__(self, column: str) -> pa.Array:
        return self.rows[column].chunk(0)

    def check_filled(self, *columns: str) -> Table:
        """Require a value in every row.

        Raises:
            TableError: A cell is empty.
        """
        for column in columns:
            empty = pc.indices_nonzero(self[column].is_null())
            if len(empty):
                raise TableError(
                    f"{self.address}: column {column!r} is empty in {len(empty)} of "
                    f"{self.rows.num_rows} rows, first in row {empty[0].as_py() + 1}. Every row "
                    f"needs a value. {_DAMAGED}"
                )
        return self

    def check_unique(self, column: str) -> Table:
        """Require that no two rows have the same value.

        Raises:
            TableError: A value stands twice; the error names the first.
        """
        if pc.count_distinct(self[column]).as_py() == self.rows.num_rows:
            return self
        counts = pc.value_counts(self[column])
        twice = counts.filter(pc.greater(counts.field("counts"), 1))
        raise TableError(
            f"{self.address}: column {column!r} must not repeat a value, but {len(twice)} stand "
            f"more than once, first {twice[0]['values'].as_py()!r} "
            f"({twice[0]['counts'].as_py()} rows). Remove the extra rows or fetch the file again."
        )

    def check_pattern(self, column: str, pattern: str, example: str) -> Table:
        """Require that every value matches, before any of them becomes part of a path.

        Args:
            column: A string column.
            pattern: RE2 pattern for the whole value.
            example: An invented value of the right form, for the error.

        Raises:
            TableError: A value does not match; the error shows it.
        """
        self.require(
            column, pc.match_substring_regex(self[column], rf"\A(?:{pattern})\z"), f"like {example}"
        )
        return self

    def check_range(self, column: str, low: int, high: int) -> Table:
        """Require that every number lies between two bounds, both inclusive; nulls pass.

        Raises:
            TableError: A value is outside.
        """
        inside = pc.and_(pc.greater_equal(self[column], low), pc.less_equal(self[column], high))
        self.require(column, inside, f"from {low} to {high}")
        return self

    def check_values(self, column: str, allowed: Collection[object]) -> Table:
        """Require that every value is one of a few; nulls pass.

        Raises:
            TableError: A value is none of them.
        """
        known = pc.is_in(self[column], value_set=pa.array(list(allowed), self[column].type))
        found = pc.or_(known, self[column].is_null())
        self.require(column, found, "one of " + ", ".join(map(repr, allowed)))
        return self

    def require(self, column: str, holds: pa.Array, expected: str) -> None:
        """Require that something holds for every cell of a column.

        Args:
            column: The column.
            holds: Boolean for each row; null passes.
            expected: How a right cell looks, for the error.

        Raises:
            TableError: It does not hold for a cell; the error shows the first.
        """
        broken = pc.indices_nonzero(pc.invert(pc.fill_null(holds, True)))
        if len(broken):
            row = broken[0].as_py()
            value = str(self[column][row].as_py())[:60]
            raise TableError(
                f"{self.address}: column {column!r} holds {value!r} in row "
                f"{row + 1} (and {len(broken) - 1} more such cells); expected {expected}. "
                "Correct the cell or fetch the file again."
            )


def read_table(source: Source, path: str, columns: Mapping[str, pa.DataType]) -> Table:
    """Read some columns of a CSV file, gzipped or not, in parallel.

    Args:
        source: Where the file is.
        path: Its path within the source; `.gz` is decompressed on the way.
        columns: Names and types of the columns to read, whatever their place in the file.

    Returns:
        The columns in the order asked for. An empty cell is null; any other text, such as
        `None` or `NA`, is that text.

    Raises:
        TableError: The file is empty or broken, lacks a column, or a cell is not of its type.
    """
    address = source.shown(path)
    options = csv.ConvertOptions(
        column_types=dict(columns),
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
    )
    try:
        with _decompressed(source, path) as stream:
            rows = csv.read_csv(
                stream,
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=options,
            )
    except KeyError:
        raise _missing_columns(source, path, columns) from None
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise _unreadable(source, path, error) from None  # its text quotes the file
    if rows.num_rows == 0:
        raise TableError(f"{address} has a header but no rows. {_DAMAGED}")
    return Table(address, rows.combine_chunks())


@contextmanager
def _decompressed(source: Source, path: str) -> Iterator[pa.NativeFile]:
    with source.arrow_file(path) as file:
        yield pa.CompressedInputStream(file, "gzip") if path.endswith(".gz") else file


def _header(source: Source, path: str) -> list[str]:
    """Read the names in the first line, whatever is wrong below; none if it cannot be read."""
    try:
        with _decompressed(source, path) as stream:
            line = stream.read(_LONGEST_HEADER).split(b"\n", 1)[0]
        return csv.read_csv(pa.BufferReader(line + b"\n")).schema.names
    except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError):
        return []


def _missing_columns(source: Source, path: str, columns: Mapping[str, pa.DataType]) -> TableError:
    found = _header(source, path)
    missing = [name for name in columns if name not in found]
    if len(missing) == len(columns):
        # The line is not shown: where the header is lost, it may be a patient's report.
        return TableError(
            f"{source.shown(path)} does not begin with a header that has "
            f"{', '.join(map(repr, columns))}. Use the release's own file, with its header "
            "unchanged."
        )
    return TableError(
        f"{source.shown(path)} has no column {', '.join(map(repr, missing))}. It has: "
        f"{', '.join(map(repr, found))}. Use the release's own file, with its header unchanged."
    )


def _unreadable(source: Source, path: str, error: Exception) -> TableError:
    address = source.shown(path)
    cell = re.search(
        r"In CSV column #(\d+): CSV conversion error to (\w+): (.*)", str(error), re.DOTALL
    )
    if cell:
        column = _header(source, path)[int(cell[1])]
        return TableError(
            f"{address}: column {column!r} holds a cell that is not of type {cell[2]} "
            f"({_without_text(cell[3])}). Correct the cell or fetch the file again."
        )
    if isinstance(error, PermissionError):
        return TableError(
            f"{address} may not be read: permission denied. Check the file's permissions."
        )
    if "Empty CSV" in str(error):
        return TableError(f"{address} is empty. {_DAMAGED}")
    return TableError(f"{address} cannot be read: {_without_text(str(error))}. {_DAMAGED}")


def _without_text(message: str) -> str:
    """Drop what pyarrow quotes of the file, which may be a patient's report; keep a number."""
    if "invalid value" in message:
        value = re.search(r"invalid value '([\w.+-]{1,24})'", message)
        return f"found {value[1]!r}" if value else "found text"
    return re.sub(r"(Expected \d+ columns, got \d+).*", r"\1", message, flags=re.DOTALL)
