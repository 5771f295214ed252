"""The text to be written: the first section of a list that is there, of one row or of many."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.labels import target_text, target_texts

ROWS: list[dict[str, str | None]] = [
    {"findings": "Zebra.", "impression": "Apple.", "history": None},
    {"findings": "Apple.", "impression": "Zebra, and a much longer text.", "history": "h"},
    {"findings": None, "impression": " 1. As it stands.\n ", "history": None},
    {"findings": " \n ", "impression": "Apple.", "history": "h"},
    {"findings": None, "impression": None, "history": "h"},
    {"findings": "", "impression": "", "history": None},
]
FIRST = ["Zebra.", "Apple.", " 1. As it stands.\n ", "Apple.", None, None]


def batch() -> dict[str, list[str | None]]:
    return {name: [row[name] for row in ROWS] for name in ROWS[0]}


def test_the_first_section_that_is_there_is_taken_as_it_stands() -> None:
    assert [target_text(row) for row in ROWS] == FIRST


def test_neither_the_letters_nor_the_length_of_a_text_decide() -> None:
    assert target_text({"findings": "Apple.", "impression": "Zebra zebra."}) == "Apple."
    assert target_text({"findings": "Zebra zebra.", "impression": "Apple."}) == "Zebra zebra."


def test_another_order_and_other_sections_may_be_asked_for() -> None:
    order = ("impression", "findings")
    assert [target_text(row, order) for row in ROWS[:2]] == ["Apple.", ROWS[1]["impression"]]
    assert [target_text(row, prefer="history") for row in ROWS] == [None, "h", None, "h", "h", None]


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, pd.NA, pd.NaT])
def test_what_pandas_puts_in_place_of_null_is_no_text(missing: Any) -> None:
    assert target_text({"findings": missing, "impression": "x"}) == "x"
    assert target_text({"findings": missing, "impression": missing}) is None


@pytest.mark.parametrize("prefer", [("impresion",), ("findings", "summary"), "f", ("labels",)])
def test_a_section_that_does_not_exist_is_refused_even_if_it_is_not_needed(prefer: Any) -> None:
    for call, rows in ((target_text, ROWS[0]), (target_texts, batch())):
        with pytest.raises(
            OptionError, match=r"prefer='.*' is not known\. Choose from: 'findings'"
        ):
            call(rows, prefer)


@pytest.mark.parametrize("call", [target_text, target_texts])
def test_to_prefer_nothing_is_refused(call: Any) -> None:
    with pytest.raises(OptionError, match=r"prefer is empty\. Name at least one of: 'findings'"):
        call(ROWS[0], ())


def test_a_batch_in_place_of_a_row_or_a_row_of_a_batch_is_refused_with_the_right_call() -> None:
    with pytest.raises(OptionError, match=r"'findings' of the row holds a list.*use target_texts"):
        target_text(batch())
    with pytest.raises(OptionError, match=r"'findings' holds other things.*use target_text\."):
        target_texts(ROWS[0])


@pytest.mark.parametrize(
    "rows",
    [
        batch(),
        pa.table(batch()),
        pa.concat_tables([pa.table(batch()).slice(0, 2), pa.table(batch()).slice(2)]),
        pd.DataFrame(batch()),
        pd.DataFrame(batch(), dtype=pd.StringDtype()),
        datasets.Dataset.from_dict(batch()),
        datasets.Dataset.from_dict(batch()).with_format("numpy"),
        datasets.Dataset.from_dict(batch()).select(range(6)),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_many_rows_in_any_form_give_what_each_of_them_gives(rows: Any) -> None:
    assert target_texts(rows) == FIRST
    assert target_texts(rows, "history") == [row["history"] for row in ROWS]


def test_a_column_of_nulls_alone_is_accepted() -> None:
    assert target_texts({"findings": [None, None], "impression": [None, "x"]}) == [None, "x"]


@pytest.mark.parametrize("rows", [None, "findings", [ROWS[0]], 5])
def test_what_is_no_rows_is_refused(rows: Any) -> None:
    with pytest.raises(OptionError, match=f"rows is a {type(rows).__name__}; expected a split"):
        target_texts(rows)


@pytest.mark.parametrize("column", [[1, 2], [["a"], ["b"]], pa.array([1, 2])])
def test_a_column_of_other_things_is_refused(column: Any) -> None:
    with pytest.raises(OptionError, match="Column 'labels' holds other things than texts"):
        target_texts({"labels": column}, "labels")


def test_both_datasets_in_every_config_give_texts_and_nulls(
    mimic: datasets.DatasetDict, studies: datasets.DatasetDict, indiana: datasets.Dataset
) -> None:
    for split in (mimic["train"], studies["train"], indiana):
        found = target_texts(split)
        assert len(found) == len(split)
        assert any(found)
        columns = split.select_columns(["findings", "impression"])
        assert found == [target_text(row) for row in columns]


def test_a_target_can_be_mapped_over_batches(mimic: datasets.DatasetDict) -> None:
    mapped = mimic["train"].map(
        lambda *sections: {"target": target_texts(dict(zip(NAMES, sections, strict=True)), NAMES)},
        input_columns=list(NAMES), batched=True,
    )  # fmt: skip
    assert mapped["target"][:] == target_texts(mimic["train"], NAMES)


NAMES = ("impression", "findings", "last_paragraph")


def test_no_names_no_row_and_columns_of_several_lengths_are_refused() -> None:
    for prefer in (None, 5):
        with pytest.raises(OptionError, match=r"prefer is a .*; expected a name"):
            target_text(ROWS[0], prefer)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"row is a NoneType; expected one row"):
        target_text(None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"differ in length: \{'findings': 1, 'impression': 2\}"):
        target_texts({"findings": ["a"], "impression": ["b", "c"]})
    with pytest.raises(OptionError, match="holds other things than texts"):
        target_texts({"findings": ["\ud800"], "impression": ["b"]})
