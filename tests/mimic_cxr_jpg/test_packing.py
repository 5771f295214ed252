"""Tables are read packed or not, whatever their names say and whatever unpacks them on the way."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.testing import copy_release, load_rows, rewrite
from tests.fakes.gcs import Gcs
from tests.fakes.physionet import PhysioNet

Row = dict[str, Any]
TABLES = "mimic-cxr-*.csv*"


@pytest.fixture(scope="module")
def expected(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return load_rows("mimic_cxr_jpg", small_release, str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(small_release: Path, tmp_path: Path) -> Path:
    return copy_release(small_release, tmp_path / "copy")


def unpack(file: Path) -> None:
    """As a browser or a proxy does: the name stays."""
    if file.suffix == ".gz":
        rewrite(file, gzip.decompress(file.read_bytes()))


def pack(file: Path) -> None:
    """The name stays too."""
    if file.suffix == ".csv":
        rewrite(file, gzip.compress(file.read_bytes()))


def rename(file: Path) -> None:
    """The content stays; only the name loses its end."""
    if file.suffix == ".gz":
        file.rename(file.with_suffix(""))


@pytest.mark.parametrize("change", [unpack, pack, rename])
def test_a_table_is_read_packed_or_not_whatever_its_name_says(
    change: Callable[[Path], None], root: Path, cache: str, expected: list[Row]
) -> None:
    before = {file: file.read_bytes() for file in root.glob(TABLES)}
    for file in before:
        change(file)
    assert {file: file.read_bytes() for file in root.glob(TABLES)} != before
    assert load_rows("mimic_cxr_jpg", root, cache) == expected


def test_an_empty_packed_table_does_not_stand_in_the_way_of_a_whole_unpacked_one(
    root: Path, cache: str, expected: list[Row]
) -> None:
    for file in root.glob("*.csv.gz"):
        rewrite(file.with_suffix(""), gzip.decompress(file.read_bytes()))
        rewrite(file, b"")
    assert load_rows("mimic_cxr_jpg", root, cache) == expected


def remote_rows(data_dir: str, cache: str, **options: Any) -> list[Row]:
    """Rows without images: these tests are about the tables."""
    return load_rows("mimic_cxr_jpg", data_dir, cache, "reports", **options)


@pytest.fixture(scope="module")
def expected_reports(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return load_rows("mimic_cxr_jpg", small_release, cache, "reports")


def test_a_server_that_calls_gzip_an_encoding_of_the_transport_gives_the_same_rows(
    small_release: Path, cache: str, expected_reports: list[Row]
) -> None:
    with PhysioNet({"copy": small_release}, open_access=True, encodes=True) as server:
        assert remote_rows(server.address("copy"), cache) == expected_reports
        packed = [asked for asked in server.requests if asked.path.endswith(".csv.gz")]
        assert {asked.method for asked in packed} == {"HEAD", "GET"}


def test_a_bucket_whose_tables_are_unpacked_on_the_way_gives_the_same_rows(
    small_release: Path, cache: str, expected_reports: list[Row]
) -> None:
    with Gcs() as cloud:
        place = cloud.place("encoded", "copy")
        for file in (*small_release.glob(TABLES), small_release / "mimic-cxr-reports.zip"):
            place.put(file.name, file.read_bytes())
        cloud.encoded.add("encoded")
        options = {"token": cloud.key, "endpoint_url": cloud.url}
        rows = remote_rows(place.url, cache, storage_options=options)
        assert rows == expected_reports
