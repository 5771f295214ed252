"""The rows of a table, and checks of them that chain, with errors that name the cell."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.errors import TableError
from cxr_datasets.tables.keys import all_differ

DAMAGED = (
    "The file is damaged or was not downloaded to its end: fetch it again and compare it with the "
    "release's checksums."
)
"""What is said of a file that is not whole."""


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
                    f"needs a value. {DAMAGED}"
                )
        return self

    def check_unique(self, column: str) -> Table:
        """Require that no two rows have the same value.

        Raises:
            TableError: A value stands twice; the error names the first.
        """
        if not self[column].null_count and all_differ(self[column]):
            return self
        counts = pc.value_counts(self[column])
        twice = counts.filter(pc.greater(counts.field("counts"), 1))
        value = twice[0]["values"]
        rows = pc.indices_nonzero(pc.equal(self[column], value)) if value.is_valid else ()
        where = " and ".join(str(row.as_py() + 1) for row in rows[:2])
        raise TableError(
            f"{self.address}: column {column!r} must not repeat a value, but {len(twice)} stand "
            f"more than once, first {wording.cell(value.as_py())} ({twice[0]['counts']} rows"
            f"{f', such as {where}' if where else ''}). Remove the extra rows or fetch the file "
            "again."
        )

    def check_pattern(self, column: str, pattern: str, example: str) -> Table:
        """Require that every value matches, before any of them becomes part of a path.

        Args:
            column: A string column.
            pattern: RE2 pattern for the whole value.
            example: An invented value of the right form, for the error.

        Raises:
            TableError: A value does not match; the error names its row.
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

    def check_values(self, columns: str | Sequence[str], allowed: Collection[object]) -> Table:
        """Require that every value is one of a few; nulls pass.

        Args:
            columns: A column, or several of one type, which are looked at together.
            allowed: The values.

        Raises:
            TableError: A value is none of them.
        """
        names = [columns] if isinstance(columns, str) else list(columns)
        cells = pa.chunked_array([self[name] for name in names])
        known = pa.array([*allowed, None], cells.type)
        if not pc.all(pc.is_in(cells, value_set=known), min_count=0).as_py():
            for name in names:
                found = pc.is_in(self[name], value_set=known)
                self.require(name, found, "one of " + ", ".join(map(repr, allowed)))
        return self

    def require(self, column: str, holds: pa.Array, expected: str) -> None:
        """Require that something holds for every cell of a column.

        Args:
            column: The column.
            holds: Boolean for each row; null passes.
            expected: How a right cell looks, for the error.

        Raises:
            TableError: It does not hold for a cell; the error names the row of the first.
        """
        broken = pc.indices_nonzero(pc.invert(pc.fill_null(holds, True)))
        if len(broken):
            row = broken[0].as_py()
            value = wording.cell(self[column][row].as_py())
            raise TableError(
                f"{self.address}: column {column!r} holds {value} in row "
                f"{row + 1} (and {len(broken) - 1} more such cells); expected {expected}. "
                "Correct the cell or fetch the file again."
            )
