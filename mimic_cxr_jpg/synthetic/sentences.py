"""What an invented report says of its study's labels, in sentences written for this package."""

from __future__ import annotations

import random
from collections.abc import Mapping

Labels = Mapping[str, int]
"""The labels of a study that are not blank: 1 positive, 0 negative, -1 uncertain."""

# Label -> what a report says of 1, of 0 and of -1.
_SENTENCES: dict[str, tuple[str, str, str]] = {
    "Atelectasis": (
        "There is streaky atelectasis at the left base.",
        "No atelectasis is seen.",
        "Faint basal streaks may be atelectasis.",
    ),
    "Cardiomegaly": (
        "The heart is moderately enlarged.",
        "Heart size is normal.",
        "The heart is perhaps mildly enlarged, allowing for the projection.",
    ),
    "Consolidation": (
        "There is consolidation in the right lower lobe.",
        "There is no consolidation.",
        "Early consolidation in the right lower lobe cannot be ruled out.",
    ),
    "Edema": (
        "There is moderate pulmonary edema.",
        "There is no pulmonary edema.",
        "Hazy vessels raise the question of mild pulmonary edema.",
    ),
    "Enlarged Cardiomediastinum": (
        "The mediastinal contour is widened.",
        "The mediastinal contour is not widened.",
        "The mediastinal contour is possibly widened, which may be positional.",
    ),
    "Fracture": (
        "There is a healing fracture of the left seventh rib.",
        "No fracture is seen.",
        "Irregularity of a left rib may be a fracture.",
    ),
    "Lung Lesion": (
        "A 9 mm nodule projects over the left mid lung.",
        "There is no nodule or mass.",
        "A round density at the left apex may be a nodule.",
    ),
    "Lung Opacity": (
        "There is a patchy opacity in the right mid lung.",
        "There is no focal opacity.",
        "A vague opacity in the right mid lung may be overlap of vessels.",
    ),
    "Pleural Effusion": (
        "There is a small left pleural effusion.",
        "There is no pleural effusion.",
        "A trace left pleural effusion is possible.",
    ),
    "Pleural Other": (
        "There is pleural thickening at the right apex.",
        "There is no pleural thickening.",
        "Apical shading may be pleural thickening.",
    ),
    "Pneumonia": (
        "The appearance is that of pneumonia.",
        "There is no pneumonia.",
        "This could be pneumonia in the right setting.",
    ),
    "Pneumothorax": (
        "There is a small right apical pneumothorax.",
        "There is no pneumothorax.",
        "A tiny right apical pneumothorax is not excluded.",
    ),
    "Support Devices": (
        "A right-sided line ends in the lower superior vena cava.",
        "The central line has been removed.",
        "A faint linear density may be a retained line.",
    ),
}
FINDINGS = tuple(_SENTENCES)
"""The 13 labels that name something to be seen. The 14th is `No Finding`."""

_CLEAR = "The lungs are clear and the heart and mediastinum are within normal limits."
# Said of a study in whose report the labeller finds nothing to label.
_SILENT = "The study is limited by the position of the patient. Dr. ___ was told by telephone."

_REASONS = (
    "___-year-old woman with cough and fever.",
    "___M with shortness of breath, evaluate for ___.",
    "___ year old man after line placement.",
    "___F with chest pain since ___. Evaluate for acute process.",
)
_COMPARISONS = ("None.", "Chest radiograph from ___.", "___.", "Chest radiographs of ___ and ___.")
EXAMS = ("CHEST (PA AND LAT)", "CHEST (PORTABLE AP)", "Chest radiographs.")


def findings(labels: Labels) -> str:
    """Say what is present, absent and possible."""
    said = [
        _SENTENCES[name][(1, 0, -1).index(v)] for name, v in labels.items() if name in _SENTENCES
    ]
    if labels.get("No Finding") == 1:
        said.insert(0, _CLEAR)
    return " ".join(["The images of ___ were read.", *(said or [_SILENT])])


def impression(labels: Labels) -> str:
    """Say what is present or possible, as a numbered list if there is more than one thing."""
    said = [
        _SENTENCES[name][0 if value == 1 else 2]
        for name, value in labels.items()
        if name in _SENTENCES and value != 0
    ]
    if len(said) > 1:
        return " ".join(f"{number}. {sentence}" for number, sentence in enumerate(said, 1))
    if said:
        return said[0]
    return _SILENT if not labels else "No acute cardiopulmonary process."


def reason(rng: random.Random) -> str:
    """Draw why the images were asked for."""
    return rng.choice(_REASONS)


def comparison(rng: random.Random) -> str:
    """Draw what the images were compared with."""
    return rng.choice(_COMPARISONS)
