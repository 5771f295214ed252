"""A small, wholly invented copy of CheXpert-v1.0-small, for tests and trials.

True to the release: names and columns of the two tables; labels 1.0, 0.0, -1.0 or blank in
`train.csv`, and never blank in `valid.csv`; `AP/PA` blank for lateral views; one patient of sex
Unknown; no age above 90; study numbers that repeat from patient to patient, and studies that do
not come in their order; greyscale JPEGs with a short side of 320 pixels.

Not true to it: counts and shares, and the numbers of the patients, which the release does not have.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from cxr_datasets import synthetic

LABELS = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion"),
    *("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion"),
    *("Pleural Other", "Fracture", "Support Devices"),
)
"""In the order of the tables, which is not that of `cxr_datasets.columns.LABELS`."""

HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)

_FOLDER = "CheXpert-v1.0-small"
_PATIENTS = range(70_000, 100_000)  # the release ends below
_SIZES = ((320, 390), (390, 320), (320, 320), (369, 320))  # (height, width) in pixels
_STUDIES = ((1, 60), (2, 25), (3, 15))  # of a patient, and how often
_VIEWS = (
    *((("frontal",), 50), (("frontal", "lateral"), 35), (("frontal", "frontal"), 5)),
    *((("frontal", "frontal", "lateral"), 5), (("lateral",), 5)),
)
_VALUES = {"train": (("", 55), ("1.0", 25), ("0.0", 12), ("-1.0", 8)),
           "valid": (("0.0", 75), ("1.0", 25))}  # fmt: skip
_NOTHING = {"train": "", "valid": "0.0"}
_SIGNS = {
    "Cardiomegaly": "cardiomegaly",
    "Pleural Effusion": "effusion",
    "Consolidation": "opacity",
    "Lung Lesion": "nodule",
    "Support Devices": "device",
}

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Study:
    folder: str  # from the root, such as `train/patient70001/study1`
    sex: str
    age: int
    labels: dict[str, str]
    views: tuple[str, ...]

    def names(self) -> list[str]:
        return [f"{self.folder}/view{i}_{view}.jpg" for i, view in enumerate(self.views, 1)]


def write_release(out: str | os.PathLike[str], *, patients: int = 40, seed: int = 0) -> Path:
    """Write an invented copy of CheXpert-v1.0-small.

    Args:
        out: The folder that becomes the release's root; empty or not there yet.
        patients: Patients, a tenth of them and at least one in `valid.csv`; 3 to 10,000.
        seed: Another seed gives other numbers, labels and pixels; the same gives the same bytes.

    Returns:
        The release's root, which holds `train.csv`.

    Raises:
        OptionError: An option's value is not allowed, or `out` is not empty.
    """
    synthetic.check_count("patients", patients, low=3, high=10_000)
    root = synthetic.new_root(out)
    rng = synthetic.random_stream(seed, "patients")
    numbers = sorted(rng.sample(_PATIENTS, patients))
    cut = patients - max(1, patients // 10)
    for split, members in (("train", numbers[:cut]), ("valid", numbers[cut:])):
        unknown = members[len(members) // 2] if split == "train" else None
        studies = [
            study
            for number in members
            for study in _draw_patient(split, number, number == unknown, rng)
        ]
        synthetic.write_files(root, _files(split, studies, seed))
    return root


def _draw_patient(split: str, number: int, unknown: bool, rng: random.Random) -> list[_Study]:
    sex = "Unknown" if unknown else rng.choice(("Female", "Male"))
    age = rng.randint(18, 90)
    count = _pick(_STUDIES, rng) if split == "train" else 1
    studies = [
        _Study(
            folder=f"{split}/patient{number}/study{study}",
            sex=sex,
            age=age,
            labels=_draw_labels(split, rng),
            views=_pick(_VIEWS, rng),
        )
        for study in range(1, count + 1)
    ]
    rng.shuffle(studies)
    return studies


def _draw_labels(split: str, rng: random.Random) -> dict[str, str]:
    """Draw values so that No Finding is positive where nothing else is but a device."""
    normal = rng.random() < 0.2
    labels = {}
    for label in LABELS:
        value = _pick(_VALUES[split], rng)
        abnormal = value in ("1.0", "-1.0") and label != "Support Devices"
        labels[label] = _NOTHING[split] if normal and abnormal else value
    others = [labels[label] for label in LABELS if label not in ("No Finding", "Support Devices")]
    found = {"1.0", "-1.0"} & set(others)
    return {**labels, "No Finding": _NOTHING[split] if found else "1.0"}


def _pick(choices: Sequence[tuple[_Value, int]], rng: random.Random) -> _Value:
    values, weights = zip(*choices, strict=True)
    return rng.choices(values, weights)[0]


def _files(split: str, studies: Sequence[_Study], seed: int) -> Iterator[tuple[str, bytes]]:
    """Give the files of a split: first its table, then its images."""
    yield f"{split}.csv", synthetic.csv_bytes(HEADER, _rows(studies, seed))
    for study in studies:
        signs = [sign for label, sign in _SIGNS.items() if study.labels[label] == "1.0"]
        for name, view in zip(study.names(), study.views, strict=True):
            rng = synthetic.random_stream(seed, "pixels", name)
            height, width = rng.choice(_SIZES)
            pixels = synthetic.paint_radiograph(height, width, view=view, rng=rng, signs=signs)
            yield name, synthetic.jpeg_bytes(Image.fromarray(pixels))


def _rows(studies: Sequence[_Study], seed: int) -> Iterator[Sequence[object]]:
    for study in studies:
        for name, view in zip(study.names(), study.views, strict=True):
            rng = synthetic.random_stream(seed, "position", name)
            position = "" if view == "lateral" else rng.choice(("AP", "AP", "AP", "PA"))
            labels = (study.labels[label] for label in LABELS)
            path = f"{_FOLDER}/{name}"
            yield path, study.sex, study.age, view.capitalize(), position, *labels
