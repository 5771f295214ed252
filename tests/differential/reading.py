"""What both slow readers share: CSV files, and from rows of images to the rows of a config.

Nothing here imports the project, pyarrow, numpy or pandas. It is read off the two cards.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)
VIEWS = ("frontal", "lateral", "oblique", "unknown")
SPLITS = ("train", "validation", "test")


def read_csv(content: bytes) -> list[Row]:
    """Give the rows of a CSV file, gzipped or not, by the names in its header; a blank is None."""
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    text = content.decode("utf-8-sig")
    header, *lines = (line for line in csv.reader(io.StringIO(text, newline="")) if line)
    return [{name: cell or None for name, cell in zip(header, line, strict=True)} for line in lines]


def rows_of_config(
    images: Sequence[Row],
    config: str,
    *,
    of_image: Sequence[str],
    is_there: Callable[[str], bool],
    views: Sequence[str] | None = None,
    missing: str = "error",
) -> dict[str, list[Row]]:
    """Give the rows of a config by split.

    Args:
        images: All images in the release's order. Beyond its columns a row has `split`, None where
            it is in none; `rank`, by which the images of a study are ordered; and `view_names`,
            the names by which the option `views` keeps it.
        config: `images`, `studies` or `reports`.
        of_image: The columns that have a value for each image.
        is_there: Whether the image file of a path is there, and not empty.
        views: The option.
        missing: The option.
    """
    kept = [dict(row) for row in images if not views or set(views) & set(row["view_names"])]
    order = list(dict.fromkeys(row["study_id"] for row in kept))
    if config != "reports" and missing != "error":
        for row in kept:
            row["image"] = row["path"] if is_there(row["path"]) else None
        if missing == "skip":
            kept = [row for row in kept if row["image"] is not None]
            if config == "studies":
                kept.sort(key=lambda row: order.index(row["study_id"]))
    else:
        for row in kept:
            row["image"] = row["path"]
    for row in kept:
        if config == "reports":
            row.pop("prior_images", None), row.pop("prior_views", None)
        elif "prior_images" in row and missing != "error":
            there = [path if path and is_there(path) else None for path in row["prior_images"]]
            row["prior_images"] = there
    splits = {}
    for split in SPLITS:
        rows = [row for row in kept if row["split"] == split]
        if rows:
            splits[split] = rows if config == "images" else _studies(rows, config, of_image)
    for row in kept:
        for name in ("split", "rank", "view_names"):
            row.pop(name)
    return splits


def _studies(images: Iterable[Row], config: str, of_image: Sequence[str]) -> list[Row]:
    by_study: dict[int, list[Row]] = {}
    for image in images:
        by_study.setdefault(image["study_id"], []).append(image)
    studies = []
    for of_study in by_study.values():
        of_study.sort(key=lambda image: image["rank"])
        study: Row = {}
        for name in of_study[0]:
            if name in ("split", "rank", "view_names"):
                continue
            if name not in of_image:
                study[name] = of_study[0][name]
            elif config == "studies":
                study[f"{name}s"] = [image[name] for image in of_study]
        studies.append(study)
    return studies


def label_struct(cells: Row | None, names: dict[str, str] | None = None) -> Row | None:
    """Give the 14 labels of a row; None where there is no row."""
    if cells is None:
        return None
    named = {label: cells[(names or {}).get(label, label)] for label in LABELS}
    return {label: None if cell is None else int(float(cell)) for label, cell in named.items()}


def content_of(file: Path) -> bytes | None:
    """All bytes of a file; None if it is not there or empty."""
    return file.read_bytes() or None if file.is_file() else None
