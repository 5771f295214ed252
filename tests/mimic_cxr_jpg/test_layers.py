"""Layers whose form is known: an invented file of each joins by its name alone, unchanged."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets import synthetic
from cxr_datasets.cli import main
from cxr_datasets.layers import decode_rle
from mimic_cxr_jpg.layers import LAYERS
from mimic_cxr_jpg.synthetic import write_release
from tests.helpers import made_once

FILES = {
    "ms_cxr": "MS_CXR_Local_Alignment_v1.1.0.csv",
    "chest_imagenome": "scene_graph.zip",
    "cxr_lt": "cxr-lt-2024/labels.csv",
    "llava_rad": "llava-rad",
    "chexmask": "OriginalResolution/MIMIC-CXR-JPG.csv",
    "r2gen": "annotation.json",
}


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 12 patients with a file of each layer."""
    return made_once(
        tmp_path_factory, "layered-mimic",
        lambda out: write_release(out, patients=12, seed=4, layers="all"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def rows(layered: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every row with every layer."""
    return load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), split="train+validation+test",
        cache_dir=str(tmp_path_factory.mktemp("cache")),
        layers={name: str(layered / "layers" / file) for name, file in FILES.items()},
    ).to_list()  # fmt: skip


def test_there_is_a_file_of_each_layer_and_none_unless_it_is_asked_for(
    layered: Path, small_release: Path
) -> None:
    assert set(FILES) == set(LAYERS)
    assert all((layered / "layers" / file).exists() for file in FILES.values())
    assert not (small_release / "layers").exists()
    assert main(["verify", str(layered)]) == 0


def test_the_release_itself_is_the_same_with_layers(layered: Path, tmp_path: Path) -> None:
    plain = write_release(tmp_path / "plain", patients=12, seed=4)
    files = [path for path in plain.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        assert path.read_bytes() == (layered / path.relative_to(plain)).read_bytes()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_boxes_of_ms_cxr_are_those_of_the_file_in_pixels_of_the_image(
    layered: Path, rows: list[dict[str, Any]]
) -> None:
    expected: dict[str, list[Any]] = {}
    for one in read_csv(layered / "layers" / FILES["ms_cxr"]):
        x, y, w, h = (int(one[name]) for name in "xywh")
        expected.setdefault(one["dicom_id"], []).append(
            (one["category_name"], one["label_text"], [x, y, x + w, y + h])
        )
    found = {
        row["image_id"]: [(b["category_name"], b["label_text"], b["box"]) for b in row["ms_cxr"]]
        for row in rows if row["ms_cxr"]
    }  # fmt: skip
    assert any(len(boxes) > 2 for boxes in found.values())
    assert found == expected


def test_regions_of_chest_imagenome_are_cut_at_the_image_and_flagged(
    layered: Path, rows: list[dict[str, Any]]
) -> None:
    with zipfile.ZipFile(layered / "layers" / FILES["chest_imagenome"]) as archive:
        graphs = [json.loads(archive.read(name)) for name in archive.namelist()
                  if name.endswith(".json")]  # fmt: skip
    of_image = {row["image_id"]: row for row in rows}
    states = set()
    for graph in graphs:
        row = of_image.pop(graph["image_id"])
        assert [one["bbox_name"] for one in graph["objects"]] == [
            one["bbox_name"] for one in row["chest_imagenome"]
        ]
        for given, box in zip(graph["objects"], row["chest_imagenome"], strict=True):
            states.add(box["box_state"])
            corners = [given[f"original_{name}"] for name in ("x1", "y1", "x2", "y2")]
            cut = [min(max(value, 0), edge) for value, edge in
                   zip(corners, (row["width"], row["height"]) * 2, strict=True)]  # fmt: skip
            has_area = cut[2] > cut[0] and cut[3] > cut[1]
            assert box["box"] == (cut if has_area else None)
            assert (box["box_state"] == "whole") == (cut == corners and has_area)
    assert states == {"whole", "clipped", "outside", "empty"}
    assert {row["chest_imagenome"] for row in of_image.values()} == {None}


def test_labels_of_cxr_lt_and_texts_of_r2gen_are_those_of_the_files(
    layered: Path, rows: list[dict[str, Any]]
) -> None:
    table = {one["dicom_id"]: one for one in read_csv(layered / "layers" / FILES["cxr_lt"])}
    entries = {
        entry["id"]: entry
        for part in json.loads((layered / "layers" / FILES["r2gen"]).read_text()).values()
        for entry in part
    }
    assert {row["r2gen_split"] for row in rows} >= {"train", "val", "test"}
    for row in rows:
        line = table[row["image_id"]]
        assert row["cxr_lt_Round(ed) Atelectasis"] == int(line["Round(ed) Atelectasis"])
        assert (row["cxr_lt_split"], row["cxr_lt_fpath"]) == (line["split"], row["path"])
        entry = entries.get(row["image_id"], {"report": None, "split": None})
        assert (row["r2gen_report"], row["r2gen_split"]) == (entry["report"], entry["split"])
        assert "r2gen_study_id" not in row


def test_there_is_an_invented_file_of_each_name_that_is_told(layered: Path) -> None:
    files = [str(path.relative_to(layered / "layers")) for path in layered.rglob("layers/**/*")]
    for ready in LAYERS.values():
        for told in ready.files:
            assert "." not in told or any(name.endswith(told) for name in files), told


def test_cxr_lt_has_all_its_labels_and_is_joined_by_the_path_of_2023(
    layered: Path, tmp_path: Path
) -> None:
    of_2024 = read_csv(layered / "layers" / FILES["cxr_lt"])
    before = ["dicom_id", "subject_id", "study_id", "ViewPosition", "ViewCodeSequence_CodeMeaning",
              "fpath"]  # fmt: skip
    labels = [name for name in of_2024[0] if name not in (*before, "split")]
    assert len(labels) == 45
    of_2023 = [
        row for name in ("train", "development", "test")
        for row in read_csv(layered / "layers" / "cxr-lt-2023" / f"{name}.csv")
    ]  # fmt: skip
    assert {next(iter(row)) for row in of_2023} == {"path"}
    assert {len(row) for row in of_2023} == {1 + 26}
    assert set(of_2023[0]) - {"path"} == {*labels} & {*of_2023[0]} | {"No Finding"}
    rows = load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), split="train+validation+test",
        cache_dir=str(tmp_path),
        layers={"cxr_lt": str(layered / "layers" / "cxr-lt-2023" / "train.csv")},
    )  # fmt: skip
    table = {row["path"]: row for row in read_csv(layered / "layers/cxr-lt-2023/train.csv")}
    found = 0
    for row in rows.remove_columns("image"):
        line = table.get(row["path"])
        for label in ("No Finding", "Tortuous Aorta", "Edema"):
            assert row[f"cxr_lt_{label}"] == (line and int(line[label]))
        found += line is not None
    assert found == len(table) > 5


def test_gold_boxes_of_chest_imagenome_are_those_of_its_graphs(
    layered: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    gold = layered / "layers/gold_dataset/gold_bbox_coordinate_annotations_1000images.csv"
    assert all(row["image_id"].endswith(".dcm") for row in read_csv(gold))
    again = load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), split="train+validation+test",
        cache_dir=str(tmp_path), layers={"chest_imagenome": str(gold)},
    ).select_columns(["image_id", "chest_imagenome"])  # fmt: skip
    both = 0
    for row, checked in zip(rows, again, strict=True):
        if checked["chest_imagenome"] and row["chest_imagenome"]:
            names = ("cardiac silhouette", "left lung", "right lung", "trachea")
            boxes, others = (
                {one["bbox_name"]: one["box"] for one in some["chest_imagenome"]}
                for some in (row, checked)
            )
            assert {name: boxes[name] for name in names} == {name: others[name] for name in names}
            both += 1
    assert both > 3


def landmarks(text: str) -> np.ndarray:
    return np.array(json.loads(text))


def test_landmarks_of_chexmask_lie_around_the_masks(rows: list[dict[str, Any]]) -> None:
    seen = 0
    for row in rows:
        if row["chexmask_Landmarks"] is None:
            continue
        points = landmarks(row["chexmask_Landmarks"])
        assert len(points) == 44 + 50 + 26
        parts = np.split(points, [44, 94])
        for part, name in zip(parts, ("Right Lung", "Left Lung", "Heart"), strict=True):
            mask = decode_rle(row[f"chexmask_{name}"], row["height"], row["width"])
            ys, xs = np.nonzero(mask)
            low, high = part.min(axis=0), part.max(axis=0)
            edges = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            limits = [0, 0, row["width"], row["height"]]
            inside = [min(max(value, 0), limits[2 + at % 2]) for at, value in
                      enumerate([*low, *high])]  # fmt: skip
            assert np.abs(np.array(edges) - inside).max() <= 2
        seen += 1
    assert seen > 5


def test_preprocessed_masks_of_chexmask_are_those_of_the_image_in_a_square(
    layered: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    again = load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), split="train+validation+test",
        cache_dir=str(tmp_path),
        layers={"chexmask": str(layered / "layers" / "Preprocessed" / "MIMIC-CXR-JPG.csv")},
    ).remove_columns("image")  # fmt: skip
    seen = 0
    for row, square in zip(rows, again, strict=True):
        if row["chexmask_Height"] is None:
            continue
        assert (square["chexmask_Height"], square["chexmask_Width"]) == (1024, 1024)
        whole = decode_rle(row["chexmask_Heart"], row["height"], row["width"])
        side = max(whole.shape)
        down, across = (side - whole.shape[0]) // 2, (side - whole.shape[1]) // 2
        ys, xs = np.nonzero(whole)
        expected = np.array([xs.min() + across, ys.min() + down, xs.max() + 1 + across,
                             ys.max() + 1 + down]) * 1024 / side  # fmt: skip
        ys, xs = np.nonzero(decode_rle(square["chexmask_Heart"], 1024, 1024))
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.abs(found - expected).max() <= 1.5 * 1024 / side
        seen += 1
    assert seen > 5


def test_llava_rad_has_each_entry_of_an_image_and_null_for_nan(
    layered: Path, rows: list[dict[str, Any]]
) -> None:
    expected: dict[str, list[Any]] = {}
    for file in sorted((layered / "layers" / FILES["llava_rad"]).glob("*.json")):
        assert file.name == "chat_dev_MIMIC_CXR_all_gpt4extract_rulebased_v1.json" or (
            "NaN" in file.read_text()
        )
        for entry in json.loads(file.read_text()):
            image = entry["image"].rpartition("/")[2].removesuffix(".jpg")
            labels = {name: None if math.isnan(value) else value
                      for name, value in entry["chexpert_labels"].items()}  # fmt: skip
            expected.setdefault(image, []).append((entry["generate_method"], labels,
                                                   entry["conversations"]))  # fmt: skip
    found = {
        row["image_id"]: [(one["generate_method"], one["chexpert_labels"], one["conversations"])
                          for one in row["llava_rad"]]
        for row in rows if row["llava_rad"]
    }  # fmt: skip
    assert any(len(entries) == 2 for entries in found.values())
    assert found == expected


def test_masks_of_chexmask_lie_in_the_boxes_of_the_same_parts(rows: list[dict[str, Any]]) -> None:
    parts = {"Left Lung": "left lung", "Right Lung": "right lung", "Heart": "cardiac silhouette"}
    seen = 0
    for row in rows:
        if row["chexmask_Height"] is None or row["chest_imagenome"] is None:
            continue
        size = row["chexmask_Height"], row["chexmask_Width"]
        assert size == (row["height"], row["width"])
        boxes = {one["bbox_name"]: one["box"] for one in row["chest_imagenome"]}
        for column, name in parts.items():
            ys, xs = np.nonzero(decode_rle(row[f"chexmask_{column}"], *size))
            edges = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert np.abs(np.array(edges) - boxes[name]).max() <= 2
            seen += 1
    assert seen > 10


def test_both_files_of_ms_cxr_say_the_same(
    layered: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    coco = layered / "layers" / "MS_CXR_Local_Alignment_v1.1.0.json"
    again = load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), split="train+validation+test",
        cache_dir=str(tmp_path), layers={"coco": {"address": str(coco), "like": "ms_cxr"}},
    ).select_columns("coco")  # fmt: skip
    names = ("category_name", "label_text", "box", "box_state")
    assert [str(row["coco"] and [[b[name] for name in names] for b in row["coco"]])
            for row in again] == [
        str(row["ms_cxr"] and [[b[name] for name in names] for b in row["ms_cxr"]]) for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("sign", synthetic.SIGNS)
def test_a_painted_finding_is_where_its_box_is(sign: str) -> None:
    """Painted with it and without, an image differs in the box and, but for its edges, nowhere."""
    for seed in range(4):
        pictures = [
            synthetic.paint_radiograph(240, 200, rng=random.Random(seed), signs=signs, noise=0)
            for signs in ([], [sign])
        ]
        difference = np.abs(pictures[1].astype(int) - pictures[0])
        build = synthetic.draw_build("frontal", random.Random(seed))
        part = synthetic.frontal_parts(build, [sign])[sign]
        left, top, right, bottom = map(round, build.in_pixels(part, 240, 200))
        inside = difference[max(0, top) : bottom, max(0, left) : right]
        assert inside.max() > 15
        assert inside.sum() > 0.9 * difference.sum()


def test_every_layer_says_what_it_is_and_where_it_is_had() -> None:
    for ready in LAYERS.values():
        assert ready.layer.address == ""
        assert ready.homepage.startswith("https://")
        assert ready.about
        assert ready.files
        assert any(year in ready.citation for year in ("2020", "2021", "2022", "2024"))


def test_tables_with_crlf_and_a_path_for_an_id_are_read(layered: Path, tmp_path: Path) -> None:
    """As the metadata of REFLACX and of MS-CXR-T are written."""
    first = read_csv(layered / "layers" / FILES["cxr_lt"])[0]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([["dicom_id", "n"], [first["fpath"].removesuffix(".jpg"), 7]])
    (tmp_path / "t.csv").write_bytes(text.getvalue().encode())
    rows = load_dataset(
        "mimic_cxr_jpg", data_dir=str(layered), cache_dir=str(tmp_path / "cache"),
        split="train+validation+test", layers={"t": str(tmp_path / "t.csv")},
    ).select_columns(["image_id", "t_n"])  # fmt: skip
    assert [row["image_id"] for row in rows if row["t_n"] == 7] == [first["dicom_id"]]
