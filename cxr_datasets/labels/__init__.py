"""From the four values of a label to targets, weights, tables and scores.

The functions here take labels as they are loaded, and change no row: raw values stay raw. Whoever
trains says what an uncertain label and one that is not mentioned become.
"""

from cxr_datasets.labels.balance import positive_weights, prevalence, sample_weights
from cxr_datasets.labels.cleaning import RECIPES, clean_text
from cxr_datasets.labels.compare import compare
from cxr_datasets.labels.frame import frame
from cxr_datasets.labels.matrix import label_matrix
from cxr_datasets.labels.names import COMPETITION_5, PARENTS
from cxr_datasets.labels.scores import masked_auroc
from cxr_datasets.labels.targets import (
    CHEXPERT_BEST,
    U_IGNORE,
    U_MULTICLASS,
    U_ONES,
    U_ZEROS,
    Targets,
    to_targets,
)
from cxr_datasets.labels.text import Explanation, Reason, explain, label_text, label_texts
from cxr_datasets.labels.texts import target_text, target_texts
from cxr_datasets.labels.xrv import XRV_LABELS, from_xrv, to_xrv

__all__ = [
    "CHEXPERT_BEST",
    "COMPETITION_5",
    "PARENTS",
    "RECIPES",
    "U_IGNORE",
    "U_MULTICLASS",
    "U_ONES",
    "U_ZEROS",
    "XRV_LABELS",
    "Explanation",
    "Reason",
    "Targets",
    "clean_text",
    "compare",
    "explain",
    "frame",
    "from_xrv",
    "label_matrix",
    "label_text",
    "label_texts",
    "masked_auroc",
    "positive_weights",
    "prevalence",
    "sample_weights",
    "target_text",
    "target_texts",
    "to_targets",
    "to_xrv",
]
