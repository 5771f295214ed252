"""Boxes follow the pixels: on painted images whose boxes are known, wherever these come."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from datasets import load_dataset

from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.images.coordinates import smaller_sizes, square_parts
from cxr_datasets.images.resize import open_small
from cxr_datasets.images.square import SQUARES, open_square
from cxr_datasets.synthetic import draw_build, frontal_parts, paint_radiograph
from cxr_datasets.testing import copy_release
from cxr_datasets.training import ImageTransform, boxes_to_original
from tests.cxr_datasets.layers.material import Ids, images_of, write_csv

Box = tuple[float, float, float, float]

BLUR = 1.6
"""Pixels by which an edge may be off: rounding, and the blur of JPEG and Lanczos."""


@pytest.fixture(scope="module")
def marked(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose images are black but for one white rectangle each."""
    root = copy_release(small_release, tmp_path_factory.mktemp("marked") / "release")
    for one in images_of(root):
        file = next((root / "files").glob(f"*/*/s{one.study}/{one.image}.jpg"))
        pixels = np.zeros((one.height, one.width), np.uint8)
        left, top, right, bottom = true_box(one)
        pixels[int(top) : int(bottom), int(left) : int(right)] = 255
        file.unlink()
        PIL.Image.fromarray(pixels).save(file, quality=95)
    return root


