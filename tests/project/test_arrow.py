"""Functions of pyarrow that spoil values in some of its releases are not called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.test_wording import FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nulls_are_put_in_the_place_of_values_by_one_function(file: Path) -> None:
    """`if_else` with a null spoils texts before pyarrow 22: see `tables.keys.null_where`."""
    assert not re.search(r"if_else\([^\n]*\bNone\b", file.read_text("utf-8"))
