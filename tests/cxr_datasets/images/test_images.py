"""Images are stored as addresses, open when a row is read, and are named when they do not open."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL
import pytest
from datasets import Dataset, load_dataset
from PIL import Image, ImageFile

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import CxrError, ImageError
from cxr_datasets.images.column import XrayImage
from cxr_datasets.testing import copy_release, files_under, rewrite

BROKEN = 3
"""Row whose image the tests break."""


@pytest.fixture
def original(package: str, indiana_release: Path, small_release: Path) -> Path:
    return indiana_release if package == "indiana_cxr" else small_release


@pytest.fixture
def release(original: Path, tmp_path: Path) -> Path:
    return copy_release(original, tmp_path / "release")


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_dataset(
        package, config, data_dir=str(release), cache_dir=cache, split="train", **options
    )


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_in_the_header(content: bytes) -> bytes:
    return content[:20]


def a_web_page(content: bytes) -> bytes:
    return b"<!DOCTYPE html><title>Log in</title>"


def zeros(content: bytes) -> bytes:
    return bytes(len(content))


def flipped(content: bytes) -> bytes:
    """PNG has a checksum for each chunk; to JPEG a flipped bit is another picture."""
    return content[:20] + bytes([content[20] ^ 0xFF]) + content[21:]


DAMAGES = [cut, cut_in_the_header, a_web_page, zeros]


def damaged(package: str, release: Path, cache: str, damage: Any = cut) -> tuple[Dataset, str]:
    """A dataset with one broken image, and that image's path."""
    dataset = load(package, release, cache)
    file = release / dataset["path"][BROKEN]
    rewrite(file, damage(file.read_bytes()))
    return dataset, str(file)


# Referenced.


