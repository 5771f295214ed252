"""Drawing invented Indiana studies: uids, terms, texts, views and names of images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from cxr_datasets import synthetic
from indiana_cxr.synthetic.terms import (
    COMPARISONS,
    DENIALS,
    DOUBTS,
    EXAMS,
    FIXED_TERMS,
    FIXED_TEXTS,
    INDICATIONS,
    NORMAL,
    SENTENCES,
    SIGN_OF_TERM,
    UNCODED,
)

# (height, width) in pixels; the real short sides are 2048 or less.
_SIZES = ((2496, 2048), (2048, 2160), (2181, 2048), (2048, 2496), (2020, 1660))

# In published lists of a split: of train, test and validation.
_LISTED_UIDS = (1, 2, 4)

# The views of the first studies. Those of others are drawn from the common ones, by their weight.
_F, _L = "Frontal", "Lateral"
_FIXED_VIEWS: tuple[tuple[str, ...], ...] = (
    *((_F, _L), (_F, _L), (_F,), (_F, _F, _L), (_L,), (_F, _F, _F, _F, _L), (_F, _L)),
    *((_F, _F, _L, _L), (_L, _L), (_F, _L, _L), (_F, _F), (_F, _F, _F)),
)
_COMMON_VIEWS = {(_F, _L): 83, (_F,): 8, (_L,): 4, (_F, _F, _L): 3, (_F, _L, _L): 2}

# How the images of a study may be numbered. The numbers say nothing of the view.
_NUMBERINGS = (
    *(("1001", "2001", "3001", "4001", "5001"),) * 6,
    ("1001", "1002", "1003", "1004", "1005"),
    ("4001", "3001", "12012", "13013", "5001"),
    ("0001-0001", "0001-0002", "0001-0003", "0001-0004", "0001-0005"),
    ("1001-0001", "2001-0002", "1001-0003", "2001-0004", "3001-0005"),
    ("1003002", "1004003", "1005004", "1006005", "10001001"),
)


@dataclass
class StudyImage:
    """One image.

    Attributes:
        name: Name of its file.
        projection: Its view as the table has it: `Frontal` or `Lateral`.
        shown: The view that its pixels show, which is not always the table's.
        size: (height, width) in pixels.
    """

    name: str
    projection: str
    shown: str
    size: tuple[int, int]


@dataclass
class Study:
    """One study: what its rows and images are written from.

    Attributes:
        terms: Its MeSH terms.
        texts: Column of the table of reports -> text, for the last five columns.
        views: The view of each listed image.
        uid: Number of the study, which is also that of its patient.
        number: The four digits after `IM-` in the names of its files.
        images: The listed images.
        unlisted: Images on disk that the table leaves out.
    """

    terms: tuple[str, ...]
    texts: dict[str, str]
    views: tuple[str, ...]
    uid: int = 0
    number: str = ""
    images: list[StudyImage] = field(default_factory=list)
    unlisted: list[StudyImage] = field(default_factory=list)

    @property
    def signs(self) -> set[str]:
        """What of its terms is painted into its images."""
        return {
            sign
            for term in self.terms
            for start, sign in SIGN_OF_TERM.items()
            if term.lower().startswith(start)
        }


def draw_studies(count: int, seed: int, scale: float) -> list[Study]:
    """Draw invented studies.

    Args:
        count: Studies, 3 or more.
        seed: Another seed gives other studies.
        scale: Share of the real image size.

    Returns:
        The studies, by uid.
    """
    rng = synthetic.random_stream(seed, "studies")
    terms = _draw_terms(count, rng)
    views = _draw_views(count, rng)
    studies = [
        Study(terms[slot], _draw_texts(slot, terms[slot], rng), views[slot])
        for slot in range(count)
    ]
    _add_what_is_not_coded(studies, synthetic.random_stream(seed, "not coded"))
    _draw_uids(studies, rng)
    for study, number in zip(studies, rng.sample(range(1, 4000), count), strict=True):
        study.number = f"{number:04d}"
        _draw_images(study, scale, rng)
    _draw_unlisted(studies, rng)
    _swap_one_view(studies)
    return sorted(studies, key=lambda study: study.uid)


def _draw_terms(count: int, rng: random.Random) -> list[tuple[str, ...]]:
    singles = [(code,) for code in SENTENCES if (code,) not in FIXED_TERMS]
    drawn = [*FIXED_TERMS, *singles][:count]
    while len(drawn) < count:
        kind = rng.random()
        if kind < 0.4:
            drawn.append(("normal",))
        elif kind < 0.45:
            drawn.append(("No Indexing",))
        else:
            drawn.append(tuple(rng.sample(list(SENTENCES), rng.randint(1, 4))))
    return drawn


def _draw_views(count: int, rng: random.Random) -> list[tuple[str, ...]]:
    weights = list(_COMMON_VIEWS.values())
    rest = rng.choices(list(_COMMON_VIEWS), weights, k=max(0, count - len(_FIXED_VIEWS)))
    return [*_FIXED_VIEWS, *rest][:count]


def _draw_texts(slot: int, terms: Sequence[str], rng: random.Random) -> dict[str, str]:
    said = [SENTENCES[term] for term in dict.fromkeys(terms) if term in SENTENCES]
    texts = {
        "image": rng.choice(EXAMS),
        "indication": rng.choice(INDICATIONS),
        "comparison": rng.choices(list(COMPARISONS), list(COMPARISONS.values()))[0],
        "findings": " ".join([*said, "No acute bony XXXX."])
        if said
        else NORMAL[slot % len(NORMAL)],
        "impression": " ".join(f"{i}. {text}" for i, text in enumerate(said, 1))
        or "No acute disease.",
    }
    if slot < len(FIXED_TEXTS):
        return texts | FIXED_TEXTS[slot]
    if rng.random() < 0.1:
        texts["findings"] = ""
    return texts


def _add_what_is_not_coded(studies: Sequence[Study], rng: random.Random) -> None:
    """Let findings deny two things that no term is about, and some doubt a third."""
    for study in studies:
        about = " ".join(study.terms).lower()
        others = [name for word, name in UNCODED.items() if word not in about]
        rng.shuffle(others)
        said = rng.choice(DENIALS).format(" or ".join(others[:2]))
        if rng.random() < 0.2:
            said += " " + rng.choice(DOUBTS).format(others[-1])
        if study.texts["findings"] and not {"normal", "No Indexing"} & set(study.terms):
            study.texts["findings"] += " " + said


def _draw_uids(studies: Sequence[Study], rng: random.Random) -> None:
    """Give each study a uid, and the listed ones to studies that any list of a split would take."""
    uids = rng.sample(range(max(_LISTED_UIDS) + 1, 4000), len(studies))
    for study, uid in zip(studies, uids, strict=True):
        study.uid = uid
    complete = [study for study in studies if study.texts["findings"] and len(study.views) > 1]
    rng.shuffle(complete)
    for study, uid in zip(complete, _LISTED_UIDS, strict=False):
        study.uid = uid


def _draw_images(study: Study, scale: float, rng: random.Random) -> None:
    numbering = rng.choice(_NUMBERINGS)
    for number, view in zip(numbering, study.views, strict=False):
        size = synthetic.scaled_size(rng.choice(_SIZES), scale)
        study.images.append(StudyImage(_file_name(study, number), view, view, size))


def _draw_unlisted(studies: Sequence[Study], rng: random.Random) -> None:
    """Add four images that are on disk only, two of them to the same study."""
    first, second, third = rng.sample(list(studies), 3)
    for study, number in ((first, "6001"), (first, "7001"), (second, "6001"), (third, "7001")):
        name = _file_name(study, number)
        study.unlisted.append(StudyImage(name, _F, _F, study.images[0].size))


def _swap_one_view(studies: Sequence[Study]) -> None:
    """Let one image that is listed as lateral show a chest from the front."""
    studies[1].images[1].shown = _F


def _file_name(study: Study, number: str) -> str:
    return f"{study.uid}_IM-{study.number}-{number}.dcm.png"