@pytest.fixture(scope="module")
def cache_of_marked(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


def true_box(one: Ids) -> Box:
    """The rectangle of an image: left, top, right, bottom in its pixels, not in the middle."""
    rng = random.Random(one.image)
    left, top = rng.randint(10, one.width // 2), rng.randint(10, one.height // 2)
    width, height = rng.randint(30, one.width // 3), rng.randint(30, one.height // 3)
    return left, top, left + width, top + height


@pytest.fixture
def load(marked: Path, cache_of_marked: str) -> Callable[..., Any]:
    def load_one(table: Path, config: str = "images", *, options: dict[str, Any] | None = None,
                 **form: Any) -> Any:  # fmt: skip
        return load_dataset(
            "mimic_cxr_jpg", config, data_dir=str(marked), cache_dir=cache_of_marked,
            layers={"m": {"address": str(table), **form}},
            **{"split": "train+validation+test", **(options or {})},
        )  # fmt: skip

    return load_one


def bright(image: Any) -> np.ndarray:
    """The box of what is bright in an image, by its half-bright edges."""
    pixels = np.asarray(image).squeeze()
    ys, xs = np.nonzero(pixels > pixels.max() / 2)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)


def of_sizes(one: Ids) -> tuple[float, ...]:
    left, top, right, bottom = true_box(one)
    return left, top, right - left, bottom - top


def of_squares(one: Ids) -> tuple[float, ...]:
    """In a square of 224 pixels in which the whole image lies, black around it."""
    factor = 224 / max(one.width, one.height)
    across = (224 - round(one.width * factor)) // 2
    down = (224 - round(one.height * factor)) // 2
    scale_x, scale_y = (
        round(one.width * factor) / one.width,
        round(one.height * factor) / one.height,
    )
    left, top, right, bottom = true_box(one)
    return (left * scale_x + across, top * scale_y + down, right * scale_x + across,
            bottom * scale_y + down)  # fmt: skip


SPACES: dict[str, tuple[list[str], Callable[[Ids], tuple[Any, ...]], dict[str, Any]]] = {
    "sizes": (["x", "y", "w", "h"], of_sizes, {}),
    "corners": (["x1", "y1", "x2", "y2"], true_box, {}),
    "fraction": (
        ["left", "top", "right", "bottom"],
        lambda one: tuple(np.array(true_box(one)) / ([one.width, one.height] * 2)),
        {"space": "fraction"},
    ),
    "size in the row": (
        ["x", "y", "w", "h", "wide", "high"],
        lambda one: (*(np.array(of_sizes(one)) / 2), one.width / 2, one.height / 2),
        {"space": ["wide", "high"]},
    ),
    "a padded square": (["a", "b", "c", "d"], of_squares,
                        {"space": "224 pad", "box_form": "corners"}),
    "a stretched square": (
        ["x1", "y1", "x2", "y2"],
        lambda one: tuple(np.array(true_box(one)) * 100 / ([one.width, one.height] * 2)),
        {"space": "100 stretch"},
    ),
}  # fmt: skip


def table_of(marked: Path, folder: Path, space: str = "corners") -> tuple[Path, dict[str, Any]]:
    header, values, form = SPACES[space]
    rows = [(one.image, *values(one)) for one in images_of(marked)]
    path = write_csv(folder / "boxes.csv", ["dicom_id", *header], rows)
    return path, {"boxes": header[:4], **form}


@pytest.mark.parametrize(
    ("space", "size"),
    [("sizes", None), ("a padded square", None), *((name, 64) for name in SPACES)],
)
def test_a_box_is_where_its_mark_is(
    load: Any, marked: Path, tmp_path: Path, space: str, size: int | None
) -> None:
    table, form = table_of(marked, tmp_path, space)
    rows = load(table, **form, options={"image_size": size})
    assert set(rows["m_box_state"]) == {"whole"}
    assert not {"m_x", "m_x1", "m_a", "m_left"} & set(rows.column_names)
    for row in rows:
        assert size is None or min(row["image"].size) == size
        assert np.abs(bright(row["image"]) - row["m_box"]).max() <= BLUR


RIM = 0.07 * math.log(2) ** 0.5 / 0.12
"""Where a painted patch is half as bright as in its middle: a share of half its box."""


@pytest.fixture(scope="module")
def patched(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Painted radiographs with a hazy patch in each, and the same ones without; and its boxes."""
    folder = tmp_path_factory.mktemp("patched")
    roots = [copy_release(small_release, folder / name) for name in ("with", "without")]
    boxes = []
    for number, one in enumerate(images_of(small_release)):
        build = draw_build("frontal", random.Random(number))
        box = frontal_parts(build, ["opacity"])["opacity"]
        boxes.append((one.image, *build.in_pixels(box, one.height, one.width)))
        for root, signs in zip(roots, (["opacity"], []), strict=True):
            pixels = paint_radiograph(
                one.height, one.width, rng=random.Random(number), signs=signs, noise=0
            )
            file = next((root / "files").glob(f"*/*/s{one.study}/{one.image}.jpg"))
            file.unlink()
            PIL.Image.fromarray(pixels).save(file, quality=100)
    table = write_csv(folder / "boxes.csv", ["dicom_id", "x1", "y1", "x2", "y2"], boxes)
    return [*roots, table]


def patch_in(found: Any, plain: Any) -> np.ndarray:
    """The box of a patch, by where it is half as bright as in its middle."""
    both = (np.asarray(image).squeeze().astype(float) for image in (found, plain))
    left, top, right, bottom = bright(np.maximum(next(both) - next(both), 0))
    across, down = (right - left) * (1 / RIM - 1) / 2, (bottom - top) * (1 / RIM - 1) / 2
    return np.array([left - across, top - down, right + across, bottom + down])


@pytest.mark.parametrize("size", [None, 96])
@pytest.mark.parametrize("square", [None, *SQUARES])
def test_on_painted_radiographs_the_patch_is_where_its_box_is(
    patched: list[Path], cache_of_marked: str, size: int | None, square: str | None
) -> None:
    layers = {"m": {"address": str(patched[2]), "boxes": ["x1", "y1", "x2", "y2"]}}
    loaded = [
        load_dataset(
            "mimic_cxr_jpg", data_dir=str(root), cache_dir=cache_of_marked, layers=layers,
            split="train+validation+test", image_size=size,
        )
        for root in patched[:2]
    ]  # fmt: skip
    name = "image" if square is None else "pixel_values"
    if square is not None:
        transform = ImageTransform(size=112, square=square, scale="uint8")
        loaded = [transform.on(rows) for rows in loaded]
    whole = 0
    for row, plain in zip(*loaded, strict=True):
        if row["m_box_state"] != "whole":
            assert square == "crop"
            continue
        assert np.abs(patch_in(row[name], plain[name]) - row["m_box"]).max() <= 2
        whole += 1
    assert whole > 20


def test_in_studies_and_streams_boxes_are_those_of_each_image(
    load: Any, marked: Path, tmp_path: Path
) -> None:
    table, form = table_of(marked, tmp_path)
    many = load(table, "studies", several=True, **form, options={"image_size": 64})
    options = {"streaming": True, "image_size": 64, "split": None}
    splits = load(table, "studies", **form, options=options)
    for row, streamed in zip(many, chain(*splits.values()), strict=True):
        assert [boxes[0]["box"] for boxes in row["ms"]] == streamed["m_boxes"]
        for image, box in zip(row["images"], streamed["m_boxes"], strict=True):
            assert np.abs(bright(image) - box).max() <= BLUR


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize(
    ("config", "several"), [("images", True), ("images", False), ("studies", True)]
)
def test_boxes_follow_their_image_into_the_square_of_a_transform(
    load: Any, marked: Path, tmp_path: Path, square: str, config: str, several: bool
) -> None:
    table, form = table_of(marked, tmp_path)
    rows = load(table, config, several=several, **form)
    states = set()
    for row in ImageTransform(size=96, square=square, scale="uint8").on(rows):
        plain = [row] if config == "images" else [
            {name: value[at] for name, value in row.items() if name in ROW_NAMES}
            for at in range(len(row["pixel_values"]))
        ]  # fmt: skip
        for one in plain:
            boxes = one.get("m") or one.get("ms")
            box, state = (boxes[0]["box"], boxes[0]["box_state"]) if boxes else (
                one.get("m_box", one.get("m_boxes")),
                one.get("m_box_state", one.get("m_box_states")),
            )  # fmt: skip
            states.add(state)
            if state == "outside":
                assert box is None
                assert one["pixel_values"].max() < 60
                continue
            assert np.abs(bright(one["pixel_values"]) - box).max() <= BLUR
            back = boxes_to_original([box], one)[0]
            assert back[2] - back[0] >= 20 or state == "clipped"
    assert "whole" in states
    assert ("clipped" in states) == (square == "crop")


def test_boxes_of_studies_with_one_row_a_key_follow_too(
    load: Any, marked: Path, tmp_path: Path
) -> None:
    table, form = table_of(marked, tmp_path)
    row = ImageTransform(size=96, square="pad", scale="uint8").on(
        load(table, "studies", several=False, **form)
    )[0]
    for pixels, box in zip(row["pixel_values"], row["m_boxes"], strict=True):
        assert np.abs(bright(pixels) - box).max() <= BLUR


ROW_NAMES = ("pixel_values", "valid_box", "seen_box", "ms", "m_boxes", "m_box_states")


def test_an_export_has_the_boxes_of_its_pixels(
    marked: Path, cache_of_marked: str, tmp_path: Path
) -> None:
    table, form = table_of(marked, tmp_path)
    out = str(tmp_path / "out")
    layer = "m=" + json.dumps({"address": str(table), **form})
    assert main([
        "export", "mimic-cxr-jpg", "--data-dir", str(marked), "--out", out, "--image-size", "80",
        "--cache-dir", cache_of_marked, "--no-progress", "--layer", layer,
    ]) == 0  # fmt: skip
    rows = load_dataset(out, split="train", cache_dir=cache_of_marked)
    assert all(np.abs(bright(row["image"]) - row["m_box"]).max() <= BLUR for row in rows)


def resized(marked: Path, out: Path, side: int, *, stretch: bool) -> Path:
    """A copy whose images are smaller under their own names, while its tables stay."""
    shutil.copytree(marked, out)
    for file in out.glob("files/**/*.jpg"):
        image = PIL.Image.open(file)
        image.load()
        small = image.resize((side, side)) if stretch else open_small(str(file), side)
        file.unlink()
        small.save(file, quality=95)
    return out


@pytest.mark.parametrize("place", ["data_dir", "images"])
def test_a_copy_of_smaller_images_is_known_by_its_files(
    marked: Path, cache_of_marked: str, tmp_path: Path, place: str
) -> None:
    small = resized(marked, tmp_path / "small", 100, stretch=False)
    table, form = table_of(marked, tmp_path)
    where = {"data_dir": str(marked), "images": str(small)} if place == "images" else {
        "data_dir": str(small)
    }  # fmt: skip
    rows = load_dataset(
        "mimic_cxr_jpg", cache_dir=cache_of_marked, split="train", image_size=64, **where,
        layers={"m": {"address": str(table), **form}},
    )  # fmt: skip
    for row in rows:
        assert np.abs(bright(row["image"]) - row["m_box"]).max() <= BLUR


def test_where_images_were_stretched_boxes_are_unknown(
    marked: Path, cache_of_marked: str, tmp_path: Path
) -> None:
    square = resized(marked, tmp_path / "square", 100, stretch=True)
    table, form = table_of(marked, tmp_path)
    rows = load_dataset(
        "mimic_cxr_jpg", data_dir=str(square), cache_dir=cache_of_marked, split="train",
        layers={"m": {"address": str(table), **form}},
    )  # fmt: skip
    assert set(rows["m_box_state"]) == {"unknown"}
    assert set(map(str, rows["m_box"])) == {"None"}


def test_boxes_beyond_the_image_are_cut_or_null_and_told(
    load: Any, marked: Path, tmp_path: Path
) -> None:
    one = images_of(marked)[0]
    wide, high = one.width, one.height
    given = {
        "whole": (0, 0, wide, high), "clipped": (-5, 10, wide + 9, 20),
        "outside": (wide, 0, wide + 5, 9), "empty": (5, 5, 5, 9), "no box": ("", 5, 6, 9),
        "turned": (9, 9, 3, 3),
    }  # fmt: skip
    table = write_csv(tmp_path / "t.csv", ["dicom_id", "what", "x1", "y1", "x2", "y2"],
                      [(one.image, name, *box) for name, box in given.items()])  # fmt: skip
    rows = load(table, boxes=["x1", "y1", "x2", "y2"]).remove_columns("image")
    (boxes,) = [row["m"] for row in rows if row["image_id"] == one.image]
    assert {box["what"]: (box["box"], box["box_state"]) for box in boxes} == {
        "whole": ([0, 0, wide, high], "whole"), "clipped": ([0, 10, wide, 20], "clipped"),
        "outside": (None, "outside"), "empty": (None, "empty"), "no box": (None, None),
        "turned": (None, "empty"),
    }  # fmt: skip


@pytest.mark.parametrize("several", [True, False])
def test_a_box_that_nobody_can_place_is_unknown_and_not_as_if_there_were_none(
    load: Any, marked: Path, tmp_path: Path, several: bool
) -> None:
    sizes = [(0, 9), (-4, 4), ("", 10), (9, 9), (9, 9), (9, 9)]
    lefts = [1, 1, 1, "inf", "", 3]
    images = images_of(marked)[: len(sizes)]
    table = write_csv(tmp_path / "t.csv", ["dicom_id", "x1", "y1", "x2", "y2", "wide", "high"],
                      [(one.image, left, 1, 5, 6, *size)
                       for one, left, size in zip(images, lefts, sizes, strict=True)])  # fmt: skip
    rows = load(table, boxes=["x1", "y1", "x2", "y2"], space=["wide", "high"], several=several)
    columns = ["image_id", *(["m"] if several else ["m_box", "m_box_state"])]
    found = {row.pop("image_id"): row for row in rows.select_columns(columns)}
    states = [
        found[one.image]["m"][0]["box_state"] if several else found[one.image]["m_box_state"]
        for one in images
    ]
    assert states == ["unknown", "unknown", "unknown", "unknown", None, "whole"]


def test_an_image_without_a_file_has_a_box_only_where_the_tables_tell_its_size(
    marked: Path, indiana_release: Path, cache_of_marked: str, tmp_path: Path
) -> None:
    broken = copy_release(marked, tmp_path / "broken")
    table, form = table_of(marked, tmp_path)
    gone = images_of(marked)[3]
    next(broken.glob(f"files/**/{gone.image}.jpg")).unlink()
    rows = load_dataset(
        "mimic_cxr_jpg", data_dir=str(broken), cache_dir=cache_of_marked, missing="null",
        split="train+validation+test", layers={"m": {"address": str(table), **form}},
    )  # fmt: skip
    (row,) = [row for row in rows if row["image_id"] == gone.image]
    assert (row["image"], row["m_box"]) == (None, list(true_box(gone)))

    other = copy_release(indiana_release, tmp_path / "other")
    load_other: dict[str, Any] = {"data_dir": str(other), "cache_dir": cache_of_marked,
                                  "split": "train", "missing": "null"}  # fmt: skip
    row = load_dataset("indiana_cxr", **load_other)[0]
    boxes = write_csv(tmp_path / "o.csv", ["image_id", "x", "y", "w", "h"],
                      [(row["image_id"], 4, 6, 8, 10)])  # fmt: skip
    layers = {"m": {"address": str(boxes), "boxes": ["x", "y", "w", "h"]}}
    assert load_dataset("indiana_cxr", **load_other, layers=layers)[0]["m_box"] == [4, 6, 12, 16]
    half = load_dataset("indiana_cxr", **load_other, layers=layers, image_size=32)[0]
    factor = np.array(half["image"].size) / row["image"].size
    assert np.allclose(half["m_box"], np.array([4, 6, 12, 16]) * np.tile(factor, 2), atol=1e-3)
    next(other.rglob(f"{row['image_id']}*")).unlink()
    lost = load_dataset("indiana_cxr", **load_other, layers=layers)[0]
    assert (lost["image"], lost["m_box"], lost["m_box_state"]) == (None, None, "unknown")


def test_boxes_need_numbers_and_ids_of_images(load: Any, marked: Path, tmp_path: Path) -> None:
    one = images_of(marked)[0]
    form = {"boxes": ["x1", "y1", "x2", "y2"]}
    texts = write_csv(tmp_path / "t.csv", ["dicom_id", *form["boxes"]],
                      [(one.image, "a", 1, 2, 3)])  # fmt: skip
    with pytest.raises(TableError, match="'x1' is of type string: expected numbers"):
        load(texts, **form)
    study = write_csv(tmp_path / "s.csv", ["study_id", *form["boxes"]], [(one.study, 1, 1, 2, 3)])
    with pytest.raises(OptionError, match="a box lies in one image"):
        load(study, **form)
    for several, name in ((None, "box"), (None, "box_state"), (True, "box_state")):
        other = write_csv(tmp_path / "o.csv", ["dicom_id", *form["boxes"], name],
                          [(one.image, 1, 1, 2, 3, 4)])  # fmt: skip
        with pytest.raises(TableError, match=f"column '{name}' has the name that boxes get"):
            load(other, **form, several=several)
    lacking = write_csv(tmp_path / "l.csv", ["dicom_id", "x1"], [(one.image, 1)])
    with pytest.raises(OptionError, match="names a column 'y1'"):
        load(lacking, **form)


def test_sizes_and_places_are_those_that_images_get() -> None:
    rng = random.Random(5)
    sizes = [(rng.randint(1, 400), rng.randint(1, 400)) for _ in range(60)]
    known = [*sizes, (np.nan, np.nan)]
    for number, (width, height) in enumerate(sizes):
        image = PIL.Image.new("L", (width, height))
        side = rng.randint(1, 300)
        out = np.zeros((side, side), np.uint8)
        square = SQUARES[number % 3]
        place = open_square(image, side, square, out)
        valid, seen = (part[number] for part in square_parts(known, side, square))
        assert (tuple(valid), tuple(seen)) == (place.valid_box, place.seen_box)
        file = write_png(image)
        assert tuple(smaller_sizes(known, side)[number]) == open_small(file, side).size
    assert np.isnan(smaller_sizes(known, 9)[-1]).all()


def write_png(image: PIL.Image.Image) -> Any:
    from io import BytesIO

    out = BytesIO()
    image.save(out, "PNG")
    return BytesIO(out.getvalue())
