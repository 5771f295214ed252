"""Read the table of a layer, in whatever of the usual formats it is."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from cxr_datasets import limits
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import OptionError, StoreError, TableError
from cxr_datasets.layers import records
from cxr_datasets.storage.addresses import cut, is_archive
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.pages import is_workbook, page_kind
from cxr_datasets.storage.source import Source, Stamp, open_place
from cxr_datasets.tables.keys import null_where
from cxr_datasets.tables.reading import (
    OpenedText,
    is_of_another_type,
    opened_text,
    unreadable,
)
from cxr_datasets.tables.table import DAMAGED

_JSON = (".json", ".jsonl", ".ndjson")
_PARQUET = b"PAR1"
_PARQUET_ENDS = (".parquet", ".pq")

LARGE = 256 * limits.MIB
"""Bytes from which on a CSV file is read part by part; of a packed one, packed."""


class OtherTypesError(Exception):
    """A cell of a large CSV file is not of the type that its first cells have."""


class LayerFile:
    """Where the table of a layer is: one file, or a folder or zip of JSON files.

    Attributes:
        source: The folder that the file is in, or the place that holds the files.
        path: The file; empty: all JSON files in the place.
    """

    def __init__(self, source: Source, path: str):
        self.source = source
        self.path = path

    @property
    def address(self) -> str:
        """The address, as it may stand in a message."""
        return self.source.shown(self.path)

    def stamp(self) -> Stamp:
        """What changes when the table does.

        Of a folder in a store the names of its files alone, as each look takes time there.
        """
        source = self.source
        if self.path or is_archive(source.root):
            return source.stamp(self.path)
        paths = records.json_files(source)
        stamps = [] if source.is_remote else source.stamps(paths)
        told = json.dumps([paths, stamps]).encode()
        return Stamp("", sum(stamp.size for stamp in stamps), short_digest(told))

    def names(self) -> list[str]:
        """Names of the columns, of a CSV file."""
        most = limits.MOST_LINES_OF_LAYER
        with opened_text(self.source, self.path, most, limits.LARGEST_LAYER) as text:
            return [name for name in _checked_header(self, text)[1] if name]


def find_file(
    told: str, address: str, options: StorageOptions | None, connections: int | None
) -> LayerFile:
    """Find the table of a layer.

    Args:
        told: The option that gave the address, for the errors.
        address: The address.
        options: Storage options of all stores.
        connections: Most requests at once to a remote store.

    Raises:
        OptionError: Nothing is there.
        StoreError: The store refuses it.
    """
    given = open_place(address, options, connections)
    folder, name = given.folder(".."), posixpath.basename(cut(given.root)[0].replace("\\", "/"))
    if is_archive(given.root):
        _check_place(told, given)
        return LayerFile(given, "")
    if folder.size(name):
        return LayerFile(folder, name)
    if given.is_folder():
        return LayerFile(given, "")
    if folder.is_closed or given.is_closed:
        raise StoreError(
            f"{told}={given.shown()} may not be read: permission denied. Check its permissions."
        )
    folder.check_permitted(name)
    is_empty = folder.info(name) is not None
    raise OptionError(
        f"{told}={given.shown()} {'is empty' if is_empty else 'does not exist'}. Give the path or "
        "address of the layer's table; nothing of it is downloaded for you."
    )


def _check_place(told: str, place: Source) -> None:
    problem = place.problem()
    if problem is None or problem == "file":
        return
    said = {"closed": "may not be read", "absent": "does not exist", "empty": "is empty"}
    raise OptionError(
        f"{told}={place.shown()} {said.get(problem, 'is no zip archive')}. Give the path or "
        "address of the layer's table."
    )


def read_file(
    file: LayerFile, of_records: str | None, is_wanted: Callable[[str], bool]
) -> pa.Table:
    """Read a layer's table.

    Args:
        file: Where it is.
        of_records: The list of each JSON file that has the rows; see `Layer.records`.
        is_wanted: Says of the name of a column whether it is kept.

    Returns:
        Its columns, in chunks. An empty cell and NaN are null. Types are those of the file; of
        CSV and JSON they are told by all values. Dates and times in these stay texts.

    Raises:
        TableError: It is broken, empty, or of no known format.
        StoreError: The store refuses it.
    """
    source, path = file.source, file.path
    if not path:
        return records.read_members(source, of_records, is_wanted)
    name = path.lower().removesuffix(".gz")
    if name.endswith(_PARQUET_ENDS):
        rows = _read_parquet(file, is_wanted)
    elif name.endswith(_JSON):
        rows = records.read_json(source, path, of_records, is_wanted)
    else:
        rows = _read_csv(file, is_wanted)
    if not rows.num_rows:
        raise TableError(f"{file.address} has no rows. {DAMAGED}")
    return rows


def _read_parquet(file: LayerFile, is_wanted: Callable[[str], bool]) -> pa.Table:
    try:
        with file.source.arrow_file(file.path, limits.LARGEST_LAYER) as opened:
            stored = pq.ParquetFile(opened)
            names = list(filter(is_wanted, stored.schema_arrow.names))
            return stored.read(names).replace_schema_metadata(None)
    except FileNotFoundError:
        raise TableError(f"{file.address} is not there any more. Give its path again.") from None
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file.address, (), (), error) from None


def _read_csv(file: LayerFile, is_wanted: Callable[[str], bool]) -> pa.Table:
    rows = _parsed_csv(file, is_wanted, {})
    texts = _temporal(rows.schema)
    if texts:  # as the file has them: what is shifted by a century is no date to count with
        rows = _parsed_csv(file, is_wanted, texts)
    return rows


def is_large(file: LayerFile) -> bool:
    """Whether a layer is a CSV file that is better not read into memory as a whole."""
    name = file.path.lower().removesuffix(".gz")
    return bool(name) and not name.endswith((*_PARQUET_ENDS, *_JSON)) and (
        (file.source.size(file.path) or 0) >= LARGE
    )  # fmt: skip


def read_blocks(file: LayerFile, is_wanted: Callable[[str], bool]) -> Iterator[pa.Table]:
    """Read a CSV file part by part, as `read_file` reads the whole.

    Yields:
        Some of its rows, in order; all of one schema.

    Raises:
        OtherTypesError: A cell is not of the type that the first ones have.
        TableError: It is broken.
    """
    try:
        with _opened_csv(file, is_wanted, {}, arrow_csv.open_csv) as reader:
            texts = _temporal(reader.schema)
        with _opened_csv(file, is_wanted, texts, arrow_csv.open_csv) as reader:
            for batch in reader:
                yield _without_nans(pa.Table.from_batches([batch]), file)
    except pa.ArrowInvalid as error:
        if is_of_another_type(error):
            raise OtherTypesError from None
        raise unreadable(file.address, (), (), error) from None
    except (OSError, EOFError) as error:
        raise unreadable(file.address, (), (), error) from None


def _parsed_csv(
    file: LayerFile, is_wanted: Callable[[str], bool], types: dict[str, pa.DataType]
) -> pa.Table:
    try:
        with _opened_csv(file, is_wanted, types, arrow_csv.read_csv) as rows:
            return _without_nans(rows, file)
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise unreadable(file.address, (), (), error) from None  # its text quotes the file


@contextmanager
def _opened_csv(
    file: LayerFile, is_wanted: Callable[[str], bool], types: dict[str, pa.DataType], read: Any
) -> Iterator[Any]:
    """Read a CSV file by a function of pyarrow, which gives all of it or a reader."""
    most = limits.MOST_LINES_OF_LAYER
    with opened_text(file.source, file.path, most, limits.LARGEST_LAYER) as text:
        delimiter, header = _checked_header(file, text)
        yield read(
            text.stream,
            # With threads of its own pyarrow can wait for ever where a file ends in an error.
            read_options=arrow_csv.ReadOptions(block_size=limits.LONGEST_LINE, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                # A column without a name is the index that pandas wrote.
                include_columns=[name for name in header if name and is_wanted(name)],
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )


def _temporal(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Columns of dates and times, which are read as texts."""
    return {field.name: pa.string() for field in schema if pa.types.is_temporal(field.type)}


