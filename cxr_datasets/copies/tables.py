"""The tables of a copy: read as far as they can be, counted, and compared with each other.

Loading a dataset stops at the first thing that is wrong. Here all of it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.published import Published, PublishedTable
from cxr_datasets.builder.relations import Cells, Listed, Nested, Relation, Same
from cxr_datasets.copies.findings import Findings
from cxr_datasets.copies.recognise import Place
from cxr_datasets.errors import TableError
from cxr_datasets.tables.keys import combined, find_keys, numbered
from cxr_datasets.tables.reading import read_table


@dataclass(frozen=True)
class TableCount:
    """How many rows a table has.

    Attributes:
        table: Its name.
        file: Its file; None if it is not there.
        rows: Its rows; None where it is not there or cannot be read.
        published: The rows that it has in the release; None where the version has no such table.
    """

    table: str
    file: str | None
    rows: int | None
    published: int | None


@dataclass(frozen=True)
class Tables:
    """The tables of a copy.

    Attributes:
        counts: Of each table of the release.
        read: Name -> its rows whose cells are right, for those that could be read.
        as_published: Whether one of them has as many rows as were published, so that all should.
    """

    counts: tuple[TableCount, ...]
    read: Mapping[str, pa.Table]
    as_published: bool


def check_tables(place: Place, published: Published, findings: Findings) -> Tables:
    """Read all tables, and find what is wrong with their cells, their rows and their keys.

    Args:
        place: The copy.
        published: What the dataset declares of the release.
        findings: Takes what is wrong.
    """
    version = place.version or published.versions[0]
    with ThreadPoolExecutor(len(published.tables)) as pool:
        found = list(pool.map(lambda table: _read(place, table), published.tables))
    read: dict[str, pa.Table] = {}
    counts = []
    for table, result in zip(published.tables, found, strict=True):
        file = place.tables.get(table.name)
        expected = table.rows.get(version)
        rows = result.num_rows if isinstance(result, pa.Table) else None
        counts.append(TableCount(table.name, file, rows, expected))
        if isinstance(result, pa.Table):
            read[table.name] = _right_rows(table, file, result, findings)
        else:
            _add_unread(place, table, result, expected, findings)
    as_published = any(one.rows is not None and one.rows == one.published for one in counts)
    if as_published:
        _add_other_counts(counts, findings)
    for relation in published.relations:
        _check(relation, place, published, read, findings)
    return Tables(tuple(counts), read, as_published)


def _read(place: Place, table: PublishedTable) -> pa.Table | TableError | None:
    file = place.tables.get(table.name)
    if file is None:
        return None
    try:
        kinds = {name: cells.kind for name, cells in table.cells.items()}
        return read_table(place.source, file, kinds).rows
    except TableError as error:
        return error


def _add_unread(
    place: Place,
    table: PublishedTable,
    result: TableError | None,
    expected: int | None,
    findings: Findings,
) -> None:
    if result is not None:
        findings.add("table_unreadable", path=place.tables[table.name], found=result.args[0])
    elif table.required or expected is not None:
        # Who does not know the version does not know either whether it has the table.
        is_known = table.required or place.version is not None or len(table.rows) > 1
        findings.add("table_absent", path=table.files[0], note=not is_known)


def _add_other_counts(counts: list[TableCount], findings: Findings) -> None:
    for one in counts:
        if one.rows is not None and one.published is not None and one.rows != one.published:
            findings.add(
                "other_count", path=one.file, expected=f"{one.published} rows",
                found=f"{one.rows} rows",
            )  # fmt: skip


# --- cells ----------------------------------------------------------------------------------------


def _right_rows(
    table: PublishedTable, file: str | None, rows: pa.Table, findings: Findings
) -> pa.Table:
    """Find cells that are wrong and keys that repeat; keep the rows without."""
    right = pa.array([True] * rows.num_rows)
    for name, cells in table.cells.items():
        column = combined(rows[name])
        for word, holds, expected in _checks(column, cells):
            if pc.all(holds).as_py() is not False:
                continue
            wrong = rows.filter(pc.invert(holds))
            findings.add(
                word, **_ids(table, wrong), path=file, expected=f"{name}: {expected}",
                found=pc.fill_null(pc.cast(combined(wrong[name]), pa.string()), "nothing")
                if word != "empty_cell" else "nothing",
            )  # fmt: skip
            right = pc.and_(right, holds)
    kept = rows.filter(right)
    if table.key is None:
        return kept
    number, first = numbered(combined(kept[table.key]))
    is_first = pc.equal(first.take(number), pa.array(range(kept.num_rows), pa.int64()))
    twice = kept.filter(pc.invert(is_first))
    findings.add("repeated", **_ids(table, twice), path=file, expected=f"one row a {table.key}",
                 found=pc.cast(combined(twice[table.key]), pa.string()))  # fmt: skip
    return kept.filter(is_first)


def _checks(column: pa.Array, cells: Cells) -> list[tuple[str, pa.Array, str]]:
    """What must hold for each cell: a word, a boolean for each, and how a right one looks."""
    found = []
    if cells.filled and column.null_count:
        found.append(("empty_cell", column.is_valid(), "a value"))
    if cells.pattern:
        holds = pc.match_substring_regex(column, rf"\A(?:{cells.pattern})\z")
        found.append(("bad_cell", pc.fill_null(holds, True), f"like {cells.pattern}"))
    if cells.low is not None and cells.high is not None:
        holds = pc.and_(pc.greater_equal(column, cells.low), pc.less_equal(column, cells.high))
        found.append(("bad_cell", pc.fill_null(holds, True), f"from {cells.low} to {cells.high}"))
    if cells.values:
        known = pc.is_in(column, value_set=pa.array(cells.values, column.type))
        said = "one of " + ", ".join(map(str, cells.values))
        found.append(("bad_cell", pc.or_(known, column.is_null()), said))
    return found


def _ids(table: PublishedTable, rows: pa.Table) -> dict[str, Any]:
    names = {"image_id": table.image_id, "study_id": table.study_id}
    return {ours: combined(rows[name]) if name else None for ours, name in names.items()}


# --- between tables -------------------------------------------------------------------------------


def _check(
    relation: Relation,
    place: Place,
    published: Published,
    read: Mapping[str, pa.Table],
    findings: Findings,
) -> None:
    needed = [relation.table] if isinstance(relation, Nested) else [relation.table, relation.other]
    if any(name not in read for name in needed):
        return
    table = next(one for one in published.tables if one.name == relation.table)
    rows, file = read[relation.table], place.tables[relation.table]
    if isinstance(relation, Listed):
        _check_listed(relation, table, rows, read[relation.other], place, findings)
    elif isinstance(relation, Nested):
        _check_nested(relation, table, rows, file, findings)
    else:
        _check_same(relation, table, rows, read[relation.other], file, findings)


def _check_listed(
    relation: Listed,
    table: PublishedTable,
    rows: pa.Table,
    other: pa.Table,
    place: Place,
    findings: Findings,
) -> None:
    values = combined(rows[relation.column])
    lacking = find_keys(values, combined(other[relation.other_column])).is_null()
    wrong = rows.filter(lacking)
    if relation.column != table.key:  # one row for each value, and not for each image of a study
        _, first = numbered(combined(wrong[relation.column]))
        wrong = wrong.take(first)
    ids = _ids(table, wrong)
    if relation.column != table.key:
        ids["image_id"] = None
    findings.add(
        relation.word, **ids, path=place.tables[relation.other], expected=f"a row of this "
        f"{relation.other_column}, which is in {place.tables[relation.table]}", found="none",
        note=wrong.num_rows <= relation.lacking,
    )  # fmt: skip


def _check_nested(
    relation: Nested, table: PublishedTable, rows: pa.Table, file: str, findings: Findings
) -> None:
    inner, outer = combined(rows[relation.inner]), combined(rows[relation.outer])
    number, first = numbered(inner)
    expected = outer.take(first).take(number)
    differs = pc.not_equal(outer, expected)
    wrong = rows.filter(differs)
    told = [
        pc.binary_join_element_wise(
            f"{relation.inner} ", _text(inner.filter(differs)), f": {relation.outer} ",
            _text(values.filter(differs)), "",
        )
        for values in (expected, outer)
    ]  # fmt: skip
    findings.add(relation.word, **_ids(table, wrong), path=file, expected=told[0], found=told[1])


def _check_same(
    relation: Same,
    table: PublishedTable,
    rows: pa.Table,
    other: pa.Table,
    file: str,
    findings: Findings,
) -> None:
    number, first = numbered(combined(other[relation.key]))
    del number
    keys, expected = (combined(other[name]).take(first) for name in (relation.key, relation.column))
    expected = expected.take(find_keys(combined(rows[relation.key]), keys))
    found = combined(rows[relation.column])
    differs = pc.fill_null(pc.not_equal(found, expected), False)
    wrong = rows.filter(differs)
    findings.add(
        relation.word, **_ids(table, wrong), path=file,
        expected=pc.binary_join_element_wise(
            f"{relation.column} ", _text(expected.filter(differs)), ""
        ),
        found=_text(found.filter(differs)),
    )  # fmt: skip


def _text(values: pa.Array) -> pa.Array:
    return pc.cast(values, pa.string())


def published_table_sums(
    place: Place, published: Published, counts: tuple[TableCount, ...]
) -> dict[str, str]:
    """Give the published sha256 of tables that should be the publisher's own files.

    Returns:
        File -> sha256, for those of which a sum is published and that have the published rows.
    """
    version = place.version or published.versions[0]
    sums = {table.name: table for table in published.tables}
    return {
        one.file: sums[one.table].sha256[version]
        for one in counts
        if one.file == sums[one.table].files[0]
        and one.rows == one.published
        and version in sums[one.table].sha256
    }


def rows_of_images(published: Published, read: Mapping[str, pa.Table]) -> pa.Table | None:
    """Make a row for each image; None where the table that lists them cannot be read."""
    if published.images is None or published.tables[0].name not in read:
        return None
    return published.images(read)
