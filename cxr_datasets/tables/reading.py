"""Read the CSV tables of a release: by column name, each cell of the type that is asked for."""

from __future__ import annotations

import csv
import re
import secrets
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from cxr_datasets import limits, wording
from cxr_datasets.errors import TableError
from cxr_datasets.limits import Limit, TooLargeError, check_limit, too_large
from cxr_datasets.storage.gzipped import GZIP
from cxr_datasets.storage.metered import Metered
from cxr_datasets.storage.pages import page_kind
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.resaved import name_form, undo
from cxr_datasets.tables.table import DAMAGED, Table

_UTF8_MARK = b"\xef\xbb\xbf"

_PAGE = (
    "in place of the table. A server sends one to those who are not logged in, or may not read the "
    "file: log in, look at the file's address in a browser, and fetch it again."
)


_STEP = 61
"""Of so many bytes of a table one is looked at for its lines to be counted."""

_CELL = re.compile(
    r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to ([\w\[\]]+): (.*)", re.DOTALL
)
"""What pyarrow says of a cell that is not of its column's type."""

_UTF8 = re.compile("invalid UTF8 data")


def read_table(
    source: Source,
    path: str,
    columns: Mapping[str, pa.DataType],
    optional: Collection[str] = (),
    exact: Collection[str] = (),
    of_texts: bool = False,
    flags: Collection[str] = (),
) -> Table:
    """Read some columns of a CSV file, gzipped or not, in parallel.

    Args:
        source: Where the file is.
        path: Its path within the source. Whether it is gzipped is seen by its first bytes: what
            unpacks a file on its way seldom changes the name.
        columns: Names and types of the columns to read, whatever their place in the file.
        optional: Those of them that the file may lack.
        exact: Those of decimals with more digits than scientific notation keeps.
        of_texts: Whether its cells are texts of many lines, so that it may have more lines.
        flags: Those of decimals that should be 1, 0 or -1: if all of their cells are, they become
            int8, an eighth of the memory.

    Returns:
        The columns in the order asked for, without optional ones that are not there. An empty cell
        is null; any other text, such as `None` or `NA`, is that text. What pandas or a spreadsheet
        did to the cells is undone where nothing is lost; see `resaved`.

    Raises:
        TableError: The file is empty or broken, lacks a column or has one twice, or a cell is not
            of its type, or the file is beyond a limit of `cxr_datasets.limits`.
        StoreError: A server sent a page in its place, or refuses it.
    """
    address = source.shown(path)
    header: Sequence[str] = ()
    most_lines = limits.MOST_LINES_OF_TEXTS if of_texts else limits.MOST_LINES
    try:
        with opened_text(source, path, most_lines) as file:
            header = file.header
            columns = {name: kind for name, kind in columns.items()
                       if name in header or name not in optional}  # fmt: skip
            _check_header(address, file, columns)
            rows = _parsed(
                file, {name: pa.string() if name in exact else columns[name] for name in columns}
            )
        if rows is None:
            with opened_text(source, path, most_lines) as file:
                rows = _parsed(file, dict.fromkeys(columns, pa.string()))
    except KeyError:  # the names could not be read beforehand
        raise _missing_columns(address, header, columns) from None
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise unreadable(address, header, columns, error) from None  # its text quotes the file
    if rows is not None and rows.num_rows:
        rows, columns = _with_flags(rows, columns, flags)
        rows = undo(address, rows.combine_chunks(), columns, exact)
    if rows is None or not rows.num_rows:
        raise TableError(f"{address} has a header but no rows. {DAMAGED}")
    return Table(address, rows)


@dataclass(frozen=True)
class OpenedText:
    """The text of a table, at its start.

    Attributes:
        stream: Its text, unpacked on the way.
        start: The beginning of its text; empty if that is not known.
    """

    stream: pa.NativeFile
    start: bytes

    @property
    def first_line(self) -> bytes:
        """Its first line."""
        text = self.start.removeprefix(_UTF8_MARK).lstrip(b"\r\n")
        return re.split(rb"[\r\n]", text, maxsplit=1)[0]

    @property
    def header(self) -> list[str]:
        """The names in its first line, whatever is wrong below; none if it has no such line."""
        return self.names(",")

    def names(self, delimiter: str) -> list[str]:
        """`header`, where another character stands between the names."""
        try:
            line = self.first_line.decode()
            return next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except (csv.Error, UnicodeDecodeError):
            return []


