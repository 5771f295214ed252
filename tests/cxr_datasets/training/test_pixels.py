"""`ImageTransform` gives pixels of one shape, the same by every way into it, and decodes once."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pytest

import cxr_datasets
from cxr_datasets.columns import LABELS
from cxr_datasets.errors import ImageError, OptionError
from cxr_datasets.labels import label_matrix
from cxr_datasets.testing import copy_release, rewrite
from cxr_datasets.training import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, PixelRows
from tests.helpers import load, run_python

CHECKOUT = Path(cxr_datasets.__file__).parents[1]
SIZE = 48
PLAIN = datasets.Image(decode=False)
BYTES = ImageTransform(SIZE, scale="uint8")
NEW = ["pixel_values", "image_mask", "valid_box", "seen_box", "original_size"]


def same(found: Any, expected: Any) -> bool:
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("square", ["crop", "pad", "stretch"])
def test_every_way_into_it_gives_the_same_pixels(
    square: str, images: datasets.Dataset, embedded: datasets.Dataset
) -> None:
    transform = ImageTransform(SIZE, square, scale="uint8")
    expected = transform.on(images)[:6]
    undecoded = images.cast_column("image", PLAIN)
    mapped = undecoded.take(6).map(transform, batched=True, batch_size=4, remove_columns="image")
    set_ = undecoded.take(6)
    set_.set_transform(transform)
    for other in (
        transform.on(embedded)[:6],
        undecoded.with_transform(transform)[:6],
        undecoded.with_transform(transform, columns=["image"])[:6],
        set_[:6],
        mapped.with_format("numpy")[:6],
        transform(undecoded[:6]),
        transform(undecoded.with_format("numpy")[:6]),
        transform(undecoded.with_format("arrow")[:6]),
        transform(images.with_format("arrow")[:6]),
    ):
        for name in NEW:
            assert np.array_equal(expected[name], other[name]), name
        assert "image" not in other


def test_studies_give_an_array_for_each_study_by_every_way(studies: datasets.Dataset) -> None:
    undecoded = studies.cast_column("images", [PLAIN])
    found = BYTES.on(studies)[:6]
    counts = [len(paths) for paths in studies[:6]["paths"]]
    assert len(set(counts)) > 1
    assert [array.shape for array in found["pixel_values"]] == [
        (count, 1, SIZE, SIZE) for count in counts
    ]
    for name in NEW:
        assert [len(array) for array in found[name]] == counts
        assert same(undecoded.with_transform(BYTES)[:6][name], found[name])
    flat = {"image": [image for images in undecoded[:6]["images"] for image in images]}
    assert same(np.concatenate(found["pixel_values"]), BYTES(flat)["pixel_values"])


def test_decoded_images_are_taken_as_they_are(images: datasets.Dataset) -> None:
    full = {"image": images[:4]["image"]}
    found = BYTES(full)["pixel_values"]
    again = BYTES({"image": [PIL.Image.fromarray(np.asarray(image)) for image in full["image"]]})
    assert same(found, again["pixel_values"])
    near = BYTES.on(images)[:4]["pixel_values"]
    assert np.abs(found.astype(int) - near).mean() < 6  # decoded at full size, and at a fraction
    assert same(images.with_transform(BYTES)[:4]["pixel_values"], found)


def test_on_decodes_each_image_once_and_never_at_full_size(
    embedded: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Any, *args: Any, **options: Any) -> Any:
        raise AssertionError("datasets decoded an image")

    loads: Counter[tuple[int, int]] = Counter()
    original = PIL.JpegImagePlugin.JpegImageFile.load

    def load(self: Any) -> Any:
        loads[self.size] += bool(self.fp)
        return original(self)

    monkeypatch.setattr(datasets.Image, "decode_example", refused)
    monkeypatch.setattr(type(embedded.features["image"]), "decode_example", refused)
    monkeypatch.setattr(PIL.JpegImagePlugin.JpegImageFile, "load", load)
    ImageTransform(32).on(embedded)[:8]
    assert sum(loads.values()) == 8
    whole = min(min(embedded["width"]), min(embedded["height"]))
    assert all(min(size) < whole for size in loads)


def test_rows_of_on_are_read_by_number_slice_list_and_loop(images: datasets.Dataset) -> None:
    rows = BYTES.on(images.select_columns(["image", "image_id", "view"]))
    assert isinstance(rows, PixelRows)
    assert len(rows) == len(images)
    assert list(rows[2]) == ["image_id", "view", *NEW]
    assert rows[2]["pixel_values"].shape == (1, SIZE, SIZE)
    assert rows[-1]["image_id"] == images[-1]["image_id"]
    assert rows[[3, 1]]["image_id"] == [images[3]["image_id"], images[1]["image_id"]]
    assert [row["image_id"] for row in rows.__getitems__([3, 1])] == rows[[3, 1]]["image_id"]
    assert [row["image_id"] for row in rows] == list(images["image_id"])
    assert same(rows[1:3]["pixel_values"], [rows[1]["pixel_values"], rows[2]["pixel_values"]])
    assert rows[[]]["pixel_values"].shape == (0, 1, SIZE, SIZE)
    with pytest.raises(IndexError):
        rows[len(rows)]
    with pytest.raises(OptionError, match=r"rows\['view'\] .*rows\.dataset"):
        rows["view"]


def test_on_keeps_the_order_and_the_columns_that_were_chosen(images: datasets.Dataset) -> None:
    chosen = images.shuffle(seed=1).select(range(5, 15)).with_format("numpy", ["image", "view"])
    rows = BYTES.on(chosen)
    assert list(rows[0]) == ["view", *NEW]
    assert rows[:]["view"] == list(chosen.select_columns("view")[:]["view"])


def test_labels_of_on_are_arrays_with_nan_for_null(
    embedded: datasets.Dataset, small_release: Path, built_cache: Path
) -> None:
    rows = BYTES.on(embedded)[:]
    stream = BYTES.on(load(small_release, built_cache, streaming=True, embed=True))
    for name in ("labels", "labels_negbio", "labels_radiologist"):
        expected = label_matrix(embedded.with_format("arrow")[:][name])
        assert expected.shape == (len(embedded), len(LABELS))
        assert np.array_equal(rows[name], expected, equal_nan=True)
        assert np.array_equal([row[name] for row in stream], expected, equal_nan=True)
    assert 0 < np.isnan(rows["labels"]).mean() < 1


@pytest.mark.parametrize("config", ["images", "studies"])
def test_streams_give_the_same_rows(config: str, small_release: Path, built_cache: Path) -> None:
    built = BYTES.on(load(small_release, built_cache, config))
    streamed = BYTES.on(load(small_release, built_cache, config, streaming=True))
    for row, other in zip(built, streamed, strict=True):
        assert row.keys() == other.keys()
        assert np.array_equal(row["pixel_values"], other["pixel_values"])
        assert np.array_equal(row["valid_box"], other["valid_box"])


def test_all_splits_at_once(small_release: Path, built_cache: Path) -> None:
    splits = load(small_release, built_cache, split=None)
    rows = BYTES.on(splits)
    assert {name: len(split) for name, split in rows.items()} == {
        name: len(split) for name, split in splits.items()
    }


SQUARE = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)


def scaled(scale: str, channels: int = 1) -> np.ndarray[Any, Any]:
    image = PIL.Image.fromarray(SQUARE)
    found = ImageTransform(SIZE, channels=channels, scale=scale)({"image": [image]})
    return found["pixel_values"][0]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_scale_is_what_its_formula_says(channels: int) -> None:
    for scale, expected in {
        "0-1": SQUARE / 255,
        "xrv": (2 * (SQUARE.astype(np.float32) / 255) - 1.0) * 1024,  # torchxrayvision's words
        "uint8": SQUARE,
    }.items():
        found = scaled(scale, channels)
        assert found.dtype == (np.uint8 if scale == "uint8" else np.float32)
        assert found.shape == (channels, SIZE, SIZE)
        for plane in found:
            assert plane == pytest.approx(expected, rel=1e-5, abs=2e-4)
    assert scaled("xrv").min() == -1024
    assert scaled("xrv").max() == pytest.approx(1024, abs=1e-3)


def test_imagenet_is_mean_and_deviation_of_three_channels() -> None:
    found = scaled("imagenet", 3)
    for plane, mean, deviation in zip(found, IMAGENET_MEAN, IMAGENET_STD, strict=True):
        assert plane == pytest.approx((SQUARE / 255 - mean) / deviation, abs=1e-5)


def test_a_size_may_be_an_integer_of_numpy() -> None:
    assert ImageTransform(np.int64(8)).on  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [
    {"size": None}, {"size": 0}, {"size": True}, {"size": "224"}, {"size": 2.5}, {"square": "fill"},
    {"channels": 4}, {"scale": "0-255"}, {"scale": "imagenet"}, {"augment": "flip"},
])  # fmt: skip
def test_options_that_do_not_exist_are_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=name):
        ImageTransform(**{"size": SIZE, **options})


@pytest.fixture(scope="module")
def holed(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose first training image is absent and whose second is cut off."""
    root = copy_release(small_release, tmp_path_factory.mktemp("holed") / "release")
    whole = load(small_release, tmp_path_factory.mktemp("cache"))
    first, second = whole[:2]["path"]
    (root / first).unlink()
    rewrite(root / second, (root / second).read_bytes()[:900])
    return root


