"""A copy whose tables pandas or a spreadsheet saved again gives the rows of the release.

`tests/cxr_datasets/tables/test_resaved.py` has every form of a cell.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxr_datasets.testing import copy_release, load_rows, rewrite

Row = dict[str, Any]
IDS = ("study_id", "subject_id", "Rows", "Columns", "StudyDate")


@pytest.fixture(scope="module")
def expected(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return load_rows("mimic_cxr_jpg", small_release, str(tmp_path_factory.mktemp("cache")))


def usual(rows: pd.DataFrame) -> str:
    """`pd.read_csv(...).to_csv(...)`."""
    return rows.to_csv()


def decimals(rows: pd.DataFrame) -> str:
    """What becomes of whole numbers where a join or a gap made decimals of them."""
    kinds = {name: float for name in IDS if name in rows}
    return rows.astype(kinds).to_csv(index=False)


def texts(rows: pd.DataFrame) -> str:
    """What `astype(str)` did."""
    return pd.DataFrame({name: list(map(str, rows[name])) for name in rows}).to_csv(index=False)


def filled(rows: pd.DataFrame) -> str:
    """What `na_rep` does."""
    return rows.to_csv(index=False, na_rep="nan")


def spreadsheet(rows: pd.DataFrame) -> str:
    """Numbers of 15 digits without needless zeros, rows and columns of nothing, Windows."""
    lines = rows.to_csv(index=False, float_format="%.15g", lineterminator="\r\n").splitlines()
    nothing = "," * lines[0].count(",")
    return "\ufeff" + "".join(f"{line},,\r\n" for line in [*lines, nothing, nothing])


@pytest.mark.parametrize("save", [usual, decimals, texts, filled, spreadsheet])
def test_tables_that_were_saved_again_give_the_same_rows(
    save: Callable[[pd.DataFrame], str],
    small_release: Path,
    tmp_path: Path,
    cache: str,
    expected: list[Row],
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    changed = 0
    for file in root.glob("mimic-cxr-*.csv*"):
        packed = file.suffix == ".gz"
        text = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
        again = save(pd.read_csv(io.BytesIO(text))).encode()
        changed += again != text
        rewrite(file, gzip.compress(again) if packed else again)
    caplog.clear()
    assert load_rows("mimic_cxr_jpg", root, cache) == expected
    lines = [record.getMessage() for record in caplog.records if "saved this table" in record.msg]
    assert changed >= 4  # the split table has no empty cell
    assert len(lines) == (0 if save is usual else changed)
