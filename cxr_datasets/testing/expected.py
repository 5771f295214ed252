"""The core columns, written down a second time on purpose.

Whoever changes a core column, a label or a view has to change it here too, and so learns that
every dataset and every user is affected.
"""

from __future__ import annotations

from typing import Any

import datasets
from datasets import ClassLabel, Value

CONFIGS = ("images", "studies", "reports")

LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)
VIEWS = ["frontal", "lateral", "oblique", "unknown"]

CORE: dict[str, Any] = {
    "image": datasets.Image(),
    "image_id": Value("string"),
    "study_id": Value("int64"),
    "subject_id": Value("int64"),
    "view": ClassLabel(names=VIEWS),
    "report": Value("string"),
    "indication": Value("string"),
    "comparison": Value("string"),
    "findings": Value("string"),
    "impression": Value("string"),
    "labels": {label: Value("int8") for label in LABELS},
}
OF_AN_IMAGE = ("image", "image_id", "view")


def core_features(config: str) -> datasets.Features:
    """Give the core columns as they must be in one config, in order."""
    if config == "images":
        return datasets.Features(CORE)
    if config == "reports":
        return datasets.Features({n: f for n, f in CORE.items() if n not in OF_AN_IMAGE})
    lists = {name: f"{name}s" for name in OF_AN_IMAGE}
    return datasets.Features(
        {lists.get(n, n): [f] if n in OF_AN_IMAGE else f for n, f in CORE.items()}
    )
