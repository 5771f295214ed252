"""A small, wholly invented copy of the Indiana University chest X-rays, for tests and trials.

True to the Kaggle release: file names, headers, column order, quoting and row order of the two
tables; uids from 1..3999 with gaps; names of images; 1 to 5 images a study, some without a frontal
and some without a lateral view, one listed under the wrong view; image files on disk that no table
lists, one of them cut short and the others turned; `XXXX` where text was de-identified; `None`,
`None.` and nothing as comparisons; empty text in each of the four sections; `&lt;`, `<BR>`, quotes
and stray blanks; the grammar of MeSH with its qualifiers, odd cases, and headings that hold commas;
`Problems` as the headings in their order; PNGs that are greyscale. At the default size every rule
that turns MeSH into CheXpert labels has a study to which it alone applies, and so has each near
miss.

Not true to it: counts and shares (rare things are common here); the sentences, written for this
module, which say little more than the codes do; image sizes, which are a handful about the real
ones. Uids are drawn at random, but 1, 2 and 4 are always there, with two images and findings:
published lists of uids put these three into train, test and validation, so none of the three is
empty. Nothing else about them, or any other uid, has to do with the real study of that number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from cxr_datasets import synthetic

LAYOUTS = {
    "images_normalized": "images/images_normalized/",
    "images": "images/",
    "flat": "",
    "zip": "images/images_normalized/",
}
"""Where each layout has the images, from the root or within `archive.zip`."""

_PROJECTIONS = ("uid", "filename", "projection")
_REPORTS = (
    *("uid", "MeSH", "Problems", "image"),
    *("indication", "comparison", "findings", "impression"),
)

# (height, width) in pixels; the real short sides are 2048 or less.
_SIZES = ((2496, 2048), (2048, 2160), (2181, 2048), (2048, 2496), (2020, 1660))

_LISTED_UIDS = (1, 2, 4)

# The index terms that may occur, and what the report says of them.
_CODES = {
    "Pulmonary Atelectasis/base/left/mild": "There is mild streaky collapse at the left base.",
    "Cardiomegaly/mild": "The heart is mildly enlarged.",
    "Opacity/lung/base/right/patchy": "There is a patchy opacity at the right base.",
    "Pleural Effusion/right/small": "A small right pleural effusion is present.",
    "Pericardial Effusion": "The heart has a globular outline, as with a pericardial effusion.",
    "Cardiac Shadow/enlarged": "The cardiac shadow is enlarged.",
    "Consolidation/lung/upper lobe/left": "There is consolidation of the left upper lobe.",
    "Pneumonia/middle lobe/right": "There is middle lobe pneumonia.",
    "Pulmonary Edema/bilateral/mild": "There is mild edema of both lungs.",
    "Fractures, Bone/ribs/right/healed": "A healed fracture of a right rib is seen.",
    "Nodule/lung/upper lobe/right/round/small": "There is a small round nodule on the right.",
    "Mass/lung/hilum/left/large": "There is a large mass at the left hilum.",
    "Density/lung/lingula/streaky": "There is a streaky density in the lingula.",
    "Thickening/pleura/apex/bilateral": "There is pleural thickening at both apices.",
    "Cicatrix/pleura/base/left": "There is pleural scarring at the left base.",
    "Pneumothorax/apex/left/small": "There is a small left apical pneumothorax.",
    "Hydropneumothorax/right": "There is air and fluid in the right pleural space.",
    "Catheters, Indwelling/right": "A right-sided catheter ends at the XXXX.",
    "Implanted Medical Device/left": "A pacemaker lies over the left chest.",
    "Medical Device": "There is a device over the XXXX.",
    # Near misses: the heading or the qualifier alone makes no label.
    "Opacity/mediastinum/prominent": "There is a prominent opacity behind the sternum.",
    "Density/ribs/left": "There is a dense spot in a left rib.",
    "Cardiac Shadow/borderline": "The cardiac shadow is at the upper limit of normal.",
    "Cicatrix/lung/base/right": "There is scarring at the right base.",
    "Thickening/aorta": "The wall of the aorta is thick.",
    "Lung/hypoinflation": "Lung volumes are low.",
    "Surgical Instruments/abdomen": "There are clips in the upper abdomen.",
    "Calcified Granuloma/lung/upper lobe/left": "There is a calcified granuloma on the left.",
    # Letters, blanks and commas as they vary in the release.
    "Cardiac Shadow/enlarged ": "The cardiac shadow is larger than on XXXX.",
    "Technical Quality of Image Unsatisfactory ": "The film is underexposed.",
    "Subcutaneous  Emphysema/right": "There is air in the soft tissues on the right.",
    "Deformity/Thoracic Vertebrae/mild": "A thoracic vertebra is mildly wedged.",
    "Lymph nodes/hilum/enlarged": "Hilar nodes are enlarged.",
    "Thoracic vertebrae/degenerative": "There is wear of the thoracic spine.",
    "Aorta, Thoracic/tortuous": "The thoracic aorta is tortuous.",
    "Bone Diseases, Metabolic": "The bones are thin.",
    "Pulmonary Disease, Chronic Obstructive/severe": "The lungs are large, with flat diaphragms.",
    "Hernia, Hiatal/small": "There is a small hiatal hernia.",
}

# The terms of the first studies; further ones are drawn. What matters most comes first, so that a
# small copy has it too. Then each code has a study of its own, so that no rule hides another.
_FIXED_TERMS: tuple[tuple[str, ...], ...] = (
    ("normal",),
    ("Pulmonary Atelectasis/base/left/mild", "Pleural Effusion/right/small"),
    ("No Indexing",),
    ("Pericardial Effusion",),
    ("Cardiomegaly/mild", "Catheters, Indwelling/right"),
    ("Opacity/lung/base/right/patchy",),
    ("normal",),
    ("Nodule/lung/upper lobe/right/round/small", "Calcified Granuloma/lung/upper lobe/left"),
    ("Cardiac Shadow/enlarged ", "Aorta, Thoracic/tortuous"),
    ("Opacity/mediastinum/prominent", "Density/ribs/left"),
    ("Technical Quality of Image Unsatisfactory ",),
    # The same term twice in one study, as happens in the release.
    ("Cicatrix/lung/base/right", "Thoracic vertebrae/degenerative", "Cicatrix/lung/base/right"),
)

# The views of the first studies; further ones are drawn from the common ones below.
_F, _L = "Frontal", "Lateral"
_FIXED_VIEWS: tuple[tuple[str, ...], ...] = (
    *((_F, _L), (_F, _L), (_F,), (_F, _F, _L), (_L,), (_F, _F, _F, _F, _L), (_F, _L)),
    *((_F, _F, _L, _L), (_L, _L), (_F, _L, _L), (_F, _F), (_F, _F, _F)),
)
_COMMON_VIEWS = {(_F, _L): 83, (_F,): 8, (_L,): 4, (_F, _F, _L): 3, (_F, _L, _L): 2}

# Columns of the first studies that are not what they would be otherwise.
_FIXED_TEXTS: tuple[dict[str, str], ...] = (
    {"comparison": "None"},
    {"comparison": "None."},
    {"findings": "", "impression": ""},
    {"comparison": "", "findings": ""},
    {"impression": ""},
    {"indication": "", "image": " CHEST 2V FRONTAL/LATERAL XXXX, XXXX XXXX PM"},
    {"indication": 'XXXX-year-old with "tightness" of the chest', "comparison": "XXXX"},
    {"impression": "1. Nodule &lt; 1 cm, which is benign.<BR>2. No acute XXXX."},
    {"findings": "The cardiac shadow is wide.<BR>The aorta is tortuous. Lungs are clear."},
    {"findings": ""},
    {"comparison": "none"},
    {"comparison": "XXXX, XXXX."},
)

_EXAMS = (
    "Chest PA and lateral",
    "Chest, 2 views, XXXX at XXXX hours",
    "PA and lateral chest XXXX, XXXX.",
    "XR CHEST 2V",
)
_INDICATIONS = (
    "Cough",
    "XXXX-year-old with chest pain",
    "Shortness of breath, XXXX",
    "Positive skin test for tuberculosis",
    "Preoperative film",
)
_COMPARISONS = {"None.": 3, "None": 2, "": 2, "XXXX": 1, "XXXX, XXXX.": 1, "Films of XXXX.": 1}
_NORMAL = "Heart size is normal. The lungs are clear. There is no effusion. XXXX are intact."

_SIGNS = {
    "cardiomegaly": "cardiomegaly",
    "cardiac shadow/enlarged": "cardiomegaly",
    "pleural effusion": "effusion",
    "hydropneumothorax": "effusion",
    "opacity/lung": "opacity",
    "consolidation": "opacity",
    "pneumonia": "opacity",
    "nodule": "nodule",
    "mass": "nodule",
    "catheters": "device",
}

# How the images of a study may be numbered; the number says nothing of the view.
_NUMBERINGS = (
    *(("1001", "2001", "3001", "4001", "5001"),) * 6,
    ("1001", "1002", "1003", "1004", "1005"),
    ("4001", "3001", "12012", "13013", "5001"),
    ("0001-0001", "0001-0002", "0001-0003", "0001-0004", "0001-0005"),
    ("1001-0001", "2001-0002", "1001-0003", "2001-0004", "3001-0005"),
    ("1003002", "1004003", "1005004", "1006005", "10001001"),
)


@dataclass
class _Image:
    name: str
    projection: str
    # What the pixels show, which is not always what the table says.
    shown: str
    size: tuple[int, int]


@dataclass
class _Study:
    terms: tuple[str, ...]
    texts: dict[str, str]
    views: tuple[str, ...]
    uid: int = 0
    number: str = ""
    images: list[_Image] = field(default_factory=list)
    # Files on disk that the table of images leaves out.
    unlisted: list[_Image] = field(default_factory=list)

    @property
    def signs(self) -> set[str]:
        return {
            sign
            for term in self.terms
            for start, sign in _SIGNS.items()
            if term.lower().startswith(start)
        }


def write_release(
    out: str | os.PathLike[str],
    *,
    studies: int = 60,
    seed: int = 0,
    layout: str = "images_normalized",
    scale: float = 1 / 16,
) -> Path:
    """Write an invented copy of the Indiana University chest X-rays.

    Args:
        out: The folder that becomes the release's root; empty or not there yet.
        studies: Studies, each a patient with one report and 1 to 5 images; 3 to 3,500.
        seed: Another seed gives other uids, texts and pixels; the same gives the same bytes.
        layout: Where the images are: `images_normalized` for `images/images_normalized/`,
            `images` for `images/`, `flat` for beside the tables; `zip` for one `archive.zip` that
            holds what `images_normalized` writes.
        scale: Share of the real image size, 1/64 to 1; at 1 an image has about 1.5 MB.

    Returns:
        The release's root.

    Raises:
        OptionError: An option's value is not allowed, or `out` is not empty.
    """
    synthetic.check_count("studies", studies, low=3, high=3500)
    synthetic.check_choice("layout", layout, LAYOUTS)
    synthetic.check_scale(scale)
    root = synthetic.new_root(out)
    drawn = _draw_studies(studies, seed, scale)
    if layout == "zip":
        synthetic.write_zip(root / "archive.zip", _members(drawn, seed, LAYOUTS[layout]))
    else:
        synthetic.write_files(root, _members(drawn, seed, LAYOUTS[layout]))
    return root


# --- drawing the studies --------------------------------------------------------------------------


def _draw_studies(count: int, seed: int, scale: float) -> list[_Study]:
    rng = synthetic.random_stream(seed, "studies")
    terms = _draw_terms(count, rng)
    views = _draw_views(count, rng)
    studies = [
        _Study(terms[slot], _draw_texts(slot, terms[slot], rng), views[slot])
        for slot in range(count)
    ]
    _draw_uids(studies, rng)
    for study, number in zip(studies, rng.sample(range(1, 4000), count), strict=True):
        study.number = f"{number:04d}"
        _draw_images(study, scale, rng)
    _draw_unlisted(studies, rng)
    _swap_one_view(studies)
    return sorted(studies, key=lambda study: study.uid)


def _draw_terms(count: int, rng: random.Random) -> list[tuple[str, ...]]:
    singles = [(code,) for code in _CODES if (code,) not in _FIXED_TERMS]
    drawn = [*_FIXED_TERMS, *singles][:count]
    while len(drawn) < count:
        kind = rng.random()
        if kind < 0.4:
            drawn.append(("normal",))
        elif kind < 0.45:
            drawn.append(("No Indexing",))
        else:
            drawn.append(tuple(rng.sample(list(_CODES), rng.randint(1, 4))))
    return drawn


def _draw_views(count: int, rng: random.Random) -> list[tuple[str, ...]]:
    weights = list(_COMMON_VIEWS.values())
    rest = rng.choices(list(_COMMON_VIEWS), weights, k=max(0, count - len(_FIXED_VIEWS)))
    return [*_FIXED_VIEWS, *rest][:count]


def _draw_texts(slot: int, terms: Sequence[str], rng: random.Random) -> dict[str, str]:
    said = [_CODES[term] for term in dict.fromkeys(terms) if term in _CODES]
    texts = {
        "image": rng.choice(_EXAMS),
        "indication": rng.choice(_INDICATIONS),
        "comparison": rng.choices(list(_COMPARISONS), list(_COMPARISONS.values()))[0],
        "findings": " ".join([*said, "No acute bony XXXX."]) if said else _NORMAL,
        "impression": " ".join(f"{i}. {text}" for i, text in enumerate(said, 1))
        or "No acute disease.",
    }
    if slot < len(_FIXED_TEXTS):
        return texts | _FIXED_TEXTS[slot]
    if rng.random() < 0.1:
        texts["findings"] = ""
    return texts


def _draw_uids(studies: Sequence[_Study], rng: random.Random) -> None:
    """Give each study a uid, the well-known ones to studies that any split list would take."""
    uids = rng.sample(range(max(_LISTED_UIDS) + 1, 4000), len(studies))
    for study, uid in zip(studies, uids, strict=True):
        study.uid = uid
    complete = [study for study in studies if study.texts["findings"] and len(study.views) > 1]
    rng.shuffle(complete)
    for study, uid in zip(complete, _LISTED_UIDS, strict=False):
        study.uid = uid


def _draw_images(study: _Study, scale: float, rng: random.Random) -> None:
    numbering = rng.choice(_NUMBERINGS)
    for number, view in zip(numbering, study.views, strict=False):
        size = synthetic.scaled_size(rng.choice(_SIZES), scale)
        study.images.append(_Image(_file_name(study, number), view, view, size))


def _draw_unlisted(studies: Sequence[_Study], rng: random.Random) -> None:
    """Add four images that are on disk only, two of them to the same study."""
    first, second, third = rng.sample(list(studies), 3)
    for study, number in ((first, "6001"), (first, "7001"), (second, "6001"), (third, "7001")):
        name = _file_name(study, number)
        study.unlisted.append(_Image(name, _F, _F, study.images[0].size))


def _swap_one_view(studies: Sequence[_Study]) -> None:
    """Let one image that is listed as lateral show a chest from the front."""
    studies[1].images[1].shown = _F


def _file_name(study: _Study, number: str) -> str:
    return f"{study.uid}_IM-{study.number}-{number}.dcm.png"


# --- writing --------------------------------------------------------------------------------------


def _members(studies: Sequence[_Study], seed: int, folder: str) -> Iterator[tuple[str, bytes]]:
    """Give every file of the release: first the tables, then the images."""
    yield "indiana_projections.csv", synthetic.csv_bytes(_PROJECTIONS, _projection_rows(studies))
    yield "indiana_reports.csv", synthetic.csv_bytes(_REPORTS, map(_report_row, studies))
    cut = next(image for study in studies for image in study.unlisted)
    for study in studies:
        for image in study.images:
            yield folder + image.name, _png(image, study.signs, seed)
        for image in study.unlisted:
            data = _png(image, study.signs, seed, turned=True)
            yield folder + image.name, data[: len(data) // 2] if image is cut else data


def _projection_rows(studies: Sequence[_Study]) -> Iterator[Sequence[object]]:
    for study in studies:
        for image in study.images:
            yield study.uid, image.name, image.projection


def _report_row(study: _Study) -> Sequence[object]:
    headings = (term.split("/")[0] for term in study.terms)
    texts = (study.texts[column] for column in _REPORTS[3:])
    return study.uid, ";".join(study.terms), ";".join(headings), *texts


def _png(image: _Image, signs: Collection[str], seed: int, *, turned: bool = False) -> bytes:
    height, width = image.size
    pixels = synthetic.paint_radiograph(
        height,
        width,
        view=image.shown.lower(),
        rng=synthetic.random_stream(seed, "pixels", image.name),
        signs=signs,
    )
    return synthetic.png_bytes(Image.fromarray(np.rot90(pixels) if turned else pixels))
