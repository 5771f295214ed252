"""Images that stay on a server are asked for side by side, in batches and in workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest

from cxr_datasets.errors import ImageError, StoreError
from cxr_datasets.images import decode_batch
from cxr_datasets.training import ImageTransform
from tests.fakes.physionet import PASSWORD, USER, PhysioNet, Status
from tests.helpers import load

FOLDER = "files/mimic-cxr-jpg/2.1.0"
BYTES = ImageTransform(48, scale="uint8")
CONNECTIONS = 6


@pytest.fixture(scope="module")
def served(small_release: Path) -> Iterator[PhysioNet]:
    with PhysioNet({FOLDER: small_release}, agents=("cxr-datasets/",)) as running:
        yield running


@pytest.fixture
def server(served: PhysioNet) -> Iterator[PhysioNet]:
    served.reset()
    yield served
    served.heal()
    served.latency = 0.0


@pytest.fixture(scope="module")
def remote(served: PhysioNet, tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """The training split, built without the bytes of its images."""
    return datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=served.address(FOLDER), split="train", embed=False,
        cache_dir=str(tmp_path_factory.mktemp("cache")), connections=CONNECTIONS,
        storage_options={"username": USER, "password": PASSWORD},
    )  # fmt: skip


def test_a_batch_is_asked_for_side_by_side_and_each_image_once(
    server: PhysioNet, remote: datasets.Dataset, images: datasets.Dataset
) -> None:
    server.latency = 0.1  # time enough for all requests to be in service together
    found = BYTES.on(remote)[:12]["pixel_values"]
    assert np.array_equal(found, BYTES.on(images)[:12]["pixel_values"])
    assert server.max_concurrent == CONNECTIONS
    assert len([request for request in server.requests if request.path.endswith(".jpg")]) == 12


def test_decode_batch_asks_side_by_side_too(server: PhysioNet, remote: datasets.Dataset) -> None:
    undecoded = remote.cast_column("image", datasets.Image(decode=False))
    server.latency = 0.1
    assert len(decode_batch(undecoded[:12], 48)) == 12
    assert server.max_concurrent == CONNECTIONS


def test_forked_workers_read_it_too(
    server: PhysioNet, remote: datasets.Dataset, images: datasets.Dataset
) -> None:
    torch = pytest.importorskip("torch")
    BYTES.on(remote)[:1]  # connections are open now, and a fork must not share them
    loader = torch.utils.data.DataLoader(
        BYTES.on(remote.select_columns(["image"])), 8, num_workers=2, multiprocessing_context="fork"
    )
    found = np.concatenate([batch["pixel_values"].numpy() for batch in loader])
    assert np.array_equal(found, BYTES.on(images)[:]["pixel_values"])


@pytest.mark.usefixtures("short_waits")
def test_a_store_that_fails_is_no_damaged_image(
    server: PhysioNet, remote: datasets.Dataset
) -> None:
    server.fail(r"\.jpg$", Status(403), times=None)
    with pytest.raises(StoreError):
        BYTES.on(remote)[:4]


def test_an_image_that_went_away_is_named(server: PhysioNet, remote: datasets.Dataset) -> None:
    path = remote["path"][2]
    server.fail(path, Status(404), times=None)
    with pytest.raises(ImageError, match=f"{path} is not there"):
        BYTES.on(remote)[:4]


def test_a_batch_may_hold_images_of_several_places(
    server: PhysioNet, remote: datasets.Dataset, images: datasets.Dataset, small_release: Path,
    built_cache: Path,
) -> None:  # fmt: skip
    embedded = load(small_release, built_cache, embed=True)
    mixed = datasets.concatenate_datasets([remote.take(2), images.take(2), embedded.take(2)])
    found = BYTES.on(mixed.select([0, 2, 4, 1, 3, 5]))[:]["pixel_values"]
    expected = BYTES.on(images)[:2]["pixel_values"]
    assert np.array_equal(found, np.repeat(expected, 3, axis=0))
