"""Streaming into training from a server: workers, nodes, resuming, and only the images wanted."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import IterableDataset, load_dataset
from datasets.distributed import split_dataset_by_node

from cxr_datasets.builder.pixels import ROWS_AT_ONCE
from mimic_cxr_jpg.synthetic import write_release
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.helpers import made_once

FOLDER = "files/mimic-cxr-jpg/2.1.0"
LOGIN = {"username": USER, "password": PASSWORD}

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
"""It takes seconds to import, so that only these tests do, while they run."""


def data_loader(*args: Any, **options: Any) -> Any:
    """Make a loader of torch."""
    from torch.utils.data import DataLoader

    return DataLoader(*args, **{"batch_size": None, "num_workers": 2, **options})


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose training split has 55 images: more than are fetched at once. Read only."""
    return made_once(
        tmp_path_factory, "mimic-of-20", lambda out: write_release(out, patients=20, seed=1)
    )


@pytest.fixture(scope="module")
def local(release: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """The training split of the local copy, images undecoded."""
    cache = str(tmp_path_factory.mktemp("local"))
    built = load_dataset(
        "mimic_cxr_jpg", data_dir=str(release), cache_dir=cache, split="train", embed=True
    )
    assert built.num_rows > ROWS_AT_ONCE + 20
    return built.cast_column("image", datasets.Image(decode=False))


@pytest.fixture
def server(release: Path) -> Iterator[PhysioNet]:
    with PhysioNet({FOLDER: release}, agents=("cxr-datasets/",)) as running:
        yield running


@pytest.fixture
def stream(server: PhysioNet, cache: str) -> IterableDataset:
    """The training split, streamed with a login given as an option; nothing of it asked for yet."""
    stream = load(server, cache)
    server.reset()
    return stream


def load(server: PhysioNet, cache: str, config: str = "images", **options: Any) -> IterableDataset:
    return load_dataset(
        "mimic_cxr_jpg", config, data_dir=server.address(FOLDER), cache_dir=cache, split="train",
        streaming=True, storage_options=LOGIN, **options,
    )  # fmt: skip


def ids(rows: Any) -> list[str]:
    return [row["image_id"] for row in rows]


def images_asked_for(server: PhysioNet) -> list[str]:
    return [request.path for request in server.requests if request.path.endswith(".jpg")]


def reports_asked_for(server: PhysioNet) -> list[str]:
    return [request.path for request in server.requests if request.path.endswith(".txt")]


@needs_torch
@pytest.mark.parametrize(("start", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_of_a_data_loader_read_every_row_once_with_its_pixels(
    start: str, workers: int, stream: IterableDataset, local: datasets.Dataset
) -> None:
    loader = data_loader(undecoded(stream), num_workers=workers, multiprocessing_context=start)
    found = {row["image_id"]: row["image"]["bytes"] for row in loader}
    assert found == {row["image_id"]: row["image"]["bytes"] for row in local}


def undecoded(stream: IterableDataset) -> IterableDataset:
    return stream.cast_column("image", datasets.Image(decode=False))


@needs_torch
def test_a_stream_used_here_goes_on_in_forked_workers(
    stream: IterableDataset, local: datasets.Dataset
) -> None:
    next(iter(stream))  # connections are open now, and a fork must not share them
    loader = data_loader(undecoded(stream), multiprocessing_context="fork")
    assert sorted(ids(loader)) == sorted(local["image_id"])


@needs_torch
def test_torch_tensors_come_out_of_a_loader(stream: IterableDataset) -> None:
    import torch

    batch = next(iter(stream.select_columns(["image", "view"]).with_format("torch")))
    assert batch["image"].dtype == torch.uint8
    assert batch["image"].ndim == 3
    assert batch["view"].dtype == torch.int64


@needs_torch
@pytest.mark.parametrize("world", [2, 3])
def test_nodes_with_workers_cover_every_row_once(
    world: int, stream: IterableDataset, local: datasets.Dataset
) -> None:
    texts = stream.select_columns(["image_id"])
    nodes = [split_dataset_by_node(texts, rank=rank, world_size=world) for rank in range(world)]
    loaders = [data_loader(node) for node in nodes]
    assert sorted(chain.from_iterable(map(ids, loaders))) == sorted(local["image_id"])


def test_shuffle_keeps_every_row_once(stream: IterableDataset, local: datasets.Dataset) -> None:
    shuffled = ids(stream.shuffle(seed=3, buffer_size=32))
    assert shuffled != local["image_id"]
    assert sorted(shuffled) == sorted(local["image_id"])


@pytest.mark.parametrize("seen", [1, 16, 21, 32, 40])
def test_resuming_gives_exactly_the_rest_and_fetches_few_images_again(
    seen: int, stream: IterableDataset, server: PhysioNet, cache: str, local: datasets.Dataset
) -> None:
    rows = iter(stream)
    first = ids(islice(rows, seen))
    state = stream.state_dict()
    rows.close()  # type: ignore[attr-defined]

    again = load(server, cache)
    again.load_state_dict(state)
    server.reset()
    assert first + ids(again) == list(local["image_id"])
    before = len(images_asked_for(server)) - (local.num_rows - seen)
    assert before <= ROWS_AT_ONCE


@pytest.mark.parametrize("seen", [1, 21, 40])
def test_a_shuffled_stream_resumes_likewise_and_fetches_few_images_again(
    seen: int, stream: IterableDataset, server: PhysioNet, cache: str, local: datasets.Dataset
) -> None:
    shuffled = undecoded(stream.shuffle(seed=1))
    rows = iter(shuffled)
    first = list(islice(rows, seen))
    state = shuffled.state_dict()
    rows.close()  # type: ignore[attr-defined]

    again = undecoded(load(server, cache).shuffle(seed=1))
    again.load_state_dict(state)
    server.reset()
    found = {row["image_id"]: row["image"]["bytes"] for row in chain(first, again)}
    assert found == {row["image_id"]: row["image"]["bytes"] for row in local}
    assert len(images_asked_for(server)) - (local.num_rows - seen) <= ROWS_AT_ONCE


def test_each_node_reads_its_own_images_only(
    stream: IterableDataset, server: PhysioNet, local: datasets.Dataset
) -> None:
    """Also where their number does not divide that of the shards."""
    shuffled = stream.shuffle(seed=1)
    nodes = [split_dataset_by_node(shuffled, rank=rank, world_size=7) for rank in range(7)]
    assert shuffled.num_shards % 7
    assert sorted(chain.from_iterable(map(ids, nodes))) == sorted(local["image_id"])
    assert len(images_asked_for(server)) == local.num_rows


def test_rows_that_a_shuffled_stream_skips_are_not_read(
    stream: IterableDataset, server: PhysioNet
) -> None:
    assert len(ids(stream.shuffle(seed=1).skip(10).take(20))) == 20
    assert len(images_asked_for(server)) == 20


def test_images_of_a_shuffled_stream_are_fetched_side_by_side(
    stream: IterableDataset, server: PhysioNet
) -> None:
    server.latency = 0.05
    ids(stream.shuffle(seed=1))
    assert server.max_concurrent >= 4


def test_take_and_skip_cut_the_same_order(stream: IterableDataset, local: datasets.Dataset) -> None:
    assert ids(stream.take(5)) == local["image_id"][:5]
    assert ids(stream.skip(5).take(4)) == local["image_id"][5:9]


@pytest.mark.parametrize(
    "select",
    [
        lambda stream: stream.select_columns(["image_id", "labels"]),
        lambda stream: stream.select_columns("image_id").shuffle(seed=1, buffer_size=20),
        lambda stream: stream.shuffle(seed=1, buffer_size=20).select_columns(["image_id"]),
        lambda stream: stream.skip(2).take(30).select_columns(["image_id"]),
        pytest.param(
            lambda stream: stream.select_columns(["image_id"]).with_format("torch"),
            marks=needs_torch,
        ),
        lambda stream: pickle.loads(pickle.dumps(stream.select_columns(["image_id"]))),
    ],
    ids=["at once", "then shuffled", "after shuffling", "after take", "as tensors", "pickled"],
)
def test_select_columns_without_the_image_asks_for_no_image(
    select: Any, stream: IterableDataset, server: PhysioNet
) -> None:
    assert len(ids(select(stream))) >= 30
    assert not images_asked_for(server)


def test_select_columns_without_images_of_studies_asks_for_none(
    server: PhysioNet, cache: str
) -> None:
    studies = load(server, cache, "studies")
    server.reset()
    assert all(row["paths"] for row in studies.select_columns(["findings", "paths"]))
    assert not images_asked_for(server)


def test_select_columns_with_the_image_still_reads_it(
    stream: IterableDataset, local: datasets.Dataset
) -> None:
    rows = undecoded(stream).select_columns(["image", "image_id"]).take(3)
    assert [row["image"]["bytes"] for row in rows] == [
        row["image"]["bytes"] for row in local.select(range(3))
    ]


@pytest.fixture
def with_texts(small_release: Path, tmp_path: Path) -> Iterator[PhysioNet]:
    """A server of a release whose reports lie beside the images, each a file."""
    folder = tmp_path / "release"
    shutil.copytree(small_release, folder)
    archive = folder / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(archive) as reports:
        reports.extractall(folder)
    archive.unlink()
    with PhysioNet({FOLDER: folder}, agents=("cxr-datasets/",)) as running:
        yield running


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (["report"], {}),
        (["impression"], {}),
        (["labels_text"], {"labels_text": True}),
        (["prior_findings"], {"priors": 1}),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, list) else "",
)
def test_select_columns_without_texts_asks_for_no_report(
    columns: list[str], options: dict[str, Any], with_texts: PhysioNet, cache: str
) -> None:
    stream = load(with_texts, cache, **options)
    whole = undecoded(stream).remove_columns("image")
    expected = [{name: row[name] for name in columns} for row in whole]
    assert any(row[columns[0]] for row in expected)
    with_texts.reset()
    assert ids(stream.select_columns(["image_id", "labels"]))
    assert not reports_asked_for(with_texts)
    assert list(stream.select_columns(columns)) == expected
    assert reports_asked_for(with_texts)


def test_other_datasets_select_columns_as_before() -> None:
    rows = datasets.Dataset.from_dict({"image": [1, 2], "text": ["a", "b"]}).to_iterable_dataset()
    assert list(rows.select_columns("text")) == [{"text": "a"}, {"text": "b"}]


def test_a_stream_broken_off_stops_fetching(mimic_release: Path, cache: str) -> None:
    with PhysioNet({FOLDER: mimic_release}, agents=("cxr-datasets/",)) as server:
        stream = load(server, cache)
        assert len(ids(stream.select_columns("image_id"))) > 3 * ROWS_AT_ONCE
        rows = iter(stream)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
        del rows
        asked_for = len(images_asked_for(server))
        assert asked_for <= 2 * ROWS_AT_ONCE
        assert len(images_asked_for(server)) == asked_for


def test_what_a_worker_is_sent_is_small_and_holds_no_login(stream: IterableDataset) -> None:
    shard = pickle.dumps(stream.shard(stream.num_shards, 0))
    assert len(shard) < 10_000
    assert USER.encode() not in shard
    assert PASSWORD.encode() not in shard
