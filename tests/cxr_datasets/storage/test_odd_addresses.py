"""Addresses as users write them: each is read, or refused in words, whoever is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError, StoreError
from cxr_datasets.testing import load_rows

BROKEN = ["http://[::1", "http://host:99999/", "a\0b", "/data/\udce4", "~nobody-of-this-name"]


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address(indiana_release: Path) -> Iterator[str]:
    """The Indiana release on a server whose host is a number in brackets."""
    try:
        server = _Server(("::1", 0), partial(_Quiet, directory=str(indiana_release)))
    except OSError:
        pytest.skip("this machine has no IPv6")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://[::1]:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_host_that_is_a_number_in_brackets_is_read(
    address: str, indiana_release: Path, tmp_path: Path
) -> None:
    found = load_rows("indiana_cxr", address, str(tmp_path / "remote"), "studies")
    assert found == load_rows("indiana_cxr", indiana_release, str(tmp_path / "local"), "studies")


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
@pytest.mark.parametrize("data_dir", BROKEN)
def test_no_address_is_refused_as_data_dir(package: str, data_dir: str, cache: str) -> None:
    with pytest.raises(OptionError):
        load_dataset(package, data_dir=data_dir, cache_dir=cache)


@pytest.mark.parametrize("reports", BROKEN)
def test_no_address_is_refused_as_reports(small_release: Path, reports: str, cache: str) -> None:
    with pytest.raises(OptionError):
        load_dataset("mimic_cxr_jpg", data_dir=str(small_release), reports=reports, cache_dir=cache)


@pytest.mark.parametrize("out", BROKEN)
def test_no_address_is_refused_as_out(
    indiana_release: Path, out: str, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data-dir", str(indiana_release), "--out", out, "--cache-dir", cache]
    assert main(["export", "indiana-cxr", *words]) == 2
    assert capsys.readouterr().err.startswith("cxr: ")


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
@pytest.mark.parametrize("data_dir", ["sftp://", "github://"])
def test_an_address_without_what_its_store_needs_is_told(
    package: str, data_dir: str, cache: str
) -> None:
    with pytest.raises(StoreError, match="Check the address and storage_options="):
        load_dataset(package, data_dir=data_dir, cache_dir=cache)
