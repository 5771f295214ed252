"""What `datasets` makes plain features of starts no program either."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import datasets
import PIL.Image
import pytest
from datasets import concatenate_datasets, load_dataset, load_from_disk
from packaging.version import Version

import indiana_cxr  # noqa: F401
from cxr_datasets.errors import ImageError
from cxr_datasets.images.column import XrayImage
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.testing import copy_release, rewrite
from tests.fakes import ghostscript

IS_POSTSCRIPT = "image .* (is PostScript|is no image in a format that is opened here)"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return ghostscript.install(tmp_path, monkeypatch)


@pytest.mark.parametrize("content", ghostscript.POSTSCRIPT.values(), ids=ghostscript.POSTSCRIPT)
def test_a_plain_feature_starts_no_program(
    content: bytes, indiana_release: Path, cache: str, tmp_path: Path, mark: Path
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    for file in release.rglob("*.png"):
        rewrite(file, content)
    dataset = load_dataset("indiana_cxr", data_dir=str(release), cache_dir=cache, split="train")
    dataset.save_to_disk(tmp_path / "saved")
    rows = dataset.to_iterable_dataset()
    plain = {
        "concatenated": concatenate_datasets([dataset, dataset]),
        "concatenated streams": concatenate_datasets([rows, rows]),
        "saved": load_from_disk(str(tmp_path / "saved")),
        "cast": dataset.cast_column("image", datasets.Image()),
        "embedded": datasets.Dataset.from_dict(
            {"image": [{"bytes": content, "path": None}]},
            features=datasets.Features({"image": datasets.Image()}),
        ),
    }
    assert type(plain["saved"].features["image"]) is not XrayImage  # or it would prove nothing
    for found in plain.values():
        with pytest.raises(ImageError, match=IS_POSTSCRIPT):
            next(iter(found))
    for form in filter(find_spec, ("numpy", "torch")):
        with pytest.raises(ImageError, match=IS_POSTSCRIPT):
            plain["saved"].with_format(form)[0]
    assert not mark.exists()
    ghostscript.opened_by_pillow(content)
    assert mark.exists()


def test_a_remote_image_of_a_release_loaded_here_is_looked_at_too(
    mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        root = "memory://release"

        def path_of(self, address: str) -> str | None:
            return address.removeprefix("memory://release/")

        def read(self, path: str) -> bytes:
            assert path == "one.png"
            return ghostscript.POSTSCRIPT["text"]

    monkeypatch.setattr(sessions, "_sources", {})
    sessions.add_source(Known())  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=IS_POSTSCRIPT):
        datasets.Image().decode_example({"bytes": None, "path": "memory://release/one.png"})
    assert not mark.exists()


@pytest.mark.parametrize("form", ["PPM", "TGA", "JPEG2000", "PNG"])
def test_images_of_other_datasets_are_decoded_as_before(form: str) -> None:
    out = BytesIO()
    PIL.Image.new("L", (4, 3), 7).save(out, form)
    found = datasets.Image().decode_example({"bytes": out.getvalue(), "path": None})
    assert found.size == (4, 3)


@pytest.mark.skipif(Version(datasets.__version__) < Version("5"), reason="datasets 5 takes them")
def test_an_image_that_is_decoded_already_is_given_as_it_is() -> None:
    image = PIL.Image.new("L", (4, 3), 7)
    assert datasets.Image().decode_example(image) is image


def test_a_file_that_is_not_there_is_told_as_by_datasets(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        datasets.Image().decode_example({"bytes": None, "path": str(tmp_path / "absent.png")})
