"""A cache that is full, closed or damaged: files of ours are made anew, all else is told."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

import indiana_cxr
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.builder import sums
from cxr_datasets.errors import CacheError, OptionError
from cxr_datasets.testing import datasets_under, rewrite, stored

INFO = "dataset_info.json"

CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut at its end": lambda content: content[:-1],
    "a bit in a row": lambda content: _flipped(content, len(content) // 2),
    "a bit in its head": lambda content: _flipped(content, 30),
    "a bit in its last bytes": lambda content: _flipped(content, len(content) - 3),
    "zeros": lambda content: bytes(len(content)),
    "longer": lambda content: content + b"\0",
    "another file": lambda content: b"<html>no cache</html>" * 100,
}


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


@pytest.fixture(params=["mimic_cxr_jpg", "indiana_cxr"])
def package(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def release(package: str, small_release: Path, indiana_release: Path) -> Path:
    return small_release if package == "mimic_cxr_jpg" else indiana_release


@contextmanager
def room_for_files_of(size: int) -> Iterator[None]:
    """Let the disk refuse every byte of a file beyond a size, as a full one does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def streamed(package: str, release: Path, cache: str, **options: Any) -> list[Any]:
    rows = load_dataset(
        package, data_dir=str(release), cache_dir=cache, streaming=True, split="train", **options
    )
    return [row for some in rows.with_format("arrow").iter(1_000) for row in some.to_pylist()]


def index_of(cache: str) -> Path:
    (file,) = Path(cache).rglob("cxr_index/*cxr*-*.arrow")
    return file


def folder_of(cache: str) -> Path:
    (info,) = Path(cache).rglob(INFO)
    return info.parent


# The index, which is ours.


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_index_is_made_anew(package: str, release: Path, cache: str, change: str) -> None:
    rows = streamed(package, release, cache)
    index = index_of(cache)
    whole = index.read_bytes()
    rewrite(index, CHANGES[change](whole))
    assert streamed(package, release, cache) == rows
    assert index.read_bytes() == whole


def test_an_index_that_vanishes_while_it_is_used_is_told(
    package: str, release: Path, cache: str
) -> None:
    rows = load_dataset(
        package, data_dir=str(release), cache_dir=cache, streaming=True, split="train"
    )
    index = index_of(cache)
    index.unlink()
    with pytest.raises(CacheError, match=rf"{index.name}.*Start again"):
        next(iter(rows))


def test_a_folder_in_the_place_of_the_index_is_told(
    package: str, release: Path, cache: str
) -> None:
    streamed(package, release, cache)
    index = index_of(cache)
    index.unlink()
    index.mkdir()
    with pytest.raises(CacheError, match=rf"cannot be used: .*{index.name}.*Remove what stands"):
        streamed(package, release, cache)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_texts_of_a_tar_are_read_again(tmp_path: Path, cache: str, change: str) -> None:
    from mimic_cxr_jpg.synthetic import write_release

    release = write_release(tmp_path / "release", patients=3, reports="tar.gz", scale=1 / 64)
    rows = streamed("mimic_cxr_jpg", release, cache)
    (texts,) = Path(cache).rglob("cxr_index/mimic-cxr-reports-*.arrow")
    whole = texts.read_bytes()
    rewrite(texts, CHANGES[change](whole))
    assert streamed("mimic_cxr_jpg", release, cache) == rows
    assert texts.read_bytes() == whole


# A full disk.


@pytest.mark.parametrize("processes", [None, 2])
@pytest.mark.parametrize("size", [0, 1_000, 9_000, 30_000])
def test_a_full_cache_is_told_and_nothing_half_built_stays(
    package: str, release: Path, cache: str, size: int, processes: int | None
) -> None:
    with room_for_files_of(size), pytest.raises(CacheError) as told:
        load_dataset(package, data_dir=str(release), cache_dir=cache, num_proc=processes)
    assert "The cache cannot be used: " in str(told.value)
    assert cache in str(told.value)
    assert "Make room, or choose another place" in str(told.value)
    assert datasets_under(cache) == []
    assert not list(Path(cache).rglob("*.incomplete"))
    assert load_dataset(package, data_dir=str(release), cache_dir=cache)["train"].num_rows


def test_a_full_cache_is_told_while_a_stream_is_opened(
    package: str, release: Path, cache: str
) -> None:
    with room_for_files_of(1_000), pytest.raises(CacheError, match="Make room"):
        streamed(package, release, cache)


# A closed one.


