"""Groups of the 14 labels, and which of them follow from which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError

COMPETITION_5 = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five labels that the CheXpert competition scores (Irvin et al., AAAI 2019)."""

PARENTS = {
    "Atelectasis": "Lung Opacity",
    "Cardiomegaly": "Enlarged Cardiomediastinum",
    "Consolidation": "Lung Opacity",
    "Edema": "Lung Opacity",
    "Lung Lesion": "Lung Opacity",
    "Pneumonia": "Lung Opacity",
}
"""Label -> the wider one that it is a kind of (Irvin et al., AAAI 2019, figure 1)."""

NO_FINDING, SUPPORT_DEVICES = "No Finding", "Support Devices"

OBSERVATIONS = tuple(name for name in LABELS if name not in (NO_FINDING, SUPPORT_DEVICES))
"""What `No Finding` denies: a study with no finding may well show support devices."""


def places_of(names: Sequence[str]) -> list[int]:
    """Give the places of labels among the 14.

    Raises:
        OptionError: There is no such label, or none or one twice is named.
    """
    if isinstance(names, str):
        raise OptionError(f"names={names!r} is one text. Give a list of labels: [{names!r}].")
    for name in names:
        if name not in LABELS:
            raise OptionError.unknown("label", name, LABELS)
    if not names or len(set(names)) < len(names):
        raise OptionError(f"names={list(names)} must hold one label or more, and none twice.")
    return [LABELS.index(name) for name in names]


def names_of(option: str, value: str | Iterable[str]) -> list[str]:
    """Give the names that an option lists, of which one may stand alone.

    Raises:
        OptionError: It is neither a name nor several.
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise OptionError(f"{option} is a {type(value).__name__}; expected a name, or several.")
    return list(value)