@contextmanager
def opened_text(
    source: Source, path: str, most_lines: Limit, largest: Limit | None = None
) -> Iterator[OpenedText]:
    """Open a CSV file, gzipped or not.

    Args:
        source: Where the file is.
        path: Its path within the source.
        most_lines: How many lines it may have.
        largest: How many bytes it may have, as it is stored and unpacked; None: as any table.

    Raises:
        TooLargeError: It has more; or later, while it is read.
    """
    largest = limits.LARGEST_TABLE if largest is None else largest
    with source.arrow_file(path, largest) as file:
        start, stream = file.read(limits.LONGEST_FIRST_LINE + 1), file
        file.seek(0)
        packings = 0
        # A server may pack once more what is packed. A single byte can be no table, and may be a
        # packed one that was cut.
        while start[:2] == GZIP or start == GZIP[:1]:
            packings += 1
            check_limit(packings, limits.MOST_PACKINGS)
            packed = pa.PythonFile(Metered(stream, largest), "r") if packings > 1 else file
            stream, start = pa.CompressedInputStream(packed, "gzip"), _unpacked(start)
        yield OpenedText(pa.PythonFile(_Text(stream, most_lines, largest), "r"), start)


class _Text(Metered):
    """The text of a table, of which no more is read than the limits of bytes and lines allow."""

    def __init__(self, stream: pa.NativeFile, most_lines: Limit, largest: Limit):
        super().__init__(stream, largest)
        self._most_lines = most_lines
        self._lines = dict.fromkeys(b"\n\r", 0)

    def read(self, size: int = -1) -> bytes:
        content = super().read(size)
        # To count all takes a tenth of the time of reading a table, so one byte in 61 is looked at.
        some = np.frombuffer(content, np.uint8)[secrets.randbelow(_STEP) :: _STEP]
        for end in self._lines:
            self._lines[end] += _STEP * int(np.count_nonzero(some == end))
        if max(self._lines.values()) > self._most_lines:
            raise too_large(self._most_lines)
        return content


def _unpacked(start: bytes) -> bytes:
    """Unpack the beginning of a gzipped file; nothing if it breaks off within the first line."""
    text, most = b"", limits.LONGEST_FIRST_LINE + 1
    is_over = False
    while start and len(text) < most:  # one compressed stream may follow another
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            text += unpacking.decompress(start, most - len(text))
        except zlib.error:
            break
        is_over, start = unpacking.eof, unpacking.unused_data
    is_known = is_over or len(text) == most or b"\n" in text or text.startswith(GZIP)
    return text if is_known else b""


