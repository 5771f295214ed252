"""What `datasets` writes of a loaded dataset holds its images as for any other dataset."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_dataset, load_from_disk
from datasets.table import embed_table_storage
from PIL import Image

import indiana_cxr
import mimic_cxr_jpg

BUILDERS = {"indiana_cxr": indiana_cxr.IndianaCxr, "mimic_cxr_jpg": mimic_cxr_jpg.MimicCxrJpg}


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def pixels(dataset: Dataset) -> list[list[np.ndarray[Any, Any]]]:
    """Of each row, the pixels of its images."""
    rows = ([row["image"]] if "image" in row else row["images"] for row in dataset)
    return [[np.asarray(image) for image in images] for images in rows]


def assert_same_pixels(found: Dataset, expected: list[list[np.ndarray[Any, Any]]]) -> None:
    assert found.num_rows == len(expected)
    for ours, theirs in zip(pixels(found), expected, strict=True):
        assert len(ours) == len(theirs)
        for image, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(image, other)


def other_columns(dataset: Dataset) -> Any:
    names = [name for name in dataset.column_names if name not in ("image", "images")]
    return dataset.select_columns(names).with_format("arrow")[:].to_pylist()


def image_bytes(table: Any) -> list[bytes | None]:
    """Stored bytes of every image of a table, in order."""
    if "image" in table.column_names:
        return [image and image["bytes"] for image in table["image"].to_pylist()]
    return [image and image["bytes"] for images in table["images"].to_pylist() for image in images]


def prepare_parquet(
    package: str, release: Path, cache: str, config: str, out: Path, **options: Any
) -> None:
    builder = BUILDERS[package](
        config_name=config, data_dir=str(release), cache_dir=cache, **options
    )
    builder.download_and_prepare(str(out), file_format="parquet")


def load_parquet(out: Path, cache: str, split: str = "train") -> Dataset:
    files = [str(file) for file in sorted(out.glob(f"*-{split}*.parquet"))]
    return load_dataset("parquet", data_files=files, cache_dir=cache, split="train")


# save_to_disk


@pytest.mark.parametrize("config", ["images", "studies"])
def test_a_dataset_saved_to_disk_holds_its_images(
    package: str, release: Path, cache: str, tmp_path: Path, config: str
) -> None:
    dataset = load(package, release, cache, config)
    expected, columns = pixels(dataset), other_columns(dataset)
    dataset.save_to_disk(str(tmp_path / "saved"))
    shutil.rmtree(release)
    shutil.rmtree(cache)
    loaded = load_from_disk(str(tmp_path / "saved"))
    assert loaded.features == dataset.features
    assert other_columns(loaded) == columns
    assert_same_pixels(loaded, expected)


# Parquet by the builder


@pytest.mark.parametrize("config", ["images", "studies"])
def test_parquet_made_by_the_builder_holds_the_bytes_of_the_files(
    package: str, release: Path, cache: str, tmp_path: Path, config: str
) -> None:
    out = tmp_path / "out"
    prepare_parquet(package, release, cache, config, out)
    (file,) = out.glob("*-train.parquet")
    table = pq.read_table(file)
    paths = table["path" if config == "images" else "paths"].to_pylist()
    flat = paths if config == "images" else [path for study in paths for path in study]
    assert image_bytes(table) == [(release / path).read_bytes() for path in flat]


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_parquet_made_by_the_builder_loads_as_the_same_dataset_without_the_release(
    package: str, release: Path, cache: str, tmp_path: Path, config: str
) -> None:
    splits = load(package, release, cache, config, split=None)
    expected = {
        name: (pixels(split) if config != "reports" else [], other_columns(split))
        for name, split in splits.items()
    }
    prepare_parquet(package, release, cache, config, tmp_path / "out")
    shutil.rmtree(release)
    for name, split in splits.items():
        loaded = load_parquet(tmp_path / "out", cache, name)
        assert loaded.features == split.features
        assert other_columns(loaded) == expected[name][1]
        if config != "reports":
            assert_same_pixels(loaded, expected[name][0])


def test_parquet_of_the_builder_is_read_by_streaming_too(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    expected = pixels(load(package, release, cache).select(range(5)))
    prepare_parquet(package, release, cache, "images", tmp_path / "out")
    shutil.rmtree(release)
    files = [str(file) for file in (tmp_path / "out").glob("*-train.parquet")]
    streamed = load_dataset(
        "parquet", data_files=files, cache_dir=cache, split="train", streaming=True
    )
    for row, images in zip(streamed.take(5), expected, strict=True):
        np.testing.assert_array_equal(np.asarray(row["image"]), images[0])


def test_parquet_of_the_builder_names_each_image_by_its_file(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    """A name, not a place: the file is made to travel."""
    prepare_parquet(package, release, cache, "images", tmp_path / "out")
    for file in (tmp_path / "out").glob("*.parquet"):
        assert str(tmp_path).encode() not in file.read_bytes()
        for row in pq.read_table(file, columns=["image", "path"]).to_pylist():
            assert row["image"]["path"] == Path(row["path"]).name


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("missing", ["skip", "null"])
def test_parquet_of_the_builder_does_with_absent_images_what_was_asked(
    package: str, release: Path, cache: str, tmp_path: Path, config: str, missing: str
) -> None:
    images = load(package, release, cache)
    for path in images["path"][:9:4]:
        (release / path).unlink()
    expected = load(package, release, cache, config, missing=missing)
    prepare_parquet(package, release, cache, config, tmp_path / "out", missing=missing)
    loaded = load_parquet(tmp_path / "out", cache)
    assert other_columns(loaded) == other_columns(expected)
    absent = image_bytes(loaded.with_format("arrow")[:]).count(None)
    assert absent == (3 if missing == "null" else 0)


def test_a_builder_that_made_parquet_still_loads_by_reference(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    prepare_parquet(package, release, cache, "images", tmp_path / "out")
    table = load(package, release, cache).with_format("arrow")[:]
    assert set(image_bytes(table)) == {None}


# Parquet by the dataset


def test_to_parquet_writes_references_as_datasets_does(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    """And so does `datasets` with images of its own; `save_to_disk` and the builder embed."""
    dataset = load(package, release, cache)
    expected = pixels(dataset)
    dataset.to_parquet(str(tmp_path / "rows.parquet"))
    stored = pq.read_table(tmp_path / "rows.parquet")["image"].to_pylist()
    assert [image["path"] for image in stored] == [str(release / p) for p in dataset["path"]]
    assert {image["bytes"] for image in stored} == {None}
    plain = Dataset.from_dict({"image": [str(release / dataset["path"][0])]})
    plain = plain.cast_column("image", datasets.Image())
    plain.to_parquet(str(tmp_path / "plain.parquet"))
    assert pq.read_table(tmp_path / "plain.parquet")["image"].to_pylist()[0]["bytes"] is None
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "rows.parquet"), cache_dir=cache, split="train"
    )
    assert loaded.features == dataset.features
    assert_same_pixels(loaded, expected)


@pytest.mark.parametrize("config", ["images", "studies"])
def test_images_can_be_embedded_before_writing(
    package: str, release: Path, cache: str, tmp_path: Path, config: str
) -> None:
    dataset = load(package, release, cache, config)
    expected = pixels(dataset)
    embedded = dataset.with_format("arrow").map(embed_table_storage, batched=True)
    embedded.with_format(None).to_parquet(str(tmp_path / "rows.parquet"))
    shutil.rmtree(release)
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "rows.parquet"), cache_dir=cache, split="train"
    )
    assert loaded.features == dataset.features
    assert_same_pixels(loaded, expected)


def test_a_mapped_image_is_written_with_its_pixels(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    """A row made by `map` holds what was made, not the file it came from."""
    dataset = load(package, release, cache).select(range(4))
    small = dataset.map(lambda row: {"image": row["image"].resize((32, 32))})
    small.to_parquet(str(tmp_path / "rows.parquet"))
    for image in pq.read_table(tmp_path / "rows.parquet")["image"].to_pylist():
        assert Image.open(BytesIO(image["bytes"])).size == (32, 32)
