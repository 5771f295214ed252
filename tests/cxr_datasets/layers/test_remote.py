"""Layers on a server: read with the login of the release, once, and refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from cxr_datasets.errors import CxrError, StoreError
from mimic_cxr_jpg.synthetic import write_release
from tests.cxr_datasets.layers.material import Ids, images_of, write_csv
from tests.fakes.physionet import PASSWORD, USER, PhysioNet

FOLDER = "files/mimic-cxr-jpg/2.1.0"
LAYERS = "files/notes/1.0"
LOGIN = {"username": USER, "password": PASSWORD}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release") / "2.1.0", patients=3, seed=2)


@pytest.fixture(scope="module")
def server(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhysioNet]:
    folder = tmp_path_factory.mktemp("layers")
    boxes = [(one.image, 5, 6, 7, 8) for one in images_of(release)]
    write_csv(folder / "notes.csv.gz", ["study_id", "n"], [(images_of(release)[0].study, 4)])
    write_csv(folder / "boxes.csv", ["dicom_id", *"xywh"], boxes)
    with PhysioNet({FOLDER: release, LAYERS: folder}, agents=("cxr-datasets/",)) as running:
        yield running


def load(server: PhysioNet, cache: str, layers: Any, options: Any = LOGIN, **more: Any) -> Any:
    return load_dataset(
        "mimic_cxr_jpg", data_dir=server.address(FOLDER), split="train+validation+test",
        cache_dir=cache, storage_options=options, layers=layers, **more,
    )  # fmt: skip


def test_a_layer_on_the_server_of_the_release_is_read_with_its_login_and_once(
    server: PhysioNet, release: Path, cache: str
) -> None:
    first: Ids = images_of(release)[0]
    boxes = {"address": server.address(f"{LAYERS}/boxes.csv"), "boxes": list("xywh")}
    layers = {"notes": server.address(f"{LAYERS}/notes.csv.gz"), "b": boxes}
    rows = load(server, cache, layers)
    assert {row["study_id"] for row in rows if row["notes_n"] == 4} == {first.study}
    assert set(map(tuple, rows["b_box"])) == {(5, 6, 12, 14)}
    asked = len(server.requests)
    assert [request for request in server.requests if "notes.csv" in str(request)]
    again = load(server, cache, layers)
    assert again["notes_n"] == rows["notes_n"]
    since = [request for request in server.requests[asked:] if "GET" in str(request)]
    assert not [request for request in since if "notes.csv" in str(request)]


def test_boxes_are_placed_on_remote_images_of_few_bytes_that_rows_do_not_hold(
    server: PhysioNet, cache: str
) -> None:
    layers = {"b": {"address": server.address(f"{LAYERS}/boxes.csv"), "boxes": list("xywh")}}
    rows = load(server, cache, layers, embed=False)
    assert set(map(tuple, rows["b_box"])) == {(5, 6, 12, 14)}


def test_a_layer_that_is_not_there_or_closed_is_refused_in_words(
    server: PhysioNet, cache: str, release: Path
) -> None:
    with pytest.raises(CxrError, match=r"none\.csv"):
        load(server, cache, {"notes": server.address(f"{LAYERS}/none.csv")})
    with pytest.raises(StoreError, match=r"notes\.csv\.gz"):
        load_dataset("mimic_cxr_jpg", data_dir=str(release), cache_dir=cache,
                     layers={"notes": server.address(f"{LAYERS}/notes.csv.gz")})  # fmt: skip
