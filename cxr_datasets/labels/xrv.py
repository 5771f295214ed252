"""Names and order of labels in TorchXRayVision, whose models and datasets many compare with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.names import places_of

XRV_LABELS = (
    *("Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema"),
    *("Fibrosis", "Effusion", "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass"),
    *("Hernia", "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum"),
)
"""Its `default_pathologies` (version 1.5): the order of the outputs of its models, which take grey
images from -1024 to 1024 (its `normalize(image, 255)`), not from 0 to 1."""

_NAMES = {"Effusion": "Pleural Effusion"}
"""Its name -> ours, where they differ. Seven of its labels have no counterpart among the 14, and of
the 14 it lacks No Finding, Pleural Other and Support Devices. Infiltration and Lung Opacity, Nodule
or Mass and Lung Lesion, Pleural_Thickening and Pleural Other are near, and not the same."""

_OURS = tuple(_NAMES.get(name, name) for name in XRV_LABELS)


def to_xrv(values: np.ndarray, names: Sequence[str] = LABELS) -> np.ndarray:
    """Bring columns of ours into TorchXRayVision's order.

    Args:
        values: Of shape (n, k): labels, targets or scores, a column for each of `names`.
        names: Our labels.

    Returns:
        float32 of shape (n, 18) in the order of `XRV_LABELS`; NaN in columns that `names` lacks.

    Raises:
        OptionError: The shape is another, or a label does not exist.
    """
    places_of(names)
    return _ordered(values, tuple(names), _OURS)


def from_xrv(
    values: np.ndarray, names: Sequence[str] = LABELS, xrv_names: Sequence[str] = XRV_LABELS
) -> np.ndarray:
    """Bring columns of TorchXRayVision's into an order of ours.

    Args:
        values: Of shape (n, m): labels or outputs of one of its models, a column for each of
            `xrv_names`.
        names: Our labels to give.
        xrv_names: Its labels, as its `model.pathologies` or `dataset.pathologies` name them.

    Returns:
        float32 of shape (n, k); NaN in columns that `xrv_names` lacks.

    Raises:
        OptionError: The shape is another, or a label does not exist.
    """
    places_of(names)
    return _ordered(values, tuple(_NAMES.get(name, name) for name in xrv_names), tuple(names))


def _ordered(values: np.ndarray, have: tuple[str, ...], want: tuple[str, ...]) -> np.ndarray:
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != len(have):
        raise OptionError(
            f"values has the shape {values.shape}; expected (n, {len(have)}): a label."
        )
    ordered = np.full((len(values), len(want)), np.nan, np.float32)
    for at, name in enumerate(want):
        if name in have:
            ordered[:, at] = values[:, have.index(name)]
    return ordered
