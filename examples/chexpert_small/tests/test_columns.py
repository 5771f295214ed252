"""What each column holds, compared with the cells of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chexpert_small.synthetic import LABELS
from cxr_datasets.columns import SECTIONS, VIEWS
from cxr_datasets.testing import load_rows, read_table

Cells = dict[str, str]


@pytest.fixture(scope="module")
def rows(invented: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return load_rows("chexpert_small", invented, str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def cells(invented: Path) -> list[Cells]:
    """The rows of the tables, in the order of the dataset's."""
    tables = [read_table(invented / f"{name}.csv") for name in ("train", "valid")]
    return pd.concat(tables).to_dict("records")


def test_labels_are_those_of_the_tables(rows: list[dict[str, Any]], cells: list[Cells]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        stated = {label: int(float(cell[label])) if cell[label] else None for label in LABELS}
        assert row["labels"] == stated
    found = {value for row in rows for value in row["labels"].values()}
    assert found == {1, 0, -1, None}


def test_labels_of_validation_are_never_blank(rows: list[dict[str, Any]]) -> None:
    valid = [row["labels"].values() for row in rows if row["split"] == "validation"]
    assert {value for values in valid for value in values} == {0, 1}


def test_sex_and_age_are_those_of_the_tables(
    rows: list[dict[str, Any]], cells: list[Cells]
) -> None:
    for row, cell in zip(rows, cells, strict=True):
        assert row["sex"] == (None if cell["Sex"] == "Unknown" else cell["Sex"])
        assert row["age"] == int(cell["Age"])
    assert {row["sex"] for row in rows} == {"Female", "Male", None}


def test_views_are_those_of_the_tables(rows: list[dict[str, Any]], cells: list[Cells]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        assert VIEWS[row["view"]] == cell["Frontal/Lateral"].lower()
        assert row["view_position"] == (cell["AP/PA"] or None)


def test_ids_tell_what_they_are_made_of(rows: list[dict[str, Any]], cells: list[Cells]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        _, _, patient, study, _ = cell["Path"].split("/")
        assert row["subject_id"] == int(patient.removeprefix("patient"))
        assert row["study_id"] == 1_000 * row["subject_id"] + int(study.removeprefix("study"))


def test_there_are_no_reports(rows: list[dict[str, Any]]) -> None:
    assert {row[name] for row in rows for name in ("report", *SECTIONS)} == {None}


def test_the_best_view_of_a_study_comes_first(invented: Path, tmp_path: Path) -> None:
    order = {"PA": 0, "AP": 1, None: 2}
    for study in load_rows("chexpert_small", invented, str(tmp_path), "studies"):
        places = [order[position] for position in study["view_positions"]]
        assert places == sorted(places)


def test_the_option_views_takes_the_names_of_the_release(invented: Path, tmp_path: Path) -> None:
    rows = load_rows("chexpert_small", invented, str(tmp_path), views=["PA"])
    assert {row["view_position"] for row in rows} == {"PA"}