def _without_nans(rows: pa.Table, file: LayerFile) -> pa.Table:
    """The rows with null in place of NaN.

    Raises:
        TableError: A text is not UTF-8, of which pyarrow makes bytes.
    """
    for field in rows.schema:
        if pa.types.is_binary(field.type):
            raise TableError(
                f"{file.address}: a column holds text that is not UTF-8, number "
                f"{rows.column_names.index(field.name) + 1} of those that are read. Save the table "
                "as UTF-8."
            )
    return pa.table({field.name: without_nan(rows[field.name]) for field in rows.schema})


def _checked_header(file: LayerFile, text: OpenedText) -> tuple[str, list[str]]:
    """The character between cells, and the names of the columns."""
    limits.check_limit(len(text.first_line), limits.LONGEST_FIRST_LINE)
    page = page_kind(text.start)
    if page is not None:
        raise TableError(
            f"{file.address} is a page of {page} in place of a table. A server sends one to those "
            "who are not logged in: fetch the file again, or name it .json if it is one."
        )
    if is_workbook(text.start):
        raise TableError(
            f"{file.address} is a spreadsheet's own file, or another archive, and no text. Save "
            "the table as CSV, and give that file."
        )
    line = text.first_line
    # A name may hold a semicolon or a comma, but hardly ever a TAB.
    delimiter = "\t" if b"\t" in line else ";" if b";" in line and b"," not in line else ","
    header = text.names(delimiter)
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise TableError(
            f"{file.address}: column number {header.index(twice[0]) + 1} has the name of another "
            "one behind it. Remove all but the right one."
        )
    return delimiter, header


def without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Let NaN be null, as everywhere here."""
    if not pa.types.is_floating(column.type):
        return column
    return pa.chunked_array([null_where(pc.is_nan(column), column)])
