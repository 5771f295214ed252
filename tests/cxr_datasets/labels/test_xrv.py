"""Columns go into TorchXRayVision's order and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import XRV_LABELS, from_xrv, to_xrv

OURS_ALONE = {"No Finding", "Pleural Other", "Support Devices"}
THEIRS_ALONE = {
    "Emphysema", "Fibrosis", "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening",
}  # fmt: skip

DEFAULT_PATHOLOGIES = [
    "Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema",
    "Fibrosis", "Effusion", "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass",
    "Hernia", "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum",
]  # fmt: skip
"""`torchxrayvision.datasets.default_pathologies` of version 1.5."""

VALUES = np.arange(28, dtype=np.float32).reshape(2, 14)


def test_names_stand_in_the_order_of_the_outputs_of_its_models() -> None:
    assert list(XRV_LABELS) == DEFAULT_PATHOLOGIES


def test_each_column_stands_under_its_own_name() -> None:
    there = to_xrv(VALUES)
    assert there.shape == (2, 18)
    for at, name in enumerate(XRV_LABELS):
        ours = "Pleural Effusion" if name == "Effusion" else name
        if name in THEIRS_ALONE:
            assert np.isnan(there[:, at]).all()
        else:
            assert np.array_equal(there[:, at], VALUES[:, LABELS.index(ours)]), name


def test_what_both_have_comes_back_and_the_rest_is_nan() -> None:
    back = from_xrv(to_xrv(VALUES))
    for at, name in enumerate(LABELS):
        if name in OURS_ALONE:
            assert np.isnan(back[:, at]).all()
        else:
            assert np.array_equal(back[:, at], VALUES[:, at])


def test_labels_of_a_model_with_fewer_and_unnamed_outputs_are_found() -> None:
    back = from_xrv(np.array([[1, 2, 3]]), ["Pleural Effusion"], ["Edema", "", "Effusion"])
    assert back.tolist() == [[3]]


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(OptionError, match=r"shape \(2, 14\); expected \(n, 18\)"):
        from_xrv(VALUES)
    with pytest.raises(OptionError, match="label='Effusion' is not known"):
        to_xrv(VALUES[:, :1], ["Effusion"])
