"""Random cohorts, written in the forms in which people write lists of ids."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.cohort_reader import Cohort, apply
from tests.differential.reading import Row

_NAMES = {
    "mimic_cxr_jpg": {
        "image_id": ("dicom_id", "DICOM_ID", "image_id"),
        "study_id": ("study_id", "Study ID"),
        "subject_id": ("subject_id", "patient_id"),
    },
    "indiana_cxr": {
        "image_id": ("filename", "image_id"),
        "study_id": ("uid", "study_id"),
        "subject_id": ("subject_id", "Patient_ID"),
    },
}
_SPLITS = {
    "train": ("train", "Train", "training"),
    "validation": ("val", "validate", "valid", "validation", "dev"),
    "test": ("test", "TEST"),
}
_REQUIRED = ("findings", "impression", "indication", "report", "labels", "Edema", "procedure",
             "labels.Pleural Effusion")  # fmt: skip
_OF_MIMIC = ("view_position", "labels_negbio", "labels_radiologist", "study_date", "technique")


def drawn(
    package: str,
    images: Sequence[Row],
    given: Mapping[str, Any],
    folder: Path,
    rng: random.Random,
) -> tuple[list[Row], dict[str, Any]]:
    """Draw a cohort that leaves some rows.

    Args:
        package: The dataset's package.
        images: All its rows.
        given: Options that are drawn already.
        folder: Where a list is written.
        rng: Decides.

    Returns:
        The rows that stay, by the slow reader; and the options that ask for them. Now and then
        these are all rows and no option.
    """
    views = set(given.get("views", ()))
    for _ in range(20):
        cohort, options = Cohort(), dict[str, Any]()
        if rng.random() < 0.5:
            _draw_ids(package, images, folder, rng, cohort, options)
        if "split_by" not in given:
            _draw_splits(package, images, folder, rng, cohort, options)
        if rng.random() < 0.3:
            cohort.fraction = rng.choice(("0.01", "0.25", "0.35", "0.5", "1"))
            options["fraction"] = float(cohort.fraction)
        if options.get("split_by") == "patient" or cohort.fraction:
            cohort.seed = options["seed"] = rng.choice((0, 1, 12345))
        if rng.random() < 0.5:
            own = ("mesh", *_OF_MIMIC, "prior_findings", "prior_study_ids", "days_to_next")
            names = (*_REQUIRED, *(name for name in own if name in images[0]))
            cohort.require = options["require"] = rng.sample(names, rng.randint(1, 2))
        rows = apply(images, cohort)
        seen = [row for row in rows if not views or views & set(row["view_names"])]
        has_train = any(row["split"] == "train" for row in apply(images, _without_fraction(cohort)))
        if seen and (has_train or not cohort.fraction):
            return rows, options
    return list(images), {}


def _without_fraction(cohort: Cohort) -> Cohort:
    return Cohort(cohort.ids, cohort.splits, cohort.fractions, cohort.folds, cohort.seed)


def _draw_ids(
    package: str, images: Sequence[Row], folder: Path, rng: random.Random, cohort: Cohort,
    options: dict[str, Any],
) -> None:  # fmt: skip
    column = rng.choice(("image_id", "study_id", "subject_id"))
    known = sorted({row[column] for row in images})
    ids = rng.sample(known, max(1, round(len(known) * rng.choice((0.3, 0.7, 1)))))
    cohort.ids = (column, set(ids))
    written = [_written(package, column, id, images, rng) for id in ids]
    name = rng.choice(_NAMES[package][column])
    by_pattern = package == "mimic_cxr_jpg" or column != "subject_id"
    forms = [_csv, _objects, _dict] + ([_plain, _list, _in_splits] if by_pattern else [])
    options["ids"] = rng.choice(forms)(folder / "ids", name, written, None, rng)


def _draw_splits(
    package: str, images: Sequence[Row], folder: Path, rng: random.Random, cohort: Cohort,
    options: dict[str, Any],
) -> None:  # fmt: skip
    kind = rng.choice(("none", "file", "patient", "folds"))
    if kind == "file":
        column = rng.choice(("image_id", "study_id", "subject_id"))
        patient = {row[column]: row["subject_id"] for row in images}
        of_patient = {id: rng.choice(tuple(_SPLITS)) for id in sorted(set(patient.values()))}
        ids = sorted(patient)
        ids = rng.sample(ids, max(1, round(len(ids) * rng.choice((0.4, 0.8, 1)))))
        cohort.splits = (column, {id: of_patient[patient[id]] for id in ids})
        written = [_written(package, column, id, images, rng) for id in ids]
        splits = [rng.choice(_SPLITS[of_patient[patient[id]]]) for id in ids]
        name = rng.choice(_NAMES[package][column])
        by_pattern = package == "mimic_cxr_jpg" or column != "subject_id"
        forms = [_csv, _objects] + ([_in_splits, _no_header] if by_pattern else [])
        options["split_file"] = rng.choice(forms)(folder / "splits", name, written, splits, rng)
        options.pop("split_by", None)
    elif kind != "none":
        options["split_by"] = "patient"
        if kind == "patient" or rng.random() < 0.5:
            cohort.fractions = rng.choice((("0.7", "0.1", "0.2"), ("0.5", "0.5", "0"),
                                           ("0.34", "0.33", "0.33")))  # fmt: skip
            options["fractions"] = [float(share) for share in cohort.fractions]
        if kind == "folds":
            folds = rng.choice((2, 3, 7))
            cohort.folds = (folds, rng.randrange(folds))
            options["folds"], options["fold"] = cohort.folds


def _written(
    package: str, column: str, id: Any, images: Sequence[Row], rng: random.Random
) -> str | int:
    if column == "image_id":
        (path,) = (row["path"] for row in images if row["image_id"] == id)
        suffix = rng.choice((".dcm", ".jpg", "")) if package == "mimic_cxr_jpg" else ".dcm.png"
        return rng.choice((id, f"{id}{suffix}", path, path.rpartition(".")[0]))
    if package == "indiana_cxr":
        return rng.choice((id, str(id), f"CXR{id}", f"CXR{id}_IM-0001-1001"))
    letter = {"study_id": "s", "subject_id": "p"}[column]
    return rng.choice((id, str(id), f"{letter}{id}", f"a/b/{letter}{id}", f"{id}.0"))


Form = Callable[[Path, str, list[Any], list[str] | None, random.Random], Any]


def _save(file: Path, text: str, rng: random.Random) -> str:
    content = text.encode("utf-8-sig" if rng.random() < 0.2 else "utf-8")
    file.write_bytes(gzip.compress(content) if rng.random() < 0.3 else content)
    return str(file)


def _plain(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> str:
    head = rng.choice(("", f"{name}\n", "# a list\n\n"))
    return _save(file, head + rng.choice(("\n", "\r\n", "\n\n")).join(map(str, ids)), rng)


def _csv(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> str:
    between = rng.choice((",", "\t", ";"))
    columns = {name: list(map(str, ids)), "note": ['"a\nb"'] * len(ids)}
    if splits:
        columns[rng.choice(("split", "Split", "subset"))] = splits
    names = rng.sample(list(columns), len(columns))
    lines = [names, *zip(*(columns[one] for one in names), strict=True)]
    return _save(file, "\n".join(between.join(line) for line in lines), rng)


def _no_header(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> str:
    lines = [f"{split},{id}" for split, id in zip(splits or (), ids, strict=True)]
    return _save(file, "\n".join(lines), rng)


def _list(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> Any:
    return ids if rng.random() < 0.5 else _save(file, json.dumps(ids), rng)


def _dict(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> Any:
    return {name: ids}


def _objects(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> str:
    entries = [{name: id, "report": "Invented. " * 99} for id in ids]
    for entry, split in zip(entries, splits or (), strict=False):
        entry["split"] = split
    return _save(file, json.dumps(entries), rng)


def _in_splits(
    file: Path, name: str, ids: list[Any], splits: list[str] | None, rng: random.Random
) -> str:
    """As R2Gen's `annotation.json`."""
    found: dict[str, list[Any]] = {}
    for place, id in enumerate(ids):
        split = splits[place] if splits else "train"
        found.setdefault(split, []).append({"id": id, "report": "Invented. " * 99})
    return _save(file, json.dumps(found), rng)
