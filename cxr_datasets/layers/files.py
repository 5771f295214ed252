"""Read the table of a layer, in whatever of the usual formats it is."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from cxr_datasets import limits
from cxr_datasets.errors import OptionError, StoreError, TableError
from cxr_datasets.layers import records
from cxr_datasets.storage.addresses import cut, is_archive
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.pages import page_kind
from cxr_datasets.storage.source import Source, open_place
from cxr_datasets.tables.reading import OpenedText, opened_text, unreadable
from cxr_datasets.tables.table import DAMAGED

_JSON = (".json", ".jsonl", ".ndjson")
_PARQUET = b"PAR1"
_PARQUET_ENDS = (".parquet", ".pq")
_TAB, _COMMA = "\t", ","


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
    texts = [field.name for field in rows.schema if pa.types.is_temporal(field.type)]
    if texts:  # as the file has them: what is shifted by a century is no date to count with
        rows = _parsed_csv(file, is_wanted, dict.fromkeys(texts, pa.string()))
    return rows


def _parsed_csv(
    file: LayerFile, is_wanted: Callable[[str], bool], types: dict[str, pa.DataType]
) -> pa.Table:
    header: list[str] = []
    try:
        most = limits.MOST_LINES_OF_LAYER
        with opened_text(file.source, file.path, most, limits.LARGEST_LAYER) as text:
            delimiter = _TAB if text.first_line.count(b"\t") else _COMMA
            header = _checked_header(file, text, delimiter)
            rows = arrow_csv.read_csv(
                text.stream,
                # With threads of its own pyarrow can wait for ever where a file ends in an error.
                read_options=arrow_csv.ReadOptions(
                    block_size=limits.LONGEST_LINE, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter),
                convert_options=arrow_csv.ConvertOptions(
                    # A column without a name is the index that pandas wrote.
                    include_columns=[name for name in header if name and is_wanted(name)],
                    column_types=types,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise unreadable(file.address, header, (), error) from None  # its text quotes the file
    return pa.table({field.name: without_nan(rows[field.name]) for field in rows.schema})


def _checked_header(file: LayerFile, text: OpenedText, delimiter: str) -> list[str]:
    limits.check_limit(len(text.first_line), limits.LONGEST_FIRST_LINE)
    page = page_kind(text.start)
    if page is not None:
        raise TableError(
            f"{file.address} is a page of {page} in place of a table. A server sends one to those "
            "who are not logged in: fetch the file again, or name it .json if it is one."
        )
    header = text.names(delimiter)
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise TableError(
            f"{file.address}: column number {header.index(twice[0]) + 1} has the name of another "
            "one behind it. Remove all but the right one."
        )
    return header


def without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Let NaN be null, as everywhere here."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
