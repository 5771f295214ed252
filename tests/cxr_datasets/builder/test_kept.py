"""Option `cache`: images of a remote copy stay on a disk once they were fetched."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pytest

from cxr_datasets.builder.kept import kept_images
from cxr_datasets.cli import main
from cxr_datasets.errors import CacheError, ImageError, OptionError
from cxr_datasets.limits import size_in_bytes
from cxr_datasets.testing import copy_release
from cxr_datasets.training import ImageTransform
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.permissions import stopped_by_permissions
from tests.small_disk import small_disk

STILL, CHANGING = "files/mimic-cxr-jpg/2.1.0", "files/changing"
LOGIN = {"username": USER, "password": PASSWORD}
PIXELS = ImageTransform(48, scale="uint8")
MUCH = "1GB"


@pytest.fixture(scope="module")
def release(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose files are changed by new ones in their place."""
    return copy_release(small_release, tmp_path_factory.mktemp("changing") / "mimic")


@pytest.fixture(scope="module")
def served(small_release: Path, release: Path) -> Iterator[PhysioNet]:
    folders = {STILL: small_release, CHANGING: release}
    with PhysioNet(folders, agents=("cxr-datasets/",)) as running:
        yield running


@pytest.fixture
def server(served: PhysioNet) -> PhysioNet:
    served.reset()
    return served


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of `datasets`, one for all tests: `cache` is no part of its keys."""
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is given as `cache_folder`."""
    return tmp_path / "kept"


@pytest.fixture
def load(server: PhysioNet, built: Path, folder: Path) -> Any:
    """Loads the training split without the bytes of its images."""

    def load(config: str = "images", place: str = STILL, **options: Any) -> Any:
        given = {"cache": MUCH, "cache_folder": str(folder), "embed": False, **options}
        rows = datasets.load_dataset(
            "mimic_cxr_jpg", config, data_dir=server.address(place), cache_dir=str(built),
            split="train", storage_options=LOGIN, **given,
        )  # fmt: skip
        server.reset()
        return rows

    return load


def asked(server: PhysioNet) -> list[str]:
    """Paths of the images that were asked for since they were last forgotten."""
    found = [request.path for request in server.requests if request.path.endswith(".jpg")]
    server.reset()
    return found


def read(split: datasets.Dataset, *numbers: int) -> np.ndarray:
    return PIXELS.on(split.select_columns("image"))[list(numbers)]["pixel_values"]


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "cxr_images" / "files").rglob("*") if path.is_file()]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


# --- what is read ---------------------------------------------------------------------------------


def test_the_second_epoch_asks_for_nothing_and_gives_the_same(
    load: Any, server: PhysioNet, folder: Path, small_release: Path
) -> None:
    split = load()
    first = read(split, *range(len(split)))
    assert len(asked(server)) == len(split) == len(files(folder))
    assert np.array_equal(read(split, *range(len(split))), first)
    assert not server.requests
    local = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(small_release), split="train",
        cache_dir=str(folder / "local"),
    )  # fmt: skip
    assert np.array_equal(read(local, *range(len(local))), first)


def test_every_way_to_an_image_reads_what_another_kept(load: Any, server: PhysioNet) -> None:
    split = load()
    path, expected = split["path"][0], np.asarray(split[0]["image"])
    assert len(asked(server)) == 1
    studies = load("studies")
    number = next(i for i, paths in enumerate(studies["paths"]) if path in paths)
    at = studies["paths"][number].index(path)
    assert np.array_equal(studies[number]["images"][at], expected)
    assert path not in " ".join(asked(server))
    stream = load(streaming=True, embed=None)
    content = next(iter(stream.cast_column("image", datasets.Image(decode=False))))
    assert np.array_equal(PIL.Image.open(io.BytesIO(content["image"]["bytes"])), expected)
    assert path not in " ".join(asked(server))
    plain = load().cast_column("image", datasets.Image())  # decoded by `datasets` itself
    assert np.array_equal(plain[0]["image"], expected)
    assert not asked(server)


