"""Titles and tables printed to a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_datasets.wording import escaped

WIDTH = 96
"""Columns of text in a line of output."""


def print_title(title: str) -> None:
    """Print a title that fills the line."""
    print("\n\n" + f"== {escaped(title)} ".ljust(WIDTH, "=") + "\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: numbers to the right, text to the left, a rule under the header."""
    cells = [[escaped(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [isinstance(cell, int) for cell in rows[0]]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        parts = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        print(f"  {'  '.join(parts)}".rstrip())
