"""Figures, the page and the notebook's data frame tell of age and sex."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import datasets
import pandas as pd
import pytest

from cxr_datasets.cli import main
from cxr_datasets.export import export
from cxr_datasets.labels import frame
from cxr_datasets.preview import stats
from tests.mimic_cxr_jpg.mimic_iv.conftest import Linked


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def rows(linked: Linked, cache: str) -> Any:
    return datasets.load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(linked.release), mimic_iv=str(linked.records),
        cache_dir=cache,
    )  # fmt: skip


def check_patients(table: pd.DataFrame, rows: Any) -> None:
    """Compare the figures with a slow count over the rows."""
    parts = {name: split.to_list() for name, split in rows.items()}
    parts["all"] = [row for some in parts.values() for row in some]
    assert table["split"].tolist() == list(parts)
    for (_, told), some in zip(table.iterrows(), parts.values(), strict=True):
        ages = [row["age"] for row in some if row["age"] is not None]
        sexes = {row["subject_id"]: row["sex"] for row in some if row["sex"] is not None}
        female = sum(1 for sex in sexes.values() if sex == "F")
        assert (told["studies"], told["patients"]) == (len(ages), len(sexes))
        assert (told["female"], told["male"]) == (female, len(sexes) - female)
        if ages:
            assert (told["median"], told["min"], told["max"]) == (
                median(ages), min(ages), max(ages)
            )  # fmt: skip
            assert told["female_share"] == pytest.approx(female / len(sexes))


def test_figures_of_rows_of_a_release_and_of_an_export_are_those_of_a_slow_count(
    rows: Any, linked: Linked, cache: str, tmp_path: Path
) -> None:
    check_patients(stats(rows).patients, rows)
    options = {"mimic_iv": str(linked.records)}
    check_patients(stats(linked.release, cache_dir=cache, options=options).patients, rows)
    export(
        "mimic-cxr-jpg", linked.release, tmp_path / "out", config="reports", progress=False,
        **options,
    )  # fmt: skip
    check_patients(stats(tmp_path / "out").patients, rows)


def test_without_mimic_iv_there_is_no_such_table(linked: Linked, cache: str) -> None:
    assert not len(stats(linked.release, cache_dir=cache).patients)


def test_rows_that_tell_the_age_alone_are_described(rows: Any) -> None:
    table = stats(rows["train"].select_columns(["study_id", "age"])).patients
    assert table["patients"].tolist() == [0, 0]
    assert table["studies"].tolist()[0] > 0


def test_the_command_prints_the_table_and_no_id(
    linked: Linked, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stats", str(linked.release), "--option", f"mimic_iv={linked.records}"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "Ages at the studies, and sexes" in told
    assert "female_share" in told
    assert not [study for study in linked.studies if str(study.subject_id) in told]
    head, *lines = told.splitlines()
    assert str(linked.release) in head
    assert max(map(len, lines)) <= 100


def test_the_page_tells_sex_and_age_of_each_sample(
    linked: Linked, rows: Any, tmp_path: Path
) -> None:
    from cxr_datasets.preview import preview

    preview(
        linked.release, out=tmp_path / "page.html", studies=500,
        options={"mimic_iv": str(linked.records)},
    )  # fmt: skip
    page = (tmp_path / "page.html").read_text()
    for row in rows["train"]:
        if row["sex"] is not None:
            assert json.dumps(f"{row['sex']}, {row['age']} years") in page


def test_a_data_frame_has_whole_numbers_with_null(rows: Any) -> None:
    table = frame(rows)
    for name in ("age", "hadm_id", "stay_id", "ed_stay_id", "hadm_hits"):
        assert str(table[name].dtype).startswith("Int"), name
        assert table[name].isna().any()
    assert str(table["hadm_in_ed"].dtype) == "boolean"
