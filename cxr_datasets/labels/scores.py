"""Scores of a model against targets, some of which do not count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.targets import Targets


def masked_auroc(
    targets: Targets, scores: np.ndarray, names: Sequence[str] = LABELS
) -> pd.DataFrame:
    """Give the area under the ROC curve of each label, over the targets that count.

    It is the share of pairs of a positive and a negative row in which the positive one has the
    higher score; a tie counts half (Hanley and McNeil, Radiology 1982). scikit-learn's
    `roc_auc_score` gives the same for one label, but takes no mask for many.

    Args:
        targets: What `to_targets` gave. Targets other than 0 and 1 do not count.
        scores: Of shape (n, k): a higher one says that the label is more likely.
        names: The k labels.

    Returns:
        A row for each label, and `mean` over those that have a figure; columns `auroc`, `positive`
        and `negative` with the number of rows. `auroc` is NaN where one of these is 0: there is
        nothing to tell apart.

    Raises:
        OptionError: The shapes differ, or a score that counts is NaN.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != targets.values.shape or scores.shape[1] != len(names):
        raise OptionError(
            f"scores has the shape {scores.shape}, targets {targets.values.shape}, and names "
            f"{len(names)} labels; expected (n, k), (n, k) and k."
        )
    rows = [
        _auroc(name, targets.values[:, at], targets.mask[:, at], scores[:, at])
        for at, name in enumerate(names)
    ]
    table = pd.DataFrame(rows, index=pd.Index(names, name="label"))
    table.loc["mean"] = {"auroc": table["auroc"].mean(), "positive": table["positive"].sum(),
                         "negative": table["negative"].sum()}  # fmt: skip
    return table.astype({"positive": int, "negative": int})


def _auroc(name: str, values: np.ndarray, mask: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    counts = mask & ((values == 0) | (values == 1))
    is_positive, told = values[counts] == 1, scores[counts]
    if np.isnan(told).any():
        raise OptionError(f"{int(np.isnan(told).sum())} scores of {name} are NaN. Give numbers.")
    positive = int(is_positive.sum())
    negative = len(told) - positive
    auroc = np.nan
    if positive and negative:
        ranks = pd.Series(told).rank().to_numpy()
        above = ranks[is_positive].sum() - positive * (positive + 1) / 2
        auroc = above / (positive * negative)
    return {"auroc": auroc, "positive": positive, "negative": negative}
