"""The option `image_size`: smaller images, embedded, in every config, streamed and built."""

from __future__ import annotations

import logging
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pytest

import indiana_cxr
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError, MissingImagesError, OptionError
from cxr_datasets.images import decode, decode_batch
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.synthetic import png_bytes
from cxr_datasets.testing import copy_release, datasets_under, rewrite

PACKAGES = ["mimic_cxr_jpg", "indiana_cxr"]
SIZE = 48


@pytest.fixture
def release(request: pytest.FixtureRequest) -> Path:
    names = {"mimic_cxr_jpg": "mimic_release", "indiana_cxr": "indiana_release"}
    return request.getfixturevalue(names[request.param])


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return datasets.load_dataset(
        package, config, data_dir=str(release), cache_dir=cache, split="train", **options
    )


def stored(dataset: Any, config: str = "images") -> list[list[dict[str, Any]]]:
    """The images of each row as they are stored."""
    column = "image" if config == "images" else "images"
    rows = dataset.with_format("arrow")[:][column].to_pylist()
    return [row if isinstance(row, list) else [row] for row in rows]


both = pytest.mark.parametrize(
    ("package", "release"), [(name, name) for name in PACKAGES], indirect=["release"]
)


@both
@pytest.mark.parametrize("config", ["images", "studies"])
def test_images_are_embedded_small_jpegs_and_the_rest_of_the_rows_is_as_without(
    package: str, release: Path, cache: str, config: str
) -> None:
    small = load(package, release, cache, config, image_size=SIZE)
    whole = load(package, release, cache, config)
    column = "image" if config == "images" else "images"
    rest = [name for name in whole.column_names if name != column]
    assert small.select_columns(rest)[:] == whole.select_columns(rest)[:]
    assert small.features == whole.features
    for images in stored(small, config):
        for image in images:
            decoded = PIL.Image.open(BytesIO(image["bytes"]))
            assert (decoded.format, decoded.mode) == ("JPEG", "L")
            assert min(decoded.size) == SIZE
            assert "/" not in image["path"]
            assert image["path"].endswith(".jpg")


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
@pytest.mark.parametrize(
    ("suffix", "left"), [(".dcm.png", ""), (".png", ".dcm"), (".tif", ".dcm.png"), ("png", ".dcm.")]
)
def test_the_declared_suffix_makes_room_for_that_of_the_format(
    suffix: str,
    left: str,
    image_format: str,
    indiana_release: Path,
    cache: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indiana_cxr.IndianaCxr, "IMAGE_SUFFIX", suffix)
    monkeypatch.setattr(indiana_cxr.IndianaCxr, "IMAGE_FORMS", None)  # they have their own
    dataset = load(
        "indiana_cxr", indiana_release, cache, image_size=SIZE, image_format=image_format
    )
    end = left + {"jpeg": ".jpg", "png": ".png"}[image_format]
    names = [image["path"] for (image,) in stored(dataset)]
    assert names == [image_id + end for image_id in dataset["image_id"]]


@both
@pytest.mark.parametrize("config", ["images", "studies"])
def test_streaming_and_two_processes_give_the_same_bytes(
    package: str, release: Path, cache: str, config: str
) -> None:
    column = "image" if config == "images" else "images"
    one = stored(load(package, release, cache, config, image_size=SIZE), config)
    two = load(package, release, cache + "2", config, image_size=SIZE, num_proc=2)
    assert stored(two, config) == one
    streamed = load(package, release, cache, config, image_size=SIZE, streaming=True)
    plain = datasets.Image(decode=False)
    streamed = streamed.cast_column(column, plain if config == "images" else [plain])
    found = [row[column] for row in streamed]
    assert [row if isinstance(row, list) else [row] for row in found] == one


def test_png_is_kept_lossless_on_request(indiana_release: Path, cache: str) -> None:
    dataset = load("indiana_cxr", indiana_release, cache, image_size=SIZE, image_format="png")
    image = stored(dataset)[0][0]
    assert PIL.Image.open(BytesIO(image["bytes"])).format == "PNG"
    assert image["path"].endswith(".png")
    original = PIL.Image.open(indiana_release / dataset[0]["path"])
    target = dataset[0]["image"].size
    expected = np.asarray(original.resize(target, PIL.Image.Resampling.LANCZOS))
    assert (np.asarray(dataset[0]["image"]) == expected).all()


