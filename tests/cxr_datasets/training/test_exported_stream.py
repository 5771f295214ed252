"""The Parquet files of an export as a shuffled stream, as docs/export.md says, through workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from packaging.version import Version

from cxr_datasets.export import export
from cxr_datasets.training import ImageTransform, collate_studies

pytestmark = pytest.mark.skipif(
    Version(datasets.__version__) < Version("5.1"), reason="shuffle feeds its buffer as it likes"
)

COLUMNS = ["image", "image_id", "labels"]
BATCH = 4


@pytest.fixture(scope="module")
def out(small_release: Path, built_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of small images, whose file is cut as a larger one is."""
    from cxr_datasets.export import parquet

    out = tmp_path_factory.mktemp("exported") / "mimic-32"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROWS_OF_SMALL_GROUPS", 8)
        export("mimic-cxr-jpg", small_release, out, image_size=32, progress=False,
               cache_dir=str(built_cache))  # fmt: skip
    return out


@pytest.fixture(scope="module")
def stream(out: Path) -> datasets.IterableDataset:
    return datasets.load_dataset(str(out), "images", split="train", streaming=True, columns=COLUMNS)


@pytest.fixture(scope="module")
def groups(out: Path) -> list[set[str]]:
    """Ids of the images of each row group of the split."""
    files = map(pq.ParquetFile, sorted((out / "images").glob("train-*")))
    return [
        set(file.read_row_group(number, columns=["image_id"])["image_id"].to_pylist())
        for file in files
        for number in range(file.num_row_groups)
    ]


def mixed(stream: datasets.IterableDataset, **options: Any) -> Any:
    shuffled = stream.reshard().shuffle(seed=0, **{"max_buffer_input_shards": 1, **options})
    return ImageTransform(32).on(shuffled)


def collated(rows: list[Any]) -> dict[str, Any]:
    """A batch, and the number of the worker that it is from."""
    from torch.utils.data import get_worker_info

    worker = get_worker_info()
    return {**collate_studies()(rows), "worker": worker.id if worker else 0}


def epochs(rows: Any, workers: int) -> list[list[dict[str, Any]]]:
    """The batches of two epochs of one loader."""
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(
        rows, batch_size=BATCH, num_workers=workers, persistent_workers=workers > 0,
        collate_fn=collated,
    )  # fmt: skip
    given = []
    for epoch in range(2):
        rows.set_epoch(epoch)
        given.append(list(loader))
    return given


def ids(batches: list[dict[str, Any]], worker: int | None = None) -> list[str]:
    """Ids of the images of batches, or of those that one worker made."""
    return [
        one for batch in batches if worker in (None, batch["worker"]) for one in batch["image_id"]
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_row_comes_once_an_epoch_in_an_order_of_its_own(
    workers: int, stream: datasets.IterableDataset, groups: list[set[str]]
) -> None:
    both = epochs(mixed(stream), workers)
    first, second = map(ids, both)
    assert sorted(first) == sorted(second) == sorted(set.union(*groups))
    assert first != second
    assert first != [row["image_id"] for row in stream.select_columns(["image_id"])]
    for batch in (batch for batches in both for batch in batches):
        assert batch["pixel_values"].shape == (len(batch["image_id"]), 1, 32, 32)
        assert batch["labels"].shape == (len(batch["image_id"]), 14)


def test_workers_share_the_row_groups_as_evenly_as_can_be(
    stream: datasets.IterableDataset, groups: list[set[str]]
) -> None:
    rows = mixed(stream)
    assert rows.num_shards == len(groups) >= 3
    assert stream.num_shards == 1  # without reshard one worker has all
    batches = epochs(rows, 2)[0]
    shares = [sum(bool(group & set(ids(batches, worker))) for group in groups) for worker in (0, 1)]
    assert sum(shares) == len(groups)  # none is read by both
    assert abs(shares[0] - shares[1]) <= 1


def test_a_batch_has_rows_of_several_row_groups(
    stream: datasets.IterableDataset, groups: list[set[str]]
) -> None:
    for batch in epochs(mixed(stream), 0)[0][:3]:
        assert sum(bool(group & set(batch["image_id"])) for group in groups) > 1


def test_an_epoch_does_not_sleep_at_its_end(
    stream: datasets.IterableDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert len(list(mixed(stream))) > BATCH
    assert max(slept, default=0) < 1
    # `datasets` does so where it feeds the buffer from several row groups at once. When it no
    # longer does, docs/export.md need not speak of it.
    assert len(list(mixed(stream, max_buffer_input_shards=10))) > BATCH
    assert max(slept) >= 1
