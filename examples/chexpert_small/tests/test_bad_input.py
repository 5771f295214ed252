"""What the builder says about a broken copy, and that it says so before it writes anything."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pandas as pd
import pytest

from cxr_datasets import CxrError
from cxr_datasets.testing import copy_release, datasets_under, edit_table, load_rows


@pytest.fixture
def copy(invented: Path, tmp_path: Path) -> Path:
    return copy_release(invented, tmp_path / "CheXpert-v1.0-small")


def refused(data_dir: Path, cache: Path) -> str:
    """The message of the error; nothing was written."""
    with pytest.raises(CxrError) as error:
        load_rows("chexpert_small", data_dir, str(cache))
    assert datasets_under(cache) == []
    return str(error.value)


def test_the_folder_above_is_refused_with_the_right_one(copy: Path, tmp_path: Path) -> None:
    assert f"The tables are in {copy}: pass that." in refused(copy.parent, tmp_path / "cache")


def test_a_missing_table_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "valid.csv").unlink()
    assert f"{copy}/valid.csv is not there" in refused(copy, tmp_path / "cache")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("Path", "CheXpert-v1.0-small/train/../../secret.jpg", id="outside"),
        pytest.param("Path", "CheXpert-v1.0-small/valid/patient1.jpg", id="of the other table"),
        pytest.param("Frontal/Lateral", "Sideways", id="view"),
        pytest.param("Edema", "2.0", id="label"),
        pytest.param("Age", "700", id="age"),
    ],
)
def test_a_wrong_cell_is_shown_with_its_place(
    column: str, value: str, copy: Path, tmp_path: Path
) -> None:
    def break_one(table: pd.DataFrame) -> None:
        table.loc[2, column] = value

    edit_table(copy / "train.csv", break_one)
    message = refused(copy, tmp_path / "cache")
    assert f"{copy}/train.csv: column {column!r} holds " in message
    # Of a cell only numerals are quoted: any other text may be that of a patient.
    shown = value if re.fullmatch(r"[\d.]+", value) else f"a text of {len(value)} characters"
    assert f"holds {shown}" in message.replace("'", "")
    assert "in row 3" in message


def test_studies_that_contradict_themselves_are_counted(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def make_one_older(table: pd.DataFrame) -> None:
        study = table.Path.str.rpartition("/")[0]
        table.loc[study.duplicated().idxmax(), "Age"] = "91"

    edit_table(copy / "train.csv", make_one_older)
    with caplog.at_level(logging.WARNING):
        load_rows("chexpert_small", copy, str(tmp_path / "cache"))
    assert "train.csv: 1 of " in caplog.text
    assert "differ from the first image of their study" in caplog.text
