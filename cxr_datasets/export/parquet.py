"""Rows to one Parquet file, whose bytes depend on the rows and nothing else.

Measured with images of real size (benchmarks/export.py has the figures):

- JPEG and PNG bytes are stored as they are: no codec makes them smaller, and each costs time. They
  get neither a dictionary nor statistics. All other columns are compressed with zstd.
- A row group ends before it grows larger than `GROUP_BYTES`. A reader holds one group in memory; it
  reads all of it for one image, unless it uses the page index. The Hub shows files with groups of
  up to 300 MB. Larger groups are not written faster.
- A small file has several groups too: workers that stream it share out groups, and share them more
  evenly the more there are.
- A page ends after each image, and the page index says where it is, so that a reader that uses the
  index fetches one image and not the group.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_datasets.columns import PIXELS
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.line import NOTE, Line
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.export.sinks import Sink
from cxr_datasets.hooks.agreements import noted
from cxr_datasets.storage.ahead import one_ahead

GROUP_BYTES = 32_000_000
"""Most bytes of a row group in memory."""

GROUP_ROWS = 10_000
"""Most rows of a row group; rows without images are small."""

GROUPS_OF_SMALL_FILES = 4
"""Groups into which a file is cut that has rows enough, though its size asks for fewer."""

ROWS_OF_SMALL_GROUPS = 64
"""Rows that each of these groups has, but for the last."""

CODEC = "zstd"

_VALUES_A_BATCH = 1
"""Images after which the writer checks whether a page (1 MB) is full."""


def write_file(
    folder: Folder,
    file: PlannedFile,
    info: datasets.DatasetInfo,
    tables: Iterable[pa.Table],
    key: str,
    counts: Callable[[], dict[str, Any]] = dict,
) -> Line:
    """Write one file, whole or not at all.

    Args:
        folder: The folder of the export.
        file: The file, with its place in the folder.
        info: Features and licence of the rows.
        tables: The rows, in tables of a few dozen MB at most; taken one at a time.
        key: Key of the export that the file belongs to.
        counts: Gives what else its line says, once all tables are taken: `skipped`, `absent`,
            `damaged`.

    Returns:
        The line for the manifest.

    Raises:
        ExportError: There is no room, or the store refuses the file.
    """
    schema, name = portable_schema(info), file.name
    rows = memory = 0
    with folder.writing(name) as sink, _explained_writer(folder, name, sink, schema) as writer:
        for group in row_groups(one_ahead(tables), _most_rows(file.rows)):
            with folder.explaining(name, "written"):
                writer.write_table(group.cast(schema), row_group_size=len(group))
            sink.advance()
            rows, memory = rows + len(group), memory + group.nbytes
            del group  # so that it is not held while the next one is read
        notes = {"memory": memory, **counts()}
        with folder.explaining(name, "written"):
            _note(writer, {"key": key, **notes})
            writer.close()
        sha256 = sink.finish()
    return Line(name=name, rows=rows, bytes=sink.bytes, sha256=sha256, **notes)


@contextmanager
def _explained_writer(
    folder: Folder, name: str, sink: Sink, schema: pa.Schema
) -> Iterator[pq.ParquetWriter]:
    with folder.explaining(name, "written"):
        writer = _writer(sink.stream, schema)
    try:
        yield writer
    finally:
        with suppress(Exception):  # without an error it is closed already
            writer.close()


def bytes_as_file(info: datasets.DatasetInfo, tables: Iterable[pa.Table]) -> int:
    """Write rows as `write_file` does, but to nowhere, and give the bytes that they take."""
    schema, nowhere = portable_schema(info), pa.MockOutputStream()
    with _writer(nowhere, schema) as writer:
        for group in row_groups(one_ahead(tables)):
            writer.write_table(group.cast(schema), row_group_size=len(group))
    return nowhere.size()


def row_groups(tables: Iterable[pa.Table], most: int = GROUP_ROWS) -> Iterator[pa.Table]:
    """Cut tables, or put them together, so that each becomes a row group.

    Args:
        tables: Rows, taken one table at a time.
        most: Most rows of a group.

    Yields:
        The same rows in tables of about `GROUP_BYTES`; one row that is larger stands alone.
    """
    held: list[pa.Table] = []
    rows = size = 0
    for piece in (piece for table in tables for piece in _pieces(table)):
        for start, end in _cut(len(piece), most - rows, most):
            part = piece.slice(start, end - start)
            held.append(part)
            rows, size = rows + len(part), size + part.nbytes
            # Take the next piece to be as large as this one, rather than wait for it.
            if rows == most or size + part.nbytes > GROUP_BYTES:
                yield pa.concat_tables(held)
                held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _most_rows(rows: int) -> int:
    """Most rows of a group of a file with so many rows."""
    of_small = max(ROWS_OF_SMALL_GROUPS, -(-rows // GROUPS_OF_SMALL_FILES))
    return min(GROUP_ROWS, of_small)


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a table that is larger than a group."""
    parts = max(1, round(table.nbytes / GROUP_BYTES))
    step = max(1, -(-len(table) // parts))
    for start in range(0, len(table), step):
        yield table.slice(start, step)


def _cut(rows: int, first: int, most: int) -> Iterator[tuple[int, int]]:
    """Start and end of the parts of so many rows: the first of `first` rows, others of `most`."""
    ends = [*range(first, rows, most), rows]
    return zip([0, *ends], ends, strict=False)


def portable_schema(info: datasets.DatasetInfo) -> pa.Schema:
    """Return the schema of features, with a note that every version of `datasets` understands.

    `datasets` 4 and later call a list `List`, which 3.6 does not know; both know it as `[...]`. The
    note names the licence too, so that rows which are loaded again carry it.
    """
    note = {"info": {"features": _with_plain_lists(info.features.to_dict())}}
    metadata = noted({b"huggingface": json.dumps(note).encode()}, info.license)
    return info.features.arrow_schema.with_metadata(metadata)


def _with_plain_lists(feature: Any) -> Any:
    if isinstance(feature, list):
        return [_with_plain_lists(inner) for inner in feature]
    if not isinstance(feature, dict):
        return feature
    if feature.get("_type") in ("List", "Sequence") and feature.get("length", -1) == -1:
        return [_with_plain_lists(feature["feature"])]
    return {name: _with_plain_lists(inner) for name, inner in feature.items()}


def _writer(stream: Any, schema: pa.Schema) -> pq.ParquetWriter:
    leaves = _leaves(schema)
    plain = [leaf for leaf in leaves if not _is_image_bytes(leaf)]
    more = {"write_batch_size": _VALUES_A_BATCH} if len(plain) < len(leaves) else {}
    return pq.ParquetWriter(
        stream,
        schema,
        compression={leaf: CODEC if leaf in plain else "none" for leaf in leaves},
        use_dictionary=plain,
        write_statistics=plain,
        write_page_index=True,
        **more,
    )


def _note(writer: pq.ParquetWriter, notes: dict[str, Any]) -> None:
    """Note in the file itself what its line in the manifest needs, in case that is lost."""
    if hasattr(writer, "add_key_value_metadata"):  # pyarrow 17 and later
        writer.add_key_value_metadata({NOTE: json.dumps(notes).encode()})


def _leaves(schema: pa.Schema) -> list[str]:
    """List the columns of values that a schema becomes in Parquet."""
    buffer = pa.BufferOutputStream()
    pq.write_metadata(schema, buffer)
    columns = pq.ParquetFile(pa.BufferReader(buffer.getvalue())).schema
    return [columns.column(number).path for number in range(len(columns))]


def _is_image_bytes(leaf: str) -> bool:
    return leaf.split(".")[0] in PIXELS and leaf.endswith(".bytes")