@pytest.mark.parametrize("scale", ["0-1", "xrv", "uint8"])
def test_a_null_image_is_black_in_its_place_and_marked(
    scale: str, holed: Path, tmp_path: Path
) -> None:
    rows = load(holed, tmp_path, embed=True, missing="null", damaged="null")
    transform = ImageTransform(SIZE, scale=scale)
    found = transform.on(rows)[:4]
    assert found["image_mask"].tolist() == [False, False, True, True]
    black = -1024 if scale == "xrv" else 0
    assert (found["pixel_values"][:2] == black).all()
    assert same(found["pixel_values"][2:], transform.on(rows)[2:4]["pixel_values"])
    assert not found["valid_box"][:2].any()
    assert not found["original_size"][:2].any()
    only = transform.on(rows)[:2]
    assert only["pixel_values"].shape == (2, 1, SIZE, SIZE)
    assert not only["image_mask"].any()


def test_null_images_of_studies_are_black_and_marked(holed: Path, tmp_path: Path) -> None:
    rows = load(holed, tmp_path, "studies", embed=True, missing="null", damaged="null")
    found = BYTES.on(rows)[:]
    undecoded = rows.cast_column("images", [PLAIN])["images"]
    for mask, images in zip(found["image_mask"], undecoded, strict=True):
        assert mask.tolist() == [image is not None for image in images]
    assert sum(map(len, found["image_mask"])) - sum(map(sum, found["image_mask"])) == 2


