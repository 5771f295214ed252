"""Files that list ids, and perhaps the split of each: plain text, CSV or JSON, gzipped or not."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from cxr_datasets import limits, wording
from cxr_datasets.cohorts.values import Columns, columns_of, is_known_name
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage.addresses import check_open
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.gzipped import unpacked
from cxr_datasets.storage.pages import is_workbook, page_kind
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.id_forms import IdForm

_UTF8_MARK = b"\xef\xbb\xbf"
_COMMENT = "#"
_DELIMITERS = (",", "\t", ";")
_END = "end of the list"

_LONGEST_ID = 512
"""Characters of a text in JSON that may be an id or a path; longer ones are reports, and not kept.
"""


@dataclass(frozen=True)
class Listing:
    """What a file lists.

    Attributes:
        address: The file, as a message may name it.
        columns: Its columns.
    """

    address: str
    columns: Columns


def read_listing(
    option: str, address: str, forms: tuple[IdForm, ...], options: StorageOptions | None = None
) -> Listing:
    """Read a file of ids.

    Args:
        option: The option that names it, for messages.
        address: A local path, or an address of fsspec.
        forms: The forms of the dataset's ids.
        options: Storage options.

    Raises:
        OptionError: The file is not there, or may not be read.
        TableError: It is no text, no CSV or no JSON, or holds no ids.
        StoreError: A store refuses it.
    """
    check_open(option, address)
    here = open_place(address, options)
    folder, name = here.folder(".."), posixpath.basename(here.root)
    shown = folder.shown(name)
    try:
        content = unpacked(folder.read(name, limits.LARGEST_LIST), limits.LARGEST_LIST)
    except FileNotFoundError:
        what = "is a folder" if here.is_folder() else "does not exist"
        raise OptionError(
            f"{option}={shown} {what}. Give the path of a file; ids themselves are given as a "
            f"list, such as {option}=[...]."
        ) from None
    except PermissionError:
        raise OptionError(
            f"{option}={shown} may not be read: permission denied. Check the file's permissions."
        ) from None
    except (TooLargeError, EOFError) as error:
        raise TableError(
            f"{shown} {wording.said(error) if isinstance(error, TooLargeError) else 'is cut off'}. "
            "Expected a list of ids: fetch or write the file again."
        ) from None
    return Listing(shown, _parsed(shown, content.removeprefix(_UTF8_MARK), forms))


def _parsed(shown: str, content: bytes, forms: tuple[IdForm, ...]) -> Columns:
    if page_kind(content) in ("HTML", "XML"):
        raise TableError(
            f"{shown} is a page in place of a list of ids. A server sends one to those who are not "
            "logged in: log in, look at the address in a browser, and fetch the file again."
        )
    if is_workbook(content):
        raise TableError(
            f"{shown} is a spreadsheet's own file, or another archive, and no text. Save the list "
            "as CSV, and give that file."
        )
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise TableError(f"{shown} is no text in UTF-8. {_EXPECTED}") from None
    if text.lstrip()[:1] in ("[", "{"):
        columns = _of_json(shown, text)
    else:
        columns = _of_lines(shown, text, forms)
    if not columns.rows:
        raise TableError(f"{shown} lists no id. {_EXPECTED}")
    return columns


_EXPECTED = (
    "Expected plain text with an id a line, CSV with a column of ids, or JSON with a list of ids "
    "or of objects that have one."
)


class _TwiceError(Exception):
    """An object in JSON has a name twice."""


def _of_json(shown: str, text: str) -> Columns:
    try:
        value = json.loads(text, object_pairs_hook=_kept)
    except _TwiceError:
        raise TableError(
            f"{shown} has an object with one name twice, as an id or a split, and it cannot be "
            "told which counts. Remove all but the right one."
        ) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise TableError(
                f"{shown} has several values of JSON one after the other, as JSON Lines have. "
                "Expected one: put them into a list, as `jq -s .` does."
            ) from None
        raise TableError(
            f"{shown} begins as JSON does and is none ({type(error).__name__}): it was cut off or "
            "changed. Fetch or write it again."
        ) from None
    columns = columns_of(value)
    if columns is None:
        raise TableError(
            f"{shown} is JSON of another form. Expected a list of ids, a list of objects with "
            "an id, or an object: of splits with their lists, of ids with their objects or splits, "
            "or of columns."
        )
    return columns


def _kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without its long texts: a file of reports fits into memory without them.

    Raises:
        _TwiceError: It has a name twice: one of the values would be lost.
    """
    if len({name for name, _ in pairs}) < len(pairs):
        raise _TwiceError
    return {
        name: value
        for name, value in pairs
        if not (isinstance(value, str) and len(value) > _LONGEST_ID)
    }


