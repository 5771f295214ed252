"""Writing invented annotations beside the invented release, in the forms that others publish.

True to the forms: names of files and columns, keys and how they are written, the space of boxes,
several rows of one image, NaN in JSON, boxes that are partly or wholly outside or have no area.
Boxes and masks are where the findings are painted.

Not true: the order of some columns, the outlines of masks, and that so many images are annotated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cxr_datasets import synthetic
from cxr_datasets.columns import LABELS
from mimic_cxr_jpg.synthetic.chexmask import chexmask
from mimic_cxr_jpg.synthetic.cxr_lt import cxr_lt
from mimic_cxr_jpg.synthetic.frontal import Box, Frontal
from mimic_cxr_jpg.synthetic.studies import Study

FOLDER = "layers"
"""Folder in the release's root that holds them."""

_GOLD = "gold_bbox_coordinate_annotations_1000images.csv"

# Finding of MS-CXR -> the sign that is painted for it, and what a report may say of it.
_PHRASES = {
    "Cardiomegaly": ("cardiomegaly", "the heart is enlarged"),
    "Consolidation": ("opacity", "patchy consolidation"),
    "Lung Opacity": ("opacity", "hazy opacity"),
    "Pleural Effusion": ("effusion", "small pleural effusion"),
    "Pneumonia": ("opacity", "opacity that suggests pneumonia"),
}

# Region of Chest ImaGenome -> the part that is painted.
_REGIONS = {
    "right lung": "right lung",
    "left lung": "left lung",
    "cardiac silhouette": "heart",
    "trachea": "trachea",
}

_FRONTAL = ("AP", "PA")
_SQUARE = 224
_LLAVA = {"train": "train", "validate": "dev", "test": "test"}


def write_layers(
    root: Path, studies: Sequence[Study], frontals: Sequence[Frontal], seed: int
) -> None:
    """Write a file of each layer whose form the dataset knows.

    Args:
        root: The release's root.
        studies: Its studies.
        frontals: Their frontal images.
        seed: Gives what is drawn.
    """
    phrases = list(_phrases(frontals))
    synthetic.write_files(root / FOLDER, [
        ("MS_CXR_Local_Alignment_v1.1.0.csv", _ms_cxr_csv(phrases)),
        ("MS_CXR_Local_Alignment_v1.1.0.json", _ms_cxr_json(phrases)),
        (f"gold_dataset/{_GOLD}", _gold_boxes(frontals)),
        *cxr_lt(studies, seed),
        *chexmask(frontals, seed),
        ("annotation.json", _r2gen(studies)),
        *_llava_rad(frontals),
    ])  # fmt: skip
    synthetic.write_zip(root / FOLDER / "scene_graph.zip", _scene_graphs(frontals, seed))


def _phrases(frontals: Iterable[Frontal]) -> Iterator[tuple[Frontal, str, str, tuple[int, ...]]]:
    """Image, finding, phrase, and box as left, top, width and height; a row a box."""
    for one in frontals:
        for finding, (sign, phrase) in _PHRASES.items():
            if one.study.labels.get(finding) != 1 or sign not in one.parts:
                continue
            left, top, right, bottom = one.parts[sign]
            yield one, finding, phrase, _whole_sizes((left, top, right, bottom))
            if finding == "Consolidation":  # a phrase with two boxes
                middle = (top + bottom) / 2
                yield one, finding, phrase, _whole_sizes((left, middle, right, bottom))


def _whole_sizes(box: Box) -> tuple[int, ...]:
    left, top, right, bottom = box
    return int(left), int(top), int(right - left), int(bottom - top)


def _ms_cxr_csv(phrases: Iterable[tuple[Frontal, str, str, tuple[int, ...]]]) -> bytes:
    header = ("dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h", "image_width",
              "image_height", "split")  # fmt: skip
    return synthetic.csv_bytes(
        header,
        [
            (one.image.dicom_id, finding, phrase, one.path, *box, one.image.size[1],
             one.image.size[0], "val" if one.study.split == "validate" else one.study.split)
            for one, finding, phrase, box in phrases
        ],
    )  # fmt: skip


