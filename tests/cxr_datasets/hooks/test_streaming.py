"""Streaming: the same rows in the same order, in shards, resumable, and no image read unasked."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import IterableDataset, load_dataset
from datasets.distributed import split_dataset_by_node

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.testing import copy_release

NO_IMAGES = ["path", "study_id", "view", "report", "labels"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for all tests of this file: their streams and datasets are the same few."""
    return str(tmp_path_factory.mktemp("streaming") / "cache")


@pytest.fixture
def release(package: str, indiana_release: Path, small_release: Path) -> Path:
    return indiana_release if package == "indiana_cxr" else small_release


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    options = {"split": "train", **options}
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def stream(package: str, release: Path, cache: str, **options: Any) -> IterableDataset:
    return load(package, release, cache, streaming=True, **options)


def without_images(package: str, release: Path, cache: str) -> IterableDataset:
    return stream(package, release, cache).select_columns(NO_IMAGES)


def paths(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["path"] for row in rows]


@pytest.fixture
def built(package: str, release: Path, cache: str) -> list[str]:
    """Paths of the built dataset's rows, in order."""
    return list(load(package, release, f"{cache}-built")["path"])


def test_streaming_gives_the_rows_and_pixels_of_the_built_dataset(
    package: str, release: Path, cache: str
) -> None:
    rows = list(load(package, release, f"{cache}-built"))
    assert list(stream(package, release, cache)) == rows


def test_take_and_skip_cut_the_same_order(
    package: str, release: Path, cache: str, built: list[str], tmp_path: Path
) -> None:
    rows = without_images(package, release, cache)
    for cut in (0, 16, 21, len(built) + 5):
        assert paths(rows.take(cut)) == built[:cut]
    for cut in (0, 7, 16, 21, len(built) + 5) if skip_is_right(tmp_path) else (0, 7):
        assert paths(rows.skip(cut)) == built[cut:]
        assert paths(rows.skip(cut).take(10)) == built[cut : cut + 10]


def skip_is_right(folder: Path) -> bool:
    """Whether `skip` of the installed `datasets` goes beyond a first shard; that of 4.8.5 does not.

    Tried with Parquet files, which are nothing of ours.
    """
    for number in range(2):
        pq.write_table(pa.table({"number": [number]}), folder / f"{number}.parquet")
    files = [str(folder / f"{number}.parquet") for number in range(2)]
    rows = load_dataset(
        "parquet", data_files=files, cache_dir=str(folder), split="train", streaming=True
    )
    right = list(rows.skip(1)) == [{"number": 1}]
    assert right or datasets.__version__.startswith("4.")
    return right


def test_a_stream_may_be_read_again(
    package: str, release: Path, cache: str, built: list[str]
) -> None:
    rows = without_images(package, release, cache)
    assert paths(rows.take(3)) == built[:3]
    assert paths(rows) == paths(rows) == built


def test_there_are_several_shards_and_each_is_small(
    package: str, release: Path, cache: str, built: list[str]
) -> None:
    rows = without_images(package, release, cache)
    assert rows.num_shards == -(-len(built) // 16) > 1
    parts = [paths(rows.shard(rows.num_shards, number)) for number in range(rows.num_shards)]
    assert [path for part in parts for path in part] == built
    assert max(map(len, parts)) <= 16


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffle_keeps_every_row_once_and_changes_the_order(
    package: str, release: Path, cache: str, built: list[str], seed: int
) -> None:
    rows = without_images(package, release, cache)
    shuffled = paths(rows.shuffle(seed=seed, buffer_size=20))
    assert sorted(shuffled) == sorted(built)
    assert shuffled != built
    assert paths(rows.shuffle(seed=seed, buffer_size=20)) == shuffled


def test_epochs_shuffle_anew(package: str, release: Path, cache: str, built: list[str]) -> None:
    rows = without_images(package, release, cache).shuffle(seed=0, buffer_size=20)
    first = paths(rows)
    rows.set_epoch(1)
    second = paths(rows)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(built)


@pytest.mark.parametrize("read", [0, 7, 16, 21])
def test_a_stream_resumes_in_the_middle_of_a_shard_with_exactly_the_rest(
    package: str, release: Path, cache: str, built: list[str], read: int
) -> None:
    rows = without_images(package, release, cache)
    iterator = iter(rows)
    seen = [next(iterator)["path"] for _ in range(read)]
    state = json.loads(json.dumps(rows.state_dict()))
    again = without_images(package, release, cache)
    again.load_state_dict(state)
    assert seen + paths(again) == built


@pytest.mark.parametrize("nodes", [2, 3, 8])
def test_nodes_cover_every_row_once(
    package: str, release: Path, cache: str, built: list[str], nodes: int
) -> None:
    rows = without_images(package, release, cache)
    parts = [paths(split_dataset_by_node(rows, rank, nodes)) for rank in range(nodes)]
    assert sorted(path for part in parts for path in part) == sorted(built)
    assert all(parts)


def test_columns_without_the_image_read_no_image_file(
    package: str, release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(release, tmp_path / "release")
    built = load(package, release, cache)
    expected = built.select_columns(NO_IMAGES)[:]
    rows = stream(package, release, cache).select_columns(NO_IMAGES)
    for path in built["path"]:
        (release / path).unlink()
    found = list(rows)
    assert {name: [row[name] for row in found] for name in NO_IMAGES} == expected
    assert built.select_columns(NO_IMAGES)[:] == expected


def test_map_and_filter_work_on_a_stream(
    package: str, release: Path, cache: str, built: list[str]
) -> None:
    rows = stream(package, release, cache)
    sizes = rows.map(lambda row: {"size": row["image"].size}, remove_columns="image").take(20)
    assert all(min(row["size"]) > 50 for row in sizes)
    rows = without_images(package, release, cache)
    frontal = rows.filter(lambda view: view == 0, input_columns="view")
    expected = load(package, release, f"{cache}-built", views="frontal")["path"]
    assert paths(frontal) == list(expected)


@pytest.mark.parametrize("config", ["studies", "reports"])
def test_other_configs_stream_alike(package: str, release: Path, cache: str, config: str) -> None:
    expected = load(package, release, f"{cache}-built", config)
    rows = stream(package, release, cache, config=config)
    assert rows.num_shards == -(-len(expected) // 16)
    if config == "studies":
        expected, rows = expected.remove_columns("images"), rows.remove_columns("images")
    assert list(rows) == list(expected)


def test_several_splits_stream_at_once(mimic_release: Path, cache: str) -> None:
    splits = load("mimic_cxr_jpg", mimic_release, cache, split=None, streaming=True)
    assert list(splits) == ["train", "validation", "test"]
    subjects = [
        {row["subject_id"] for row in split.select_columns("subject_id")}
        for split in splits.values()
    ]
    assert len(set.union(*subjects)) == sum(map(len, subjects))


def test_what_goes_to_a_worker_is_small_and_streams_there(
    package: str, release: Path, cache: str, built: list[str]
) -> None:
    rows = without_images(package, release, cache)
    carried = pickle.dumps(rows)
    assert len(carried) < 10_000
    assert paths(pickle.loads(carried)) == built
