"""What is wrong with a copy, or noted of it, a row for each image, study or file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cxr_datasets import wording
from cxr_datasets.errors import OptionError
from cxr_datasets.storage import addresses, durable, own
from cxr_datasets.tables.keys import combined

COLUMNS = ("problem", "image_id", "study_id", "path", "expected", "found")
"""Columns of a report, in order."""

_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])

Value: TypeAlias = pa.Array | pa.ChunkedArray | str | None


class Findings:
    """Rows of a report, by word.

    Some are problems. The others are notes: what is known of the release itself, or may be so.
    """

    def __init__(self) -> None:
        self._tables: dict[str, list[pa.Table]] = {}
        self._notes: set[str] = set()

    def add(
        self,
        problem: str,
        *,
        image_id: Value = None,
        study_id: Value = None,
        path: Value = None,
        expected: Value = None,
        found: Value = None,
        note: bool = False,
    ) -> None:
        """Add rows: as many as the arrays have, or one.

        Args:
            problem: Its word, such as `absent`.
            image_id: The image of each row.
            study_id: The study of each row.
            path: The file of each row, within the copy.
            expected: What was expected.
            found: What was found.
            note: Whether these are no problem.
        """
        given = (problem, image_id, study_id, path, expected, found)
        lengths = (len(v) for v in given if isinstance(v, (pa.Array, pa.ChunkedArray)))
        rows = next(lengths, 1)
        if not rows:
            return
        columns = [_column(value, rows) for value in given]
        is_new = problem not in self._tables
        self._tables.setdefault(problem, []).append(pa.table(columns, schema=_SCHEMA))
        if note and is_new:
            self._notes.add(problem)
        elif not note:
            self._notes.discard(problem)

    @property
    def problems(self) -> dict[str, int]:
        """Word -> number of rows, for those that are problems."""
        return {word: rows for word, rows in self._counts().items() if word not in self._notes}

    @property
    def notes(self) -> dict[str, int]:
        """Word -> number of rows, for those that are none."""
        return {word: rows for word, rows in self._counts().items() if word in self._notes}

    def _counts(self) -> dict[str, int]:
        return {word: sum(map(len, tables)) for word, tables in self._tables.items()}

    def first(self, problem: str) -> dict[str, str | None]:
        """The first row of a word."""
        return self._tables[problem][0].slice(0, 1).to_pylist()[0]

    def rows(self) -> pa.Table:
        """All rows: strings under `COLUMNS`, those of one word together."""
        tables = [table for some in self._tables.values() for table in some]
        return pa.concat_tables(tables) if tables else _SCHEMA.empty_table()

    def write(self, file: str | os.PathLike[str], closed: bool) -> None:
        """Write all rows as CSV, whole or not at all.

        Args:
            file: The file, on a disk; in the place of one that is there.
            closed: Whether it is closed to other users of the machine.

        Raises:
            OptionError: It cannot be written.
        """
        place = Path(file)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            own.check_file(place)
            with open(make_file(beside, closed), "wb") as out:
                csv.write_csv(_plain(self.rows()), out)
                out.flush()
                durable.sync(out.fileno())
            durable.rename(beside, place)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise unwritable("report", place, error) from error


def make_file(path: str | os.PathLike[str], closed: bool) -> int:
    """Make a file, closed to others before a byte is in it; gives its descriptor."""
    Path(path).unlink(missing_ok=True)
    descriptor = own.new_file(path)
    if closed:
        own.close(path)
    return descriptor


def unwritable(option: str, path: Path, error: OSError) -> OptionError:
    """Build the error for a file that cannot be written."""
    return OptionError(
        f"{option}={path} cannot be written: {wording.said(error)}. Give a file in a folder that "
        "is there and may be written to."
    )


def check_outside(option: str, file: str | os.PathLike[str], root: str) -> None:
    """Require that a file is on a disk, and not in the copy, in which nothing is written.

    Raises:
        OptionError: It is in the copy, or in a store, or its folder is not there.
    """
    text = os.fspath(file)
    if "://" in text:
        raise OptionError(
            f"{option}={addresses.shown(text)} is no file on a disk of this machine. Give one."
        )
    place, above = os.path.realpath(text), os.path.realpath(root)
    if "://" not in root and place.startswith(above.rstrip(os.sep) + os.sep):
        raise OptionError(
            f"{option}={text} lies in the copy, where nothing is written. Give a file elsewhere."
        )
    if os.path.isdir(place) or not os.path.isdir(os.path.dirname(place)):
        raise OptionError(f"{option}={text} is no file in a folder that is there. Give one.")


def _column(value: Value, rows: int) -> pa.Array:
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return pc.cast(combined(value), pa.string())
    return pa.array([value] * rows, pa.string())


def _plain(rows: pa.Table) -> pa.Table:
    """Let no cell hold what a terminal would obey, or begin as a formula of a spreadsheet does."""
    columns = []
    for column in rows.columns:
        text = pc.replace_substring_regex(combined(column), r"[\x00-\x1f\x7f]", "?")
        columns.append(pc.replace_substring_regex(text, r"^([=+@-])", r"'\1"))
    return pa.table(columns, schema=_SCHEMA)
