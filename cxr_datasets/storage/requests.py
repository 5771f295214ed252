"""Requests to a store: several at once, each repeated until it succeeds, or explained."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from zipfile import BadZipFile

import fsspec
from fsspec.asyn import get_loop

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.addresses import WEB, joined, protocol, server_of
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.filesystems import CONNECTIONS, FEW_CONNECTIONS, _web_files, open_files
from cxr_datasets.storage.retry import (
    NOT_THERE,
    is_passing,
    is_refusal,
    retried,
    retried_async,
    store_fault,
)
from cxr_datasets.storage.threads import ONE_THREAD_EACH, Threads, threads_for

LONGEST_READ = 600.0
"""Seconds for one image or piece of a file, for stores that have no time-out of their own."""

_OPTIONS_ADVICE = "Check storage_options=, and what the store's own tools are set to."

_HUB_ADVICE = (
    "The Hub answers so where the repository does not exist, or is private or gated and the token "
    "is missing, wrong, or one of somebody who may not read it. Pass token=, or log in by "
    "`hf auth login`."
)

_OUR_MISTAKES = (TypeError, AttributeError, NameError, AssertionError)

_T = TypeVar("_T")


class Requests:
    """Requests to one file system: several at once, each repeated until it succeeds.

    Attributes:
        connections: Most requests at once.
    """

    def __init__(self, address: str, options: StorageOptions, connections: int | None = None):
        """Open the file system.

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

        def final(error: Exception, tries: int) -> Exception:
            if isinstance(error, (*_OUR_MISTAKES, BadZipFile, StoreError)):
                return error
            if self._is_archive and isinstance(error, NOT_THERE):
                return error
            no_request = not (self._is_archive or is_passing(error) or is_refusal(error))
            advice = _OPTIONS_ADVICE if no_request else ""
            return self._explained(self._address, error, tries, advice)

        return retried(lambda: open_files(self._address, self._options, self.connections), final)

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

        async def answered() -> Any:
            # By name: their order differs between file systems.
            answer = await function(place, **arguments)
            if at_least is not None and len(answer) < at_least:
                raise EOFError
            return answer

        async def request() -> Any:
            async with self._free:
                return await asyncio.wait_for(answered(), LONGEST_READ)

        def final(error: Exception, tries: int) -> Exception:
            if isinstance(error, _OUR_MISTAKES):
                return error
            if isinstance(error, NOT_THERE) and not is_refusal(error):
                return error
            return self._explained(place, error, tries)

        return asyncio.run_coroutine_threadsafe(retried_async(request, final), get_loop())

    def _in_thread(self, method: str, place: str, **arguments: Any) -> Awaitable[Any]:
        call = partial(self._threads.call, method, place, **arguments)
        return get_loop().run_in_executor(self._threads.pool, call)

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
        explained = store_fault(self._address_of(place), error, tries, advice)
        if explained.refused and hasattr(self, "files"):
            self.files.clear_instance_cache()  # a login put right now is to count at the next try
        return explained

    def _address_of(self, place: str) -> str:
        """The address of what the file system knows by a place of its own."""
        if "://" in place:
            return place
        return joined(self._address, place.removeprefix(self.root))
