"""The column `labels_text`: the 14 labels, read by rules from the text of each report."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.features import Column, label_feature
from cxr_datasets.images.together import share_of_cores
from cxr_datasets.labels.text import label_texts
from cxr_datasets.labels.text.beside import Helper
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.tables.keys import combined, numbered

LABELS_TEXT = "labels_text"
"""Name of the column, and of the option that asks for it."""

_ROWS_WORTH_A_HELPER = 20_000
"""Rows whose texts take longer to label than a process takes to start: half a second's work."""

_TABLES_AHEAD = 4
"""Tables of rows whose texts are read before their labels come: while a helper starts, and later
while it works on a table that takes longer than others."""


def text_labels_column(*sections: str) -> Column:
    """Declare `labels_text` at its place among a dataset's own columns.

    Args:
        *sections: Sections of the report, of which the first that a report has is labelled.
    """
    read = ", else ".join(f"`{section}`" for section in sections)
    return Column(
        LABELS_TEXT, label_feature(), "study",
        f"as `labels`, by the rules of `cxr_datasets.labels.label_text` from {read}; null if there "
        f"is none; only if the option `{LABELS_TEXT}` is on",
        labelled=sections, option=LABELS_TEXT,
    )  # fmt: skip


def text_labels_option(default: bool) -> Any:
    """Declare the option `labels_text` of a dataset that has the column, as a dataclass field."""
    return field(
        default=default,
        metadata={
            "help": f"Whether rows have the column {LABELS_TEXT}: the 14 labels, read from the "
            f"report by the rules of cxr_datasets.labels.label_text. Default: {default}."
        },
    )


def chosen(columns: Iterable[Column], config: Any) -> tuple[Column, ...]:
    """Give the columns that the rows of a config have: one made here only if asked for."""
    return tuple(
        column for column in columns if not column.option or getattr(config, column.option, True)
    )


def of_the_release(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Give the columns that a release must have: those that are not made here."""
    return tuple(column for column in columns if not column.option)


def helper_pays(rows: int) -> bool:
    """Whether a process beside this one, which labels the texts of rows, makes them come sooner.

    A process that others stand beside, such as those of `num_proc`, has no core to spare.
    """
    return rows >= _ROWS_WORTH_A_HELPER and share_of_cores() > 1 and not _is_worker()


def _is_worker() -> bool:
    """Whether this process was started by `multiprocessing`, or by what `datasets` has for it."""
    theirs = sys.modules.get("multiprocess")
    return any(
        one is not None and one.parent_process() is not None for one in (multiprocessing, theirs)
    )


def add_to_each(
    tables: Iterable[pa.Table],
    columns: Iterable[Column],
    wanted: Collection[str] | None,
    helper: Helper,
) -> Iterator[pa.Table]:
    """Add the columns of labels to tables, as `add_text_labels` does.

    Args:
        tables: Rows with their texts. While a helper labels those of a table, the next are read.
        columns: The dataset's own columns.
        wanted: As for `add_text_labels`.
        helper: Labels the texts, if it has begun.
    """
    add = partial(add_text_labels, columns=tuple(columns), wanted=wanted)
    if not helper.is_there:
        yield from map(add, tables)
        return
    add = partial(add, label=helper.label_texts)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="cxr-labels") as pool,
        closing(in_order(partial(pool.submit, add), tables, _TABLES_AHEAD)) as begun,
    ):
        for work in begun:
            yield work.result()


def add_text_labels(
    rows: pa.Table,
    columns: Iterable[Column],
    wanted: Collection[str] | None,
    label: Callable[[pa.Array], pa.StructArray] | None = None,
) -> pa.Table:
    """Add the columns of labels that are made from texts.

    Args:
        rows: Rows with their texts.
        columns: The dataset's own columns.
        wanted: Columns that are looked at; None: all. Others are null, and take no time.
        label: Labels texts; None: `label_texts`.
    """
    for column in columns:
        if column.labelled:
            labels = (
                _labels(rows, column.labelled, label or label_texts)
                if wanted is None or column.name in wanted
                else pa.nulls(rows.num_rows, _type(column))
            )
            rows = rows.append_column(column.name, labels)
    return rows


def _labels(
    rows: pa.Table, sections: Iterable[str], label: Callable[[pa.Array], pa.StructArray]
) -> pa.StructArray:
    """Label each study once, whose images all have the same text; null where it has none."""
    study, first = numbered(combined(rows["study_id"]))
    texts = pc.coalesce(*(combined(rows[section]).take(first) for section in sections))
    return label(texts).take(study)


def _type(column: Column) -> pa.DataType:
    return pa.struct([(name, value.pa_type) for name, value in column.feature.items()])
