"""Rows of a layer that is JSON: lists of objects in their usual arrangements."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pyarrow as pa

from cxr_datasets import limits, wording
from cxr_datasets.errors import TableError
from cxr_datasets.storage.gzipped import unpacked
from cxr_datasets.storage.source import Source

Row = dict[str, Any]

KEY = "key"
"""Column of the ids, where a file holds its rows by id."""

SPLIT = "split"
"""Column of the split, where a file holds lists of rows by split."""

_ENDS = (".json", ".json.gz")
_DEEPEST = 4
"""Folders that may be around everything."""

_EXPECTED = (
    "expected a list of objects, lists of them by split, objects by id, COCO with images and "
    "annotations, or one object a line"
)


def read_json(
    source: Source, path: str, of_records: str | None, is_wanted: Callable[[str], bool]
) -> pa.Table:
    """Read the rows of one JSON file, or one of JSON lines; gzipped or not.

    Args:
        source: Where the file is.
        path: Its path within the source.
        of_records: See `Layer.records`.
        is_wanted: Says of the name of a column whether it is kept.

    Raises:
        TableError: It is broken, or its rows are arranged in no known way.
    """
    address, read = source.shown(path), partial(source.read, path, limits.LARGEST_JSON)
    return _as_table(address, _rows_of_file(address, read, of_records), is_wanted)


def read_members(
    source: Source, of_records: str | None, is_wanted: Callable[[str], bool]
) -> pa.Table:
    """Read the rows of all JSON files in a zip or folder; see `read_json`.

    Raises:
        TableError: There is none, or one is broken.
    """
    paths = json_files(source)
    if not paths:
        raise TableError(
            f"{source.shown()} holds no JSON file: expected the table of a layer, or a zip or "
            "folder of .json files. Give the address of the table itself."
        )
    rows: list[Row] = []
    for path, read in zip(paths, source.each(paths, limits.LARGEST_JSON), strict=True):
        rows += _rows_of_file(source.shown(path), read, of_records)
    return _as_table(source.shown(), rows, is_wanted)


def json_files(source: Source) -> list[str]:
    """The JSON files in a zip or folder; some have a folder or two around everything."""
    folder = ""
    for _ in range(_DEEPEST):
        names = source.names(folder)
        files = [f"{folder}{name}" for name in names if name.lower().endswith(_ENDS)]
        if files or len(names) != 1 or not source.is_folder(f"{folder}{names[0]}"):
            return files
        folder = f"{folder}{names[0]}/"
    return []


def _rows_of_file(address: str, read: Callable[[], bytes], of_records: str | None) -> list[Row]:
    try:
        content = unpacked(read(), limits.LARGEST_JSON)
        loaded = _loaded(content)
        rows = _rows_of(loaded, of_records)
    except (OSError, EOFError) as error:
        said = wording.said(error)
        raise TableError(f"{address} cannot be read: {said}. Fetch it again.") from None
    except (ValueError, RecursionError):  # its text quotes the file
        raise TableError(
            f"{address} is no JSON. The file is damaged or was not downloaded to its end: fetch it "
            "again."
        ) from None
    if rows is None:
        found = "a list" if isinstance(loaded, list) else "an object"
        missing = f" with a list {of_records!r}" if of_records else ""
        raise TableError(f"{address} holds {found} of another kind: {_EXPECTED}{missing}.")
    return rows


def _loaded(content: bytes) -> Any:
    """Load JSON, or JSON lines; NaN and infinity, which JSON has not, are null."""
    text = content.decode("utf-8-sig")
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    start = len(text) - len(text.lstrip())
    first, end = decoder.raw_decode(text, start)
    if not text[end:].strip():
        return first
    # Not splitlines: a text may hold U+2028 and others that end a line elsewhere, but not in JSON.
    return [decoder.decode(line) for line in text.split("\n") if line.strip()]


def _rows_of(loaded: Any, of_records: str | None) -> list[Row] | None:
    """Find the rows in what a file holds; None if they are arranged in no known way."""
    if of_records:
        files = loaded if isinstance(loaded, list) else [loaded]
        found = [_below(file, of_records) for file in files]
        return None if None in found else [row for rows in found for row in rows or ()]
    if isinstance(loaded, list):
        return loaded if _all_objects(loaded) else None
    if not isinstance(loaded, dict):
        return None
    if {"images", "annotations"} <= set(loaded):
        return _of_coco(loaded)
    if loaded and all(isinstance(part, list) and _all_objects(part) for part in loaded.values()):
        return [{SPLIT: name, **row} for name, rows in loaded.items() for row in rows]
    if loaded and _all_objects(loaded.values()):
        return [{KEY: name, **row} for name, row in loaded.items()]
    return [loaded] if loaded else None  # one line of JSON lines, or one file of many


def _below(file: Any, of_records: str) -> list[Row] | None:
    """Rows of a list in an object, each with the plain values beside the list."""
    rows = file.get(of_records) if isinstance(file, dict) else None
    if not isinstance(rows, list) or not _all_objects(rows):
        return None
    beside = {name: value for name, value in file.items() if not isinstance(value, (list, dict))}
    return [{**beside, **row} for row in rows]


def _of_coco(loaded: Row) -> list[Row] | None:
    """Rows of COCO's form: one for each annotation, with its image's file and its category's name.

    `bbox` becomes `x`, `y`, `w` and `h`; the number of the image becomes the name of its file.
    """
    images, annotations = loaded["images"], loaded["annotations"]
    categories = loaded.get("categories", [])
    if not all(
        isinstance(part, list) and _all_objects(part) for part in (images, annotations, categories)
    ):
        return None
    image_of = {image.get("id"): image for image in images}
    names = {category.get("id"): category.get("name") for category in categories}
    rows = []
    for annotation in annotations:
        image = image_of.get(annotation.get("image_id"), {})
        box = annotation.get("bbox") or (None,) * 4
        plain = {
            name: value for name, value in annotation.items()
            if name not in ("id", "image_id", "category_id", "bbox", "segmentation")
        }  # fmt: skip
        rows.append({
            "image_id": image.get("file_name"),
            "category_name": names.get(annotation.get("category_id")),
            **plain,
            **dict(zip("xywh", box, strict=False)),
            "image_width": image.get("width"),
            "image_height": image.get("height"),
        })  # fmt: skip
    return rows


def _all_objects(values: Iterable[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _as_table(address: str, rows: list[Row], is_wanted: Callable[[str], bool]) -> pa.Table:
    """Make a table of rows; a value that a row lacks is null.

    Raises:
        TableError: Values of one column are of types that do not go together.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in filter(is_wanted, names):
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except UnicodeError:
            raise TableError(
                f"{address}: a column holds half a character, number {len(columns) + 1} of those "
                "that are read: a text was cut in the middle of one. Leave it out by columns=, or "
                "mend it."
            ) from None
        except (pa.ArrowException, TypeError, OverflowError):
            raise TableError(
                f"{address}: values of {name[:40]!r} are of different types in different rows, "
                "and a column has one. Leave it out by columns=, or make them alike."
            ) from None
    return pa.table(columns)
