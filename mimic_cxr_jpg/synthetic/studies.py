"""Drawing invented MIMIC-CXR studies: patients, ids, dates, views, labels and reports."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cxr_datasets import synthetic
from mimic_cxr_jpg.synthetic.reports import draw_shapes, report_text
from mimic_cxr_jpg.synthetic.sentences import FINDINGS

# The views of studies that every release has; together they hold all 15 values of ViewPosition.
# The views of other studies are drawn from the common ones below, by their weight.
_FIXED_VIEWS: tuple[tuple[str, ...], ...] = (
    ("PA", "LATERAL"),
    ("AP",),
    ("LATERAL", "LL"),
    ("LL",),
    ("",),
    ("", ""),
    ("AP", "AP", "LATERAL"),
    ("PA", "LATERAL", ""),
    ("PA", "PA", "LATERAL", "LATERAL"),
    ("AP AXIAL", "PA LLD", "AP LLD", "AP RLD"),
    ("PA RLD", "LAO", "RAO", "LPO"),
    ("XTABLE LATERAL", "SWIMMERS"),
)
_COMMON_VIEWS = {
    ("AP",): 40,
    ("PA", "LATERAL"): 25,
    ("PA", "LL"): 12,
    ("AP", "LATERAL"): 6,
    ("AP", "AP"): 6,
    ("PA",): 6,
    ("",): 5,
}

# (height, width) in pixels of the four most common sizes.
_SIZES = ((3056, 2544), (2544, 3056), (2705, 2539), (2022, 1736))

# Studies of the first, second, ... patient of a split; after the last number come the first again.
_STUDIES_PER_PATIENT = {"train": (3, 1, 2, 1, 4, 2, 1, 2), "validate": (2, 3, 1), "test": (4, 3, 5)}


@dataclass
class StudyImage:
    """One image.

    Attributes:
        dicom_id: Its id.
        view: Its ViewPosition; `""` for a blank one.
        size: (height, width) in pixels.
        orientation: `Erect`, `Recumbent` or `""`.
        time: HHMMSS.fff, where it is not that of the study; else None.
    """

    dicom_id: str
    view: str
    size: tuple[int, int]
    orientation: str
    time: float | None = None


@dataclass
class Study:
    """One study: what its rows, images and report are written from.

    Labels are 1 positive, 0 negative, -1 uncertain; a label that is not mentioned is left out. None
    in place of labels: the table has no row of this study.

    Attributes:
        subject_id: The patient.
        study_id: The study.
        split: `train`, `validate` or `test`.
        date: YYYYMMDD.
        time: HHMMSS.fff.
        images: Its images.
        labels: What the report says. The tables of labels are what others made of it.
        chexpert: Labels in the CheXpert table.
        negbio: Labels in the NegBio table.
        radiologist: Labels in the radiologists' table.
        report: The report; None if it is missing.
    """

    subject_id: int
    study_id: int
    split: str
    date: int
    time: float
    images: list[StudyImage] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    chexpert: dict[str, int] | None = None
    negbio: dict[str, int] | None = None
    radiologist: dict[str, int] | None = None
    report: str | None = None

    @property
    def patient_path(self) -> str:
        """The patient's folder, from the release's root."""
        return f"files/p{self.subject_id // 1_000_000}/p{self.subject_id}"

    def image_path(self, image: StudyImage) -> str:
        """The image file, from the release's root."""
        return f"{self.patient_path}/s{self.study_id}/{image.dicom_id}.jpg"


def draw_studies(patients: int, seed: int, scale: float) -> list[Study]:
    """Draw the studies of invented patients, in no order.

    Args:
        patients: Patients, 3 or more.
        seed: Another seed gives other studies.
        scale: Share of the real image size.
    """
    studies = _draw_visits(patients, synthetic.random_stream(seed, "visits"))
    _draw_images(studies, scale, synthetic.random_stream(seed, "images"))
    _draw_labels(studies, synthetic.random_stream(seed, "labels"))
    _draw_reports(studies, synthetic.random_stream(seed, "reports"))
    return studies


def _draw_visits(patients: int, rng: random.Random) -> list[Study]:
    """Draw who was imaged when: ids that do not follow time, one split a patient."""
    held_out = max(1, round(0.1 * patients))
    sizes = {"validate": held_out, "test": held_out, "train": patients - 2 * held_out}
    visits: list[tuple[int, str]] = []
    subjects = iter(rng.sample(range(10_000_000, 20_000_000), patients))
    for split, size in sizes.items():
        counts = _STUDIES_PER_PATIENT[split]
        for number in range(size):
            visits += [(next(subjects), split)] * counts[number % len(counts)]
    rng.shuffle(visits)
    study_ids = rng.sample(range(50_000_000, 60_000_000), len(visits))
    first_year = {subject: rng.randint(2110, 2190) for subject, _ in visits}
    return [
        Study(
            subject,
            study_id,
            split,
            date=_draw_date(first_year[subject], rng),
            time=_draw_time(number, rng),
        )
        for number, ((subject, split), study_id) in enumerate(zip(visits, study_ids, strict=True))
    ]


