"""Secrets that are given as options reach the workers of a cluster over TLS, and no other way."""

from __future__ import annotations

import logging
import pickle
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster, Security

from cxr_datasets.export import ExportError, encryption, export
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.storage.credentials import Handed, StorageOptions
from tests.fakes.certificate import make_certificate
from tests.fakes.dask import Scheduler, Worker
from tests.fakes.s3 import S3

OUT = "s3://exports/mimic/out"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate that vouches for itself, and of its key."""
    folder = tmp_path_factory.mktemp("certificates")
    certificate, key = make_certificate()
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def security(certificates: tuple[str, str], *roles: str) -> Security:
    cert, key = certificates
    parts = {f"tls_{role}_{part}": path for role in roles
             for part, path in (("cert", cert), ("key", key))}  # fmt: skip
    return Security(tls_ca_file=cert, require_encryption=True, **parts)


@pytest.fixture
def encrypted(certificates: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a TLS cluster, with a worker that was started as the error says."""
    cert, key = certificates
    own = security(certificates, "scheduler", "worker", "client")
    with LocalCluster(n_workers=0, processes=True, security=own,
                      dashboard_address="127.0.0.1:0") as cluster:  # fmt: skip
        address = cluster.scheduler_address
        words = ("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key)
        with Worker(address, *words, folder=tmp_path):
            yield address


@pytest.fixture
def plain() -> Iterator[LocalCluster]:
    """A cluster without TLS, and without a worker so far."""
    with LocalCluster(n_workers=0, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


def write(bucket: dict[str, Any], **more: Any) -> Any:
    return export("mimic-cxr-jpg", out=OUT, split="test", progress=False, **{**bucket, **more})


def test_over_tls_workers_get_the_secrets_and_no_log_does(
    encrypted: str,
    certificates: tuple[str, str],
    bucket: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert encrypted.startswith("tls://")
    with Client(encrypted, security=security(certificates, "client")) as client:
        assert write(bucket, client=client).written > 0
    # From the command line, the configuration of Dask names the files.
    cert, key = certificates
    tls = "distributed.comm.tls"
    with dask.config.set(
        {f"{tls}.ca-file": cert, f"{tls}.client.cert": cert, f"{tls}.client.key": key}
    ):
        assert write(bucket, dask=encrypted, config="studies").written > 0
    assert bucket["out_options"]["secret"] not in caplog.text


def test_a_plain_scheduler_is_not_even_called(bucket: dict[str, Any], s3: S3) -> None:
    before = list(s3.requests)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for form in (f"tcp://{address}", address):  # Dask takes tcp where nothing is said
            with pytest.raises(ExportError) as caught:
                write(bucket, dask=form)
        with pytest.raises(TimeoutError):
            server.accept()
    said = str(caught.value)
    assert "storage_options has key, secret and out_options has key, secret" in said
    assert f"must not go to the Dask cluster at {address}" in said
    for way_out in ("~/.aws", "security=True", *(f"--tls-{name}" for name in ("cert", "key"))):
        assert way_out in said
    for given in ("storage_options", "out_options"):
        assert bucket[given]["secret"] not in said
    assert s3.requests == before


@pytest.mark.thorough
def test_a_plain_client_gets_nothing_and_a_workers_own_login_is_a_way_out(
    plain: LocalCluster, bucket: dict[str, Any], s3: S3, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = list(s3.requests)
    with Client(plain) as client:
        with pytest.raises(ExportError, match=r"must not go to the Dask cluster at tcp://"):
            write(bucket, client=client)
        assert s3.requests == before
        assert not plain.scheduler.tasks
        login = s3.user("worker", read=["releases"],
                        allow=["arn:aws:s3:::exports", "arn:aws:s3:::exports/*"])  # fmt: skip
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", login["key"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", login["secret"])
        harmless = {"endpoint_url": s3.url, "anon": False}
        with Worker(client.scheduler.address, folder=tmp_path):
            own = {**bucket, "storage_options": harmless, "out_options": harmless}
            assert write(own, client=client).written > 0


def test_a_plain_door_beside_the_encrypted_one_counts(certificates: tuple[str, str]) -> None:
    cert, key = certificates
    own = Security(
        tls_ca_file=cert, tls_scheduler_cert=cert, tls_scheduler_key=key, tls_client_cert=cert,
        tls_client_key=key, require_encryption=False,
    )  # fmt: skip
    secret = ExportOptions(client=object(), storage_options={"token": "invented"})
    with (
        LocalCluster(
            n_workers=0, processes=True, security=own, protocol="tls://",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"protocol": ["tls://", "tcp://"], "port": [0, 0]},
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        found = encryption.scheduler_addresses(client)
        assert [address.partition("://")[0] for address in found] == ["tls", "tcp"]
        with pytest.raises(ExportError, match="must not go to the Dask cluster at tcp://"):
            encryption.require_encryption(found, secret)
    encryption.require_encryption(found[:1], secret)
    encryption.require_encryption(["inproc://1/2/3"], secret)


def test_a_scheduler_that_cannot_tell_its_doors_gets_no_secrets(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with Scheduler("--scheduler-file", str(file), folder=tmp_path, missing=("cxr_datasets",)):
        while not file.exists():
            time.sleep(0.05)
        with (
            Client(scheduler_file=str(file), timeout=60) as client,
            pytest.raises(ExportError, match="lacks cxr-datasets, or has another version"),
        ):
            encryption.scheduler_addresses(client)


def test_what_is_handed_over_is_shown_nowhere() -> None:
    handed = Handed([StorageOptions({"secret": "0badf00d"}, "s3://bucket")])
    assert "0badf00d" not in f"{handed!r} {handed}"
    assert b"0badf00d" in pickle.dumps(handed)
