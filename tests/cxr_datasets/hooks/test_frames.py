"""The format `polars` decodes images, alone and in lists, and leaves other columns alone."""

from __future__ import annotations

from typing import Any

import datasets
import PIL.Image
import pytest

import mimic_cxr_jpg  # noqa: F401

polars = pytest.importorskip("polars")

FEATURES = datasets.Features(
    {"image": datasets.Image(), "images": [datasets.Image()], "n": datasets.Value("int8")}
)


def image(shade: int) -> PIL.Image.Image:
    return PIL.Image.new("L", (4, 3), shade)


def dataset(image: list[Any], images: list[Any]) -> datasets.Dataset:
    columns = {"image": image, "images": images, "n": list(range(len(image)))}
    return datasets.Dataset.from_dict(columns, features=FEATURES)


CASES = {
    "images": ([image(1), image(2)], [[image(3), image(4)], [image(5)]]),
    "some": ([None, image(2)], [[None, image(4)], []]),
    "none": ([None, None], [None, [None]]),
    "no rows": ([], []),
}


@pytest.mark.parametrize(("one", "many"), CASES.values(), ids=CASES)
def test_a_frame_holds_the_decoded_images(one: list[Any], many: list[Any]) -> None:
    rows = dataset(one, many)
    frame = rows.with_format("polars")[:]
    assert frame.schema["n"] == polars.Int8
    assert frame.to_dict(as_series=False) == rows[:]
    for number, row in enumerate(rows):
        assert rows.with_format("polars")[number].to_dicts() == [row]


def test_a_stream_holds_the_decoded_images() -> None:
    rows = dataset(*CASES["some"])
    stream = rows.to_iterable_dataset().with_format("polars")
    assert [frame.to_dicts() for frame in stream] == [[row] for row in rows]


@pytest.mark.parametrize(("one", "many"), CASES.values(), ids=CASES)
def test_a_column_holds_the_decoded_images(one: list[Any], many: list[Any]) -> None:
    rows = dataset(one, many)
    for name in ("image", "images", "n"):
        assert rows.with_format("polars")[name][:].to_list() == rows[name][:]


def test_undecoded_images_stay_bytes_and_path() -> None:
    rows = dataset(*CASES["images"]).cast_column("image", datasets.Image(decode=False))
    frame = rows.with_format("polars").select_columns(["image", "n"])[:]
    assert frame["image"].to_list() == rows["image"][:]
    assert frame.schema["image"] == polars.Struct({"bytes": polars.Binary, "path": polars.String})
