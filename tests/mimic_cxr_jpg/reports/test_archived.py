"""A member that would be written outside the archive's folder is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cxr_datasets.errors import ReportsError
from mimic_cxr_jpg.reports.archived import check_inside, plain_names

ADDRESS = "somewhere/mimic-cxr-reports.zip"


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "..", "a/..", "a/../b", "/a", "//a", "\\a", "..\\x", "a\\..\\b", "a/..\\b"),
        *("C:\\x", "c:x", "C:/x"),
    ],
)
def test_a_name_that_leads_outside_is_refused(name: str) -> None:
    with pytest.raises(ReportsError, match="outside the archive"):
        check_inside(name, ADDRESS)
    assert plain_names(pa.array([b"a", name.encode()])) is None


@pytest.mark.parametrize(
    "name", ["a", "a/b", "..a", "a..", "a/..b/c", ".", "./a", "...", "ab:c", ""]
)
def test_a_name_that_stays_inside_is_not(name: str) -> None:
    check_inside(name, ADDRESS)
    assert plain_names(pa.array([b"a", name.encode()])).to_pylist() == ["a", name]
