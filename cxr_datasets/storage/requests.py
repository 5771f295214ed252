"""Requests to a store: several at once, tried again after passing faults, then explained."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import fsspec
from fsspec.asyn import get_loop

from cxr_datasets import limits, wording
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import Limit, TooLargeError, check_limit
from cxr_datasets.storage.addresses import (
    WEB,
    is_chain,
    joined,
    links,
    protocol,
    server_of,
    shown,
)
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.faults import (
    NOT_THERE,
    is_absent_entry,
    is_passing,
    is_refusal,
    status,
    store_fault,
)
from cxr_datasets.storage.filesystems import (
    CONNECTIONS,
    FEW_CONNECTIONS,
    MEMBER_DAMAGE,
    S3,
    damaged_member,
    open_files,
    open_web,
    read_at_most,
)
from cxr_datasets.storage.pages import refuse_page
from cxr_datasets.storage.retry import retried, retried_async
from cxr_datasets.storage.threads import ONE_THREAD_EACH, Threads, threads_for

if TYPE_CHECKING:
    from cxr_datasets.storage.bucket_reads import BucketReads

_OPTIONS_ADVICE = (
    "Check the address and storage_options=, and what the store's own tools are set to."
)

_HUB_ADVICE = (
    "The Hub answers so if the repository does not exist, or if it is private or gated and the "
    "token is missing, wrong, or not of a user who may read it. Pass token=, or log in by "
    "`hf auth login`."
)

_SEND_PARTS = (*S3, "gs", "gcs")
"""Protocols whose stores send parts of files: of a file beyond a limit, so much is asked for."""

_OUR_MISTAKES = (TypeError, AttributeError, NameError, AssertionError)

answer_limit: ContextVar[Limit | None] = ContextVar("answer_limit", default=None)
"""How many bytes the answers to the requests of this task may have; None: the usual limit."""


class Requests:
    """Requests to one file system.

    Attributes:
        connections: Most requests at once.
    """

    def __init__(self, address: str, options: StorageOptions, connections: int | None = None):
        """Open the file system.

        Args:
            address: A normalised remote address.
            options: Storage options.
            connections: Most requests at once; None: the usual number for the protocol.
        """
        self._address = address
        self._is_archive = is_chain(address)
        self._options = options
        self.connections = connections or CONNECTIONS.get(protocol(address), FEW_CONNECTIONS)
        self.files, self.root = self._patiently_opened()
        self.files.invalidate_cache()  # the store may have changed since something was listed
        self._threads = self._own_threads()
        self._bucket = self._own_bucket()
        shared = getattr(self.files, "free", None)  # the limit of a web server
        self._free: asyncio.Semaphore = shared or asyncio.Semaphore(self.connections)

    def read(
        self,
        place: str,
        start: int | None = None,
        end: int | None = None,
        limit: Limit = limits.LARGEST_ANSWER,
    ) -> Future[bytes]:
        """Begin to read a file, or some of its bytes.

        Args:
            place: The file.
            start: First byte.
            end: The byte after the last one. A server that cannot send a part sends the whole
                file instead.
            limit: How many bytes may come.

        Raises:
            FileNotFoundError: By the result: the file is not there.
            TooLargeError: By the result: more bytes came, or would.
            OSError: By the result: it is a member of an archive, and damaged.
            StoreError: By the result: the file may not be read, or every try failed, or came with
                a page in its place.
        """
        whole = None if start is None or end is None else end - start

        def check(content: bytes) -> None:
            # What is in an archive is as it was packed. Where a part came that was asked for, it
            # may begin with anything.
            if not self._is_archive and (not start or len(content) != whole):
                refuse_page(content, place)
            if whole is not None and len(content) < whole:
                raise EOFError

        read = partial(self._limited, limit=limit)
        return self._submit(read, place, check=check, start=start, end=end)

    def start(self, place: str, size: int, limit: Limit) -> Future[bytes]:
        """Begin to read the first bytes of a file, or all of a shorter one. Errors as for `read`.

        Args:
            place: The file.
            size: How many bytes are wanted.
            limit: How many may come: a server that cannot send a part sends the whole file.
        """

        async def read(place: str) -> bytes:
            try:
                return await self._limited(place, 0, size, limit)
            except Exception as error:
                if _is_beyond_its_end(error):
                    return b""
                raise

        return self._submit(read, place, check=lambda content: refuse_page(content, place))

    async def _limited(self, place: str, start: int | None, end: int | None, limit: Limit) -> bytes:
        """Read a file, or some of its bytes, of which the limit is not passed."""
        if not self.files.async_impl:
            return await self._in_thread(read_at_most, place, start=start, end=end, limit=limit)
        answer_limit.set(limit)
        is_cut = end is None and protocol(self._address) in _SEND_PARTS
        if is_cut:
            start, end = 0, limit + 1
        try:
            content = await self._content(place, start, end)
        except Exception as error:
            if is_cut and _is_beyond_its_end(error):
                return b""
            raise
        check_limit(len(content), limit)
        return content

    async def _content(self, place: str, start: int | None, end: int | None) -> bytes:
        if self._bucket and start is not None and end is not None:
            content = await self._bucket.read(place, start, end)
            if content is not None:
                return content
        whole: bytes = await self.files._cat_file(place, start=start, end=end)
        return whole

    def info(self, place: str) -> Future[dict[str, Any]]:
        """Begin to ask for fsspec's `info` of a file. Errors as for `read`."""
        return self._submit(self._method("info"), place)

    def names(self, place: str) -> Future[list[str]]:
        """Begin to list one folder. Errors as for `read`."""
        return self._submit(self._method("ls"), place, detail=False)

    def entries(self, place: str) -> Future[list[dict[str, Any]]]:
        """Begin to list one folder, with fsspec's `info` of what is in it. Errors as for `read`."""
        return self._submit(self._method("ls"), place, detail=True)

    def found(self, place: str) -> Future[dict[str, dict[str, Any]]]:
        """Begin to list all files below a place, by name. Errors as for `read`."""
        return self._submit(self._method("find"), place, detail=True)

    def _patiently_opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """Open the file system. Of an archive this reads the list of members."""

        def final(error: Exception, tries: int) -> Exception:
            # A TypeError here is of options that the file system does not have, or lacks.
            is_ours = isinstance(error, _OUR_MISTAKES) and not isinstance(error, TypeError)
            if is_ours or isinstance(error, (BadZipFile, StoreError)):
                return error
            if self._is_archive and isinstance(error, NOT_THERE):
                return error
            no_request = not (self._is_archive or is_passing(error) or is_refusal(error))
            advice = _OPTIONS_ADVICE if no_request else ""
            return self._explained(self._address, error, tries, advice)

        return retried(lambda: open_files(self._address, self._options, self.connections), final)

    def _own_threads(self) -> Threads:
        """Give threads to a file system that is not asynchronous."""
        if protocol(self._address) not in ONE_THREAD_EACH or self._is_archive:
            return Threads(self.connections, lambda: self.files)
        server = (server_of(self._address), self._options.key)
        reopen = partial(open_files, server[0], self._options, own=True)
        return threads_for(server, self.connections, lambda: reopen()[0])

    def _own_bucket(self) -> BucketReads | None:
        """Where the file system is s3fs's, reads by requests that take less of the processor."""
        if protocol(self._address) not in S3 or self._is_archive:
            return None
        from cxr_datasets.storage.bucket_reads import BucketReads  # s3fs is an extra

        return BucketReads(self.files)

    def _method(self, name: str) -> Callable[..., Awaitable[Any]]:
        """A method of the file system, as a coroutine function."""
        if self.files.async_impl:
            return getattr(self.files, f"_{name}")
        return partial(self._in_thread, partial(_call, name))

    def _submit(
        self,
        function: Callable[..., Awaitable[Any]],
        place: str,
        *,
        check: Callable[[Any], None] | None = None,
        **arguments: Any,
    ) -> Future[Any]:
        async def answered() -> Any:
            # By name, as the order of arguments differs between file systems.
            answer = await function(place, **arguments)
            if check is not None:
                check(answer)
            return answer

        async def request() -> Any:
            async with self._free:
                return await asyncio.wait_for(answered(), limits.LONGEST_REQUEST)

        def final(error: Exception, tries: int) -> Exception:
            if isinstance(error, _OUR_MISTAKES):
                return error
            if isinstance(error, TooLargeError):
                if check is not None:
                    return error  # and who reads it knows what it is
                return StoreError(
                    f"{shown(self._address_of(place))} {wording.said(error)}. Check that the "
                    "address is that of the release's folder."
                )
            if isinstance(error, MEMBER_DAMAGE):
                return damaged_member(error)
            if isinstance(error, NOT_THERE) and not is_refusal(error):
                return error
            if is_absent_entry(error):
                return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place)
            return self._explained(place, error, tries)

        return asyncio.run_coroutine_threadsafe(retried_async(request, final), get_loop())

    def _in_thread(
        self, method: Callable[..., Any], place: str, **arguments: Any
    ) -> Awaitable[Any]:
        call = partial(self._threads.call, method, place, **arguments)
        return get_loop().run_in_executor(self._threads.pool, call)

    def _explained(self, place: str, error: Exception, tries: int, advice: str = "") -> StoreError:
        end = links(self._address)[-1]
        if protocol(end) == "hf" and is_refusal(error):
            advice = _HUB_ADVICE
        if protocol(end) in WEB:
            advice = open_web(end, self._options, self.connections).advice(error) or advice
        if self._options.lost:
            advice += (
                " The storage_options that were given did not reach this process: they are not "
                "written into pickles. Set the credentials here in the way the store's tools read "
                "them."
            )
        explained = store_fault(self._address_of(place), error, tries, advice)
        if explained.refused and hasattr(self, "files"):
            self.files.clear_instance_cache()  # so that a corrected login counts
        return explained

    def _address_of(self, place: str) -> str:
        """The address of a place in the file system."""
        if "://" in place:
            return place
        return joined(self._address, place.removeprefix(self.root))


def _call(method: str, files: fsspec.AbstractFileSystem, place: str, **arguments: Any) -> Any:
    return getattr(files, method)(place, **arguments)


def _is_beyond_its_end(error: Exception) -> bool:
    """Whether a server says that a file has no such part, as one without a byte has none."""
    return 416 in (status(error), status(error.__cause__ or error))
