"""A remote store: an fsspec file system whose requests are repeated, counted and explained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from zipfile import BadZipFile

import fsspec
from fsspec.asyn import get_loop
from fsspec.core import url_to_fs

from cxr_datasets.addresses import WEB, protocol, shown
from cxr_datasets.errors import StoreError
from cxr_datasets.faults import Patience, describe
from cxr_datasets.options import StorageOptions
from cxr_datasets.web import web_files

CONNECTIONS = {"s3": 32, "s3a": 32, "gs": 32, "gcs": 32, "abfs": 32, "hf": 16}
FEW_CONNECTIONS = 8
"""Requests at once, by protocol, and for all others: PhysioNet blocks accounts that open more."""

LONGEST_READ = 600.0
"""Seconds for one image or piece of a file, for stores that have no time-out of their own."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_OUR_MISTAKES = (TypeError, AttributeError, NameError, AssertionError)

_T = TypeVar("_T")


def open_files(
    address: str, options: StorageOptions, connections: int | None = None
) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open the file system of an address.

    Args:
        address: A normalised address.
        options: Storage options for every protocol in it.
        connections: Most requests at once to a web server.

    Returns:
        The file system, and the place of the address within it.

    Raises:
        StoreError: A package that it needs is not installed.
    """
    link, _, rest = address.partition("::")
    if rest and link.startswith("zip://"):
        return _archive_files(rest, options, connections), link.partition("://")[2]
    name = protocol(address)
    try:
        if name in WEB and not rest:
            return web_files(address, options, connections or FEW_CONNECTIONS), address
        given = options.of(name)
        return url_to_fs(address, **({name: given} if rest and given else given))
    except (ImportError, ValueError) as error:
        raise StoreError(_unknown(address, name, error)) from error


def _archive_files(
    rest: str, options: StorageOptions, connections: int | None
) -> fsspec.AbstractFileSystem:
    files, place = open_files(rest, options, connections)
    return fsspec.filesystem("zip", fo=files.open(place, "rb"), skip_instance_cache=True)


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
        self._options = options
        self.connections = connections or CONNECTIONS.get(protocol(address), FEW_CONNECTIONS)
        self.files, self.root = self._patiently_opened()
        self.files.invalidate_cache()  # what was listed earlier may have changed
        self._pool: ThreadPoolExecutor | None = None
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
            except (*_NOT_THERE, *_OUR_MISTAKES, BadZipFile, StoreError):
                raise
            except Exception as error:
                wait = patience.wait(error)
                if wait is None:
                    raise self._explained(self._address, error, patience.tries) from None
            time.sleep(wait)

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
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.connections, thread_name_prefix="cxr-store")
        function = getattr(self.files, method)
        return get_loop().run_in_executor(self._pool, lambda: function(place, **arguments))

    async def _patiently(self, place: str, request: Callable[[], Awaitable[_T]]) -> _T:
        patience = Patience()
        while True:
            try:
                async with self._free:
                    return await asyncio.wait_for(request(), LONGEST_READ)
            except (*_NOT_THERE, *_OUR_MISTAKES):
                raise
            except Exception as error:
                wait = patience.wait(error)
                if wait is None:
                    # Not from it: what libraries say quotes signed addresses.
                    raise self._explained(place, error, patience.tries) from None
            await asyncio.sleep(wait)

    def _explained(self, place: str, error: Exception, tries: int) -> StoreError:
        link, chain, rest = self._address.partition("::")
        end, advice = rest or link, ""
        if protocol(end) in WEB:
            advice = web_files(end, self._options, self.connections).advice(error)
        if self._options.lost:
            advice += (
                " The storage_options that were given did not reach this process: they are not "
                "written into pickles. Set the credentials here as the store's own tools take them."
            )
        address = place if "://" in place else f"{link.partition('://')[0]}://{place}{chain}{rest}"
        return describe(address, error, tries, advice)
