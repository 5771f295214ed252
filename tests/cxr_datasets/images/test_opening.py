"""An image starts no program, in whatever way it is met, and few formats are opened."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ExportError, ImageError
from cxr_datasets.export import export
from cxr_datasets.images import decode, decode_batch
from cxr_datasets.images.opening import FORMATS, open_image
from cxr_datasets.testing import copy_release, rewrite
from tests.fakes import ghostscript

CHECKOUT = Path(__file__).resolve().parents[3]
NO_FORMAT = r"is no image in a format that is opened here \(JPEG, PNG, TIFF, BMP, GIF, WEBP\)"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is there once Ghostscript was started."""
    return ghostscript.install(tmp_path, monkeypatch)


@pytest.fixture
def no_program(mark: Path) -> Iterator[None]:
    """Require that a test starts no Ghostscript, which plain Pillow would have started."""
    yield
    assert not mark.exists()
    ghostscript.opened_by_pillow(ghostscript.POSTSCRIPT["text"])
    assert mark.exists()


@pytest.fixture(params=ghostscript.POSTSCRIPT)
def release(
    request: pytest.FixtureRequest,
    package: str,
    indiana_release: Path,
    small_release: Path,
    tmp_path: Path,
) -> Path:
    """A release all of whose images are PostScript."""
    original = indiana_release if package == "indiana_cxr" else small_release
    copy = copy_release(original, tmp_path / "release")
    for file in [*copy.rglob("*.png"), *copy.rglob("*.jpg")]:
        rewrite(file, ghostscript.POSTSCRIPT[request.param])
    return copy


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


@pytest.mark.parametrize("content", ghostscript.POSTSCRIPT.values(), ids=ghostscript.POSTSCRIPT)
def test_plain_pillow_starts_a_program_for_postscript(mark: Path, content: bytes) -> None:
    """So that the other tests of this file can fail."""
    assert not mark.exists()
    ghostscript.opened_by_pillow(content)
    assert mark.exists()


WAYS: dict[str, Callable[[Any], object]] = {
    "a row": lambda ds: ds[0],
    "a column": lambda ds: ds["image"][0],
    "a slice": lambda ds: ds[:2],
    "a loop": lambda ds: next(iter(ds)),
    "select": lambda ds: ds.select([3])[0],
    "shuffle": lambda ds: ds.shuffle(seed=0)[0],
    "map": lambda ds: ds.map(lambda row: {"one": 1}, input_columns="path")[0],
    "map of images": lambda ds: ds.map(lambda row: {"one": row["image"].size}),
    "filter": lambda ds: ds.filter(lambda path: True, input_columns="path")[0],
    "stream": lambda ds: next(iter(ds.to_iterable_dataset())),
    "batches": lambda ds: next(ds.iter(2)),
    **{
        name: lambda ds, name=name: ds.with_format(name)[0]  # type: ignore[misc]
        for name in filter(find_spec, ("numpy", "torch", "pandas", "polars"))
    },
}


def until_it_fails(way: Callable[[Any], object], dataset: Any) -> Exception | None:
    try:
        way(dataset)
    except Exception as error:
        return error
    return None


@pytest.mark.usefixtures("no_program")
def test_no_way_to_a_row_starts_a_program(package: str, release: Path, cache: str) -> None:
    dataset = load(package, release, cache)
    started = {name: until_it_fails(way, dataset) for name, way in WAYS.items()}
    decoded = {name for name, error in started.items() if not isinstance(error, ImageError)}
    assert decoded <= {"pandas"}  # which gives a row's image undecoded
    with pytest.raises(ImageError, match=NO_FORMAT):
        load(package, release, cache, "studies")[0]
    with pytest.raises(ImageError, match=NO_FORMAT):
        next(iter(load(package, release, cache, streaming=True)))
    undecoded = dataset.cast_column("image", datasets.Image(decode=False))
    for call in (lambda: decode(undecoded[0], 32), lambda: decode_batch(undecoded[:2])):
        with pytest.raises(ImageError, match=NO_FORMAT):
            call()


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize("how", [{"embed": True}, {"image_size": 32}], ids=["whole", "resized"])
def test_no_image_is_embedded_that_starts_a_program(
    package: str, release: Path, cache: str, how: dict[str, Any]
) -> None:
    for config in ("images", "studies"):
        with pytest.raises(ImageError, match=NO_FORMAT):
            load(package, release, cache, config, **how)
        with pytest.raises(ImageError, match=NO_FORMAT):
            next(iter(load(package, release, cache, config, streaming=True, **how)))