def test_images_in_an_archive_are_read_in_place(cache: str, tmp_path: Path) -> None:
    from indiana_cxr.synthetic import write_release

    archive = write_release(tmp_path / "release", studies=12, layout="zip") / "archive.zip"
    dataset = load("indiana_cxr", archive, cache, image_size=SIZE)
    assert all(min(row["image"].size) == SIZE for row in dataset)


def test_config_reports_has_no_images_to_resize(mimic_release: Path, cache: str) -> None:
    dataset = load("mimic_cxr_jpg", mimic_release, cache, "reports", image_size=SIZE)
    assert "image" not in dataset.column_names


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"image_size": 0}, "image_size=0"),
        ({"image_size": -3}, "positive integer"),
        ({"image_size": "512"}, "positive integer"),
        ({"image_size": True}, "positive integer"),
        ({"image_size": 64, "image_format": "gif"}, "'jpeg', 'png'"),
        ({"image_format": "png"}, "needs image_size"),
    ],
)
def test_wrong_values_are_refused(
    options: dict[str, Any], expected: str, mimic_release: Path, cache: str
) -> None:
    with pytest.raises(OptionError, match=expected):
        load("mimic_cxr_jpg", mimic_release, cache, **options)


@pytest.fixture
def damaged(small_release: Path, tmp_path: Path, cache: str) -> tuple[Path, str, str]:
    """A release with one file cut short and one gone, and their paths."""
    release = copy_release(small_release, tmp_path / "release")
    paths = load("mimic_cxr_jpg", release, cache)["path"]
    cut, gone = paths[4], paths[9]
    rewrite(release / cut, (release / cut).read_bytes()[:900])
    (release / gone).unlink()
    return release, cut, gone


def test_a_truncated_image_is_an_error_that_names_it_and_nothing_is_left(
    damaged: tuple[Path, str, str], small_release: Path, tmp_path: Path
) -> None:
    release, cut, gone = damaged
    rewrite(release / gone, (small_release / gone).read_bytes())
    cache = str(tmp_path / "new")
    with pytest.raises(ImageError, match=cut):
        load("mimic_cxr_jpg", release, cache, image_size=SIZE)
    assert datasets_under(cache) == []
    with pytest.raises(ImageError, match=cut):
        list(load("mimic_cxr_jpg", release, cache, image_size=SIZE, streaming=True))


def test_a_decompression_bomb_is_refused_by_name_of_the_limit(
    small_release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1_000)
    with pytest.raises(ImageError, match=r"files/.*PIL\.Image\.MAX_IMAGE_PIXELS"):
        load("mimic_cxr_jpg", small_release, cache, image_size=SIZE)


def test_an_absent_image_is_an_error_before_anything_is_built(
    damaged: tuple[Path, str, str], tmp_path: Path
) -> None:
    release, _, gone = damaged
    with pytest.raises(MissingImagesError, match=gone):
        load("mimic_cxr_jpg", release, str(tmp_path / "new"), image_size=SIZE)


