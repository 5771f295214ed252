"""The vocabulary of every chest X-ray dataset here: core columns, labels, views, configs, splits.

Every dataset begins with the same core columns, of the same types and in the same order, so that
`concatenate_datasets([a.select_columns(CORE), b.select_columns(CORE)])` works as it is.
"""

from __future__ import annotations

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""The 14 observations of CheXpert (Irvin et al., AAAI 2019, table 1), in alphabetical order."""

LABEL_VALUES = {1: "positive", 0: "negative", -1: "uncertain", None: "not mentioned"}
"""What the values of a label mean; None is null."""

VIEWS = ("frontal", "lateral", "oblique", "unknown")
"""Normalised views; the position in this tuple is the value stored in `view`."""

SECTIONS = ("indication", "comparison", "findings", "impression")
"""Report sections that both datasets have."""

CORE = ("image", "image_id", "study_id", "subject_id", "view", "report", *SECTIONS, "labels")
"""Names of the core columns of config `images`, in order."""

CONFIGS = ("images", "studies", "reports")
"""Row per image; row per study with its images; row per study with text and labels only."""

SPLITS = ("train", "validation", "test")
"""Every split there is, in order; a dataset's own names map to these."""


PRIOR_IMAGES = "prior_images"
"""Column of the images of earlier studies."""

OF_PRIORS = (
    *("prior_study_ids", "prior_days", "prior_tied", "prior_findings", "prior_impressions"),
    *(PRIOR_IMAGES, "prior_views"),
)
"""Columns with a list of the patient's earlier studies: they repeat what other rows hold."""

PIXELS = ("image", "images", PRIOR_IMAGES)
"""Columns that hold images, in any config."""


def plural(name: str) -> str:
    """Name in config `studies` of a column that has one value for each image."""
    return f"{name}es" if name.endswith("x") else f"{name}s"
