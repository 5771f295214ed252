"""Checks of a table name the cell that breaks them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.tables.table import Table


def table(**columns: Any) -> Table:
    return Table("place/t.csv", pa.table(columns))


def test_good_tables_pass_every_check_and_checks_chain() -> None:
    good = table(key=["a", "b"], number=[1, None], text=["x1", "x2"])
    assert good.check_filled("key", "text").check_unique("key") is good
    assert good.check_pattern("text", r"x\d", "x1") is good
    assert good.check_range("number", 1, 1).check_values("number", [1, 2]) is good
    good.require("number", pa.array([True, None]), "anything")


def fails(expected: str) -> Any:
    return pytest.raises(TableError, match=rf"place/t\.csv: column {expected}")


def test_an_empty_cell_is_counted_and_placed() -> None:
    with fails(r"'b' is empty in 2 of 3 rows, first in row 2\."):
        table(a=[1, 2, 3], b=[1, None, None]).check_filled("a", "b")


def test_a_value_that_stands_twice_is_named_with_its_count() -> None:
    with fails(r"'a' must not repeat .* 2 stand more than once, .*\(3 rows, such as 1 and 3\)"):
        table(a=["x", "y", "x", "z", "z", "x"]).check_unique("a")


@pytest.mark.parametrize("value", ["ab", "a1b", "A1", "", "a1\n", "\na1", "a1/..", "../a1"])
def test_a_pattern_must_match_the_whole_value(value: str) -> None:
    with fails(r"'a' holds .* in row 2 .*expected like a7"):
        table(a=["a1", value]).check_pattern("a", r"a\d", "a7")


@pytest.mark.parametrize("pattern", [r"a|b", r"a\d"])
def test_alternatives_of_a_pattern_are_each_whole(pattern: str) -> None:
    with fails("'a' holds a text of 2 characters in row 1"):
        table(a=["bx"]).check_pattern("a", pattern, "a")


@pytest.mark.parametrize("value", [0, 11, -5])
def test_bounds_are_both_included(value: int) -> None:
    table(a=[1, 10]).check_range("a", 1, 10)
    with fails(rf"'a' holds '{value}' in row 2 .* from 1 to 10"):
        table(a=[1, value]).check_range("a", 1, 10)


def test_values_must_be_among_those_allowed() -> None:
    with fails(r"'a' holds a text of 3 char.* in row 2 \(and 1 more such cells\); .* 'x', 'y'"):
        table(a=["x", "dev", None, "test"]).check_values("a", ["x", "y"])
    with fails("'a' holds a value of type float in row 1"):
        table(a=[float("nan")]).check_values("a", [1.0])


def test_of_several_columns_the_first_with_another_value_is_named() -> None:
    good = table(a=[1, None], b=[2, 1])
    assert good.check_values(["a", "b"], [1, 2]) is good
    with fails(r"'b' holds '3' in row 2 \(and 0 more such cells\)"):
        table(a=[1, None], b=[2, 3], c=[4, 4]).check_values(["a", "b", "c"], [1, 2])


def test_a_table_of_no_rows_passes() -> None:
    empty = table(a=pa.chunked_array([[]], pa.int64()), b=pa.chunked_array([[]], pa.int64()))
    assert empty.check_values(["a", "b"], [1]) is empty


def test_a_long_value_is_not_shown() -> None:
    with pytest.raises(TableError) as caught:
        table(a=["x" * 5000]).check_values("a", ["y"])
    assert len(str(caught.value)) < 300