def test_a_damaged_image_is_an_error_that_names_its_file(holed: Path, tmp_path: Path) -> None:
    rows = load(holed, tmp_path, missing="null")
    path = rows["path"][1]
    with pytest.raises(ImageError, match=rf"{path} .*damaged='null'"):
        BYTES.on(rows)[:4]
    with pytest.raises(ImageError, match=rf"{path} "):
        rows.cast_column("image", PLAIN).with_transform(BYTES)[1]


def test_a_file_that_went_away_since_is_an_error_that_names_it(
    small_release: Path, tmp_path: Path
) -> None:
    root = copy_release(small_release, tmp_path / "release")
    rows = load(root, tmp_path / "cache")
    path = rows["path"][1]
    (root / path).unlink()
    with pytest.raises(ImageError, match=rf"{path} is not there"):
        BYTES.on(rows)[:4]


def test_what_has_no_images_is_named(
    images: datasets.Dataset, small_release: Path, built_cache: Path
) -> None:
    reports = load(small_release, built_cache, "reports")
    for rows in (reports, images.select_columns(["view", "labels"])):
        with pytest.raises(ImageError, match="neither image nor images"):
            BYTES.on(rows)
    with pytest.raises(ImageError, match="neither image nor images"):
        BYTES(reports[:2])
    with pytest.raises(ImageError, match=r"expected a split.*found a list.*load_dataset"):
        BYTES.on([1])


def test_one_row_where_a_batch_is_wanted_is_named(
    images: datasets.Dataset, studies: datasets.Dataset
) -> None:
    for row in (images[0], studies[0], images.cast_column("image", PLAIN)[0]):
        with pytest.raises(ImageError, match="batched=True"):
            BYTES(row)


def test_arrays_are_no_images(images: datasets.Dataset) -> None:
    with pytest.raises(ImageError, match=r"numpy\.ndarray.*cast_column"):
        BYTES(images.with_format("numpy")[:2])


def test_it_can_be_pickled_and_its_hash_stays(images: datasets.Dataset) -> None:
    rows = pickle.loads(pickle.dumps(BYTES.on(images)))
    assert same(rows[:3]["pixel_values"], BYTES.on(images)[:3]["pixel_values"])
    assert datasets.fingerprint.Hasher.hash(BYTES) == datasets.fingerprint.Hasher.hash(
        pickle.loads(pickle.dumps(BYTES))
    )


def test_arrays_of_numpy_need_no_torch(images: datasets.Dataset, tmp_path: Path) -> None:
    images.select(range(4)).save_to_disk(str(tmp_path / "rows"))
    code = (
        "import sys, datasets\n"
        "from cxr_datasets.training import ImageTransform, collate_studies\n"
        f"rows = ImageTransform(32).on(datasets.load_from_disk({str(tmp_path / 'rows')!r}))\n"
        "assert rows[:]['pixel_values'].shape == (4, 1, 32, 32)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = run_python(code, cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("channels", [True, 1.0, "1"])
def test_channels_that_are_no_whole_number_are_refused(channels: Any) -> None:
    with pytest.raises(OptionError, match=r"channels=.* is not known\. Choose from: 1, 3"):
        ImageTransform(SIZE, channels=channels)
