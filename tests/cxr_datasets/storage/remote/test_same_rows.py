"""A release on a web server gives the rows that a local copy gives."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from PIL import Image

from cxr_datasets.builder import pixels
from cxr_datasets.builder.pixels import ROWS_AT_ONCE
from cxr_datasets.tables import index
from cxr_datasets.testing import edit_table, read_table
from tests.fakes.physionet import Stall
from tests.remote import Remote, rows, rows_of, taken

pytestmark = pytest.mark.usefixtures("login")

CONFIGS = ("images", "studies", "reports")


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("streaming", [False, True])
def test_remote_rows_are_the_local_ones_in_order(
    remote: Remote, config: str, streaming: bool
) -> None:
    expected = rows_of(remote.local(config))
    assert rows_of(remote.load(config, streaming=streaming)) == expected
    assert all(expected.values())


def test_two_processes_build_the_same_rows(remote: Remote) -> None:
    assert rows_of(remote.load(num_proc=2)) == rows_of(remote.local())


@pytest.mark.parametrize("config", CONFIGS)
def test_earlier_studies_of_remote_rows_are_the_local_ones(
    remote_mimic: Remote, config: str
) -> None:
    expected = rows_of(remote_mimic.local(config, priors=2))
    assert rows_of(remote_mimic.load(config, priors=2, streaming=True)) == expected
    assert bool(remote_mimic.asked(".jpg")) == (config != "reports")


def test_shards_of_a_stream_give_the_same_rows(remote: Remote) -> None:
    stream = remote.stream()
    shards = [stream.shard(stream.num_shards, number) for number in range(stream.num_shards)]
    assert len(shards) > 1
    assert [row for shard in shards for row in rows(shard)] == list(rows(remote.local()["train"]))


def test_images_decode_to_the_pixels_of_the_file(remote: Remote) -> None:
    expected = remote.local(split="train")
    for found in (remote.load(split="train"), remote.stream(), remote.stream(embed=False)):
        first = next(iter(found))["image"]
        assert isinstance(first, Image.Image)
        assert first == expected[0]["image"]


@pytest.mark.parametrize("options", [{"image_size": 40}, {"views": "frontal"}])
def test_options_do_the_same_to_remote_rows(remote: Remote, options: dict[str, Any]) -> None:
    expected = rows_of(remote.local(**options))
    assert rows_of(remote.load(**options)) == expected
    assert rows_of(remote.load(streaming=True, **options)) == expected


# ------------------------------------------------------------------ embed


def stored(split: Any) -> list[dict[str, Any]]:
    """The images of a split as they are held."""
    return [
        row["image"]
        for table in split.with_format("arrow").iter(batch_size=64)
        for row in table.select(["image"]).to_pylist()
    ]


@pytest.mark.parametrize("streaming", [False, True])
def test_remote_images_are_embedded_unless_told_otherwise(remote: Remote, streaming: bool) -> None:
    paths = remote.local(split="train")["path"]
    given: tuple[dict[str, Any], ...] = ({}, {"embed": True})
    for options in given:
        images = stored(remote.load(split="train", streaming=streaming, **options))
        assert [image["path"] for image in images] == [Path(path).name for path in paths]
        assert all(image["bytes"] for image in images)
    images = stored(remote.load(split="train", streaming=streaming, embed=False))
    assert images == [{"bytes": None, "path": f"{remote.address}/{path}"} for path in paths]


@pytest.mark.parametrize("streaming", [False, True])
def test_local_images_are_referred_to_unless_told_otherwise(
    remote: Remote, streaming: bool
) -> None:
    files = [str(remote.release / path) for path in remote.local(split="train")["path"]]
    given: tuple[dict[str, Any], ...] = ({}, {"embed": False})
    for options in given:
        images = stored(remote.local(split="train", streaming=streaming, **options))
        assert images == [{"bytes": None, "path": file} for file in files]
    images = stored(remote.local(split="train", streaming=streaming, embed=True))
    assert [image["bytes"] for image in images] == [Path(file).read_bytes() for file in files]


def test_addresses_alone_fetch_no_image_until_it_is_used(remote: Remote) -> None:
    built = remote.load(split="train", embed=False)
    assert not remote.asked(remote.suffix)
    assert built[3]["image"] == remote.local(split="train")[3]["image"]
    assert remote.asked(remote.suffix) == [f"/{remote.place}/{built[3]['path']}"]


# ------------------------------------------------------------------ concurrency


@pytest.mark.parametrize("connections", [None, 3])
def test_images_are_fetched_together_by_so_many_connections(
    remote: Remote, connections: int | None
) -> None:
    remote.server.latency = 0.02
    found = rows_of(remote.load(connections=connections))
    assert remote.server.max_concurrent == (connections or 8)
    assert found == rows_of(remote.local())


def test_reports_in_a_tree_and_images_share_the_connections(
    remote_mimic: Remote, tmp_path: Path
) -> None:
    archive = tmp_path / "reports" / "mimic-cxr-reports.zip"
    expected = rows_of(remote_mimic.local())
    shutil.unpack_archive(archive, tmp_path / "reports")
    archive.unlink()
    remote_mimic.server.latency = 0.02
    assert rows_of(remote_mimic.load()) == expected
    assert remote_mimic.asked(".txt")
    assert remote_mimic.server.max_concurrent == 8


def test_a_stream_reads_ahead_and_not_too_far(
    remote_mimic: Remote, mimic_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SMALLEST_BLOCK", 1000)
    remote_mimic.server.folders[remote_mimic.place] = mimic_release
    stream = remote_mimic.stream()
    remote_mimic.server.reset()
    reading = rows(stream)  # held: what is dropped asks for no more
    next(reading)
    for _ in range(100):  # the first row comes before most requests are made
        time.sleep(0.1)
        if len(remote_mimic.asked(".jpg")) >= ROWS_AT_ONCE:
            break
    time.sleep(0.5)  # long enough for any number of requests
    asked = len(remote_mimic.asked(".jpg"))
    assert ROWS_AT_ONCE <= asked <= 3 * ROWS_AT_ONCE
    assert len(read_table(mimic_release / "mimic-cxr-2.0.0-split.csv.gz")) > 4 * ROWS_AT_ONCE
    time.sleep(0.1)
    assert len(remote_mimic.asked(".jpg")) == asked


@pytest.mark.skipif(pixels.FIRST_ROWS > 1, reason="skip of datasets 4 needs a large first piece")
def test_the_first_row_of_a_stream_waits_for_no_other_image(remote: Remote) -> None:
    stream = remote.stream().cast_column("image", datasets.Image(decode=False))
    expected = taken(remote.local(split="train"), 3)
    remote.server.fail(expected[2]["path"], Stall(10))
    found = iter(stream)
    assert next(found)["image"]["bytes"] == expected[0]["image"]
    third = (asked for asked in remote.server.requests if expected[2]["path"] in asked.path)
    assert not any(asked.end for asked in third if asked.method == "GET")
    found.close()


# ------------------------------------------------------------------ unusual releases


def test_a_study_of_many_images_comes_whole(remote_mimic: Remote) -> None:
    """More images than are in memory together, in one study."""
    names = [f"mimic-cxr-2.0.0-{name}.csv.gz" for name in ("split", "metadata")]
    tables = [remote_mimic.release / name for name in names]
    first = read_table(tables[0]).iloc[0]
    folder = f"files/p{first.subject_id[:2]}/p{first.subject_id}/s{first.study_id}"
    image = remote_mimic.release / folder / f"{first.dicom_id}.jpg"
    new = ["-".join([f"{number:08x}"] * 5) for number in range(2 * ROWS_AT_ONCE + 3)]
    for name in new:
        shutil.copy(image, image.with_name(f"{name}.jpg"))

    def add(table: pd.DataFrame) -> pd.DataFrame:
        one = table[table.dicom_id == first.dicom_id]
        return pd.concat([table, *(one.assign(dicom_id=name) for name in new)])

    for file in tables:
        edit_table(file, add)
    expected = rows_of(remote_mimic.local("studies"))
    assert max(len(row["images"]) for row in expected["train"]) > 2 * ROWS_AT_ONCE
    assert rows_of(remote_mimic.load("studies")) == expected
    assert rows_of(remote_mimic.load("studies", streaming=True)) == expected


@pytest.mark.parametrize("layout", ["images", "flat", "zip"])
def test_every_layout_of_indiana_reads_remotely(
    remote_indiana: Remote, layout: str, tmp_path: Path
) -> None:
    from indiana_cxr.synthetic import write_release

    release = write_release(tmp_path / layout, studies=12, layout=layout)
    remote_indiana.server.folders[remote_indiana.place] = release
    inside = {"zip": "/archive.zip"}.get(layout, "")
    expected = rows_of(remote_indiana.local(data_dir=f"{release}{inside}", embed=True))
    for streaming in (False, True):
        found = remote_indiana.load(data_dir=remote_indiana.address + inside, streaming=streaming)
        assert rows_of(found) == expected


def test_a_folder_in_a_remote_archive_is_a_release(
    remote_mimic: Remote, small_release: Path, tmp_path: Path
) -> None:
    archive = shutil.make_archive(
        str(tmp_path / "reports" / "copy"), "zip", small_release.parent, small_release.name
    )
    place = remote_mimic.server.address(f"files/mimic-cxr/2.1.0/{Path(archive).name}")
    expected = rows_of(remote_mimic.local())
    address = f"zip://{small_release.name}::{place}"
    assert rows_of(remote_mimic.load(data_dir=address)) == expected
    assert rows_of(remote_mimic.load(data_dir=address, streaming=True)) == expected


def test_a_server_without_listings_etags_and_ranges_will_do(remote: Remote) -> None:
    server = remote.server
    server.listing = server.etags = server.ranges = False
    assert rows_of(remote.load()) == rows_of(remote.local())
