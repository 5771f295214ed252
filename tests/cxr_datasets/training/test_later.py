"""Pixels that a worker sends as bytes are those that rows have without a worker."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from cxr_datasets.training import ElasticBatchSampler, ImageTransform, collate_studies, later
from cxr_datasets.training.rows import PixelRows

torch = pytest.importorskip("torch")

SIZE = 40


SEEN: list[Any] = []
scaled = later.scaled


def noted(pixels: Any, *form: Any) -> Any:
    """Scale, and note what came."""
    SEEN.append((tuple(pixels.shape), pixels.dtype))
    return scaled(pixels, *form)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Shape and type of what was scaled in this process as it was received."""
    SEEN.clear()
    monkeypatch.setattr(later, "scaled", noted)
    return SEEN


def received(rows: Any, collate: Any = None, **options: Any) -> np.ndarray:
    """Pixels of all rows, of workers that are forked."""
    worker = {"num_workers": 1, "multiprocessing_context": "fork", "timeout": 60}
    loader = torch.utils.data.DataLoader(
        rows, collate_fn=collate or collate_studies(), **{"batch_size": 4, **worker, **options}
    )
    batches = [batch["pixel_values"] for batch in loader]
    assert all(type(batch) is torch.Tensor for batch in batches)
    return np.concatenate([batch.numpy() for batch in batches])


def cut(square: np.ndarray) -> np.ndarray:
    return square[:, 4:-4, 4:-4]


def thrice(square: np.ndarray) -> np.ndarray:
    return np.concatenate([square, square // 2, 255 - square])


def halves(square: np.ndarray) -> np.ndarray:
    return square / 2


class Inverted(torch.nn.Module):
    """A transform that gets a tensor."""

    def forward(self, square: Any) -> Any:
        return 255 - square


@pytest.mark.parametrize(("scale", "channels"), [("0-1", 1), ("xrv", 3), ("imagenet", 3)])
@pytest.mark.parametrize("augment", [None, cut, thrice, Inverted()])
def test_pixels_sent_as_bytes_become_the_floats_that_rows_have(
    scale: str, channels: int, augment: Any, images: datasets.Dataset, seen: list[Any]
) -> None:
    if augment is thrice and channels == 1:
        pytest.skip("an augment gives one channel, or as many as are wanted")
    rows = ImageTransform(SIZE, scale=scale, channels=channels, augment=augment).on(
        images.select_columns(["image", "labels"]).take(10)
    )
    found = received(rows)
    side = SIZE - 8 if augment is cut else SIZE
    sent = 1 if augment is None else channels
    assert seen == [((n, sent, side, side), torch.uint8) for n in (4, 4, 2)]
    assert found.dtype == np.float32
    assert np.array_equal(found, rows[:]["pixel_values"])


def test_values_that_bytes_would_round_are_sent_as_they_are(
    images: datasets.Dataset, seen: list[Any]
) -> None:
    rows = ImageTransform(SIZE, augment=halves).on(images.select_columns(["image"]).take(6))
    assert np.array_equal(received(rows), rows[:]["pixel_values"])
    assert seen == []


@pytest.mark.parametrize("nulls", [[1], [0, 1, 2, 3]])
def test_a_null_image_is_black_when_it_is_sent_as_bytes_too(
    nulls: list[int], images: datasets.Dataset, seen: list[Any]
) -> None:
    some = (
        images.select_columns(["image"]).take(4).cast_column("image", datasets.Image(decode=False))
    )
    cells = [None if number in nulls else row["image"] for number, row in enumerate(some)]
    holed = datasets.Dataset.from_dict({"image": cells}, features=some.features)
    rows = ImageTransform(SIZE, scale="xrv").on(holed)
    assert np.array_equal(received(rows), rows[:]["pixel_values"])
    assert len(seen) == 1


class Half(PixelRows):
    """Rows of one's own."""

    def __getitem__(self, key: Any) -> Any:
        batch = super().__getitem__(key)
        return {**batch, "pixel_values": batch["pixel_values"] / 2}


class HalfTransform(ImageTransform):
    """A transform of one's own."""

    def __call__(self, batch: Any) -> Any:
        made = super().__call__(batch)
        return {**made, "pixel_values": made["pixel_values"] / 2}


def halved(collate: Callable[[Any], dict[str, Any]], rows: Any) -> dict[str, Any]:
    """A collation of one's own, that calls ours."""
    batch = collate(rows)
    return {**batch, "pixel_values": batch["pixel_values"] / 2}


@pytest.mark.parametrize("own", ["rows", "transform", "collation", "subset", "no collation"])
def test_who_looks_at_rows_on_their_way_sees_floats(
    own: str, images: datasets.Dataset, seen: list[Any]
) -> None:
    some = images.select_columns(["image"]).take(6)
    rows = ImageTransform(SIZE).on(some)
    whole = rows[:]["pixel_values"]
    collate: Any = collate_studies()
    if own == "rows":
        rows = Half(some, ImageTransform(SIZE))
    elif own == "transform":
        rows = HalfTransform(SIZE).on(some)
    elif own == "collation":
        collate = partial(halved, collate)
    elif own == "subset":
        rows = torch.utils.data.Subset(rows, range(6))
    else:
        collate = torch.utils.data.default_collate
    halves = own in ("rows", "transform", "collation")
    assert np.array_equal(received(rows, collate), whole / 2 if halves else whole)
    assert seen == []


def test_without_workers_and_for_bytes_and_studies_nothing_is_scaled_later(
    images: datasets.Dataset, studies: datasets.Dataset, seen: list[Any]
) -> None:
    some = images.select_columns(["image"]).take(4)
    received(ImageTransform(SIZE).on(some), num_workers=0, multiprocessing_context=None, timeout=0)
    assert received(ImageTransform(SIZE, scale="uint8").on(some)).dtype == np.uint8
    received(ImageTransform(SIZE).on(studies.select_columns(["images"]).take(4)))
    assert seen == []


def test_it_is_so_in_spawned_workers_and_with_a_sampler_of_batches_too(
    images: datasets.Dataset, seen: list[Any]
) -> None:
    rows = ImageTransform(SIZE).on(images.select_columns(["image"]).take(9))
    order = [number for batch in ElasticBatchSampler(rows, 4, seed=3) for number in batch]
    sampler = ElasticBatchSampler(rows, 4, seed=3)
    found = received(rows, batch_size=1, batch_sampler=sampler, multiprocessing_context="spawn")
    assert np.array_equal(found, rows[order]["pixel_values"])
    assert len(seen) == 3


def test_a_damaged_image_is_told_by_the_worker(images: datasets.Dataset, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    features = datasets.Features({"image": datasets.Image()})
    rows = datasets.Dataset.from_dict({"image": [str(broken)] * 2}, features=features)
    with pytest.raises(Exception, match=r"broken\.jpg"):
        received(ImageTransform(SIZE).on(rows))
