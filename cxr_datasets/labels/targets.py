"""What a model is trained to tell: targets, and a mask of those that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.matrix import Labels, label_matrix
from cxr_datasets.labels.names import NO_FINDING, OBSERVATIONS, PARENTS, places_of

Policy: TypeAlias = Literal["zeros", "ones", "ignore", "keep"]
"""What a value becomes: 0; 1; 0 and out of the mask; or what it is."""

_POLICIES = get_args(Policy)

U_IGNORE: Mapping[str, Any] = MappingProxyType({"uncertain": "ignore", "unmentioned": "zeros"})
"""Uncertain labels count for nothing. This and the next three are named and compared by Irvin et
al., AAAI 2019, "Uncertainty Approaches" (arXiv:1901.07031), who take a label that is not mentioned
for negative."""

U_ZEROS: Mapping[str, Any] = MappingProxyType({"uncertain": "zeros", "unmentioned": "zeros"})
"""Uncertain labels are negative."""

U_ONES: Mapping[str, Any] = MappingProxyType({"uncertain": "ones", "unmentioned": "zeros"})
"""Uncertain labels are positive."""

U_MULTICLASS: Mapping[str, Any] = MappingProxyType({"uncertain": "keep", "unmentioned": "zeros"})
"""Uncertain labels are a third class: targets are 0, 1 and -1."""

CHEXPERT_BEST: Mapping[str, Any] = MappingProxyType(
    {
        **U_IGNORE,
        "per_label": MappingProxyType(
            {
                "Atelectasis": "ones",
                "Cardiomegaly": "keep",
                "Edema": "ones",
                "Pleural Effusion": "keep",
            }
        ),
    }
)
"""What did best for each label of `COMPETITION_5` in the same paper: U-Ones for Atelectasis and
Edema, U-MultiClass for Cardiomegaly and Pleural Effusion. For Consolidation it was U-SelfTrained,
which begins with U-Ignore and then asks the model; U-Ignore stands here in its place, and for the
nine labels that the paper does not compare."""


class Targets(NamedTuple):
    """What labels became.

    Attributes:
        values: float32 of shape (n, k). Where the mask is false it is 0, so that a loss stays
            finite before it is masked.
        mask: bool of shape (n, k): which of them count.
    """

    values: np.ndarray
    mask: np.ndarray


def to_targets(
    labels: Labels,
    names: Sequence[str] = LABELS,
    uncertain: Policy = "ignore",
    unmentioned: Policy = "ignore",
    per_label: Mapping[str, Policy | Mapping[str, Policy]] | None = None,
    hierarchy: bool = False,
) -> Targets:
    """Make targets of labels.

    Nothing becomes negative in silence: unless told otherwise, only what a report states counts.
    `to_targets(labels, **U_ONES)` uses one of the named ways of the CheXpert paper.

    Args:
        labels: Labels in any form that `label_matrix` takes.
        names: Labels to give, in this order: k of them.
        uncertain: What -1 becomes.
        unmentioned: What null becomes. With "keep" it is NaN, and counts.
        per_label: Label -> another policy for its -1, or a mapping with `uncertain`,
            `unmentioned` or both.
        hierarchy: Whether to complete labels by what others say, before the policies:
            `Lung Opacity` and `Enlarged Cardiomediastinum` are positive if one of their kinds is
            (see `PARENTS`), and uncertain if they are not mentioned and one of their kinds is
            uncertain; their kinds are negative if they are and the kinds are not mentioned; and
            what is not mentioned is negative if `No Finding` is positive, but for
            `Support Devices`, of which it says nothing.

    Returns:
        Values and mask.

    Raises:
        OptionError: A policy or label does not exist, or `labels` is none of what is taken.
    """
    places = places_of(names)
    policies = _policies(uncertain, unmentioned, per_label)
    if hierarchy:
        matrix = completed(label_matrix(labels))[:, places]
    else:
        matrix = label_matrix(labels, names)
    mask = np.ones(matrix.shape, bool)
    for place, name in enumerate(names):
        of_uncertain, of_unmentioned = policies[name]
        column = matrix[:, place]
        blank = np.isnan(column)
        _apply(of_uncertain, column == -1, column, mask[:, place])
        _apply(of_unmentioned, blank, column, mask[:, place])
    return Targets(matrix, mask)


def completed(matrix: np.ndarray) -> np.ndarray:
    """Complete a matrix of all 14 labels by what others say; see `hierarchy` of `to_targets`.

    No label that a report states is changed but a wider one that one of its kinds contradicts.
    """
    full = matrix.copy()
    for parent in dict.fromkeys(PARENTS.values()):
        kinds = [LABELS.index(kind) for kind, wider in PARENTS.items() if wider == parent]
        column = full[:, LABELS.index(parent)]
        column[np.isnan(column) & (full[:, kinds] == -1).any(axis=1)] = -1
        column[(full[:, kinds] == 1).any(axis=1)] = 1
        for kind in kinds:
            below = full[:, kind]
            below[np.isnan(below) & (column == 0)] = 0
    healthy = full[:, LABELS.index(NO_FINDING)] == 1
    for name in OBSERVATIONS:
        column = full[:, LABELS.index(name)]
        column[healthy & np.isnan(column)] = 0
    return full


def _policies(
    uncertain: Policy,
    unmentioned: Policy,
    per_label: Mapping[str, Policy | Mapping[str, Policy]] | None,
) -> dict[str, tuple[Policy, Policy]]:
    """Say of each label what its -1 and its null become."""
    given = per_label or {}
    places_of(list(given) or LABELS)
    policies = {}
    for name in LABELS:
        own = given.get(name, {})
        both = {"uncertain": uncertain, "unmentioned": unmentioned}
        both |= {"uncertain": own} if isinstance(own, str) else dict(own)
        for kind, policy in both.items():
            if kind not in ("uncertain", "unmentioned"):
                raise OptionError.unknown(f"key of per_label[{name!r}]", kind, list(both)[:2])
            if policy not in _POLICIES:
                raise OptionError.unknown(f"policy for {kind} labels", policy, _POLICIES)
        policies[name] = both["uncertain"], both["unmentioned"]
    return policies


def _apply(policy: Policy, where: np.ndarray, values: np.ndarray, mask: np.ndarray) -> None:
    if policy == "keep":
        return
    values[where] = 1 if policy == "ones" else 0
    if policy == "ignore":
        mask[where] = False
