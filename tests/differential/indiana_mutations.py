"""What may happen to a copy of the Indiana release, or be in it, and must not change other rows."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from tests.differential import material as any_table
from tests.differential.indiana_reader import SECTIONS
from tests.differential.material import ODD_TEXTS, Cells, Material, read_tables

PROJECTIONS, REPORTS = "indiana_projections.csv", "indiana_reports.csv"
FOLDER = "images/images_normalized/"

_LISTS = Path(__file__).parents[2] / "indiana_cxr" / "r2gen_split.csv"

_HEADINGS = (
    "Pulmonary Atelectasis", "Cardiomegaly", "Consolidation", "Pneumonia", "Pulmonary Edema",
    "Cardiac Shadow", "Fractures, Bone", "Nodule", "Mass", "Opacity", "Density", "Thickening",
    "Cicatrix", "Pleural Effusion", "Pericardial Effusion", "Hydropneumothorax", "Pneumothorax",
    "Catheters, Indwelling", "Implanted Medical Device", "Medical Device", "normal", "No Indexing",
    "Nodules", "Masses", "Edema", "Pneumonia, Viral", "Lung", "Effusion of nothing",
    "Airspace Disease", "Infiltrate", "Tube, Inserted", "Mediastinum", "Calcinosis",
    "Hemopneumothorax", "Hemothorax",
)  # fmt: skip
_QUALIFIERS = (
    "lung", "pleura", "enlarged", "left", "lungs", "base", "mild", "Lung", "ENLARGED", "ribs",
    "retrocardiac", "thorax", "breast", "prominent", "lymph nodes", "Thoracic Vertebrae", "heart",
)  # fmt: skip


def read_material(release: Path) -> Material:
    """Read an invented release whose images are in `images/images_normalized/`."""
    images = {FOLDER + file.name: file for file in (release / FOLDER).iterdir()}
    return Material(read_tables(release), images=images)


def _move(material: Material, row: Cells, uid: str, name: str) -> None:
    file = material.images.pop(FOLDER + row["filename"])
    row |= {"uid": uid, "filename": name}
    material.images[FOLDER + name] = file


# Which images and studies there are.


def other_uids(material: Material, rng: random.Random) -> None:
    """Give studies other numbers, some of a published list and some beyond all."""
    with _LISTS.open(newline="") as file:
        listed = [row["uid"] for row in csv.DictReader(file)]
    reports, images = material.tables[REPORTS].rows, material.tables[PROJECTIONS].rows
    drawn = rng.sample([*listed, *map(str, range(4_000, 6_000)), "0", "123456789"], len(reports))
    new = {row["uid"]: uid for row, uid in zip(reports, drawn, strict=True)}
    for row in images:
        tail = row["filename"].partition("_")[2]
        _move(material, row, new[row["uid"]], f"{new[row['uid']]}_{tail}")
    for row in reports:
        row["uid"] = new[row["uid"]]


def merge_studies(material: Material, rng: random.Random) -> None:
    """Give the images of some studies to others, which then have many."""
    rows = material.tables[PROJECTIONS].rows
    uids = sorted({row["uid"] for row in rows})
    to = {uid: rng.choice(uids[:3]) for uid in rng.sample(uids, len(uids) // 2)}
    for number, row in enumerate(rows):
        uid = to.get(row["uid"], row["uid"])
        _move(material, row, uid, f"{uid}_IM-{number:04d}-{rng.choice(('1001', '1-0002'))}.dcm.png")


def one_image_each(material: Material, rng: random.Random) -> None:
    """Leave each study one image."""
    of_study = {row["uid"]: row for row in material.tables[PROJECTIONS].rows}
    material.tables[PROJECTIONS].rows = list(of_study.values())


def reports_of_others(material: Material, rng: random.Random) -> None:
    """Leave out images, and with some studies all, so that reports have none."""
    rows = material.tables[PROJECTIONS].rows
    material.tables[PROJECTIONS].rows = rng.sample(rows, max(2, len(rows) // rng.choice((2, 5))))


def redraw_views(material: Material, rng: random.Random) -> None:
    """Draw the views anew; at times all are lateral."""
    views = rng.choice((("Frontal", "Lateral"), ("Lateral",), ("Frontal",)))
    for row in material.tables[PROJECTIONS].rows:
        row["projection"] = rng.choice(views)


# What the reports say of them.


def redraw_codes(material: Material, rng: random.Random) -> None:
    """Write the codes anew: every heading, qualifiers in any order, odd blanks and capitals."""
    for row in material.tables[REPORTS].rows:
        terms = [_term(rng) for _ in range(rng.randint(0, 4))]
        between = rng.choice((";", ";", " ; ", ";;", "; ;"))
        row["MeSH"] = between.join(terms) + rng.choice(("", "", ";", " ;"))
        row["Problems"] = between.join(term.split("/")[0] for term in terms)


def _term(rng: random.Random) -> str:
    parts = [rng.choice(_HEADINGS), *rng.sample(_QUALIFIERS, rng.randint(0, 3))]
    text = rng.choice(("/", "/", " / ")).join(parts)
    text = rng.choice((str, str, str.upper, str.lower))(text)
    return text.replace(" ", "  ") if rng.random() < 0.2 else text


def odd_texts(material: Material, rng: random.Random) -> None:
    """Write odd texts and blanks into the sections and the description of the exam."""
    texts = (*ODD_TEXTS, "XXXX", "None.", "&lt; 1 cm<BR>", "\n\nFINDINGS:\nnone", "\r\nline\r\n")
    for row in material.tables[REPORTS].rows:
        row |= {name: rng.choice(texts) for name in (*SECTIONS, "image")}


def blank_texts(material: Material, rng: random.Random) -> None:
    """Blank whole columns, and at times all sections."""
    names = rng.choice(
        (("findings",), ("impression", "indication"), SECTIONS, ("MeSH", "Problems"))
    )
    for row in material.tables[REPORTS].rows:
        row |= dict.fromkeys(names, "") if rng.random() < 0.8 else {}


# The copy.


def other_files(material: Material, rng: random.Random) -> None:
    """Put in what lies about in copies."""
    material.beside |= {
        f"{FOLDER}Thumbs.db": b"\x00",
        f"{FOLDER}1_IM-0001-9001.dcm.png": b"\x89PNG",
        "indiana_reports (1).csv": b"uid\n",
        "notes.txt": b"none",
    }


def choose_views(material: Material, rng: random.Random) -> None:
    """Load only images of some views: the first image's, and at times another."""
    first = material.tables[PROJECTIONS].rows[0]["projection"].lower()
    material.options["views"] = [*dict.fromkeys([first, rng.choice((first, "oblique", "lateral"))])]


def choose_split(material: Material, rng: random.Random) -> None:
    """Split by the published lists, or by the hash."""
    material.options["split_by"] = rng.choice(("r2gen", "r2gen_pairs", "hash"))


def choose_rules(material: Material, rng: random.Random) -> None:
    """Read the codes by the other rules."""
    material.options["mesh_rules"] = rng.choice(("transchex", "corrected"))


MUTATIONS = (
    other_uids, merge_studies, one_image_each, reports_of_others, redraw_views, redraw_codes,
    odd_texts, blank_texts, any_table.unfinished_images, other_files, choose_views, choose_split,
    choose_rules, any_table.shuffle_rows, any_table.add_columns, any_table.shuffle_columns,
)  # fmt: skip
"""In the order in which they are applied."""
