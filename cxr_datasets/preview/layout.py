"""How the figures are laid out: for a terminal, for a notebook, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from cxr_datasets.preview.figures import ALL
from cxr_datasets.preview.marks import plain_text
from cxr_datasets.preview.states import STATES
from cxr_datasets.preview.text import Numeral, table_lines, title_line

Tables = Mapping[str, tuple[str, pd.DataFrame]]
"""Name -> title and table."""


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a table as a list of rows, of plain numbers and texts; None for what is none."""
    columns = {name: [_plain(cell) for cell in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(cell: Any) -> Any:
    return None if pd.isna(cell) else cell


def as_lines(heading: str, notes: Sequence[str], tables: Tables) -> list[str]:
    """Write all tables that have rows for a terminal, at most 100 columns wide."""
    lines = [heading, *(f"Note: {note}." for note in notes)]
    for name, (title, table) in tables.items():
        if len(table):
            lines += ["", title_line(title), "", *_LAYOUTS.get(name, _whole)(table)]
    return lines


def as_html(heading: str, notes: Sequence[str], tables: Tables) -> str:
    """Write all tables that have rows as HTML, each of them whole."""
    parts = [f"<h3>{plain_text(heading)}</h3>"]
    parts += [f"<p>Note: {plain_text(note)}.</p>" for note in notes]
    for title, table in tables.values():
        if len(table):
            shown = table.to_html(index=False, na_rep="", float_format="{:.4g}".format, border=0)
            parts.append(f"<h4>{plain_text(title)}</h4>{shown}")
    return f'<div class="cxr-stats">{"".join(parts)}</div>'


def _whole(table: pd.DataFrame) -> Iterator[str]:
    """All columns of a table."""
    columns = [_cells(table[name]) for name in table.columns]
    yield from table_lines(list(table.columns), list(zip(*columns, strict=True)))


def _cells(column: pd.Series[Any]) -> list[Any]:
    """The cells of a column as they are written: numbers of one column with as many digits."""
    cells = column.tolist()
    given = [cell for cell in cells if not pd.isna(cell)]
    if not all(isinstance(cell, (int, float)) for cell in given):
        return ["-" if pd.isna(cell) else cell for cell in cells]
    whole = all(cell == int(cell) for cell in given) and column.name not in _SHARES
    digits = 0 if whole else 3 if max(map(abs, given), default=0) <= _SMALL else 1
    return [Numeral("-" if pd.isna(cell) else f"{cell:,.{digits}f}") for cell in cells]


_SHARES = ("agreement", "kappa", "mean", "std")
"""Columns that are no counts, even where each number is a whole one."""

_SMALL = 2
"""Numbers up to this one are written with three digits."""


def _count(count: int) -> Numeral:
    return Numeral(f"{count:,}")


def _percent(share: float) -> Numeral:
    return Numeral("-" if pd.isna(share) else f"{100 * share:.1f}")


def _labels(table: pd.DataFrame) -> Iterator[str]:
    """Of each source a table of all splits together, with the prevalence in each."""
    splits = [name for name in table["split"].unique() if name != ALL]
    for number, (source, rows) in enumerate(table.groupby("source", sort=False)):
        if number:
            yield ""
        whole = rows[rows["split"] == ALL]
        labelled, unlabelled = int(whole["studies"].iloc[0]), int(whole["unlabelled"].iloc[0])
        yield f"  {source}: {labelled:,} studies have them, {unlabelled:,} have none."
        yield "  Last columns: percent positive in each split"
        header = ["label", *(state.name for state in STATES), *splits]
        shares = rows.pivot(index="label", columns="split", values="prevalence")
        lines = [
            (row.label, *(_count(getattr(row, state.key)) for state in STATES),
             *(_percent(shares.loc[row.label, split]) for split in splits))
            for row in whole.itertuples()
        ]  # fmt: skip
        yield from table_lines(header, lines)


def _agreement(table: pd.DataFrame) -> Iterator[str]:
    """Of each pair of sources the label, studies, agreement and kappa."""
    shown = ["label", "studies", "agreement", "kappa", "only_first", "only_second"]
    for number, (pair, rows) in enumerate(table.groupby(["first", "second"], sort=False)):
        if number:
            yield ""
        first, second = pair
        yield f"  {first} (first) and {second} (second), where both tell a label"
        yield from _whole(rows[shown])


def _missing(table: pd.DataFrame) -> Iterator[str]:
    """Of each column that misses a value anywhere: how many, in all and as a share by split."""
    whole = table[table["split"] == ALL]
    gone = whole[whole["missing"] > 0]
    if len(gone):
        splits = [name for name in table["split"].unique() if name != ALL]
        shares = table.pivot(index="column", columns="split", values="share")
        yield "  Last columns: percent missing in each split"
        header = ["column", "of", "looked at", "missing", *splits]
        lines = [
            (row.column, row.of, _count(row.looked_at), _count(row.missing),
             *(_percent(shares.loc[row.column, split]) for split in splits))
            for row in gone.itertuples()
        ]  # fmt: skip
        yield from table_lines(header, lines)
    full = whole[whole["missing"] == 0]["column"].tolist()
    if full:
        yield f"  nothing is missing in {len(full)} of {len(whole)} columns"


def _gaps(table: pd.DataFrame) -> Iterator[str]:
    """All columns that fit into a line."""
    yield from _whole(table.drop(columns=["p5", "p95"]))


_LAYOUTS = {
    "labels": _labels, "agreement": _agreement, "missing": _missing, "gaps": _gaps,
    "patients": _gaps,
}  # fmt: skip
"""Tables that a terminal shows otherwise than whole."""