def _parsed(file: OpenedText, columns: Mapping[str, pa.DataType]) -> pa.Table | None:
    """Parse a file; None if a cell is no number as it stands, and has to be looked at as text."""
    try:
        return arrow_csv.read_csv(
            file.stream,
            # Tables are read several at once anyway, and with threads of its own for each, pyarrow
            # can wait for ever where a file ends in an error of ours.
            read_options=arrow_csv.ReadOptions(block_size=limits.LONGEST_LINE, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict(columns),
                include_columns=list(columns),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        cell = _CELL.search(str(error))
        if cell and cell[2] != "string":
            return None
        raise


def _with_flags(
    rows: pa.Table, columns: Mapping[str, pa.DataType], flags: Collection[str]
) -> tuple[pa.Table, Mapping[str, pa.DataType]]:
    """Make int8 of some columns, if all their cells are 1, 0, -1 or empty; and their types."""
    if not all(pa.types.is_floating(rows.schema.field(name).type) for name in flags):
        return rows, columns
    try:
        small = {name: pc.cast(rows[name], pa.int8()) for name in flags}
    except pa.ArrowInvalid:
        return rows, columns
    for column in small.values():
        ends = pc.min_max(column)
        if not {ends["min"].as_py(), ends["max"].as_py()} <= {1, 0, -1, None}:
            return rows, columns
    made = {name: small.get(name, rows[name]) for name in columns}
    return pa.table(made), {**columns, **dict.fromkeys(small, pa.int8())}


def is_of_another_type(error: pa.ArrowInvalid) -> bool:
    """Whether pyarrow refuses a cell that is not of its column's type."""
    return _CELL.search(str(error)) is not None


def _check_header(address: str, file: OpenedText, columns: Mapping[str, pa.DataType]) -> None:
    check_limit(len(file.first_line), limits.LONGEST_FIRST_LINE)
    header = file.header
    page = page_kind(file.start)
    if page is not None:
        raise TableError(f"{address} is a page of {page} {_PAGE}")
    if not set(columns) <= set(header):
        form = name_form(file.first_line, columns)
        if form:
            raise TableError(f"{address} {form}")
        if header:
            raise _missing_columns(address, header, columns)
    # An empty name is that of an index which pandas wrote.
    twice = [
        _told_column(header.index(name), name, columns)
        for name, count in Counter(header).items() if count > 1 and name
    ]  # fmt: skip
    if twice:
        raise TableError(
            f"{address} has {', '.join(twice)} more than once, and it cannot be told which "
            "counts. Use the release's own file, or remove all but the right one."
        )


def _missing_columns(
    address: str, header: Sequence[str], columns: Mapping[str, pa.DataType]
) -> TableError:
    missing = [name for name in columns if name not in header]
    if len(missing) == len(columns):
        # The line is not shown: where the header is lost, it may be a patient's report.
        return TableError(
            f"{address} does not begin with a header that has {', '.join(map(repr, columns))}. "
            "Use the release's own file, with its header unchanged."
        )
    # Of the others only what is spelt otherwise is shown: they may be cells, too.
    alike = {_plain(name): name for name in missing}
    other = [name for name in header if name not in columns]
    told = [repr(name) for name in header if name in columns or _plain(name) in alike]
    more = sum(_plain(name) not in alike for name in other)
    return TableError(
        f"{address} has no column {', '.join(map(repr, missing))}. It has: {', '.join(told)}"
        f"{f' and {more} more' if more else ''}. Use the release's own file, with its header "
        "unchanged."
    )


def _plain(name: str) -> str:
    """A name of a column without what is often written in another way."""
    return re.sub(r"[\W_]", "", name).lower()


def _told_column(place: int, name: str, columns: Collection[str]) -> str:
    """Name a column by its place, if it was not asked for: it may be a patient's cell."""
    return f"column {name!r}" if name in columns else f"column number {place + 1}"


def unreadable(
    address: str, header: Sequence[str], columns: Collection[str], error: Exception
) -> TableError:
    """Build the error for a table that another library, or a limit, refuses.

    Args:
        address: Where it is.
        header: The names in its first line, as far as they are known.
        columns: Those of them that may be told.
        error: What was raised.
    """
    cell = _CELL.search(str(error))
    if cell and int(cell[1]) < len(header):
        at = int(cell[1])
        said = _UTF8.match(cell[3])
        return TableError(
            f"{address}: {_told_column(at, header[at], columns)} holds a cell that is not of type "
            f"{cell[2]}{f' ({said[0]})' if said else ''}. Correct the cell or fetch the file again."
        )
    if isinstance(error, PermissionError):
        return TableError(
            f"{address} may not be read: permission denied. Check the file's permissions."
        )
    if "straddl" in str(error):  # two blocks
        error = too_large(limits.LONGEST_LINE, "a line, or a cell in quotes, is longer")
    if isinstance(error, TooLargeError):
        return TableError(
            f"{address} {wording.said(error)}. It is not the release's own file: fetch it again "
            "and compare it with the release's checksums."
        )
    if "Empty CSV" in str(error):
        return TableError(f"{address} is empty. {DAMAGED}")
    return TableError(f"{address} cannot be read: {wording.said(error)}. {DAMAGED}")