@pytest.mark.parametrize("streaming", [False, True])
def test_skip_leaves_out_absent_and_truncated_images_and_names_the_truncated(
    damaged: tuple[Path, str, str],
    cache: str,
    streaming: bool,
    small_release: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release, cut, gone = damaged
    everything = load("mimic_cxr_jpg", small_release, cache)["path"]
    with caplog.at_level(logging.WARNING):
        dataset = load(
            "mimic_cxr_jpg", release, cache, image_size=SIZE, missing="skip", damaged="skip",
            streaming=streaming,
        )  # fmt: skip
        found = [row["path"] for row in dataset]
    assert found == [path for path in everything if path not in (cut, gone)]
    assert cut in caplog.text


def test_null_keeps_their_rows(damaged: tuple[Path, str, str], cache: str) -> None:
    release, cut, gone = damaged
    dataset = load("mimic_cxr_jpg", release, cache, image_size=SIZE, missing="null", damaged="null")
    without = [row["path"] for row in dataset if row["image"] is None]
    assert sorted(without) == sorted([cut, gone])


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_a_truncated_file_that_is_fetched_again_is_there_at_the_next_load(
    damaged: tuple[Path, str, str], cache: str, missing: str, small_release: Path
) -> None:
    release, cut, _ = damaged
    options = {"image_size": SIZE, "missing": missing, "damaged": missing}
    before = load("mimic_cxr_jpg", release, cache, **options)
    rewrite(release / cut, (small_release / cut).read_bytes())
    after = load("mimic_cxr_jpg", release, cache, **options)
    with_image = [
        {row["path"] for row in dataset if row["image"] is not None} for dataset in (before, after)
    ]
    assert with_image[1] - with_image[0] == {cut}


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_studies_lose_the_image_and_stay_in_step(
    damaged: tuple[Path, str, str], cache: str, missing: str, small_release: Path
) -> None:
    release, cut, gone = damaged
    options = {"image_size": SIZE, "missing": missing, "damaged": missing}
    dataset = load("mimic_cxr_jpg", release, cache, "studies", **options)
    whole = load("mimic_cxr_jpg", small_release, cache, "studies")
    lists = ["images", "image_ids", "views", "paths", "view_positions", "heights"]
    for row in dataset:
        assert len({len(row[name]) for name in lists}) == 1
    left = [path for row in dataset for path in row["paths"]]
    expected = [path for row in whole for path in row["paths"]]
    if missing == "skip":
        expected = [path for path in expected if path not in (cut, gone)]
        assert all(image is not None for row in dataset for image in row["images"])
    assert left == expected
    for row in dataset:
        for image, path in zip(row["images"], row["paths"], strict=True):
            assert (image is None) == (path in (cut, gone))


def test_decode_gives_an_array_of_the_size_asked_for(mimic_release: Path, cache: str) -> None:
    dataset = load("mimic_cxr_jpg", mimic_release, cache)
    rows = dataset.cast_column("image", datasets.Image(decode=False))
    for row in rows.select(range(5)):
        array = decode(row, SIZE)
        assert array.dtype == np.uint8
        assert min(array.shape) == SIZE
        whole = decode(row["image"])
        assert whole.shape == (row["height"], row["width"])
        assert (whole == np.asarray(PIL.Image.open(mimic_release / row["path"]))).all()


def test_decode_reads_embedded_and_archived_images_and_names_broken_ones(
    mimic_release: Path, cache: str, tmp_path: Path
) -> None:
    from indiana_cxr.synthetic import write_release

    plain = datasets.Image(decode=False)
    small = load("mimic_cxr_jpg", mimic_release, cache, image_size=SIZE)
    assert min(decode(small.cast_column("image", plain)[0]).shape) == SIZE
    archive = write_release(tmp_path / "release", studies=5, layout="zip") / "archive.zip"
    archived = load("indiana_cxr", archive, cache).cast_column("image", plain)
    assert min(decode(archived[0], SIZE).shape) == SIZE
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        decode({"bytes": None, "path": str(broken)}, SIZE)
    with pytest.raises(ImageError, match="null"):
        decode({"image": None}, SIZE)


def test_decode_batch_gives_what_decode_gives_row_by_row(mimic_release: Path, cache: str) -> None:
    rows = load("mimic_cxr_jpg", mimic_release, cache)
    rows = rows.cast_column("image", datasets.Image(decode=False)).select(range(9))
    batches = rows.with_transform(lambda batch: {"pixels": decode_batch(batch, SIZE)})
    for number, pixels in enumerate(batches[:]["pixels"]):
        assert (pixels == decode(rows[number], SIZE)).all()
    with pytest.raises(ImageError, match="null"):
        decode_batch({"image": [rows[0]["image"], None]}, SIZE)


@pytest.mark.parametrize("is_loaded_here", [True, False])
def test_decode_reads_the_directory_of_an_archive_once(
    is_loaded_here: bool, tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indiana_cxr.synthetic import write_release

    archive = write_release(tmp_path / "release", studies=12, layout="zip") / "archive.zip"
    rows = load("indiana_cxr", archive, cache).cast_column("image", datasets.Image(decode=False))
    if not is_loaded_here:
        sessions.clear()
    opened = []
    read_directory = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]
    monkeypatch.setattr(
        zipfile.ZipFile,
        "_RealGetContents",
        lambda file: (opened.append(file), read_directory(file)),
    )
    assert len([decode(row, 64) for row in rows]) > 2
    assert len(opened) <= 1


def test_decode_reads_an_archive_by_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as file:
        file.writestr("a/b.png", png_bytes(PIL.Image.new("L", (30, 20))))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert decode({"bytes": None, "path": "zip://a/b.png::some.zip"}).shape == (20, 30)
