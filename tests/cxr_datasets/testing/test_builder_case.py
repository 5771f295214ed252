"""`BuilderCase` lets through what a dataset may do, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from cxr_datasets.testing import BuilderCase, Loaded

TABLE = {
    "image_id": ["a-1", "a-2", "b-1"],
    "path": ["a/1/view.jpg", "a/2/view.jpg", "b/1/view.jpg"],
    "split": ["train", "train", "validation"],
}
STRINGS = {"study_id": ["a/1", "a/2", "b/1"], "subject_id": ["a", "a", "b"]}
NUMBERS = {"study_id": [7, 8, 9], "subject_id": [1, 1, 2]}


def case_of(keys: dict[str, list[Any]]) -> BuilderCase:
    """A case whose release's tables say what `TABLE` and some keys say."""

    class Case(BuilderCase):
        def spine(self, release: Path) -> pd.DataFrame:
            return pd.DataFrame({**TABLE, **keys})

    return Case()


def loaded(**changed: list[Any]) -> Loaded:
    """What a builder gave for that release, but for some columns."""
    rows = pd.DataFrame({**TABLE, **NUMBERS, **changed})
    splits = {
        name: datasets.Dataset.from_pandas(part, preserve_index=False)
        for name, part in rows.groupby("split", sort=False)
    }
    return Loaded(datasets.DatasetDict(splits), Path("release"), "cache")


def numbers() -> dict[str, dict[Any, int]]:
    return {"study_id": {}, "subject_id": {}}


def test_integers_of_the_release_must_come_out_as_they_are() -> None:
    case = case_of(NUMBERS)
    case.test_rows_are_those_of_the_spine_in_its_order("images", loaded(), numbers())
    others = loaded(study_id=[8, 7, 9])
    with pytest.raises(AssertionError, match="study_id"):
        case.test_rows_are_those_of_the_spine_in_its_order("images", others, numbers())


def test_keys_that_the_builder_numbers_may_have_any_numbers() -> None:
    case = case_of(STRINGS)
    others = loaded(study_id=[-5, 2**40, 0], subject_id=[0, 0, 7])
    case.test_rows_are_those_of_the_spine_in_its_order("images", others, numbers())


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"study_id": [7, 7, 9]}, id="two studies have one number"),
        pytest.param({"study_id": [7, 8, 7]}, id="two studies of two splits have one number"),
        pytest.param({"subject_id": [1, 2, 3]}, id="one patient has two numbers"),
        pytest.param({"image_id": ["a-1", "a-3", "b-1"]}, id="an image has another id"),
        pytest.param({"path": TABLE["path"][::-1]}, id="an image has another's path"),
    ],
)
def test_keys_must_be_told_apart_by_their_numbers(changed: dict[str, list[Any]]) -> None:
    with pytest.raises(AssertionError):
        case_of(STRINGS).test_rows_are_those_of_the_spine_in_its_order(
            "images", loaded(**changed), numbers()
        )


def test_a_key_has_the_same_number_in_every_config() -> None:
    case, shared = case_of(STRINGS), numbers()
    case.test_rows_are_those_of_the_spine_in_its_order("images", loaded(), shared)
    case.test_rows_are_those_of_the_spine_in_its_order("reports", loaded(), shared)
    others = loaded(study_id=[17, 18, 19])
    with pytest.raises(AssertionError, match="study_id"):
        case.test_rows_are_those_of_the_spine_in_its_order("reports", others, shared)


def test_a_study_with_another_studys_image_is_noticed() -> None:
    table = {**TABLE, "split": ["train"] * 3}
    keys = {"study_id": ["a/1", "a/1", "b/1"], "subject_id": ["a", "a", "b"]}

    class Case(BuilderCase):
        def spine(self, release: Path) -> pd.DataFrame:
            return pd.DataFrame({**table, **keys})

    def studies(first: list[int], second: list[int]) -> Loaded:
        def images(column: str) -> list[list[Any]]:
            return [[table[column][i] for i in one] for one in (first, second)]

        lists = {"image_ids": images("image_id"), "paths": images("path")}
        blank = [[0] * len(one) for one in (first, second)]
        rows = datasets.Dataset.from_dict({**lists, "images": blank, "views": blank})
        return Loaded(datasets.DatasetDict(train=rows), Path("release"), "cache")

    Case().test_a_study_has_all_its_images_each_once("studies", studies([1, 0], [2]))
    for first, second in (([0], [2]), ([0, 2], [1]), ([0, 0], [2])):
        with pytest.raises(AssertionError):
            Case().test_a_study_has_all_its_images_each_once("studies", studies(first, second))
