"""A remote store: an fsspec file system whose requests are repeated, counted and explained."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

import fsspec
from fsspec.asyn import get_loop, reset_lock
from fsspec.core import url_to_fs

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.addresses import WEB, joined, protocol, server_of, shown
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.retry import Patience, describe, is_passing, is_refusal
from cxr_datasets.storage.threads import ONE_THREAD_EACH, Threads, threads_for

if TYPE_CHECKING:
    from cxr_datasets.storage.web import WebFiles

CONNECTIONS = {"s3": 32, "s3a": 32, "gs": 32, "gcs": 32, "abfs": 32, "hf": 16}
FEW_CONNECTIONS = 8
"""Requests at once, by protocol, and for all others: PhysioNet blocks accounts that open more."""

LONGEST_READ = 600.0
"""Seconds for one image or piece of a file, for stores that have no time-out of their own."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}

_OPTIONS_ADVICE = "Check storage_options=, and what the store's own tools are set to."

_HUB_ADVICE = (
    "The Hub answers so where the repository does not exist, or is private or gated and the token "
    "is missing, wrong, or one of somebody who may not read it. Pass token=, or log in by "
    "`hf auth login`."
)

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_OUR_MISTAKES = (TypeError, AttributeError, NameError, AssertionError)

# As newer versions of fsspec do themselves; with older ones a forked process would wait for ever
# for a thread of its parent's.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_lock)

_T = TypeVar("_T")

_hub: dict[tuple[int, str], fsspec.AbstractFileSystem] = {}


def open_files(
    address: str, options: StorageOptions, connections: int | None = None, own: bool = False
) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open the file system of an address.

    Args:
        address: A normalised address.
        options: Storage options for every protocol in it.
        connections: Most requests at once to a web server.
        own: Whether a connection that bears one thread is not to be shared with anybody.

    Returns:
        The file system, and the place of the address within it.

    Raises:
        StoreError: A package that it needs is not installed.
    """
    _require_known(address)
    link, _, rest = address.partition("::")
    if rest and link.startswith("zip://"):
        return _archive_files(rest, options, connections), link.partition("://")[2]
    name = protocol(address)
    if name in WEB and not rest:
        return _web_files(address, options, connections), address
    given = options.of(name)
    if rest:
        return url_to_fs(address, **({name: given} if given else {}))
    if name in ("gs", "gcs"):
        return _google_files(address, given)
    if name == "hf":
        return _hub_files(address, options)
    given = _with_defaults(name, given)
    return url_to_fs(address, **given, skip_instance_cache=own and name in ONE_THREAD_EACH)


def _web_files(address: str, options: StorageOptions, connections: int | None) -> WebFiles:
    from cxr_datasets.storage.web import web_files  # which imports aiohttp: a tenth of a second

    return web_files(address, options, connections or FEW_CONNECTIONS)


def _archive_files(
    rest: str, options: StorageOptions, connections: int | None
) -> fsspec.AbstractFileSystem:
    files, place = open_files(rest, options, connections, own=True)
    archive = fsspec.filesystem("zip", fo=files.open(place, "rb"), skip_instance_cache=True)
    archive.ls("")  # fsspec makes its list now: threads that ask meanwhile would see half of it
    return archive


def _google_files(address: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """Files on Google Cloud by HTTP only.

    For what fsspec takes, gcsfs asks by gRPC what kind of bucket it is: it stalls for a minute at
    a time where a proxy lets HTTP through only, and gRPC does not bear forked processes.
    """
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**options), GCSFileSystem._strip_protocol(address)


def _hub_files(address: str, options: StorageOptions) -> tuple[fsspec.AbstractFileSystem, str]:
    """Files on the Hub, kept out of fsspec's cache.

    `datasets` writes whatever that cache has of them, tokens too, into pickles of its streams.
    """
    key = (os.getpid(), options.key)
    if key not in _hub:
        _hub[key] = fsspec.filesystem("hf", **options.of("hf"), skip_instance_cache=True)
    return _hub[key], _hub[key]._strip_protocol(address)


def _with_defaults(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Options for one protocol, and what is better here than its own defaults."""
    if name in ("s3", "s3a"):
        known = signature(fsspec.get_filesystem_class(name).__init__).parameters
        if "max_concurrency" in known:  # above 1, s3fs asks for each file's size before it
            return {"max_concurrency": 1, **given}
    return given


def _require_known(address: str) -> None:
    """Require that every protocol of an address is known and its package installed."""
    for link in address.split("::"):
        name = link.partition("://")[0] if "://" in link else "file"
        try:
            fsspec.get_filesystem_class(name)
        except (ImportError, ValueError) as error:
            raise StoreError(_unknown(address, name, error)) from error


def _unknown(address: str, name: str, error: Exception) -> str:
    where = shown(address)
    if name in _EXTRAS:
        return (
            f"{where} needs a package for {name}:// that is not installed. Install it: "
            f'pip install "cxr-datasets[{_EXTRAS[name]}]".'
        )
    if isinstance(error, ImportError):
        return f"{where} needs a package that is not installed: {error}."
    return f"{where} is of no protocol that fsspec knows. Check what stands before '://'."