def test_the_arrow_file_holds_no_pixels(package: str, original: Path, cache: str) -> None:
    dataset = load(package, original, cache)
    stored = dataset.with_format("arrow")[:]["image"].combine_chunks()
    assert stored.field("bytes").null_count == dataset.num_rows
    for address, path in zip(stored.field("path").to_pylist(), dataset["path"], strict=True):
        assert address == str(original / path)
    built = b"".join((Path(cache) / file).read_bytes() for file in files_under(cache))
    for path in dataset["path"]:
        content = (original / path).read_bytes()
        assert content[len(content) // 2 :][:64] not in built


@pytest.mark.parametrize("config", ["images", "studies"])
def test_a_row_opens_its_image(package: str, original: Path, cache: str, config: str) -> None:
    dataset = load(package, original, cache, config)
    for row in dataset.select(range(10)):
        images = [row["image"]] if config == "images" else row["images"]
        paths = [row["path"]] if config == "images" else row["paths"]
        for image, path in zip(images, paths, strict=True):
            assert isinstance(image, PIL.Image.Image)
            assert image.mode == "L"
            with Image.open(original / path) as file:
                np.testing.assert_array_equal(np.asarray(image), np.asarray(file))


def test_building_opens_no_image(package: str, release: Path, cache: str) -> None:
    """Images that are no images at all do not keep the dataset from being built."""
    expected = load(package, release, cache)["path"][:]
    for path in expected:
        rewrite(release / path, b"x")
    assert load(package, release, f"{cache}-2")["path"][:] == expected


def test_features_are_those_of_plain_images(package: str, original: Path, cache: str) -> None:
    plain = datasets.Image()
    images = load(package, original, cache)
    assert images.features["image"] == plain
    assert plain == images.features["image"]
    assert images.features == datasets.Features({**images.features, "image": plain})
    assert datasets.Features({**images.features, "image": plain}) == images.features
    assert images.features["image"] != datasets.Image(mode="RGB")
    assert images.features["image"] != datasets.Value("string")
    assert repr(images.features["image"]).startswith("Image(mode=None, decode=True")
    as_dict = datasets.Features({"image": plain}).to_dict()
    assert datasets.Features({"image": images.features["image"]}).to_dict() == as_dict
    studies = load(package, original, cache, "studies").features["images"]
    assert studies == datasets.Features({"images": [plain]})["images"]


def test_what_is_stored_about_the_features_needs_nothing_of_ours(
    package: str, original: Path, cache: str
) -> None:
    load(package, original, cache)
    for file in files_under(cache):
        if file.endswith((".arrow", "dataset_info.json")) and "cxr_index" not in file:
            content = (Path(cache) / file).read_bytes()
            assert b"Image" in content
            assert b"XrayImage" not in content


def test_undecoded_images_are_paths(package: str, original: Path, cache: str) -> None:
    dataset = load(package, original, cache).cast_column("image", datasets.Image(decode=False))
    for row in dataset:
        assert row["image"] == {"bytes": None, "path": str(original / row["path"])}


def test_images_may_be_cast_to_another_mode(package: str, original: Path, cache: str) -> None:
    dataset = load(package, original, cache)
    colour = dataset.cast_column("image", datasets.Image(mode="RGB"))
    assert colour[0]["image"].mode == "RGB"
    assert dataset[0]["image"].mode == "L"


def test_images_as_arrays(package: str, original: Path, cache: str) -> None:
    dataset = load(package, original, cache).with_format("numpy")
    row = dataset[0]
    with Image.open(original / row["path"]) as file:
        np.testing.assert_array_equal(row["image"], np.asarray(file))
    assert row["image"].dtype == np.uint8


# Broken.


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image_that_does_not_decode_is_named(
    package: str, release: Path, cache: str, damage: Any
) -> None:
    dataset, file = damaged(package, release, cache, damage)
    with pytest.raises(ImageError) as caught:
        dataset[BROKEN]
    assert file in str(caught.value)
    assert "fetch it again" in str(caught.value)
    assert isinstance(caught.value, CxrError)
    assert caught.value.__cause__ is not None
    dataset[BROKEN - 1], dataset[BROKEN + 1]


def test_a_flipped_bit_in_a_png_is_noticed(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    dataset, file = damaged("indiana_cxr", release, cache, flipped)
    with pytest.raises(ImageError, match=re.escape(file)):
        dataset[BROKEN]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image_that_does_not_decode_is_named_when_streaming(
    package: str, release: Path, cache: str, damage: Any
) -> None:
    _, file = damaged(package, release, cache, damage)
    for where in (cache, f"{cache}-2"):  # built already, and not
        with pytest.raises(ImageError, match=re.escape(file)):
            list(load(package, release, where, streaming=True).take(BROKEN + 1))


def test_an_image_that_has_gone_is_named_with_what_to_do(
    package: str, release: Path, cache: str
) -> None:
    dataset = load(package, release, cache)
    file = release / dataset["path"][BROKEN]
    file.unlink()
    for rows in (dataset, load(package, release, cache)):
        with pytest.raises(ImageError) as caught:
            rows[BROKEN]
        assert f"image {file} is not there" in str(caught.value)
        assert "missing='skip'" in str(caught.value)


def test_an_image_of_no_bytes_is_named(package: str, release: Path, cache: str) -> None:
    dataset, file = damaged(package, release, cache, lambda content: b"")
    with pytest.raises(ImageError, match=re.escape(file)):
        dataset[BROKEN]


def test_an_image_of_a_study_that_does_not_decode_is_named(
    package: str, release: Path, cache: str
) -> None:
    studies = load(package, release, cache, "studies")
    number = next(n for n, paths in enumerate(studies["paths"]) if len(paths) > 1)
    file = release / studies["paths"][number][1]
    rewrite(file, cut(file.read_bytes()))
    for rows in (studies, load(package, release, cache, "studies", streaming=True)):
        with pytest.raises(ImageError, match=re.escape(str(file))):
            list(rows)


def after_select(dataset: Dataset) -> Any:
    return dataset.select(range(BROKEN + 1))


def after_shuffle(dataset: Dataset) -> Any:
    return dataset.shuffle(seed=1)


def after_filter(dataset: Dataset) -> Any:
    return dataset.filter(lambda path: bool(path), input_columns="path")


def after_map(dataset: Dataset) -> Any:
    return dataset.map(lambda path: {"length": len(path)}, input_columns="path")


def after_renaming(dataset: Dataset) -> Any:
    return dataset.rename_column("image", "pixel_values").remove_columns("report")


def after_concatenation(dataset: Dataset) -> Any:
    return datasets.concatenate_datasets([dataset, dataset])


def as_numpy(dataset: Dataset) -> Any:
    return dataset.with_format("numpy")


def as_transformed(dataset: Dataset) -> Any:
    return dataset.with_transform(lambda batch: batch)


def as_iterable(dataset: Dataset) -> Any:
    return dataset.to_iterable_dataset(num_shards=2)


@pytest.mark.parametrize(
    "change",
    [
        after_select, after_shuffle, after_filter, after_map, after_renaming,
        after_concatenation, as_numpy, as_transformed, as_iterable,
    ],
)  # fmt: skip
def test_a_broken_image_is_named_after_what_one_does_with_a_dataset(
    release: Path, package: str, cache: str, change: Any
) -> None:
    dataset, file = damaged(package, release, cache)
    with pytest.raises(ImageError, match=re.escape(file)):
        for _ in change(dataset):
            pass


def test_a_broken_image_is_named_where_map_decodes_it(
    release: Path, package: str, cache: str
) -> None:
    dataset, file = damaged(package, release, cache)
    with pytest.raises(ImageError, match=re.escape(file)):
        dataset.map(lambda row: {"width": row["image"].width})
    streamed = load(package, release, cache, streaming=True)
    with pytest.raises(ImageError, match=re.escape(file)):
        list(streamed.map(lambda row: {"width": row["image"].width}))


def test_plain_datasets_does_not_say_which_file_was_truncated(
    release: Path, package: str, cache: str
) -> None:
    """What `XrayImage` is there for; should this fail, it may go."""
    dataset, file = damaged(package, release, cache)
    plain = dataset.cast_column("image", datasets.Image())
    with pytest.raises(OSError, match="truncated") as caught:
        plain[BROKEN]
    assert Path(file).name not in str(caught.value)


def test_pillow_is_left_as_it_was(package: str, original: Path, cache: str) -> None:
    list(load(package, original, cache))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    assert PIL.Image.MAX_IMAGE_PIXELS == 89478485


def test_an_image_that_pillow_takes_for_a_bomb_is_named(
    package: str, original: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load(package, original, cache)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match=re.escape(dataset["path"][0])):
        dataset[0]


def test_the_feature_alone_names_what_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "image.jpg"
    Image.fromarray(np.arange(6400, dtype=np.uint8).reshape(80, 80)).save(file)
    content = file.read_bytes()
    image = XrayImage()
    assert image.decode_example({"bytes": content, "path": None}).size == (80, 80)
    assert image.decode_example({"bytes": None, "path": str(file)}).size == (80, 80)
    with pytest.raises(ImageError, match=r"a name\.jpg"):
        image.decode_example({"bytes": cut(content), "path": "a name.jpg"})
    with pytest.raises(ImageError, match="without a path"):
        image.decode_example({"bytes": cut(content), "path": None})


# Taken away.


def test_a_dataset_loaded_before_its_release_moved_says_where_it_looked(
    package: str, release: Path, cache: str
) -> None:
    dataset = load(package, release, cache)
    shutil.move(release, release.parent / "moved")
    with pytest.raises(ImageError, match=re.escape(str(release))):
        dataset[0]
    assert load(package, release.parent / "moved", cache)[0]["image"].mode == "L"
