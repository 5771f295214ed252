"""What the MeSH codes of the Indiana reports say of the 14 CheXpert labels: two sets of rules.

`TRANSCHEX` are the rules behind the public TransChex labels of this collection. `CORRECTED` are
theirs where a radiologist would agree, and differ where not; each difference stands in the card,
README.md beside this file, with how many studies it changes.

Everything here is data, in lower case and with single blanks, as `indiana_cxr.mesh` compares it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Terms:
    """Terms of which one makes a label positive: a heading, and conditions on its qualifiers.

    Attributes:
        headings: The heading is one of these.
        containing: Or it contains one of these,
        but_not: and none of these.
        qualifiers: The term has one of these qualifiers; if empty, it needs none.
        without: The term has none of these qualifiers.
        outside: Qualifiers that place the heading outside the lung. The term has none of them,
            or one of `IN_LUNG` too. If empty, the place does not count.
    """

    headings: tuple[str, ...] = ()
    containing: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    qualifiers: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """What makes one label positive.

    Attributes:
        terms: The study has a term of one of these.
        labels: Or it meets the own `terms` of one of these other labels.
    """

    terms: tuple[Terms, ...]
    labels: tuple[str, ...] = ()


IN_LUNG: Final = (
    *("lung", "upper lobe", "middle lobe", "lower lobe", "lingula", "azygos lobe", "multilobar"),
    *("hilum", "interstitial", "pulmonary alveoli", "bronchi", "bronchovascular"),
    *("retrocardiac", "costophrenic angle", "sulcus"),
)
"""Qualifiers that are a place in the lung, or behind or in front of which lies nothing but lung."""

OUTSIDE_LUNG: Final = (
    *("mediastinum", "paratracheal", "supracardiac", "cardiophrenic angle", "lymph nodes"),
    *("heart", "heart atria", "heart ventricles", "aortic valve", "mitral valve"),
    *("aorta", "aorta, thoracic", "blood vessels", "coronary vessels", "pulmonary artery"),
    *("trachea", "trachea, carina", "esophagus", "diaphragm", "pleura", "pleural sinus"),
    *("ribs", "sternum", "clavicle", "shoulder", "humerus", "spine"),
    *("cervical vertebrae", "thoracic vertebrae", "lumbar vertebrae"),
    *("breast", "breast implants", "adipose tissue", "neck", "abdomen"),
)
"""Qualifiers that are a place elsewhere.

At the cardiophrenic angle lie the fat pad, pericardial cysts and hernias. What is coded at the
pleura is thickening, scar or fluid.
"""

CHEST: Final = "thorax"
"""A place that is either: the lung, or the wall in front of it.

Read case by case, an opacity or a nodule of the thorax lies in the lung more often than not, a
density or a mass more often in or on the wall: shrapnel, a lipoma, a tumour of the breast.
"""

NO_PLACE: Final = (
    *("left", "right", "bilateral", "anterior", "posterior", "apex", "base"),
    *("small", "large", "mild", "moderate", "severe", "borderline", "prominent", "enlarged"),
    *("focal", "multiple", "diffuse", "scattered", "patchy", "streaky", "round", "irregular"),
    *("reticular", "acute", "chronic", "healed", "degenerative", "abnormal", "obscured"),
    *("blunted", "flattened", "elevated", "tortuous", "hyperdistention", "hypoinflation"),
)
"""Qualifiers that say nothing of whether it is the lung: sides, ends, sizes, forms, degrees.

