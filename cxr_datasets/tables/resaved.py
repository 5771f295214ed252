"""What pandas or a spreadsheet did to a table: undone where nothing is lost, else named.

Both save a table in a form of their own: a whole number as `50000014.0`, an empty cell as `nan`,
rows of nothing at the end. These have one meaning only, and are read so. A number in scientific
notation or a date in another form has lost digits, or may mean several things: that is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.errors import TableError
from cxr_datasets.tables.keys import combined, null_where
from cxr_datasets.wording import get_logger

_EMPTY_TEXTS = ("nan", "NaN", "<NA>")
"""How pandas writes an empty cell as text. `None` and `NA` are words that a report may hold."""

_LONGEST_EMPTY = max(map(len, _EMPTY_TEXTS))

_EMPTY_NUMBERS = ("", *_EMPTY_TEXTS, "NA", "N/A", "#N/A", "None", "NULL", "null", "NaT")
"""What stands in place of a number that is not there."""

_INTEGER = r"^-?\d{1,18}$"
_WHOLE = r"^-?\d+\.0*$"
_DECIMAL = r"^-?(\d+\.?\d*|\.\d+)$"
_SCIENTIFIC = r"^-?\d+([.,]\d+)?[eE][-+]?\d+$"
_ANY_DECIMAL = rf"{_DECIMAL}|{_SCIENTIFIC}"

_CHANGED = {
    _SCIENTIFIC: "a number in scientific notation, which may have lost digits",
    r"^-?\d{1,3}([,.' \u00a0]\d{3})+$": "a number with marks between its thousands",
    r"^-?\d+,\d+$": "a number with a decimal comma",
    r"^\d{4}([-/.])\d{1,2}\1\d{1,2}([ T].*)?$": "a date in another form",
    r"^\d{1,2}([-/.])\d{1,2}\1(\d{2}|\d{4})([ T].*)?$": "a date in another form",
    r"^\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?$": "a time in another form",
    r"^#{2,}$": "a cell too narrow to be shown",
    r"^#(NAME|VALUE|REF|NUM|NULL|DIV/0)[?!]$": "an error of a spreadsheet",
}
"""What a cell looks like that re-saving changed, in place of a number -> what it is."""

_MOMENT, _MOMENT_TOLD = "%Y-%m-%d %H:%M:%S", "2180-05-06 22:23:00"

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FORMS = {
    b"\xff\xfe": "is in UTF-16",
    b"\xfe\xff": "is in UTF-16",
    b"PK\x03\x04": "is a zip archive, or a workbook of a spreadsheet,",
}

_SHOWN_COLUMNS = 3

_ADVICE = (
    "Re-saving the table, by pandas or in a spreadsheet, did this. Put the release's own file in "
    "its place."
)

_logger = get_logger(__name__)


def undo(
    address: str,
    rows: pa.Table,
    types: Mapping[str, pa.DataType],
    exact: Collection[str] = (),
) -> pa.Table:
    """Undo what re-saving did to the cells of a table.

    Args:
        address: Where the table is.
        rows: Its columns, each of its type, or string.
        types: The type of each column.
        exact: Columns of decimals that scientific notation has made less exact.

    Returns:
        The rows with the columns of `types`, in that order.

    Raises:
        TableError: A cell is not of its type.
    """
    undone = _Undone()
    columns = {}
    for name, kind in types.items():
        column = combined(rows[name])
        if pa.types.is_string(kind):
            columns[name] = _without_empty_texts(name, column, undone)
            continue
        if column.type != kind:
            column = _numbers(address, name, column, kind, name in exact, undone)
        columns[name] = _without_nan(name, column, undone)
    whole = _without_blank_rows(pa.table(columns), undone)
    undone.say(address)
    return whole


def name_form(first_line: bytes, columns: Collection[str]) -> str | None:
    """Say what a file is that was a table with these columns before it was saved again.

    Args:
        first_line: Its first line.
        columns: The columns that were looked for.

    Returns:
        What follows its address in an error, with the next step; None if nothing tells.
    """
    for mark, form in _FORMS.items():
        if first_line.startswith(mark):
            return f"{form} and no CSV table in UTF-8. {_ADVICE}"
    line = first_line.decode(errors="replace")
    for separator, name in _SEPARATORS.items():
        if set(columns) <= {cell.strip('" ') for cell in line.split(separator)}:
            return f"has {name} between its cells, not commas. {_ADVICE}"
    return None


class _Undone:
    """Counts of the cells that were read as the release has them."""

    def __init__(self) -> None:
        self._cells: dict[str, list[tuple[str, int, int]]] = {}
        self._rows: str | None = None

    def add(self, what: str, column: str, cells: int, of: int) -> None:
        """Note some cells of a column."""
        if cells:
            self._cells.setdefault(what, []).append((column, cells, of))

    def add_rows(self, rows: int, of: int) -> None:
        """Note rows that are left out."""
        self._rows = f"{rows} of {of} rows are empty"

    def say(self, address: str) -> None:
        """Say all of it in one line, if there is any."""
        told = [self._told(what, cells) for what, cells in self._cells.items()]
        if self._rows:
            told.append(self._rows)
        if told:
            _logger.warning(
                "%s in %s: pandas or a spreadsheet saved this table again. It is read as the "
                "release has it",
                ", ".join(told), address,
            )  # fmt: skip

    @staticmethod
    def _told(what: str, cells: list[tuple[str, int, int]]) -> str:
        names, counts, rows = zip(*cells, strict=True)
        shown = ", ".join(map(repr, names[:_SHOWN_COLUMNS]))
        more = len(names) - _SHOWN_COLUMNS
        shown += f" and {more} more" if more > 0 else ""
        return f"{sum(counts)} of {sum(rows)} cells of {shown} {what}"


def _without_empty_texts(name: str, column: pa.Array, undone: _Undone) -> pa.Array:
    """Take `nan` for an empty cell in a column that has no cell which is really empty.

    pandas writes all empty cells alike. Where some are left empty, `nan` is a text as any other.
    """
    shortest = pc.min_max(pc.binary_length(column))["min"].as_py() or 0
    if column.null_count or shortest > _LONGEST_EMPTY:  # in a column of ids none is so short
        return column
    for text in _EMPTY_TEXTS:
        if pc.index(column, pa.scalar(text)).as_py() >= 0:
            empty = pc.is_in(column, value_set=pa.array(_EMPTY_TEXTS))
            undone.add("say nan or the like", name, pc.sum(empty).as_py(), len(column))
            return null_where(empty, column)
    return column


def _without_nan(name: str, column: pa.Array, undone: _Undone) -> pa.Array:
    if not pa.types.is_floating(column.type):
        return column
    count = pc.sum(pc.is_nan(column)).as_py() or 0
    if not count:
        return column
    undone.add("say nan or the like", name, count, len(column))
    return null_where(pc.is_nan(column), column)


def _numbers(
    address: str, name: str, text: pa.Array, kind: pa.DataType, exact: bool, undone: _Undone
) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return _times(address, name, text, kind, undone)
    if not (exact and _may_be_scientific(text)):
        try:
            return pc.cast(text, kind)
        except pa.ArrowInvalid:
            pass  # a cell is not of this type as it is
    given = pc.utf8_trim_whitespace(text)
    no_number = pc.is_in(given, value_set=pa.array(_EMPTY_NUMBERS))
    undone.add("say nan or the like", name, pc.sum(no_number).as_py() or 0, len(text))
    numbers = null_where(no_number, given)
    if pa.types.is_integer(kind):
        whole = pc.fill_null(pc.match_substring_regex(numbers, _WHOLE), False)
        undone.add("end in .0", name, pc.sum(whole).as_py() or 0, len(text))
        cut = pc.replace_substring_regex(numbers, r"\.0*$", "")
        numbers = pc.if_else(whole, cut, numbers)
    form = _INTEGER if pa.types.is_integer(kind) else _DECIMAL if exact else _ANY_DECIMAL
    valid = pc.match_substring_regex(numbers, form)
    _refuse_others(address, name, kind, given, valid)
    if not pa.types.is_integer(kind):
        return pc.cast(numbers, kind)
    wide = pc.cast(numbers, pa.int64())
    narrow = pc.cast(wide, kind, safe=False)
    _refuse_others(address, name, kind, given, pc.equal(pc.cast(narrow, pa.int64()), wide))
    return narrow


def _times(address: str, name: str, text: pa.Array, kind: pa.DataType, undone: _Undone) -> pa.Array:
    """Read moments such as 2180-05-06 22:23:00; no other form is taken for one."""
    given = pc.utf8_trim_whitespace(text)
    none = pc.is_in(given, value_set=pa.array(_EMPTY_NUMBERS))
    undone.add("say nan or the like", name, pc.sum(none).as_py() or 0, len(text))
    given = null_where(none, given)
    times = pc.strptime(given, format=_MOMENT, unit="s", error_is_null=True)
    # strptime reads 31 February as 3 March, so write it and compare.
    same = pc.equal(pc.strftime(times, format=_MOMENT), given)
    valid = pc.or_(pc.fill_null(same, False), given.is_null())
    _refuse_others(address, name, f"{kind}, such as {_MOMENT_TOLD}", given, valid)
    return pc.cast(times, kind)


def _may_be_scientific(text: pa.Array) -> bool:
    """Whether an `e` or `E` is in any of some strings, or in those they are a part of."""
    content = text.buffers()[2]
    if content is None:
        return False
    return bool(np.any((np.frombuffer(content, np.uint8) | 0x20) == ord("e")))


def _refuse_others(
    address: str, name: str, kind: pa.DataType | str, given: pa.Array, valid: pa.Array
) -> None:
    """Raise an error that names the first cell which is no number; a null in `valid` passes."""
    others = pc.indices_nonzero(pc.invert(pc.fill_null(valid, True)))
    if not len(others):
        return
    row = others[0].as_py()
    value = given[row].as_py()
    changed = next((what for form, what in _CHANGED.items() if re.match(form, value)), None)
    advice = f"This is {changed}. {_ADVICE}" if changed else (
        "Correct the cell or fetch the file again."
    )  # fmt: skip
    raise TableError(
        f"{address}: column {name!r} holds a cell that is not of type {kind} (found "
        f"{wording.cell(value)} in row {row + 1}, and {len(others) - 1} more such cells). {advice}"
    )


def _without_blank_rows(rows: pa.Table, undone: _Undone) -> pa.Table:
    """Leave out rows without any value, if the last one is such: spreadsheets add them there."""
    last = rows.slice(max(rows.num_rows - 1, 0))
    if not rows.num_rows or any(column[0].as_py() is not None for column in last.columns):
        return rows
    filled = np.zeros(rows.num_rows, np.bool_)
    for column in rows.columns:
        filled |= column.is_valid().to_numpy()
    undone.add_rows(int(np.count_nonzero(~filled)), rows.num_rows)
    return rows.filter(pa.array(filled)).combine_chunks()
