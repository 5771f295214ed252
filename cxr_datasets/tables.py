"""Reading a release's CSV tables: by column name, checked, with errors that point at the cell.

Rows of different tables are brought together by key only, never by their order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
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
"""Bytes; the longest first line of a table here has some 300."""

_WORD = 8
_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Bytes that go into a digest at once, and the factor between them: any large odd number."""


@dataclass(frozen=True)
class Table:
    """Rows of one CSV file, with its address for the errors.

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
        """Require that every number lies between two bounds, both included; nulls pass.

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
            expected: What a right cell looks like, for the error.

        Raises:
            TableError: It does not hold; the error shows the first cell.
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
    address = source.address(path)
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
    """Names in the first line, whatever is wrong below it; none if the line cannot be read."""
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
        # Not shown: where the header is lost, the first line may be a patient's report.
        return TableError(
            f"{source.address(path)} does not begin with a header that has "
            f"{', '.join(map(repr, columns))}. Use the release's own file, with its header "
            "unchanged."
        )
    return TableError(
        f"{source.address(path)} has no column {', '.join(map(repr, missing))}. It has: "
        f"{', '.join(map(repr, found))}. Use the release's own file, with its header unchanged."
    )


def _unreadable(source: Source, path: str, error: Exception) -> TableError:
    address = source.address(path)
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
    """Drop what pyarrow quotes of the file, which may be a patient's report, but for a number."""
    if "invalid value" in message:
        value = re.search(r"invalid value '([\w.+-]{1,24})'", message)
        return f"found {value[1]!r}" if value else "found text"
    return re.sub(r"(Expected \d+ columns, got \d+).*", r"\1", message, flags=re.DOTALL)


def combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def find_rows(keys: pa.Array, table: Table, column: str) -> pa.Array:
    """For each key, the row of a table that has it.

    Args:
        keys: Keys of the rows to be completed.
        table: Table whose `column` is unique.
        column: Name of its key column.

    Returns:
        Integer array as long as `keys`; null where the table has no such row.
    """
    return find_keys(keys, table[column])


def find_keys(keys: pa.Array, values: pa.Array) -> pa.Array:
    """For each key, its place among some values; null where it is none of them."""
    places = _find_digests(keys, values) if pa.types.is_string(keys.type) else None
    return pc.index_in(keys, value_set=values) if places is None else places


def _find_digests(keys: pa.Array, values: pa.Array) -> pa.Array | None:
    """`find_keys` for strings of one length, in a third of the time; None where it does not do."""
    length = pc.min_max(pc.binary_length(keys))
    if keys.null_count or length["min"] != length["max"] or (length["min"].as_py() or 0) < _WORD:
        return None
    alike = pc.indices_nonzero(pc.equal(pc.binary_length(values), length["min"]))
    values = values.take(alike)
    places = pc.index_in(_digests(keys), value_set=_digests(values))
    # Different strings may have the same digest, though hardly ever here.
    same = pc.all(pc.equal(keys, values.take(places))).as_py()
    return pc.cast(alike.take(places), pa.int64()) if same is not False else None


def _digests(keys: pa.Array) -> pa.Array:
    """A number for each string, all of one length: the same number for the same string."""
    if not len(keys):
        return pa.array([], pa.uint64())
    length = len(keys[0].as_buffer())
    start = np.frombuffer(keys.buffers()[1], np.int32)[keys.offset]
    characters = np.frombuffer(keys.buffers()[2], np.uint8, len(keys) * length, start)
    characters = characters.reshape(-1, length)
    digests = np.zeros(len(keys), np.uint64)
    for first in (*range(0, length - _WORD, _WORD), length - _WORD):
        words = np.ascontiguousarray(characters[:, first : first + _WORD]).view(np.uint64)[:, 0]
        digests = digests * _ODD + words
    return pa.array(digests)


def has_repeats(places: pa.Array) -> bool:
    """Whether a number stands twice among some that `find_keys` gave; nulls do not count."""
    found = places.drop_null().to_numpy()
    return bool(len(found)) and int(np.bincount(found).max()) > 1


def numbered(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Number values in the order in which they first appear.

    Returns:
        The number of each value, from 0 on; and for each number the row where it first stands.
    """
    numbers = values.dictionary_encode().indices
    backwards = numbers.to_numpy()[::-1]
    first = np.empty(backwards.max(initial=-1) + 1, np.int64)
    first[backwards] = np.arange(len(backwards))[::-1]  # of several, the last one written stays
    return numbers, pa.array(first)


def count_unused(keys: pa.Array, table: Table, column: str) -> int:
    """How many rows of a table have a key that is not among `keys`."""
    return pc.sum(pc.invert(pc.is_in(table[column], value_set=keys))).as_py() or 0


def take_struct(rows: pa.Array, table: Table, columns: Sequence[str]) -> pa.StructArray:
    """Collect several columns of small integers into one struct column, in the order of `rows`.

    Args:
        rows: Row numbers as `find_rows` gives them.
        table: The table to take from.
        columns: Its columns that become the struct's int8 fields.

    Returns:
        Struct array as long as `rows`: null where `rows` is null; a struct of nulls where the
        table's row is blank.
    """
    fields = [pc.cast(table[name], pa.int8()).take(rows) for name in columns]
    return pa.StructArray.from_arrays(fields, list(columns), mask=rows.is_null())
