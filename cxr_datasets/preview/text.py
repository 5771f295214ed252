"""Titles and tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cxr_datasets.wording import escaped

WIDTH = 96
"""Columns of text in a line of output."""

WIDEST = 100
"""Most columns of text in a line of a table."""


def print_title(title: str) -> None:
    """Print a title that fills the line."""
    print("\n\n" + title_line(title) + "\n")


def title_line(title: str) -> str:
    """A title that fills the line."""
    return f"== {escaped(title)} ".ljust(WIDTH, "=")


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as `table_lines` writes it."""
    for line in table_lines(header, rows):
        print(line)


class Numeral(str):
    """A number as it is to be written: it stands to the right in its column."""


def table_lines(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Write a table: numbers to the right, text to the left, a rule under the header.

    Args:
        header: Names of the columns.
        rows: Cells; a column is one of numbers if that of the first row is an int or a `Numeral`.

    Yields:
        Its lines. Columns that do not fit into `WIDEST` follow below, after the first one again.
    """
    columns = list(zip(*([escaped(str(cell)) for cell in row] for row in (header, *rows)),
                       strict=True))  # fmt: skip
    widths = [max(map(len, column)) for column in columns]
    right = (
        [isinstance(cell, (int, Numeral)) for cell in rows[0]] if rows else [False] * len(header)
    )
    written = [
        [cell.rjust(width) if number else cell.ljust(width)
         for cell in (column[0], "-" * width, *column[1:])]
        for column, width, number in zip(columns, widths, right, strict=True)
    ]  # fmt: skip
    for place, columns_here in enumerate(_that_fit(widths)):
        if place:
            yield ""
        for row in zip(*(written[number] for number in columns_here), strict=True):
            yield f"  {'  '.join(row)}".rstrip()


def _that_fit(widths: Sequence[int]) -> list[list[int]]:
    """Numbers of the columns of each part of a table, the first column in all of them."""
    parts = [[0]]
    for number, width in enumerate(widths[1:], 1):
        taken = sum(widths[one] + 2 for one in parts[-1])
        if taken + 2 + width > WIDEST and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(number)
    return parts