`apex` and `base` are ends of whatever else the term names. With `IN_LUNG`, `OUTSIDE_LUNG` and
`CHEST` these are all qualifiers of the release. Any other counts as one that says nothing.
"""

VESSELS: Final = ("aorta", "aorta, thoracic", "blood vessels", "coronary vessels",
                  "pulmonary artery")  # fmt: skip

_DEVICES = ("catheters, indwelling", "implanted medical device", "medical device")
_IN_LUNG_LABELS = ("Atelectasis", "Consolidation", "Edema", "Lung Lesion", "Pneumonia")

TRANSCHEX: Final[Mapping[str, Rule]] = {
    "Atelectasis": Rule((Terms(("pulmonary atelectasis",)),)),
    "Cardiomegaly": Rule((Terms(("cardiomegaly",)),)),
    "Consolidation": Rule((Terms(("consolidation", "pneumonia")),)),
    "Edema": Rule((Terms(("pulmonary edema",)),)),
    "Enlarged Cardiomediastinum": Rule(
        (Terms(("cardiomegaly",)), Terms(("cardiac shadow",), qualifiers=("enlarged",)))
    ),
    "Fracture": Rule((Terms(("fractures, bone",)),)),
    "Lung Lesion": Rule((Terms(("nodule", "mass")),)),
    "Lung Opacity": Rule((Terms(("opacity", "density"), qualifiers=("lung",)),), _IN_LUNG_LABELS),
    "Pleural Effusion": Rule((Terms(containing=("effusion",), but_not=("pericardial effusion",)),)),
    "Pleural Other": Rule((Terms(("thickening", "cicatrix"), qualifiers=("pleura",)),)),
    "Pneumonia": Rule((Terms(("pneumonia",)),)),
    "Pneumothorax": Rule((Terms(containing=("pneumothorax",)),)),
    "Support Devices": Rule((Terms(_DEVICES),)),
}
"""The rule of each label but `No Finding`, as TransChex has it.

They give its public labels, but for one correction here (a pericardial effusion is not a pleural
one) and one in `indiana_cxr.mesh` (`No Indexing` is unknown, not free of findings).
"""

CORRECTED: Final[Mapping[str, Rule]] = {
    **TRANSCHEX,
    "Cardiomegaly": Rule(
        (Terms(("cardiomegaly",)), Terms(("cardiac shadow",), qualifiers=("enlarged",)))
    ),
    "Enlarged Cardiomediastinum": Rule(
        (
            Terms(
                ("mediastinum",),
                qualifiers=("enlarged", "prominent"),
                without=("lymph nodes", *VESSELS),
            ),
        ),
        ("Cardiomegaly",),
    ),
    "Lung Lesion": Rule(
        (
            Terms(("nodule",), outside=OUTSIDE_LUNG),
            Terms(("mass",), outside=(*OUTSIDE_LUNG, CHEST)),
        )
    ),
    "Lung Opacity": Rule(
        (
            Terms(("airspace disease", "infiltrate")),
            Terms(("opacity",), outside=OUTSIDE_LUNG),
            Terms(("density",), outside=(*OUTSIDE_LUNG, CHEST)),
        ),
        _IN_LUNG_LABELS,
    ),
    "Pleural Effusion": Rule(
        (
            Terms(containing=("effusion",), but_not=("pericardial effusion",)),
            Terms(("hydropneumothorax", "hemopneumothorax", "hemothorax")),
        )
    ),
    "Pleural Other": Rule(
        (Terms(("thickening", "cicatrix", "calcinosis"), qualifiers=("pleura",)),)
    ),
    "Support Devices": Rule((Terms((*_DEVICES, "tube, inserted")),)),
}
"""The rule of each label but `No Finding`, as a radiologist would have it."""


@dataclass(frozen=True)
class RuleSet:
    """A whole way from codes to labels.

    Attributes:
        rules: The rule of each label but `No Finding`.
        normal_with: Labels that may be positive in a study with `No Finding`.
    """

    rules: Mapping[str, Rule]
    normal_with: tuple[str, ...] = ()


MESH_RULES: Final[Mapping[str, RuleSet]] = {
    "corrected": RuleSet(CORRECTED, normal_with=("Support Devices",)),
    "transchex": RuleSet(TRANSCHEX),
}
"""Value of the option `mesh_rules` -> the rules; the first is the default.

CheXpert's `No Finding` is the absence of the 12 other findings; a study with nothing but support
devices has it (Irvin et al., AAAI 2019, arXiv 1901.07031).
"""