class Store:
    """Requests to one file system: several at once, each repeated until it succeeds.

    Attributes:
        connections: Most requests at once.
    """

    def __init__(self, address: str, options: StorageOptions, connections: int | None = None):
        """Open the store.

        Args:
            address: A normalised remote address.
            options: Storage options.
            connections: Most requests at once; None takes what the protocol bears.
        """
        self._address = address
        self._is_archive = "::" in address
        self._options = options
        self.connections = connections or CONNECTIONS.get(protocol(address), FEW_CONNECTIONS)
        self.files, self.root = self._patiently_opened()
        self.files.invalidate_cache()  # what was listed earlier may have changed
        self._threads = self._own_threads()
        shared = getattr(self.files, "free", None)  # of a web server
        self._free: asyncio.Semaphore = shared or asyncio.Semaphore(self.connections)

    def read(self, place: str, start: int | None = None, end: int | None = None) -> Future[bytes]:
        """Begin to read a file, or some of its bytes.

        Args:
            place: The file.
            start: First byte.
            end: The byte after the last, which the file must have; a server without ranges gives
                the whole file instead.

        Raises (when asked for the result):
            FileNotFoundError: It is not there.
            StoreError: It may not be read, or every try failed.
        """
        whole = None if start is None or end is None else end - start
        return self._submit("cat_file", place, at_least=whole, start=start, end=end)

    def info(self, place: str) -> Future[dict[str, Any]]:
        """Begin to ask for what fsspec calls the info of a file; errors as for `read`."""
        return self._submit("info", place)

    def names(self, place: str) -> Future[list[str]]:
        """Begin to list one folder; errors as for `read`."""
        return self._submit("ls", place, detail=False)

    def _patiently_opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """Open the file system, which for an archive reads its directory."""
        patience = Patience()
        while True:
            try:
                return open_files(self._address, self._options, self.connections)
            except (*_OUR_MISTAKES, BadZipFile, StoreError):
                raise
            except Exception as error:
                if self._is_archive and isinstance(error, _NOT_THERE):
                    raise
                wait = patience.wait(error)
                if wait is None:
                    no_request = not (self._is_archive or is_passing(error) or is_refusal(error))
                    advice = _OPTIONS_ADVICE if no_request else ""
                    raise self._explained(self._address, error, patience.tries, advice) from None
            time.sleep(wait)

    def _own_threads(self) -> Threads:
        """The threads for a file system that is not asynchronous."""
        if protocol(self._address) not in ONE_THREAD_EACH or self._is_archive:
            return Threads(self.connections, lambda: self.files)
        server = (server_of(self._address), self._options.key)
        reopen = partial(open_files, server[0], self._options, own=True)
        return threads_for(server, self.connections, lambda: reopen()[0])

    def _submit(
        self, method: str, place: str, *, at_least: int | None = None, **arguments: Any
    ) -> Future[Any]:
        if self.files.async_impl:
            function = getattr(self.files, f"_{method}")
        else:
            function = partial(self._in_thread, method)

        async def request() -> Any:
            # By name: their order differs between file systems.
            answer = await function(place, **arguments)
            if at_least is not None and len(answer) < at_least:
                raise EOFError
            return answer

        return asyncio.run_coroutine_threadsafe(self._patiently(place, request), get_loop())

    def _in_thread(self, method: str, place: str, **arguments: Any) -> Awaitable[Any]:
        call = partial(self._threads.call, method, place, **arguments)
        return get_loop().run_in_executor(self._threads.pool, call)

    async def _patiently(self, place: str, request: Callable[[], Awaitable[_T]]) -> _T:
        patience = Patience()
        while True:
            try:
                async with self._free:
                    return await asyncio.wait_for(request(), LONGEST_READ)
            except _OUR_MISTAKES:
                raise
            except Exception as error:
                if isinstance(error, _NOT_THERE) and not is_refusal(error):
                    raise
                wait = patience.wait(error)
                if wait is None:
                    # Not from it: what libraries say quotes signed addresses.
                    raise self._explained(place, error, patience.tries) from None
            await asyncio.sleep(wait)

    def _explained(self, place: str, error: Exception, tries: int, advice: str = "") -> StoreError:
        link, _, rest = self._address.partition("::")
        end = rest or link
        if protocol(end) == "hf" and is_refusal(error):
            advice = _HUB_ADVICE
        if protocol(end) in WEB:
            advice = _web_files(end, self._options, self.connections).advice(error) or advice
        if self._options.lost:
            advice += (
                " The storage_options that were given did not reach this process: they are not "
                "written into pickles. Set the credentials here as the store's own tools take them."
            )
        explained = describe(self._address_of(place), error, tries, advice)
        if explained.refused and hasattr(self, "files"):
            self.files.clear_instance_cache()  # a login put right now is to count at the next try
        return explained

    def _address_of(self, place: str) -> str:
        """The address of what the file system knows by a place of its own."""
        if "://" in place:
            return place
        return joined(self._address, place.removeprefix(self.root))
