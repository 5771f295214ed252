"""How common labels are, and weights that make up for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxr_datasets.columns import LABELS
from cxr_datasets.labels.matrix import Labels, label_matrix
from cxr_datasets.labels.targets import Targets
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)


def prevalence(labels: Labels, names: Sequence[str] = LABELS) -> pd.DataFrame:
    """Count the four values of each label.

    Args:
        labels: Labels in any form that `label_matrix` takes. Rows count: load config `reports` or
            `studies` to count each study once.
        names: Labels to count.

    Returns:
        A row for each label; columns `positive`, `negative`, `uncertain` and `not mentioned` with
        numbers of rows, and `share`, the positive ones among all rows (NaN without rows).
    """
    matrix = label_matrix(labels, names)
    counts = {
        "positive": (matrix == 1).sum(axis=0),
        "negative": (matrix == 0).sum(axis=0),
        "uncertain": (matrix == -1).sum(axis=0),
        "not mentioned": np.isnan(matrix).sum(axis=0),
    }
    table = pd.DataFrame(counts, index=pd.Index(names, name="label"))
    table["share"] = table["positive"] / len(matrix) if len(matrix) else np.nan
    return table


def positive_weights(targets: Targets, names: Sequence[str] | None = None) -> np.ndarray:
    """Give for each label how many negative targets there are for a positive one.

    It is what `torch.nn.BCEWithLogitsLoss` takes as `pos_weight`. Only targets in the mask count.

    Args:
        targets: What `to_targets` gave, of the rows that are trained on.
        names: The labels, for the warning.

    Returns:
        float32 of shape (k,). A label that has no positive or no negative target gets 1, and a
        warning says so: nothing can be learned of it.
    """
    positive, negative = _counts(targets)
    one_class = (positive == 0) | (negative == 0)
    _tell(one_class, names)
    weights = negative / np.where(one_class, 1, positive)
    return np.where(one_class, 1, weights).astype(np.float32)


def sample_weights(targets: Targets) -> np.ndarray:
    """Give each row a weight, so that rows with rare targets are drawn more often.

    A target weighs as much as all targets of its label divided by those of its own class and by
    two; a row weighs the mean of its targets. So with one label, both classes are drawn equally
    often. It is what `torch.utils.data.WeightedRandomSampler` takes as `weights`.

    Args:
        targets: What `to_targets` gave. Only targets in the mask that are 0 or 1 count.

    Returns:
        float64 of shape (n,), above 0, with mean 1. A row of which nothing counts gets the mean of
        the others.
    """
    positive, negative = _counts(targets)
    told = positive + negative
    with np.errstate(divide="ignore", invalid="ignore"):
        of_positive, of_negative = told / (2 * positive), told / (2 * negative)
    one = targets.mask & (targets.values == 1)
    zero = targets.mask & (targets.values == 0)
    total = np.where(one, of_positive, 0).sum(axis=1) + np.where(zero, of_negative, 0).sum(axis=1)
    number = (one | zero).sum(axis=1)
    weights = np.ones(len(number))
    some = number > 0
    if some.any():
        weights[some] = total[some] / number[some]
        weights[some] /= weights[some].mean()
    return weights


def _counts(targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Number of positive and of negative targets of each label."""
    values, mask = targets
    return (mask & (values == 1)).sum(axis=0), (mask & (values == 0)).sum(axis=0)


def _tell(one_class: np.ndarray, names: Sequence[str] | None) -> None:
    if one_class.any():
        which = [
            names[at] if names else f"column {at}" for at in np.flatnonzero(one_class).tolist()
        ]
        _logger.warning(
            "%d of %d labels have no positive or no negative target, and get the weight 1: %s",
            len(which), len(one_class), ", ".join(which),
        )  # fmt: skip
