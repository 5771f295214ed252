"""What an export is written into must be there: no bucket, container or folder above it is made."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from gcsfs.core import GCSFileSystem

from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError
from cxr_datasets.export import ExportError, ExportSummary, export
from cxr_datasets.export.folder import Folder
from cxr_datasets.testing import files_under
from tests.fakes.gcs import Asked, Gcs
from tests.fakes.s3 import S3
from tests.fakes.sftp import Sftp


@pytest.fixture
def write(small_release: Path, tmp_path: Path) -> Callable[..., ExportSummary]:
    """An export whose index is not made yet, so that it shows what an error came before."""
    return lambda out, **options: export(
        "mimic-cxr-jpg", small_release, out, config="reports", progress=False,
        cache_dir=str(tmp_path / "cache"), **options,
    )  # fmt: skip


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with S3() as s3:
        yield s3


def refused(write: Callable[..., Any], out: str | Path, missing: str, **options: Any) -> None:
    with pytest.raises(ExportError, match=rf"{missing} is not there, and none is made") as caught:
        write(out, **options)
    assert str(caught.value).startswith(f"out={out} cannot be written to: ")


def test_a_mistyped_bucket_is_named_and_not_made(
    s3: S3, write: Callable[..., ExportSummary], tmp_path: Path
) -> None:
    s3.place("exports", "mimic")
    owner = s3.user("all", allow=["*"])
    options = {"endpoint_url": s3.url, **owner}
    s3.requests.clear()
    refused(write, "s3://exprots/mimic/out", "bucket s3://exprots", out_options=options)
    assert {asked.method for asked in s3.requests} <= {"HEAD", "GET"}
    assert not (tmp_path / "cache").exists()
    client = boto3.client(
        "s3", endpoint_url=s3.url, region_name="us-east-1", aws_access_key_id=owner["key"],
        aws_secret_access_key=owner["secret"],
    )  # fmt: skip
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["exports"]
    assert write("s3://exports/mimic/deep/er/out", out_options=options).written > 0


@pytest.fixture
def cloud() -> Iterator[Gcs]:
    with Gcs() as cloud:
        cloud.place("exports", "mimic")
        yield cloud


def test_a_mistyped_bucket_of_google_is_named_and_not_made(
    cloud: Gcs, write: Callable[..., ExportSummary]
) -> None:
    options = {"token": cloud.key, "endpoint_url": cloud.url}
    refused(write, "gs://exprots/mimic", "bucket gs://exprots", out_options=options)
    assert not GCSFileSystem(**options, skip_instance_cache=True).exists("exprots")


def test_who_may_use_objects_and_not_look_at_the_bucket_may_write_into_an_empty_one(
    cloud: Gcs, write: Callable[..., ExportSummary]
) -> None:
    refusal = cloud.refusal

    def refuses_the_bucket_itself(asked: Asked, authorization: str | None) -> Any:
        if asked.path.endswith("/b/exports"):
            return 403, "storage.buckets.get access denied"
        return refusal(asked, authorization)

    cloud.refusal = refuses_the_bucket_itself  # type: ignore[method-assign]
    options = {"token": cloud.key, "endpoint_url": cloud.url}
    assert write("gs://exports/mimic/out", out_options=options).written > 0


def test_a_folder_by_sftp_needs_the_one_above_it(
    write: Callable[..., ExportSummary], tmp_path: Path
) -> None:
    (tmp_path / "served" / "exports").mkdir(parents=True)
    with Sftp(tmp_path / "served") as server:
        options = {"out_options": server.options}
        out = server.place("exprots/out").url
        refused(write, out, f"folder {out.removesuffix('/out')}", **options)
        assert os.listdir(tmp_path / "served") == ["exports"]
        assert write(server.place("exports/out").url, **options).written > 0
        assert write(server.place("top").url, **options).written > 0


def test_a_folder_on_a_disk_needs_the_one_above_it(
    write: Callable[..., ExportSummary], tmp_path: Path
) -> None:
    refused(write, tmp_path / "disk" / "out", f"folder {tmp_path}/disk")
    assert os.listdir(tmp_path) == []
    (tmp_path / "disk").mkdir()
    assert write(tmp_path / "disk" / "out").written > 0


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    emptied(files)
    yield files
    emptied(files)


def emptied(files: Any) -> None:
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_a_place_in_memory_needs_the_folder_above_it(
    memory: Any, write: Callable[..., ExportSummary]
) -> None:
    refused(write, "memory://absent/out", "folder memory://absent")
    assert memory.pseudo_dirs == [""]
    assert write("memory://out").written > 0


class Azure(MemoryFileSystem):  # type: ignore[misc]
    """Containers: as in Azure's file system, a folder that is made makes its container."""

    protocol = "abfs"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("abfs://"))


def test_a_container_is_called_one(
    memory: Any, write: Callable[..., ExportSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "abfs", Azure)
    refused(write, "abfs://exprots/mimic/out", "container abfs://exprots")
    assert memory.pseudo_dirs == [""]
    memory.mkdir("/exports")
    assert write("abfs://exports/mimic/out").written > 0


def test_the_hub_is_refused_with_the_command_that_looks_first(
    write: Callable[..., ExportSummary], tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="cxr push"):
        write("hf://datasets/somebody/mimic")
    assert os.listdir(tmp_path) == []


def test_a_worker_that_does_not_see_the_folder_makes_none_on_its_own_disk(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f"Is {tmp_path}/out there on {socket.gethostname()}"):
        Folder(tmp_path / "out").write("images/train.parquet", b"rows")
    assert os.listdir(tmp_path) == []


def test_a_dataset_that_is_built_in_a_store_needs_its_bucket(
    s3: S3, small_release: Path, tmp_path: Path
) -> None:
    import datasets

    import mimic_cxr_jpg  # noqa: F401

    builder = datasets.load_dataset_builder(
        "mimic_cxr_jpg", "reports", data_dir=str(small_release), cache_dir=str(tmp_path / "cache")
    )
    store = {"endpoint_url": s3.url, **s3.user("all", allow=["*"])}
    s3.requests.clear()
    with pytest.raises(OptionError, match="the bucket s3://exprots is not there"):
        builder.download_and_prepare(
            "s3://exprots/mimic", file_format="parquet", storage_options=store
        )
    assert {asked.method for asked in s3.requests} <= {"HEAD", "GET"}


def test_an_address_is_no_cache(small_release: Path, tmp_path: Path, memory: Any) -> None:
    import datasets

    import mimic_cxr_jpg  # noqa: F401

    with pytest.raises(OptionError, match="cache_dir=memory://bucket/cache is no folder on a disk"):
        datasets.load_dataset(
            "mimic_cxr_jpg", data_dir=str(small_release), cache_dir="memory://bucket/cache"
        )
    with pytest.raises(OptionError, match="cache_dir="):
        export("mimic-cxr-jpg", small_release, tmp_path / "out", cache_dir="memory://bucket/cache")
    assert memory.pseudo_dirs == [""]
    assert os.listdir(tmp_path) == []


def test_an_invented_release_is_not_written_to_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["synthesize", "mimic-cxr-jpg", "s3://bucket/mimic", "--patients", "3"]) == 2
    assert "s3://bucket/mimic is no folder on a disk" in capsys.readouterr().err
    assert files_under(tmp_path) == []
