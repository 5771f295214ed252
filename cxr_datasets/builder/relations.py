"""What must hold in the tables of a release, and between them, declared as data.

The word of each is what a report on a copy calls a row in which it does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Cells:
    """What the cells of a column must be.

    Attributes:
        kind: Their type.
        filled: Whether none may be empty.
        pattern: RE2 pattern of a whole cell; empty: any.
        low: Lowest number; None: any.
        high: Highest number; None: any.
        values: All values that there are; empty: any.
    """

    kind: pa.DataType
    filled: bool = True
    pattern: str = ""
    low: int | None = None
    high: int | None = None
    values: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Listed:
    """Each value of a column stands in a column of another table.

    Attributes:
        word: What a value that does not is called.
        table: The table.
        column: Its column.
        other: The other table.
        other_column: The column of that.
        lacking: How many values the whole release lacks there.
    """

    word: str
    table: str
    column: str
    other: str
    other_column: str
    lacking: int = 0


@dataclass(frozen=True)
class Nested:
    """All rows with one value of a column have the same value of another.

    Attributes:
        word: What a row is called that has another than the first.
        table: The table.
        inner: The column, such as that of the patient.
        outer: The other column, such as that of the split.
    """

    word: str
    table: str
    inner: str
    outer: str


@dataclass(frozen=True)
class Same:
    """Two tables give a key the same value.

    Attributes:
        word: What a row is called that has another.
        table: The table that is compared.
        other: The one that counts.
        key: The column, of that name in both, by which rows are found.
        column: The column, of that name in both, that is the same.
    """

    word: str
    table: str
    other: str
    key: str
    column: str


Relation = Listed | Nested | Same