@pytest.mark.usefixtures("no_program")
def test_an_export_never_holds_what_starts_a_program(
    package: str, indiana_release: Path, small_release: Path, cache: str, tmp_path: Path
) -> None:
    original = indiana_release if package == "indiana_cxr" else small_release
    release, out = copy_release(original, tmp_path / "mixed"), tmp_path / "out"
    files = sorted([*release.rglob("*.png"), *release.rglob("*.jpg")])
    for file in files[::2]:
        rewrite(file, ghostscript.POSTSCRIPT["text"])
    name = package.replace("_", "-")
    with pytest.raises(ExportError, match=r"problems\.csv"):
        export(name, release, out, cache_dir=cache, progress=False)
    out = tmp_path / "with nulls"
    export(name, release, out, cache_dir=cache, progress=False, damaged="null")
    stored = [
        image and image["bytes"]
        for file in out.rglob("*.parquet")
        for image in pq.read_table(file, columns=["image"])["image"].to_pylist()
    ]
    assert None in stored
    whole = [content for content in stored if content is not None]
    assert whole
    assert all(content.startswith((b"\x89PNG", b"\xff\xd8")) for content in whole)


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize("name", ["image.jpg", "image.png", "image.eps"])
@pytest.mark.parametrize("content", ghostscript.POSTSCRIPT.values(), ids=ghostscript.POSTSCRIPT)
def test_neither_path_nor_bytes_start_a_program(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for image in ({"bytes": content, "path": name}, {"bytes": None, "path": str(tmp_path / name)}):
        for size in (None, 16):
            with pytest.raises(ImageError, match=NO_FORMAT):
                decode(image, size)


SOME = {"PPM", "TGA", "PCX", "ICO", "SGI", "JPEG2000", "EPS", "PDF"}


@pytest.mark.parametrize("form", sorted(SOME))
def test_other_formats_are_not_opened(form: str) -> None:
    out = BytesIO()
    PIL.Image.new("L", (40, 30)).save(out, form)
    with pytest.raises(ImageError, match=NO_FORMAT):
        decode({"bytes": out.getvalue(), "path": None})


@pytest.mark.parametrize("form", FORMATS)
def test_the_named_formats_are_opened(form: str) -> None:
    out = BytesIO()
    pixels = np.arange(1200, dtype=np.uint8).reshape(30, 40)
    PIL.Image.fromarray(pixels).save(out, form, **({"lossless": True} if form == "WEBP" else {}))
    found = decode({"bytes": out.getvalue(), "path": None})
    assert found.shape == (30, 40)
    if form != "JPEG":
        np.testing.assert_array_equal(found, pixels)


def test_a_pipe_or_a_folder_in_place_of_an_image_is_not_waited_for(
    indiana_release: Path, cache: str, tmp_path: Path
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    dataset = load("indiana_cxr", release, cache)
    first, second = (release / dataset[number]["path"] for number in (0, 1))
    first.unlink()
    os.mkfifo(first)
    second.unlink()
    second.mkdir()
    for number in (0, 1):
        with pytest.raises(ImageError, match="is not there"):
            dataset[number]
    assert dataset[2]["image"].mode == "L"


def test_images_are_opened_in_one_place_only() -> None:
    folders = [
        CHECKOUT / name for name in ("cxr_datasets", "mimic_cxr_jpg", "indiana_cxr", "examples")
    ]
    found = [
        file.relative_to(CHECKOUT).as_posix()
        for folder in folders
        for file in folder.rglob("*.py")
        if "Image" in (code := file.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(code))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "open"
        and ast.unparse(call.func).endswith("Image.open")
        and "formats" not in [word.arg for word in call.keywords]
    ]
    assert found == []
    assert open_image.__module__ == "cxr_datasets.images.opening"