def _draw_date(first_year: int, rng: random.Random) -> int:
    """Draw a YYYYMMDD. The dates of the real release are shifted to 2100-2200."""
    year = first_year + rng.randint(0, 5)
    return year * 10_000 + rng.randint(1, 12) * 100 + rng.randint(1, 28)


def _draw_time(number: int, rng: random.Random) -> float:
    """Draw an HHMMSS.fff as a float: the release's table lost zeros and gained noise by that."""
    hour = (0, 21, 7)[number] if number < 3 else rng.randint(0, 23)
    clock = hour * 10_000 + rng.randint(0, 59) * 100 + rng.randint(0, 59)
    if number % 4 == 3:
        return float(clock)
    time = (clock * 1000 + rng.randint(1, 999)) / 1000
    return math.nextafter(time, math.inf) if number % 4 == 1 else time


def _draw_images(studies: Sequence[Study], scale: float, rng: random.Random) -> None:
    fixed = list(_FIXED_VIEWS)
    rest = rng.choices(
        list(_COMMON_VIEWS),
        weights=list(_COMMON_VIEWS.values()),
        k=max(0, len(studies) - len(fixed)),
    )
    views_of = [*fixed, *rest][: len(studies)]
    rng.shuffle(views_of)
    for study, views in zip(studies, views_of, strict=True):
        for view in views:
            size = synthetic.scaled_size(rng.choice(_SIZES), scale)
            image = StudyImage(synthetic.hex_id(rng), view, size, _draw_orientation(view, rng))
            study.images.append(image)


def _draw_orientation(view: str, rng: random.Random) -> str:
    if not view or rng.random() < 0.1:
        return ""
    # For a decubitus view (LLD, RLD) the patient lies on one side.
    lying = 1.0 if view.endswith("LD") else 0.6 if view.startswith("AP") else 0.05
    return "Recumbent" if rng.random() < lying else "Erect"


def _draw_labels(studies: Sequence[Study], rng: random.Random) -> None:
    for number, study in enumerate(studies):
        study.labels = _normal(number, rng) if number % 4 == 0 else _abnormal(number, rng)
        study.chexpert = dict(study.labels)
        study.negbio = _second_opinion(study.labels, rng)

    in_train = [study for study in studies if study.split == "train"]
    rng.shuffle(in_train)
    few = 2 if len(studies) < 50 else 3
    for study in in_train[:few]:
        study.chexpert = study.negbio = None
    for study in in_train[few : few + 2 + len(studies) // 60]:
        study.labels, study.chexpert, study.negbio = {}, {}, {"No Finding": 1}

    in_test = [study for study in studies if study.split == "test"]
    for study in in_test[::2]:
        read = _second_opinion(study.labels, rng)
        study.radiologist = {
            "Airspace Opacity" if label == "Lung Opacity" else label: value
            for label, value in read.items()
        }


def _normal(number: int, rng: random.Random) -> dict[str, int]:
    """Draw the labels of a clear chest; a line in it, which is no finding, is there at times."""
    labels = {"No Finding": 1, "Pneumothorax": 0, "Pleural Effusion": 0}
    labels[rng.choice(("Consolidation", "Edema", "Pneumonia", "Cardiomegaly"))] = 0
    if number % 8 == 4:
        labels["Support Devices"] = 1
    return labels


def _abnormal(number: int, rng: random.Random) -> dict[str, int]:
    """Draw labels that take turns, so that a few studies have each of them as 1, as -1 and as 0."""
    count = len(FINDINGS)
    # Three of every four studies come here; `turn` counts them without a gap.
    turn = number - number // 4 - 1
    labels = dict.fromkeys(rng.sample(FINDINGS, 2), 0)
    if rng.random() < 0.5:
        labels[rng.choice(FINDINGS)] = 1
    if turn % 3:
        labels[FINDINGS[(turn + 5) % count]] = -1
    labels[FINDINGS[(turn + 3) % count]] = 0
    labels[FINDINGS[turn % count]] = 1
    if all(value == 0 for name, value in labels.items() if name != "Support Devices"):
        return {"No Finding": 1, **labels}
    return labels


def _second_opinion(labels: dict[str, int], rng: random.Random) -> dict[str, int]:
    """Change one label of some studies, but none that would change No Finding."""
    changed = dict(labels)
    unsure = [label for label, value in labels.items() if value == -1]
    denied = [label for label, value in labels.items() if value == 0]
    if unsure and rng.random() < 0.4:
        changed[unsure[0]] = 1
    elif denied and rng.random() < 0.3:
        del changed[denied[0]]
    return changed


def _draw_reports(studies: Sequence[Study], rng: random.Random) -> None:
    labelled = [number for number, study in enumerate(studies) if study.chexpert]
    without = rng.sample(labelled, min(len(labelled), 1 if len(studies) < 50 else 2))
    # One of them at least is of a patient with other studies.
    patients = Counter(study.subject_id for study in studies)
    several = [number for number in labelled if patients[studies[number].subject_id] > 1]
    if several and not set(without) & set(several):
        without[0] = several[0]
    written = [study for number, study in enumerate(studies) if number not in without]
    for study, shape in zip(written, draw_shapes(len(written), rng), strict=True):
        study.report = report_text(shape, study.labels, rng)
