"""Counts of labels, weights for rare ones, and scores over the targets that count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import (
    U_ONES,
    Targets,
    label_matrix,
    masked_auroc,
    positive_weights,
    prevalence,
    sample_weights,
    to_targets,
)


def test_prevalence_counts_every_row_once_in_each_label(studies: Any) -> None:
    table = prevalence(studies["train"])
    rows = studies["train"].select_columns(["labels"])[:]["labels"]
    for name in LABELS:
        values = [(row or {}).get(name) for row in rows]
        expected = [values.count(value) for value in (1, 0, -1, None)]
        assert table.loc[name].tolist()[:4] == expected
        assert table.loc[name, "share"] == expected[0] / len(rows)


def test_positive_weights_are_negatives_for_each_positive_of_what_counts() -> None:
    values = np.array([[1, 1], [0, 0], [0, 1], [0, 0], [1, -1]], np.float32)
    mask = np.array([[1, 1], [1, 1], [1, 1], [1, 1], [0, 1]], bool)
    assert positive_weights(Targets(values, mask)).tolist() == [3, 1]


def test_a_label_of_one_class_gets_the_weight_1_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    targets = Targets(np.ones((3, 1), np.float32), np.ones((3, 1), bool))
    assert positive_weights(targets, ["Fracture"]).tolist() == [1]
    assert "1 of 1 labels have no positive or no negative target" in caplog.text
    assert "Fracture" in caplog.text


def test_by_sample_weights_both_classes_of_a_label_are_drawn_equally_often() -> None:
    values = np.array([[1], [0], [0], [0]], np.float32)
    weights = sample_weights(Targets(values, np.ones((4, 1), bool)))
    assert weights[0] == pytest.approx(weights[1:].sum())
    assert weights.mean() == pytest.approx(1)


def test_a_row_of_which_nothing_counts_is_drawn_as_often_as_the_mean(studies: Any) -> None:
    targets = to_targets(studies["train"], **U_ONES)
    targets.mask[0] = False
    weights = sample_weights(targets)
    assert weights[0] == 1
    assert (weights > 0).all()
    assert np.isfinite(weights).all()
    nothing = Targets(np.zeros((3, 2), np.float32), np.zeros((3, 2), bool))
    assert sample_weights(nothing).tolist() == [1, 1, 1]


def auroc(values: np.ndarray, scores: np.ndarray) -> float:
    """The definition: pairs of a positive and a negative row, counted one by one."""
    pairs = [(p > n) + (p == n) / 2 for p in scores[values == 1] for n in scores[values == 0]]
    return float(np.mean(pairs)) if pairs else np.nan


def test_auroc_is_the_share_of_pairs_in_the_right_order(studies: Any) -> None:
    targets = to_targets(studies["train"], uncertain="keep")
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, targets.values.shape) / 4  # with ties
    table = masked_auroc(targets, scores)
    figures = []
    for at, name in enumerate(LABELS):
        counts = targets.mask[:, at]
        expected = auroc(targets.values[counts, at], scores[counts, at])
        figures.append(expected)
        assert table.loc[name, "auroc"] == pytest.approx(expected, nan_ok=True), name
        assert table.loc[name, "positive"] == (targets.values[counts, at] == 1).sum()
    assert np.isfinite(figures).any()
    assert table.loc["mean", "auroc"] == pytest.approx(np.nanmean(figures))


def test_a_label_of_one_class_has_no_auroc_and_is_left_out_of_the_mean() -> None:
    values = np.array([[1, 1], [0, 1], [1, 0]], np.float32)
    mask = np.array([[1, 1], [1, 1], [1, 0]], bool)
    scores = np.array([[0.9, 0.1], [0.1, 0.5], [0.8, 0.7]])
    table = masked_auroc(Targets(values, mask), scores, ["Edema", "Fracture"])
    assert table["auroc"].tolist()[:1] == [1]
    assert np.isnan(table.loc["Fracture", "auroc"])
    assert table.loc["mean", "auroc"] == 1


def test_scores_of_another_shape_and_scores_that_are_nan_are_refused(studies: Any) -> None:
    targets = to_targets(studies["train"])
    with pytest.raises(OptionError, match=r"scores has the shape \(1, 14\)"):
        masked_auroc(targets, np.zeros((1, 14)))
    with pytest.raises(OptionError, match="are NaN"):
        masked_auroc(targets, np.full(targets.values.shape, np.nan))
    assert np.isnan(label_matrix(studies["train"])).any()
