"""The collection from Kaggle, by its own client: single files, or all of it as one archive.

Nobody needs an account for it. Where a user has a token of Kaggle, the client finds and sends it.
"""

from __future__ import annotations

import logging
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cxr_datasets import limits
from cxr_datasets.copies.fetcher import Arrival, Fetcher
from cxr_datasets.errors import DownloadError, StoreError
from cxr_datasets.storage import durable, own
from cxr_datasets.storage.cache import NO_ROOM

ARCHIVE = "archive.zip"
"""What people, and Kaggle's own button, call all of it in one."""

_HANDLE = re.compile(r"/datasets/(?P<handle>[\w-]+/[\w-]+/versions/\d+)/?$")
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class Kaggle(Fetcher):
    """Brings files by `kagglehub`.

    Attributes:
        archive_from: From so many images on, all are fetched as one archive: each file by itself is
            two requests.
    """

    archive_from = 3_000

    def __init__(
        self, address: str, connections: int, refusals: Mapping[int, str], closed: bool = False
    ):
        """Take the address of the dataset's page; nothing is asked of Kaggle.

        Args:
            address: Of the page of a version.
            connections: How many files are fetched at once.
            refusals: HTTP status -> what it means there, and what to do.
            closed: Not used: everybody may read the collection.

        Raises:
            DownloadError: `kagglehub` is not installed, or is too old.
        """
        found = _HANDLE.search(address)
        assert found, address
        self.address = address
        self._connections, self._refusals = connections, refusals
        self._hub = _Hub(found["handle"])

    def shown(self, path: str = "") -> str:
        """See `Fetcher.shown`."""
        return self.address + path

    def fetch(self, paths: Sequence[str], folder: Path, small: bool = True) -> Iterator[Arrival]:
        """See `Fetcher.fetch`. Of an archive, what came before is not fetched again."""
        if small and len(paths) >= self.archive_from:
            yield from self._from_archive(paths, folder)
            return
        pool = ThreadPoolExecutor(self._connections, thread_name_prefix="cxr-kaggle")
        try:
            yield from pool.map(lambda path: self._arrival(path, folder / path), paths)
        finally:
            pool.shutdown(cancel_futures=True)

    def _arrival(self, path: str, part: Path) -> Arrival:
        """Fetch one file, or all of it as `ARCHIVE`."""
        durable.make_folder(part.parent)
        try:
            self._hub.fetch(None if path == ARCHIVE else path, part, self.progress)
        except self._hub.refused as error:
            return self._answered(path, error.response.status_code)
        except self._hub.damaged:
            return Arrival(path, "came damaged: it has not the MD5 that Kaggle tells", passing=True)
        except self._hub.lost:
            return Arrival(path, "could not be read: the connection was lost", passing=True)
        except OSError as error:
            raise _of_disk(part, error) from error
        return Arrival(path)

    def _answered(self, path: str, status: int) -> Arrival:
        """Tell what an answer means.

        Raises:
            StoreError: Kaggle refuses this user.
        """
        if status == 404:
            return Arrival(path, "is not there (the server answered 404)")
        if status in self._refusals:
            refusal = StoreError(
                f"{self.shown(path)} may not be read: the server answered {status}. "
                f"{self._refusals[status]}"
            )
            refusal.refused = True
            raise refusal
        said = f"could not be read: the server answered {status}"
        return Arrival(path, said, passing=status in _PASSING)

    def _from_archive(self, paths: Sequence[str], folder: Path) -> Iterator[Arrival]:
        part = folder / ARCHIVE
        arrival = self._arrival(ARCHIVE, part)
        if arrival.fault is not None:
            yield from (arrival._replace(path=path) for path in paths)
            return
        try:
            with zipfile.ZipFile(part) as archive:
                yield from (_unpacked(archive, path, folder / path) for path in paths)
        except zipfile.BadZipFile:
            fault = "came damaged: Kaggle's archive is no whole zip"
            yield from (Arrival(path, fault, passing=True) for path in paths)
        part.unlink()


def _unpacked(archive: zipfile.ZipFile, path: str, part: Path) -> Arrival:
    """Take one file out of the archive."""
    durable.make_folder(part.parent)
    try:
        if archive.getinfo(path).file_size > limits.LARGEST_IMAGE:
            return Arrival(path, "is larger in the archive than an image may be")
        with (
            archive.open(path) as member,
            open(part, "wb", opener=own.open_file) as file,
        ):
            shutil.copyfileobj(member, file)
    except KeyError:
        return Arrival(path, "is not in Kaggle's archive")
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return Arrival(path, "is damaged in Kaggle's archive", passing=True)
    except OSError as error:
        raise _of_disk(part, error) from error
    return Arrival(path)


def _of_disk(part: Path, error: OSError) -> DownloadError:
    why = "There is no room left" if error.errno in NO_ROOM else "It cannot be written to"
    return DownloadError(
        f"{part} could not be written. {why}: make room, or check the permissions, and start "
        "again; what came whole is not fetched again."
    )


class _Hub:
    """The parts of `kagglehub` that are used, imported when something is fetched.

    Not its `dataset_download`: that unpacks the archive and removes it.

    Attributes:
        refused: Its error for an answer that is none.
        damaged: Its error for bytes that differ from the hash that Kaggle tells.
        lost: The error of the library below it for a connection that is lost.
    """

    def __init__(self, handle: str):
        """Import it.

        Raises:
            DownloadError: It is not there.
        """
        try:
            from kagglehub import clients, exceptions
            from kagglehub.handle import parse_dataset_handle
            from kagglehub.http_resolver import _build_dataset_download_request
            from requests import RequestException
        except ImportError as error:
            raise DownloadError(
                "The collection is fetched by kagglehub, which is not installed, or is older than "
                'its version 1.0. Install it: pip install "cxr-datasets[kaggle]".'
            ) from error
        # It tells of every file on the standard output, and that it is no longer the newest.
        clients.logger.setLevel(logging.WARNING)
        clients.already_printed_version_warning = True
        self._clients, self._handled = clients, exceptions.handle_call
        self._request = _build_dataset_download_request
        self._handle = parse_dataset_handle(handle)
        self.refused: type[Any] = exceptions.KaggleApiHTTPError
        self.damaged: type[Any] = exceptions.DataCorruptionError
        self.lost: type[Any] = RequestException

    def fetch(self, path: str | None, part: Path, bar: bool) -> None:
        """Fetch a file, or the whole archive, of which what is there is kept.

        Args:
            path: The file; None: the archive.
            part: Where to.
            bar: Whether to show a bar for the archive. Each of many files has none.
        """
        if path is not None:
            with suppress(FileNotFoundError):
                part.unlink()
        self._clients.tqdm = partial(tqdm, disable=path is not None or not bar)
        with self._clients.build_kaggle_client() as client:
            ask = client.datasets.dataset_api_client.download_dataset
            asked = self._request(self._handle, path)
            response = self._handled(lambda: ask(asked), self._handle)
            with response:
                self._clients.download_file(
                    response, str(part), self._handle, extract_auto_compressed_file=path is not None
                )