def _ms_cxr_json(phrases: Iterable[tuple[Frontal, str, str, tuple[int, ...]]]) -> bytes:
    images: dict[str, dict[str, Any]] = {}
    categories = {name: number for number, name in enumerate(sorted(_PHRASES), 1)}
    annotations = []
    for number, (one, finding, phrase, box) in enumerate(phrases, 1):
        image = images.setdefault(one.image.dicom_id, {
            "id": len(images) + 1, "file_name": f"{one.image.dicom_id}.jpg", "path": one.path,
            "width": one.image.size[1], "height": one.image.size[0],
        })  # fmt: skip
        annotations.append({
            "id": number, "image_id": image["id"], "category_id": categories[finding],
            "bbox": list(box), "label_text": phrase,
        })  # fmt: skip
    return _json({
        "images": list(images.values()), "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    })  # fmt: skip


def _scene_graphs(frontals: Sequence[Frontal], seed: int) -> Iterator[tuple[str, bytes]]:
    yield "scene_graph/", b""
    for number, one in enumerate(frontals):
        if number % 9 == 8:  # of a few films there is no graph
            continue
        dicom = one.image.dicom_id
        rng = synthetic.random_stream(seed, "scene graph", dicom)
        graph = {
            "image_id": dicom,
            "viewpoint": one.image.view,
            "patient_id": one.study.subject_id,
            "study_id": one.study.study_id,
            "gender": rng.choice(("F", "M")),
            "age_decile": f"{10 * rng.randint(2, 8)}-{10 * rng.randint(2, 8)}",
            "reason_for_exam": "invented: cough",
            "StudyOrder": 1,
            "StudyDateTime": f"{one.study.date} 00:00:00 UTC",
            "objects": [_region(one, *region) for region in _regions(one, number)],
            "attributes": [],
            "relationships": [],
        }
        yield f"scene_graph/{dicom}_SceneGraph.json", _json(graph)


def _regions(one: Frontal, number: int) -> Iterator[tuple[str, Box]]:
    for name, part in _REGIONS.items():
        yield name, one.parts[part]
    height, width = one.image.size
    if number % 3 == 0:
        yield "right costophrenic angle", (-9.0, height - 20.0, 30.0, height + 12.0)
    if number % 3 == 1:
        yield "left costophrenic angle", (width + 2.0, height - 20.0, width + 30.0, height + 5.0)
    if number % 3 == 2:
        yield "left clavicle", (12.0, 9.0, 12.0, 30.0)


def _region(one: Frontal, name: str, box: Box) -> dict[str, Any]:
    height, width = one.image.size
    factor = _SQUARE / max(one.image.size)
    across, down = (_SQUARE - width * factor) / 2, (_SQUARE - height * factor) / 2
    left, top, right, bottom = box
    small = [round(value * factor + aside) for value, aside in zip(box, (across, down) * 2,
                                                                  strict=True)]  # fmt: skip
    whole = [round(value) for value in (left, top, right, bottom)]
    return {
        "object_id": f"{one.image.dicom_id}_{name}",
        **dict(zip(("x1", "y1", "x2", "y2"), small, strict=True)),
        "width": small[2] - small[0],
        "height": small[3] - small[1],
        "bbox_name": name,
        "synsets": ["C0000000"],
        "name": name.title(),
        **dict(zip(("original_x1", "original_y1", "original_x2", "original_y2"), whole,
                   strict=True)),
        "original_width": whole[2] - whole[0],
        "original_height": whole[3] - whole[1],
    }  # fmt: skip


def _gold_boxes(frontals: Sequence[Frontal]) -> bytes:
    """The boxes that radiologists checked, of some images; x before y in the original's columns."""
    header = ("image_id", "x1", "y1", "x2", "y2", "width", "height", "bbox_name", "annot_id",
              "original_x1", "original_x2", "original_y1", "original_y2", "original_width",
              "original_height", "annotator", "coord224", "coord_original")  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    for number, one in enumerate(frontals[::2]):
        for name, box in _regions(one, 2 * number):
            region = _region(one, name, box)
            small = [region[corner] for corner in ("x1", "y1", "x2", "y2")]
            whole = [region[f"original_{corner}"] for corner in ("x1", "x2", "y1", "y2")]
            rows.append((
                f"{one.image.dicom_id}.dcm", *small, region["width"], region["height"], name,
                len(rows), *whole, region["original_width"], region["original_height"],
                f"annotator {number % 3}", str(small),
                str([region[f"original_{corner}"] for corner in ("x1", "y1", "x2", "y2")]),
            ))  # fmt: skip
    return synthetic.csv_bytes(header, rows)


def _llava_rad(frontals: Iterable[Frontal]) -> Iterator[tuple[str, bytes]]:
    entries: dict[str, list[dict[str, Any]]] = {name: [] for name in _LLAVA.values()}
    for number, one in enumerate(frontals):
        if one.image.view not in _FRONTAL or one.study.report is None:
            continue
        name = _LLAVA[one.study.split]
        methods = ("rule-based",) if name == "test" or number % 4 == 0 else ("gpt4", "rule-based")
        entries[name] += [_chat(one, method) for method in methods]
    for name, rows in entries.items():
        yield (
            f"llava-rad/chat_{name}_MIMIC_CXR_all_gpt4extract_rulebased_v1.json",
            json.dumps(rows, indent=1).encode(),
        )


def _chat(one: Frontal, method: str) -> dict[str, Any]:
    told = sorted(name for name, value in one.study.labels.items() if value == 1)
    findings = f"Invented: {', '.join(told) or 'nothing'} seen."
    labels = _labels(one.study)
    return {
        "id": f"{one.study.subject_id}_{one.study.study_id}",
        "image": f"mimic/{one.path.removeprefix('files/')}",
        "generate_method": method,
        "reason": "cough",
        "impression": findings,
        "indication": "invented",
        "history": None,
        "view": one.image.view,
        "orientation": one.image.orientation,
        "chexpert_labels": labels,
        "conversations": [
            {"from": "human", "value": "<image>\nDescribe the findings of the chest X-ray.\n"},
            {"from": "gpt", "value": findings},
        ],
    }


def _labels(study: Study) -> dict[str, float]:
    """The 14 labels of a study as numbers; NaN, which is no JSON, for what is not mentioned."""
    return {name: float(study.labels.get(name, float("nan"))) for name in LABELS}


def _r2gen(studies: Iterable[Study]) -> bytes:
    splits: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    for study in studies:
        if study.report is None:
            continue
        split = "val" if study.split == "validate" else study.split
        for image in study.images:
            splits[split].append({
                "id": image.dicom_id, "study_id": study.study_id, "subject_id": study.subject_id,
                "report": f"Invented findings of study {len(splits[split])}.",
                "image_path": [study.image_path(image).removeprefix("files/")], "split": split,
            })  # fmt: skip
    return _json(splits)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