def test_it_changes_no_row_and_no_key(load: Any, folder: Path) -> None:
    plain, kept = load(cache=None, cache_folder=None), load()
    assert plain.cache_files == kept.cache_files
    assert plain._fingerprint == kept._fingerprint
    assert plain.features == kept.features
    assert next(rows_of(plain)) == next(rows_of(kept))


def rows_of(split: datasets.Dataset) -> Iterator[dict[str, Any]]:
    return iter(split.cast_column("image", datasets.Image(decode=False)))


def test_the_usual_folder_is_in_the_cache_of_datasets(load: Any, built: Path, folder: Path) -> None:
    read(load(cache_folder=None), 0)
    assert len(files(built)) == 1
    assert not folder.exists()


def _read_elsewhere(split: datasets.Dataset, pickled: bytes, answers: Any) -> None:
    answers.put([read(split, 0, 1), read(pickle.loads(pickled), 0, 1)])


def test_a_process_that_loaded_nothing_reads_it_too(load: Any, server: PhysioNet) -> None:
    split = load()
    expected = read(split, 0, 1)
    server.reset()
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    # By a pickle on its way to a process that is started, and by one that was made for a file.
    child = context.Process(target=_read_elsewhere, args=(split, pickle.dumps(split), answers))
    child.start()
    for found in answers.get(timeout=120):
        assert np.array_equal(found, expected)
    child.join()
    assert not asked(server)


# --- how much is kept, and for how long -----------------------------------------------------------


def test_what_was_used_least_lately_goes_first(load: Any, server: PhysioNet, folder: Path) -> None:
    split = load()
    for number in range(3):
        read(split, number)
    room = size(folder)
    split = load(cache=room)  # for these three, and no more
    read(split, 0)
    assert not asked(server)
    split = load(cache=room + 1000)
    read(split, 3)
    assert len(asked(server)) == 1
    read(split, 0)  # used since it came
    assert not asked(server)
    read(split, 1)  # the least lately used
    assert len(asked(server)) == 1
    assert size(folder) <= room + 1000


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more than there are cores
def test_four_workers_at_once_keep_to_the_limit(load: Any, folder: Path) -> None:
    data = pytest.importorskip("torch").utils.data
    read(load(), 0)
    one = size(folder)
    limit = 5 * one
    split = load(cache=limit)
    loader = data.DataLoader(
        PIXELS.on(split.select_columns("image")), 2, num_workers=4, multiprocessing_context="fork"
    )
    most, seen = 0, 0
    for batch in loader:
        most, seen = max(most, _bytes_below(folder)), seen + len(batch["pixel_values"])
    assert seen == len(split)
    assert 3 * one < size(folder) <= limit
    largest = max(path.stat().st_size for path in files(folder))
    assert most <= limit + 4 * 2 * largest + 10_000  # what is being written, and small records