def _of_lines(shown: str, text: str, forms: tuple[IdForm, ...]) -> Columns:
    """Read plain text or CSV: a line that has a delimiter makes it CSV."""
    start = 0
    for line in io.StringIO(text, newline=None):
        if line.strip() and not line.startswith(_COMMENT):
            break
        start += len(line)
    # Line ends of two characters were counted as one.
    text = text.replace("\r\n", "\n").replace("\r", "\n")[start:]
    first = text.partition("\n")[0]
    delimiter = next((one for one in _DELIMITERS if one in first), None)
    if delimiter is None:
        return _of_plain(text, forms)
    return _of_csv(shown, text, first, delimiter, forms)


def _of_plain(text: str, forms: tuple[IdForm, ...]) -> Columns:
    lines = pc.utf8_trim(pa.array(text.splitlines(), pa.string()), characters=' \t"')
    lines = lines.filter(
        pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, pattern=_COMMENT)))
    )
    if len(lines) and is_known_name(lines[0].as_py(), forms):
        return Columns({lines[0].as_py(): lines.slice(1)}, named=True)
    return Columns({"": lines}, named=False)


def _of_csv(
    shown: str, text: str, first: str, delimiter: str, forms: tuple[IdForm, ...]
) -> Columns:
    names = next(csv.reader([first], delimiter=delimiter), [])
    named = any(is_known_name(name, forms) for name in names)
    wanted = [name for name in names if is_known_name(name, forms)]
    for name in wanted:
        if names.count(name) > 1:
            raise TableError(
                f"{shown} has column {name!r} more than once, and it cannot be told which counts. "
                "Remove all but the right one."
            )
    if not named:
        names = wanted = [f"column {place}" for place in range(1, len(names) + 1)]
    # A quote that is never closed would take all lines behind it: it would take this one too.
    end = delimiter.join([_END] * len(names))
    try:
        rows = _parse(
            f"{text.removesuffix(chr(10))}\n{end}\n", delimiter, names, wanted, skip=named
        )
    except pa.ArrowInvalid as error:
        raise TableError(
            f"{shown} cannot be read as CSV: {wording.said(error)}. Correct the row, or write the "
            "file again."
        ) from None
    columns = {name: rows[name].combine_chunks() for name in wanted}
    if any(column[-1].as_py() != _END for column in columns.values()):
        raise TableError(
            f"{shown} has a quote that is opened and not closed. Close it, or write the file again."
        )
    return Columns({name: column.slice(0, len(column) - 1) for name, column in columns.items()},
                   named)  # fmt: skip


def _parse(
    text: str, delimiter: str, names: list[str], wanted: list[str], skip: bool
) -> Mapping[str, Any]:
    return arrow_csv.read_csv(
        pa.BufferReader(text.encode()),
        read_options=arrow_csv.ReadOptions(
            column_names=names, skip_rows=int(skip), block_size=limits.LONGEST_LINE,
            use_threads=False,
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted,
            null_values=[""], strings_can_be_null=True,
        ),
    )  # fmt: skip
