"""ViewPosition becomes one of four views, and a study's images come best view first."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.columns import VIEWS
from cxr_datasets.testing import copy_release, edit_table, load_rows
from mimic_cxr_jpg.mimic_cxr_jpg import MimicCxrJpg
from mimic_cxr_jpg.views import VIEW_POSITIONS, normalised_views, view_ranks

MEANING = {
    "frontal": ("PA", "AP", "AP AXIAL", "PA LLD", "PA RLD", "AP LLD", "AP RLD"),
    "lateral": ("LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"),
    "oblique": ("LAO", "RAO", "LPO", "RPO"),
    "unknown": (None, "", "pa", "PA ", "LATERAL LL", "OTHER"),
}
GROUPS = (
    ("PA",),
    ("AP",),
    ("AP AXIAL", "PA LLD", "PA RLD", "AP LLD", "AP RLD"),
    ("LATERAL", "LL"),
    ("XTABLE LATERAL", "SWIMMERS", "LAO", "RAO", "LPO", "RPO"),
    (None, "OTHER"),
)


@pytest.mark.parametrize(
    ("position", "view"), [(raw, view) for view, raws in MEANING.items() for raw in raws]
)
def test_a_view_position_means_one_view(position: str | None, view: str) -> None:
    (found,) = normalised_views(pa.array([position], pa.string())).to_pylist()
    assert VIEWS[found] == view


def test_every_view_position_that_is_known_is_an_option() -> None:
    known = {raw for raws in list(MEANING.values())[:3] for raw in raws}
    assert set(VIEW_POSITIONS) == set(MimicCxrJpg.RAW_VIEWS) == known


def test_ranks_put_pa_first_and_unknown_last() -> None:
    flat = [(raw, number) for number, group in enumerate(GROUPS) for raw in group]
    ranks = view_ranks(pa.array([raw for raw, _ in flat], pa.string())).to_pylist()
    assert ranks == [number for _, number in flat]


def test_an_empty_column_of_positions_gives_empty_columns() -> None:
    for function in (normalised_views, view_ranks):
        assert function(pa.array([], pa.string())).to_pylist() == []
        assert len(function(pa.nulls(3, pa.string()))) == 3


def test_images_of_a_study_come_best_view_first_and_then_in_the_order_of_the_release(
    mimic_release: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    metadata = root / "mimic-cxr-2.0.0-metadata.csv.gz"
    split = root / "mimic-cxr-2.0.0-split.csv.gz"
    # The images of the largest study get four views, in another order in each turn.
    positions = ("LL", "PA", "", "AP AXIAL")
    study = large_study(load_rows("mimic_cxr_jpg", root, cache), len(positions))
    for number, order in enumerate(list(permutations(positions))[::4]):

        def give_views(table: pd.DataFrame, order: tuple[str, ...] = order) -> None:
            table.loc[table.study_id == str(study), "ViewPosition"] = order

        edit_table(metadata, give_views)
        rows = load_rows("mimic_cxr_jpg", root, str(tmp_path / f"cache{number}"), "studies")
        (row,) = [row for row in rows if row["study_id"] == study]
        assert row["view_positions"] == ["PA", "AP AXIAL", "LL", None]
        assert [VIEWS[view] for view in row["views"]] == [
            "frontal",
            "frontal",
            "lateral",
            "unknown",
        ]

    edit_table(metadata, lambda table: table.assign(ViewPosition="AP"))
    edit_table(split, lambda table: table.sort_values("dicom_id", ascending=False))
    rows = load_rows("mimic_cxr_jpg", root, str(tmp_path / "cache-alike"), "studies")
    assert all(row["image_ids"] == sorted(row["image_ids"], reverse=True) for row in rows)


def large_study(images: list[dict[str, object]], size: int) -> object:
    counts = pd.Series([row["study_id"] for row in images]).value_counts()
    return int(counts.index[counts == size][0])


@pytest.mark.parametrize("views", [["PA"], ["LL", "LATERAL"], ["lateral", "LAO"]])
def test_the_views_option_takes_raw_view_positions(
    views: list[str], mimic_release: Path, cache: str
) -> None:
    everything = load_rows("mimic_cxr_jpg", mimic_release, cache)
    wanted = [
        row for row in everything if row["view_position"] in views or VIEWS[row["view"]] in views
    ]
    assert 0 < len(wanted) < len(everything)
    assert load_rows("mimic_cxr_jpg", mimic_release, cache, views=views) == wanted