@pytest.mark.parametrize("place", ["/sys/cxr", "/proc/cxr", "FILE/cache", "/dev/full/cache"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_cache_that_cannot_be_written_to_is_told(
    package: str, release: Path, tmp_path: Path, place: str, streaming: bool
) -> None:
    (tmp_path / "file").write_text("")
    cache = place.replace("FILE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"The cache cannot be used: .* cache_dir= or"):
        load_dataset(package, data_dir=str(release), cache_dir=cache, streaming=streaming)


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_file_in_the_place_of_a_folder_of_the_cache_is_told(
    package: str, release: Path, cache: str, is_ours: bool
) -> None:
    index = "cxr_index" if package == "indiana_cxr" else f"{package}/cxr_index"
    name = index if is_ours else package
    Path(cache, name).parent.mkdir(parents=True)
    Path(cache, name).write_text("")
    with pytest.raises(CacheError, match=f"The cache cannot be used: .*{name}"):
        load_dataset(package, data_dir=str(release), cache_dir=cache)


# A built dataset, whose files are those of `datasets`.


@pytest.fixture(params=["small files", "large files"])
def as_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether files of rows are looked at as large ones are, whose images are left out."""
    monkeypatch.setattr(sums, "_READ_WHOLE", 0 if request.param == "large files" else 2**30)
    return request.param == "large files"


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [INFO, "cxr_sums.json", "*train.arrow"])
def test_a_built_dataset_that_was_changed_is_told_and_built_anew_without_its_folder(
    package: str, release: Path, cache: str, name: str, change: str
) -> None:
    rows = stored(load_dataset(package, data_dir=str(release), cache_dir=cache)["train"])
    folder = folder_of(cache)
    (file,) = folder.glob(name)
    rewrite(file, CHANGES[change](file.read_bytes()))
    with pytest.raises(CacheError, match=r"is damaged: .* Remove that folder") as told:
        load_dataset(package, data_dir=str(release), cache_dir=cache)
    assert str(folder) in str(told.value)
    shutil.rmtree(folder)
    assert stored(load_dataset(package, data_dir=str(release), cache_dir=cache)["train"]) == rows


def test_a_changed_byte_of_an_embedded_image_is_told_where_the_file_is_small(
    indiana_release: Path, cache: str, as_large: bool
) -> None:
    options: dict[str, Any] = {"data_dir": str(indiana_release), "cache_dir": cache, "embed": True}
    rows = load_dataset("indiana_cxr", **options)["train"].with_format("arrow")
    image = rows[0]["image"][0].as_py()["bytes"]
    (file,) = folder_of(cache).glob("*train.arrow")
    whole = file.read_bytes()
    rewrite(file, _flipped(whole, whole.index(image) + len(image) // 2))
    if as_large:
        load_dataset("indiana_cxr", **options)
        return
    with pytest.raises(CacheError, match=r"train\.arrow cannot be read or is not as it was"):
        load_dataset("indiana_cxr", **options)


def test_a_built_dataset_without_one_of_its_files_is_told(
    package: str, release: Path, cache: str
) -> None:
    load_dataset(package, data_dir=str(release), cache_dir=cache)
    next(folder_of(cache).glob("*.arrow")).unlink()
    with pytest.raises(CacheError, match=r"\.arrow cannot be read or is not as it was"):
        load_dataset(package, data_dir=str(release), cache_dir=cache)


@pytest.mark.usefixtures("as_large")
def test_a_built_dataset_with_fewer_rows_than_were_written_is_told(
    release: Path, cache: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose file was cut between two blocks, which reads as a shorter one."""
    monkeypatch.setattr("cxr_datasets.builder.builder._ROWS_PER_TABLE", 16)
    monkeypatch.setattr(indiana_cxr.indiana_cxr.IndianaCxr, "DEFAULT_WRITER_BATCH_SIZE", 16)
    load_dataset(package, data_dir=str(release), cache_dir=cache)
    folder = folder_of(cache)
    file = next(file for file in folder.glob("*train.arrow"))
    whole = file.read_bytes()
    # The length of each message stands before it, after four bytes of ones.
    ends = [at for at in range(len(whole)) if whole[at : at + 4] == b"\xff\xff\xff\xff"]
    assert len(ends) >= 3, "a file of one block only"
    rewrite(file, whole[: ends[-2]])
    with pytest.raises(CacheError, match=r"train\.arrow cannot be read or is not as it was"):
        load_dataset(package, data_dir=str(release), cache_dir=cache)


@pytest.mark.parametrize("split", ["nowhere", "train[:1%%]", "train[:-200%]", ""])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_that_does_not_exist_is_an_option_that_is_wrong(
    package: str, release: Path, cache: str, split: str, streaming: bool
) -> None:
    with pytest.raises(OptionError, match="split= names no rows: "):
        load_dataset(
            package, data_dir=str(release), cache_dir=cache, split=split, streaming=streaming
        )
