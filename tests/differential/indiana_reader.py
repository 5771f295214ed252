"""A slow reader of the Indiana release, in plain Python with the csv module, by its card.

It must not import the project: what both would take from one place could be wrong in both.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from pathlib import Path

from tests.differential.reading import LABELS, VIEWS, Row, read_csv

OF_IMAGE = ("image", "image_id", "view", "path")
SECTIONS = ("indication", "comparison", "findings", "impression")

_LISTS = Path(__file__).parents[2] / "indiana_cxr" / "r2gen_split.csv"


# By the card: places of which an opacity is not one of the lung, unless one of the lung is named.
_OUTSIDE = {
    *("mediastinum", "paratracheal", "supracardiac", "cardiophrenic angle", "lymph nodes", "heart"),
    *("heart atria", "heart ventricles", "aortic valve", "mitral valve", "aorta", "trachea"),
    *("aorta, thoracic", "blood vessels", "coronary vessels", "pulmonary artery", "esophagus"),
    *("trachea, carina", "diaphragm", "pleura", "pleural sinus", "ribs", "sternum", "clavicle"),
    *("shoulder", "humerus", "spine", "cervical vertebrae", "thoracic vertebrae", "neck"),
    *("lumbar vertebrae", "breast", "breast implants", "adipose tissue", "abdomen"),
}
_INSIDE = {
    *("lung", "upper lobe", "middle lobe", "lower lobe", "lingula", "azygos lobe", "multilobar"),
    *("hilum", "interstitial", "pulmonary alveoli", "bronchi", "bronchovascular"),
    *("retrocardiac", "costophrenic angle", "sulcus"),
}


def read_images(
    root: Path, folder: str, split_by: str | None = None, mesh_rules: str = "corrected"
) -> list[Row]:
    """Give a row for each image, in the order of indiana_projections.csv.

    Args:
        root: The folder that holds the two tables, or Kaggle's archive.
        folder: Where the images are in it, with a final slash, or empty.
        split_by: The option; with `r2gen_pairs`, images of a study are in their own order.
        mesh_rules: The option.
    """
    reports = {row["uid"]: row for row in _table(root, "indiana_reports.csv")}
    images = []
    for listed in _table(root, "indiana_projections.csv"):
        uid, about = int(listed["uid"]), reports[listed["uid"]]
        view = listed["projection"].lower()
        images.append(
            {
                "image_id": listed["filename"].removesuffix(".dcm.png"),
                "study_id": uid,
                "subject_id": uid,
                "view": VIEWS.index(view),
                "report": _report(about),
                **{section: about[section] for section in SECTIONS},
                "labels": labels_of(about["MeSH"], mesh_rules),
                "mesh": _parts(about["MeSH"]),
                "problems": _parts(about["Problems"]),
                "procedure": about["image"],
                "path": folder + listed["filename"],
                "split": _split(uid, split_by),
                "rank": VIEWS.index(view),
                "view_names": {view},
            }
        )
    return _pairs(images) if split_by == "r2gen_pairs" else images


def _pairs(images: list[Row]) -> list[Row]:
    """Put the images of a study together, by name, and leave in its split the first two."""
    of_study: dict[int, list[Row]] = {}
    for image in images:
        of_study.setdefault(image["study_id"], []).append(image)
    for study in of_study.values():
        study.sort(key=lambda image: image["path"])
        for rank, image in enumerate(study):
            image |= {"rank": rank, "split": image["split"] if rank < 2 else None}
    return [image for study in of_study.values() for image in study]


def _table(root: Path, name: str) -> list[Row]:
    if root.is_dir():
        return read_csv((root / name).read_bytes())
    with zipfile.ZipFile(root) as archive:
        return read_csv(archive.read(name))


def _report(about: Row) -> str | None:
    parts = [f"{name.upper()}:\n{about[name]}" for name in SECTIONS if about[name] is not None]
    return "\n\n".join(parts) or None


def _split(uid: int, split_by: str | None) -> str | None:
    if split_by is None:
        return "train"
    if split_by.startswith("r2gen"):
        with _LISTS.open(newline="") as file:
            return {row["uid"]: row["split"] for row in csv.DictReader(file)}.get(str(uid))
    drawn = hashlib.sha256(f"indiana-cxr:{uid}".encode()).digest()
    share = int.from_bytes(drawn[:8], "big") / 2**64
    return "train" if share < 0.7 else "validation" if share < 0.8 else "test"


def _parts(cell: str | None) -> list[str] | None:
    parts = [part.strip(" \t\r\n") for part in (cell or "").split(";")]
    return [part for part in parts if part] or None


def labels_of(cell: str | None, rules: str = "corrected") -> Row:
    """Apply the rules of the card to the terms of one study."""
    terms = [_term(part) for part in _parts(cell) or []]
    headings = {term[0] for term in terms}
    if not terms or "no indexing" in headings:
        return dict.fromkeys(LABELS)

    def is_coded(heading: str, qualifier: str) -> bool:
        return any(term[0] == heading and qualifier in term[1:] for term in terms)

    found = {
        "Atelectasis": "pulmonary atelectasis" in headings,
        "Cardiomegaly": "cardiomegaly" in headings,
        "Consolidation": bool(headings & {"consolidation", "pneumonia"}),
        "Edema": "pulmonary edema" in headings,
        "Enlarged Cardiomediastinum": "cardiomegaly" in headings
        or is_coded("cardiac shadow", "enlarged"),
        "Fracture": "fractures, bone" in headings,
        "Lung Lesion": bool(headings & {"nodule", "mass"}),
        "Pleural Effusion": any(
            "effusion" in name and "pericardial effusion" not in name for name in headings
        ),
        "Pleural Other": is_coded("thickening", "pleura") or is_coded("cicatrix", "pleura"),
        "Pneumonia": "pneumonia" in headings,
        "Pneumothorax": any("pneumothorax" in name for name in headings),
        "Support Devices": bool(
            headings & {"catheters, indwelling", "implanted medical device", "medical device"}
        ),
    }
    is_opacity = is_coded("opacity", "lung") or is_coded("density", "lung")
    if rules == "corrected":
        is_opacity = _correct(found, terms)
    implying = ("Atelectasis", "Consolidation", "Edema", "Lung Lesion", "Pneumonia")
    found["Lung Opacity"] = is_opacity or any(found[name] for name in implying)
    devices = rules == "corrected" and found["Support Devices"]
    found["No Finding"] = sum(found.values()) == int(devices)
    return {label: int(found[label]) for label in LABELS}


def _correct(found: dict[str, bool], terms: list[list[str]]) -> bool:
    """Change what the corrected rules see otherwise, and say whether there is an opacity."""
    headings = {term[0] for term in terms}
    vessels = ("lymph nodes", "blood vessels", "aorta", "aorta, thoracic", "coronary vessels",
               "pulmonary artery")  # fmt: skip
    is_wide = any(
        heading == "mediastinum"
        and bool({"prominent", "enlarged"} & {*qualifiers})
        and not {*vessels} & {*qualifiers}
        for heading, *qualifiers in terms
    )
    found["Cardiomegaly"] = found["Enlarged Cardiomediastinum"]
    found["Enlarged Cardiomediastinum"] |= is_wide
    found["Lung Lesion"] = any(
        _is_in_lung(term, but_for={"thorax"} if term[0] == "mass" else set())
        for term in terms
        if term[0] in ("nodule", "mass")
    )
    found["Pleural Effusion"] |= bool(
        headings & {"hydropneumothorax", "hemopneumothorax", "hemothorax"}
    )
    found["Pleural Other"] |= any(
        heading == "calcinosis" and "pleura" in qualifiers for heading, *qualifiers in terms
    )
    found["Support Devices"] |= "tube, inserted" in headings
    return bool(headings & {"airspace disease", "infiltrate"}) or any(
        _is_in_lung(term, but_for={"thorax"} if term[0] == "density" else set())
        for term in terms
        if term[0] in ("opacity", "density")
    )


def _is_in_lung(term: list[str], but_for: set[str]) -> bool:
    return bool(_INSIDE & {*term[1:]}) or not (_OUTSIDE | but_for) & {*term[1:]}


def _term(part: str) -> list[str]:
    """Heading and qualifiers, in lower case, several blanks as one."""
    return [" ".join(piece.split()) for piece in part.lower().split("/")]
