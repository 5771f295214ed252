"""Which studies the page shows, and what it shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from cxr_datasets.columns import LABELS, PRIOR_IMAGES, VIEWS
from cxr_datasets.errors import ImageError
from cxr_datasets.preview.kinds import AGE, DATE, SEX
from cxr_datasets.preview.marks import seen_text
from cxr_datasets.preview.packed import CODES, UNLABELLED, Packed
from cxr_datasets.preview.studies import Study
from cxr_datasets.preview.thumbnails import thumbnail

_AT_ONCE = 4

SIDE = 320
"""Long side of the images, in pixels: about 8 kB each."""


def choose(packed: Packed, count: int, seed: int, among: np.ndarray | None = None) -> list[int]:
    """Choose studies that show, as far as so few can, every split, every view and every state.

    Args:
        packed: The columns of all studies.
        count: How many to choose.
        seed: Another one chooses others.
        among: Choose of these only, by their `study_id`; None: of all.

    Returns:
        `study_id` of each, in their order in the columns.
    """
    studies = len(packed.columns["images"])
    order = np.random.default_rng(seed).permutation(studies)
    if among is not None:
        order = order[np.isin(packed.ids[order], among)]
    chosen = np.zeros(studies, bool)
    for has in _kinds(packed):
        if chosen.sum() >= count:
            break
        if has[order].any() and not (has & chosen).any():
            chosen[order[np.argmax(has[order])]] = True
    left = order[~chosen[order]]
    chosen[left[: max(0, count - int(chosen.sum()))]] = True
    return packed.ids[chosen].tolist()


def _kinds(packed: Packed) -> Iterator[np.ndarray]:
    """For each thing to be seen, which studies show it: splits, views, then states of labels."""
    study = np.repeat(np.arange(len(packed.columns["images"])), packed.columns["images"])
    for column in ("split", "view"):
        values = packed.columns[column]
        for value in np.unique(values):
            yield np.bincount(study[values == value], minlength=study[-1] + 1) > 0
    states = [packed.columns[f"states {place}"] for place in range(len(packed.meta["sources"]))]
    for code in (CODES[1], CODES[-1], CODES[0]):
        for source in states:
            labelled = source != UNLABELLED
            for label in range(len(LABELS)):
                yield labelled & ((source >> np.uint32(2 * label)) & 3 == code)


def shown(studies: Sequence[Study], packed: Packed, progress: bool = False) -> list[dict[str, Any]]:
    """Give what the page shows of the studies that were chosen.

    Args:
        studies: These studies, as they were read.
        packed: The columns of all studies.
        progress: Whether to show a progress bar, on stderr.

    Returns:
        For each its ids, images, states and texts, as JSON.
    """
    splits, sources = packed.meta["splits"], packed.meta["sources"]
    names = [text["name"] for text in packed.meta["texts"]]
    own = [image for study in studies for image in study.images]
    earlier = [_earlier(study.row) for study in studies]
    images = _images(own, splits, progress)
    before = _images([image for of_study in earlier for image in of_study], splits, progress)
    places = {study: place for place, study in enumerate(packed.ids.tolist())}
    return [
        {
            "study": str(study.row["study_id"]),
            "patient": str(study.row.get("subject_id")),
            "when": study.row.get(DATE),
            "who": _who(study.row),
            "images": list(islice(images, len(study.images))),
            "earlier": [
                {**image, "days": round(days, 1)}
                for image, days in zip(
                    islice(before, len(of_study)), study.row.get("prior_days") or (), strict=False
                )
            ],
            "states": [
                int(packed.columns[f"states {n}"][places[study.row["study_id"]]])
                for n in range(len(sources))
            ],
            "texts": [
                [name, seen_text(study.row[name])] for name in names if study.row.get(name)
            ],
        }
        for study, of_study in zip(studies, earlier, strict=True)
    ]  # fmt: skip


def _earlier(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The images of a row's earlier studies, newest first; with what the page tells of each."""
    ids, images = (row.get(name) or () for name in ("prior_study_ids", PRIOR_IMAGES))
    return [
        {"image_id": f"study {study}", "image": image, "view": VIEWS.index("frontal")}
        for study, image in zip(ids, images, strict=False)
    ]


def _who(row: Mapping[str, Any]) -> str:
    """Sex and age of the patient, as far as the row tells them."""
    told = [row.get(SEX), None if row.get(AGE) is None else f"{row[AGE]} years"]
    return ", ".join(filter(None, told))


def _images(
    images: Sequence[Mapping[str, Any]], splits: Sequence[str], progress: bool
) -> Iterator[dict[str, Any]]:
    """Read and decode images, several at a time: those of a store take a while each."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cxr-preview") as pool:
        found = pool.map(partial(_image, splits=splits), images)
        yield from tqdm(
            found, total=len(images), unit=" images", desc="images", delay=1, disable=not progress
        )


def _image(image: Mapping[str, Any], splits: Sequence[str]) -> dict[str, Any]:
    told = {
        "id": image.get("image_id") or "",
        "view": VIEWS.index("unknown") if image.get("view") is None else image["view"],
        "split": splits.index(image["split"]) if "split" in image else None,
        "src": None,
    }
    with suppress(ImageError):  # it is absent or damaged; the summary counts such images
        small = thumbnail(image.get("image"), SIDE, image.get("boxes", ()))
        told |= {"src": small.uri, "width": small.width, "height": small.height}
    return told