def _bytes_below(folder: Path) -> int:
    """Bytes of all that is there, while others add and remove files."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def test_an_image_that_is_larger_than_the_limit_is_not_kept(
    load: Any, server: PhysioNet, folder: Path
) -> None:
    split = load(cache=100)
    assert np.array_equal(read(split, 0), read(split, 0))
    assert len(asked(server)) == 2
    assert not files(folder)


def test_replaced_images_are_never_served_after_the_next_load(
    load: Any, server: PhysioNet, release: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = load(place=CHANGING)
    numbers = range(len(split))
    before = read(split, *numbers)
    for path in split["path"]:
        _turn(release / path)
    split = load(place=CHANGING)
    assert "is another file now in http" in caplog.text
    after = read(split, *numbers)
    assert len(asked(server)) == len(split)
    assert not np.array_equal(before, after)
    assert np.array_equal(read(split, *numbers), after)
    assert not asked(server)


def _turn(file: Path) -> None:
    """Put an image upside down, in a new file of its name."""
    image = PIL.Image.open(file).transpose(PIL.Image.Transpose.ROTATE_180)
    file.unlink()
    image.save(file, quality=90)


def test_two_places_with_the_same_paths_do_not_mix(
    load: Any, server: PhysioNet, release: Path, folder: Path
) -> None:
    still, changing = load(), load(place=CHANGING)
    path = changing["path"][0]
    assert path == still["path"][0]
    _turn(release / path)
    first = read(still, 0)
    second = read(changing, 0)
    assert len(asked(server)) == 2
    assert not np.array_equal(first, second)
    for split, expected in ((still, first), (changing, second)):
        assert np.array_equal(read(split, 0), expected)
    assert not asked(server)
    assert [place.files for place in kept_images(folder)] == [1, 1]


def test_a_damaged_image_is_not_kept_and_a_mended_one_is_read(
    load: Any, server: PhysioNet, release: Path, folder: Path
) -> None:
    split = load(place=CHANGING)
    file = release / split["path"][1]
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError):
        read(split, 1)
    assert not files(folder)
    file.write_bytes(whole)
    assert read(split, 1).any()
    assert len(files(folder)) == 1


def _cut(file: Path, content: bytes) -> None:
    file.write_bytes(content[:-100])


def _cut_in_its_head(file: Path, content: bytes) -> None:
    file.write_bytes(content[:20])


def _empty(file: Path, content: bytes) -> None:
    file.write_bytes(b"")


def _lengthen(file: Path, content: bytes) -> None:
    file.write_bytes(content + b"\0")


def _change_a_byte(file: Path, content: bytes) -> None:
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def _fill_with_zeros(file: Path, content: bytes) -> None:
    file.write_bytes(b"\0" * len(content))


def _swap(file: Path, content: bytes) -> None:
    other = next(each for each in file.parents[2].rglob("*") if each.is_file() and each != file)
    file.write_bytes(other.read_bytes())


def _link(file: Path, content: bytes) -> None:
    file.unlink()
    elsewhere = file.parents[5] / "elsewhere"
    elsewhere.write_bytes(content)
    file.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "damage",
    [_cut, _cut_in_its_head, _empty, _lengthen, _change_a_byte, _fill_with_zeros, _swap, _link],
)
def test_a_kept_file_that_was_changed_is_fetched_anew(
    damage: Any, load: Any, server: PhysioNet, folder: Path
) -> None:
    split = load()
    before, other = read(split, 0), read(split, 1)
    server.reset()
    for file in files(folder):
        if file.is_file():
            damage(file, file.read_bytes())
    for _ in range(2):
        assert np.array_equal(read(split, 0), before)
        assert np.array_equal(read(split, 1), other)
    assert 1 <= len(asked(server)) <= 2  # of the swapped ones, the first swap mends the second
    assert not any(file.is_symlink() for file in files(folder))


# --- the folder -----------------------------------------------------------------------------------


def test_whatever_the_umask_it_is_open_to_its_user_alone(load: Any, folder: Path) -> None:
    before = os.umask(0)
    try:
        read(load(), 0, 1)
    finally:
        os.umask(before)
    assert (folder / "cxr_images").stat().st_mode & 0o777 == 0o700
    for path in (folder / "cxr_images").rglob("*"):
        assert not path.stat().st_mode & 0o007


def test_a_folder_that_stood_open_is_closed(load: Any, folder: Path) -> None:
    (folder / "cxr_images").mkdir(parents=True)
    (folder / "cxr_images").chmod(0o777)
    load()
    assert (folder / "cxr_images").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_refused(load: Any, folder: Path) -> None:
    (folder / "cxr_images").mkdir(parents=True)
    os.chown(folder / "cxr_images", 12_345, 12_345)
    with pytest.raises(CacheError, match=r"belongs to another user \(number 12345\).*cache_folder"):
        load()


def test_a_folder_that_takes_no_file_is_an_error_at_the_load(load: Any, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o500)
    with stopped_by_permissions(), pytest.raises(CacheError, match="Permission denied"):
        load()
    folder.chmod(0o700)
    (folder / "cxr_images").write_text("a file")
    with pytest.raises(CacheError, match="cxr_images"):
        load()


def test_on_a_full_disk_training_goes_on_and_one_line_says_so(
    load: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = load()
    expected = read(split, *range(12))
    with small_disk(tmp_path / "disk", 24) as disk:
        split = load(cache_folder=str(disk))
        for _ in range(2):
            assert np.array_equal(read(split, *range(12)), expected)
        assert np.array_equal(read(pickle.loads(pickle.dumps(split)), *range(12)), expected)
        assert not list((disk / "cxr_images" / "unfinished").iterdir())
    assert caplog.text.count("cannot be kept") == 1
    assert "No space left on device" in caplog.text


def test_no_login_and_no_name_of_a_user_is_in_its_files(load: Any, folder: Path) -> None:
    read(load(), 0)
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (USER, PASSWORD):
            assert secret not in str(path.relative_to(folder))
            assert secret.encode() not in content


def test_the_command_lists_and_clears_it(
    load: Any, server: PhysioNet, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cache", "--cache-folder", str(folder)]
    assert main(command) == 0
    assert capsys.readouterr().out == "No images of remote copies are kept.\n"
    split = load()
    read(split, 0, 1)
    assert main([*command, "--json"]) == 0
    (place,) = json.loads(capsys.readouterr().out)["places"]
    assert place == {"address": server.address(STILL), "files": 2, "size": size(folder)}
    assert main([*command, "--clear"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{server.address(STILL)}: 2 images, ")
    assert told[1:] == ["All of them were removed."]
    assert not files(folder)
    assert [each.files for each in kept_images(folder)] == [0]
    server.reset()
    read(split, 0)
    read(split, 0)
    assert len(asked(server)) == 1


# --- the options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", ["GB", "-1GB", "0", 0, -5, True, 1.5, "200 parsecs", "", "1,5 GB"]
)
def test_what_is_no_size_is_told(load: Any, wrong: object) -> None:
    with pytest.raises(OptionError, match=r"cache=.* is no size.*200GB"):
        load(cache=wrong)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("200GB", 200 * 10**9),
        ("200 GiB", 200 * 2**30),
        (" 1.5 tb ", 1_500 * 10**9),
        ("100kB", 100_000),
        ("3 mib", 3 * 2**20),
        ("500", 500),
        ("500 B", 500),
        (7, 7),
    ],
)
def test_a_size_is_read_as_people_write_it(given: object, expected: int) -> None:
    assert size_in_bytes("cache", given) == expected


def test_a_folder_without_a_size_or_in_a_store_is_told(load: Any) -> None:
    with pytest.raises(OptionError, match="needs cache"):
        load(cache=None)
    with pytest.raises(OptionError, match="is not on a disk of this machine"):
        load(cache_folder="s3://bucket/kept")


def test_for_a_local_copy_one_line_says_that_nothing_is_kept(
    small_release: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(small_release), split="train", cache=MUCH,
        cache_dir=str(tmp_path / "datasets"),
    )  # fmt: skip
    assert read(split, 0).any()
    assert caplog.text.count("cache= keeps nothing") == 1
    assert not (tmp_path / "datasets" / "cxr_images").exists()


def test_a_build_that_stores_the_bytes_itself_says_that_the_cache_is_of_no_use(
    load: Any, caplog: pytest.LogCaptureFixture
) -> None:
    load(embed=None, views=["PA"])
    assert caplog.text.count("cache= is of no use to this build") == 1
    caplog.clear()
    load(views=["PA"])
    load("reports", embed=None)
    assert "of no use" not in caplog.text
