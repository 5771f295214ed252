"""Two sources of labels are compared on the studies that have both, each counted once."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import compare

SCORES = {"negation": "negative", "uncertainty": "uncertain", "positive": "positive"}
WORDS = {1: "positive", 0: "negative", -1: "uncertain", None: "not mentioned"}


def pairs(splits: Any, first: str, second: str) -> list[tuple[Any, Any]]:
    """The labels of both sources of every study that has both."""
    seen = {}
    for split in splits.values():
        rows = split.select_columns(["study_id", first, second])[:]
        for study, a, b in zip(rows["study_id"], rows[first], rows[second], strict=True):
            if a is not None and b is not None:
                seen[study] = (a, b)
    return list(seen.values())


@pytest.mark.parametrize("config", ["mimic", "studies"])
@pytest.mark.parametrize("second", ["labels_negbio", "labels_radiologist"])
def test_every_figure_is_that_of_counting_study_by_study(
    config: str, second: str, request: pytest.FixtureRequest
) -> None:
    splits = request.getfixturevalue(config)
    table = compare(splits, "labels", second)
    studies = pairs(splits, "labels", second)
    assert studies
    for name in LABELS:
        both = [(WORDS[a[name]], WORDS[b[name]]) for a, b in studies]
        assert table.loc[name, ("studies", "")] == len(studies)
        for a in WORDS.values():
            for b in WORDS.values():
                assert table.loc[name, (a, b)] == both.count((a, b))
        for score, value in SCORES.items():
            hits = both.count((value, value))
            total = sum((a == value) + (b == value) for a, b in both)
            expected = 2 * hits / total if total else np.nan
            assert table.loc[name, ("f1", score)] == pytest.approx(expected, nan_ok=True)
        mentioned = [(a != "not mentioned", b != "not mentioned") for a, b in both]
        total = sum(a + b for a, b in mentioned)
        expected = 2 * mentioned.count((True, True)) / total if total else np.nan
        assert table.loc[name, ("f1", "mention")] == pytest.approx(expected, nan_ok=True)
        agreed = sum(a == b for a, b in both) / len(both)
        chance = (
            sum(
                sum(a == word for a, _ in both) * sum(b == word for _, b in both)
                for word in WORDS.values()
            )
            / len(both) ** 2
        )
        expected = (agreed - chance) / (1 - chance) if chance != 1 else np.nan
        assert table.loc[name, ("kappa", "")] == pytest.approx(expected, nan_ok=True)
    assert table.loc["all", ("positive", "positive")] == table["positive", "positive"][:-1].sum()


def test_each_score_counts_its_own_value() -> None:
    """F1 of one value by hand: in both in 1 study, in the first alone in 2, in the second in 3."""
    values = {"negation": 0, "uncertainty": -1, "positive": 1}
    for score, value in values.items():
        others = [other for other in values.values() if other != value]
        first = [value] * 3 + others[:1] * 3 + others
        second = [value] + others[1:] * 2 + [value] * 3 + others
        rows = {
            "study_id": list(range(8)),
            "labels": [dict.fromkeys(LABELS, one) for one in first],
            "labels_negbio": [dict.fromkeys(LABELS, one) for one in second],
        }
        table = compare(datasets.Dataset.from_dict(rows), "labels", "labels_negbio")
        assert table.loc["Edema", ("f1", score)] == pytest.approx(2 / (3 + 4))
        assert table.loc["all", ("f1", score)] == pytest.approx(2 / (3 + 4))
        assert table.loc["Edema", ("f1", "mention")] == 1


def test_a_source_agrees_with_itself(studies: Any) -> None:
    table = compare(studies["train"], "labels", "labels")
    assert table.loc["all", ("kappa", "")] == 1
    assert table.loc["all", ("f1", "positive")] == 1


def test_a_column_that_is_not_there_and_sources_without_a_study_in_common_are_refused(
    studies: Any,
) -> None:
    with pytest.raises(
        OptionError, match=r"'labels_radiologists' is not known.*'labels_radiologist'"
    ):
        compare(studies, "labels", "labels_radiologists")
    row = {"study_id": [1], "labels": [dict.fromkeys(LABELS, 1)], "labels_negbio": [None]}
    features = datasets.Features({name: studies["train"].features[name] for name in row})
    with pytest.raises(OptionError, match="No study has both labels and labels_negbio"):
        compare(datasets.Dataset.from_dict(row, features), "labels", "labels_negbio")
