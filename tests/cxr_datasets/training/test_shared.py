"""A worker writes pixels where the main process reads them, and only if that spares a copy."""

from __future__ import annotations

import mmap
import platform
import resource
import sys
from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pytest

from cxr_datasets.training import ImageTransform, collate_studies
from cxr_datasets.training.shared import empty, stacked

torch = pytest.importorskip("torch")

SIZE = 40


def in_worker(
    rows: Any, look: Callable[[list[Any]], dict[str, Any]], batch_size: int = 4
) -> list[dict[str, Any]]:
    """What a look at each batch gives, collated in one forked worker."""
    loader = torch.utils.data.DataLoader(
        rows, batch_size, num_workers=1, collate_fn=look, multiprocessing_context="fork"
    )
    return list(loader)


@pytest.mark.parametrize("scale", ["0-1", "uint8"])
def test_from_the_second_batch_of_a_worker_on_pixels_lie_in_shared_memory_at_once(
    scale: str, images: datasets.Dataset
) -> None:
    rows = ImageTransform(SIZE, scale=scale).on(images.select_columns(["image"]).take(14))
    collate = collate_studies()

    def look(batch: list[Any]) -> dict[str, Any]:
        whole = batch[0]["pixel_values"].base
        made = collate(batch)
        pixels = made["pixel_values"]
        assert pixels.data_ptr() == whole.__array_interface__["data"][0]  # nothing was copied
        return {**made, "shared": pixels.is_shared()}

    found = in_worker(rows, look)
    assert [batch["shared"] for batch in found] == [False, True, True, True]
    pixels = np.concatenate([batch["pixel_values"].numpy() for batch in found])
    assert np.array_equal(pixels, rows[:]["pixel_values"])


def test_another_collation_gets_arrays_of_the_worker_itself(images: datasets.Dataset) -> None:
    rows = ImageTransform(SIZE).on(images.select_columns(["image"]).take(8))

    def look(batch: list[Any]) -> dict[str, Any]:
        whole = batch[0]["pixel_values"].base
        return {"own": whole.base is None}

    assert in_worker(rows, look) == [{"own": True}, {"own": True}]


def test_rows_of_one_batch_in_another_order_or_only_some_of_them_are_copied() -> None:
    whole = np.arange(24.0).reshape(4, 6).copy()
    assert stacked(list(whole)).data_ptr() == whole.__array_interface__["data"][0]
    for rows in ([2, 0, 1, 3], [0, 1], [0, 1, 2, 2]):
        found = stacked([whole[row] for row in rows])
        assert np.array_equal(found, whole[rows])
        found[:] = -1
    assert whole.min() == 0
    assert np.array_equal(stacked(list(whole[:, ::2])), whole[:, ::2])


def test_outside_of_a_worker_nothing_is_shared() -> None:
    collate_studies()([{"pixel_values": np.zeros((1, 2, 2))}])
    assert empty((2, 3), np.float32).base is None


@pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, platform.release().split(".")[:2])) < (5, 14),
    reason="the system maps pages one by one",
)
def test_shared_memory_is_ready_to_be_written_without_a_fault_for_each_page() -> None:
    pages = 512

    def look(batch: list[Any]) -> dict[str, Any]:
        collate_studies()([{"pixel_values": np.zeros((1, 2, 2))}])
        made = empty((pages, mmap.PAGESIZE), np.uint8)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        made[:] = 1
        return {"faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before}

    (found,) = in_worker(list(range(4)), look)
    assert found["faults"] < pages / 4
