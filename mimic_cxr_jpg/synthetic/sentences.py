"""What an invented report says of its study's labels, in sentences written for this package."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Labels = Mapping[str, int]
"""The labels of a study that are not blank: 1 positive, 0 negative, -1 uncertain."""

SENTENCES: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "Atelectasis": (
        ("There is streaky atelectasis at the left base.", "Bibasilar atelectasis, unchanged."),
        ("No atelectasis is seen.", "Previously seen atelectasis has resolved."),
        ("Faint basal streaks may be atelectasis.", "Possible mild atelectasis at the left base."),
    ),
    "Cardiomegaly": (
        ("The heart is moderately enlarged.", "Stable mild cardiomegaly."),
        ("Heart size is normal.", "The heart is not enlarged."),
        (
            "The heart is perhaps mildly enlarged, allowing for the projection.",
            "Mild cardiomegaly cannot be excluded on this portable film.",
        ),
    ),
    "Consolidation": (
        (
            "There is consolidation in the right lower lobe.",
            "Dense left lower lobe consolidation, not significantly changed since ___.",
        ),
        ("There is no consolidation.", "The lungs show no evidence of focal consolidation."),
        (
            "Early consolidation in the right lower lobe cannot be ruled out.",
            "Possible developing consolidation behind the heart.",
        ),
    ),
    "Edema": (
        ("There is moderate pulmonary edema.", "Interstitial edema has worsened since ___."),
        ("There is no pulmonary edema.", "No overt edema."),
        (
            "Hazy vessels raise the question of mild pulmonary edema.",
            "The appearance is concerning for early pulmonary edema.",
        ),
    ),
    "Enlarged Cardiomediastinum": (
        ("The mediastinal contour is widened.", "Widening of the mediastinum is again seen."),
        ("The mediastinal contour is not widened.", "Mediastinal contours are normal."),
        (
            "The mediastinal contour is possibly widened, which may be positional.",
            "There may be mild widening of the mediastinum.",
        ),
    ),
    "Fracture": (
        (
            "There is a healing fracture of the left seventh rib.",
            "Old right-sided rib fractures are noted.",
        ),
        ("No fracture is seen.", "No displaced rib fracture."),
        ("Irregularity of a left rib may be a fracture.", "Questionable fracture of the left rib."),
    ),
    "Lung Lesion": (
        (
            "A 9 mm nodule projects over the left mid lung.",
            "There is a 3.2 cm mass in the right upper lobe.",
        ),
        ("There is no nodule or mass.", "No suspicious pulmonary nodule is identified."),
        ("A small nodule at the left apex is possible.", "A subtle nodule is not excluded."),
    ),
    "Lung Opacity": (
        (
            "There is a patchy opacity in the right mid lung.",
            "Hazy opacities at both bases persist.",
        ),
        ("There is no focal opacity.", "The lungs are free of focal opacities."),
        (
            "There may be a vague opacity in the right mid lung.",
            "Possible faint opacity at the right base.",
        ),
    ),
    "Pleural Effusion": (
        (
            "There is a small left pleural effusion.",
            "No significant change in the large right pleural effusion.",
        ),
        ("There is no pleural effusion.", "The previous right pleural effusion has resolved."),
        (
            "A trace left pleural effusion is possible.",
            "Blunting of the angle may be due to a small pleural effusion.",
        ),
    ),
    "Pleural Other": (
        ("There is pleural thickening at the right apex.", "Bilateral pleural thickening."),
        ("There is no pleural thickening.", "No pleural thickening is identified."),
        ("Apical shading may be pleural thickening.", "Suspected pleural thickening on the left."),
    ),
    "Pneumonia": (
        ("The appearance is that of pneumonia.", "Right middle lobe pneumonia."),
        ("There is no pneumonia.", "No evidence of pneumonia."),
        (
            "This could be pneumonia in the right setting.",
            "Pneumonia should be considered in the appropriate clinical setting.",
        ),
    ),
    "Pneumothorax": (
        (
            "There is a small right apical pneumothorax.",
            "The left apical pneumothorax is smaller than on ___.",
        ),
        ("There is no pneumothorax.", "The pneumothorax is no longer seen."),
        (
            "A tiny right apical pneumothorax is not excluded.",
            "Cannot exclude a small pneumothorax on this supine film.",
        ),
    ),
    "Support Devices": (
        (
            "A right-sided line ends in the lower superior vena cava.",
            "The endotracheal tube tip is 4.1 cm above the carina.",
        ),
        ("The central line has been removed.", "The nasogastric tube has been removed."),
        ("A retained line is possible.", "There may be a retained catheter fragment."),
    ),
}
"""Label -> what a report may say of 1, of 0 and of -1."""

FINDINGS = tuple(SENTENCES)
"""The 13 labels that name something to be seen. The 14th is `No Finding`."""

# What several labels of which all are 0 are called when one sentence denies them together.
_NOUNS = {
    "Consolidation": "focal consolidation",
    "Edema": "pulmonary edema",
    "Pleural Effusion": "pleural effusion",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
_DENIALS = ("There is no {}.", "No evidence of {}.", "The images show no {}.", "No {}.")

_CLEAR = ("No acute cardiopulmonary process.", "No acute cardiopulmonary abnormality.")
# Said of a study in whose report the labeller finds nothing to label.
_SILENT = "The study is limited by the position of the patient. Dr. ___ was told by telephone."
# Said of any study: nothing that a label is about.
_ASIDES = (
    "The images of ___ were read.",
    "AP view of the chest, compared with ___.",
    "The patient is rotated.",
    "The upper abdomen is unremarkable.",
)

_REASONS = (
    "___-year-old woman with cough and fever.",
    "___M with shortness of breath, evaluate for ___.",
    "___ year old man after line placement.",
    "___F with chest pain since ___. Evaluate for acute process.",
)
_COMPARISONS = ("None.", "Chest radiograph from ___.", "___.", "Chest radiographs of ___ and ___.")
EXAMS = ("CHEST (PA AND LAT)", "CHEST (PORTABLE AP)", "Chest radiographs.")


def findings(labels: Labels, rng: random.Random) -> str:
    """Say what is present, absent and possible."""
    said = [*_said(labels, (1, 0, -1), rng), *_together(labels, rng)]
    rng.shuffle(said)
    if labels.get("No Finding") == 1:
        said.append(rng.choice(_CLEAR))
    return " ".join([rng.choice(_ASIDES), *(said or [_SILENT])])


def impression(labels: Labels, rng: random.Random) -> str:
    """Say what is present or possible, numbered if it is more than one thing, and what is not."""
    seen = _said(labels, (1, -1), rng)
    if labels.get("No Finding") == 1:
        seen.insert(0, rng.choice(_CLEAR))
    denied = [*_said(labels, (0,), rng), *_together(labels, rng)]
    said = [*seen, " ".join(denied)] if denied else seen
    if len(said) > 1:
        return " ".join(f"{number}. {sentence}" for number, sentence in enumerate(said, 1))
    return said[0] if said else _SILENT


def _said(labels: Labels, values: Sequence[int], rng: random.Random) -> list[str]:
    """One sentence for each label with one of some values, but for those denied together."""
    apart = set(labels) - set(_denied_together(labels))
    return [
        rng.choice(SENTENCES[name][(1, 0, -1).index(value)])
        for name, value in labels.items()
        if name in SENTENCES and name in apart and value in values
    ]


def _together(labels: Labels, rng: random.Random) -> list[str]:
    """The sentence, if any, that denies several labels at once."""
    nouns = [_NOUNS[name] for name in _denied_together(labels)]
    rng.shuffle(nouns)
    listed = " or ".join([", ".join(nouns[:-1]), nouns[-1]]) if nouns else ""
    return [rng.choice(_DENIALS).format(listed)] if nouns else []


def _denied_together(labels: Labels) -> list[str]:
    """The labels that are denied in one sentence: none, or two and more."""
    denied = [name for name in _NOUNS if labels.get(name) == 0]
    return denied if len(denied) > 1 else []


def reason(rng: random.Random) -> str:
    """Draw why the images were asked for."""
    return rng.choice(_REASONS)


def comparison(rng: random.Random) -> str:
    """Draw what the images were compared with."""
    return rng.choice(_COMPARISONS)
