"""A data frame holds what the rows hold, but for images."""

from __future__ import annotations

from typing import Any

import datasets
import pandas as pd
import pytest

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import frame


@pytest.mark.parametrize("config", ["mimic", "studies", "indiana"])
def test_every_cell_but_images_is_that_of_the_row(
    config: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = request.getfixturevalue(config)
    split = loaded if isinstance(loaded, datasets.Dataset) else loaded["train"]
    monkeypatch.setattr(datasets.Image, "decode_example", None)  # no image is decoded
    table = frame(split)
    names = [name for name in split.column_names if name not in ("image", "images")]
    rows = split.select_columns(names)[:]
    assert len(table) == len(split)
    for name in names:
        for at, value in enumerate(rows[name]):
            if name.startswith("labels"):
                before = "" if name == "labels" else f"{name}."
                for label in LABELS:
                    assert cell(table[f"{before}{label}"][at]) == (value or {}).get(label)
            elif name in ("view", "views"):
                expected = [VIEWS[v] for v in value] if name == "views" else VIEWS[value]
                assert cell(table[name][at]) == expected
            else:
                assert cell(table[name][at]) == value, name


def cell(value: Any) -> Any:
    """A cell as a row of `datasets` has it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [cell(item) for item in value]
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value


def test_labels_are_plain_columns_of_small_integers_with_null(mimic: Any) -> None:
    table = frame(mimic["train"])
    assert str(table["Edema"].dtype) == "Int8"
    assert (table["Edema"].value_counts().sum() + table["Edema"].isna().sum()) == len(table)
    assert {f"labels_negbio.{name}" for name in LABELS} <= set(table.columns)


def test_splits_are_put_together_with_a_column_that_names_them(mimic: Any) -> None:
    table = frame(mimic)
    assert table.columns[0] == "split"
    assert table["split"].value_counts().to_dict() == {name: len(mimic[name]) for name in mimic}
    assert table["image_id"].tolist() == [
        image for split in mimic.values() for image in split["image_id"]
    ]


def test_selected_rows_in_another_order_stay_themselves(studies: Any) -> None:
    split = studies["train"].shuffle(seed=1).select([2, 0])
    assert frame(split)["study_id"].tolist() == list(split["study_id"])
    views = split.select_columns(["views"])[:]["views"]
    assert [list(names) for names in frame(split)["views"]] == [
        [VIEWS[view] for view in row] for row in views
    ]


def test_a_stream_is_refused_with_what_to_do(small_release: Any) -> None:
    stream = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(small_release), streaming=True, split="train"
    )
    with pytest.raises(OptionError, match="Load without streaming=True"):
        frame(stream)
