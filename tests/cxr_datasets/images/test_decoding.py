"""`decode` and `decode_batch` take rows of images and of studies, and name all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError, OptionError
from cxr_datasets.images import decode, decode_batch
from cxr_datasets.testing import copy_release
from tests.helpers import load

SIZE = 32
PLAIN = datasets.Image(decode=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def images(small_release: Path, cache: Path) -> datasets.Dataset:
    return load(small_release, cache, "images").cast_column("image", PLAIN)


@pytest.fixture(scope="module")
def studies(small_release: Path, cache: Path) -> datasets.Dataset:
    return load(small_release, cache, "studies").cast_column("images", [PLAIN])


def same(found: Any, expected: Any) -> bool:
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("size", [None, SIZE])
def test_a_row_of_studies_gives_a_list(
    size: int | None, studies: datasets.Dataset, small_release: Path
) -> None:
    row = max(studies, key=lambda row: len(row["images"]))
    found = decode(row, size)
    assert len(found) == len(row["paths"]) > 1
    for array, path in zip(found, row["paths"], strict=True):
        assert np.array_equal(
            array, decode({"bytes": None, "path": str(small_release / path)}, size)
        )


def test_a_batch_of_studies_gives_lists(studies: datasets.Dataset) -> None:
    batches = studies.with_transform(lambda batch: {"pixels": decode_batch(batch, SIZE)})
    found = batches[:6]["pixels"]
    assert len({len(images) for images in found}) > 1
    for arrays, row in zip(found, studies, strict=False):
        assert same(arrays, decode(row, SIZE))


def test_a_study_without_images_gives_an_empty_list() -> None:
    assert decode({"images": []}) == decode({"images": None}) == []
    assert decode_batch({"images": [[], None]}) == [[], []]


def test_streamed_rows_and_rows_of_numpy_decode_too(
    small_release: Path, cache: Path, studies: datasets.Dataset, images: datasets.Dataset
) -> None:
    stream = load(small_release, cache, "studies", streaming=True, embed=True)
    row = next(iter(stream.cast_column("images", [PLAIN])))
    assert same(decode(row, SIZE), decode(studies[0], SIZE))
    assert np.array_equal(decode(images.with_format("numpy")[0], SIZE), decode(images[0], SIZE))
    assert same(decode(studies.with_format("numpy")[0], SIZE), decode(studies[0], SIZE))
    assert same(decode_batch(images.with_format("numpy")[:2], SIZE), decode_batch(images[:2], SIZE))


def test_null_images_of_studies_are_named(small_release: Path, tmp_path: Path) -> None:
    root = copy_release(small_release, tmp_path / "release")
    whole = load(root, tmp_path / "whole", "studies")
    (root / whole[0]["paths"][-1]).unlink()
    rows = load(root, tmp_path / "cache", "studies", missing="null").cast_column("images", [PLAIN])
    with pytest.raises(ImageError, match="null"):
        decode(rows[0])
    with pytest.raises(ImageError, match="null"):
        decode_batch(rows[:2])


CAST = r'cast_column\("image", Image\(decode=False\)\).*cast_column\("images", \[Image\(decode'


def test_decoded_rows_are_named_and_the_cast_that_helps(small_release: Path, cache: Path) -> None:
    images, studies = (load(small_release, cache, config) for config in ("images", "studies"))
    for call in (
        lambda: decode(images[0]),
        lambda: decode(images[0]["image"]),
        lambda: decode_batch(images[:2]),
        lambda: decode(studies[0]),
        lambda: decode_batch(studies[:2]),
        lambda: decode_batch(images[0]),
        lambda: decode_batch(studies[0]),
        lambda: decode(images.with_format("numpy")[0]),
        lambda: decode_batch(images.with_format("numpy")[:2]),
        lambda: decode(images.with_format("pandas")[0]),
        lambda: decode_batch(images.with_format("arrow")[:2]),
    ):
        with pytest.raises(ImageError, match=CAST):
            call()


def test_decoded_tensors_are_named(small_release: Path, cache: Path) -> None:
    pytest.importorskip("torch")
    rows = load(small_release, cache, "images").with_format("torch")
    with pytest.raises(ImageError, match=rf"torch\.Tensor.*{CAST}"):
        decode(rows[0])
    with pytest.raises(ImageError, match=CAST):
        decode_batch(rows[:2])


def test_a_row_and_a_batch_are_told_apart(
    images: datasets.Dataset, studies: datasets.Dataset
) -> None:
    with pytest.raises(ImageError, match=r"lists of images.*decode_batch"):
        decode(images[:2])
    with pytest.raises(ImageError, match=r"one row. Use decode"):
        decode_batch(images[0])
    with pytest.raises(ImageError, match=r"one row. Use decode"):
        decode_batch(studies[0])
    with pytest.raises(ImageError, match=r"lists of images.*decode_batch"):
        decode(studies[:2])


def test_rows_without_images_are_named(small_release: Path, cache: Path) -> None:
    rows = load(small_release, cache, "reports")
    for call in (lambda: decode(rows[0]), lambda: decode_batch(rows[:2])):
        with pytest.raises(ImageError, match=r"study_id, .*Config reports has no images"):
            call()


def test_an_image_without_bytes_and_path_is_named() -> None:
    with pytest.raises(ImageError, match="neither bytes nor a path"):
        decode({"image": {"bytes": None, "path": None}})


@pytest.mark.parametrize("size", [0, -3, "224", 22.4, True, (224, 224)])
def test_sizes_that_are_none_are_refused(size: Any, images: datasets.Dataset) -> None:
    for call in (lambda: decode(images[0], size), lambda: decode_batch(images[:2], size)):
        with pytest.raises(OptionError, match=r"size=.* positive integer"):
            call()


def test_sizes_of_numpy_are_taken(images: datasets.Dataset) -> None:
    assert min(decode(images[0], np.int64(SIZE)).shape) == SIZE  # type: ignore[arg-type]
