"""Opening the file system of an address, with the options that were given for it."""

from __future__ import annotations

import os
import zlib
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import fsspec
from fsspec.asyn import reset_lock
from fsspec.core import url_to_fs
from fsspec.registry import known_implementations

from cxr_datasets import limits, wording
from cxr_datasets._version import __version__
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import Limit, TooLargeError, check_limit, joined
from cxr_datasets.storage.addresses import WEB, cut, is_remote, links, protocol, shown
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.pages import A_PAGE, refuse_page
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.threads import ONE_THREAD_EACH
from cxr_datasets.storage.zip_members import Guarded, check_readable, read_member, write_slashes

if TYPE_CHECKING:
    from cxr_datasets.storage.web import WebFiles

S3 = ("s3", "s3a")

CONNECTIONS = {"s3": 32, "s3a": 32, "gs": 32, "gcs": 32, "abfs": 32, "hf": 16}
FEW_CONNECTIONS = 8
"""Most requests at once, by protocol, and for others. Some web servers block users beyond that."""

AGENT = f"cxr-datasets/{__version__} (+https://pypi.org/project/cxr-datasets/)"
"""Our name for servers. Some refuse programs that call themselves by another's name."""

_PART = 2**20

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}

# Newer versions of fsspec do this themselves. With older ones a forked process would wait for ever
# for a thread that only its parent has.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_lock)


def open_files(
    address: str, options: StorageOptions, connections: int | None = None, own: bool = False
) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open the file system of an address.

    Args:
        address: A normalised address.
        options: Storage options for every protocol in it.
        connections: Most requests at once, to a web server or S3; None: the usual number.
        own: Whether to open a new connection where only one thread may use a connection.

    Returns:
        The file system, and the place of the address in it.

    Raises:
        StoreError: A package that it needs is not installed, or no protocol has this name.
    """
    _require_known(address)
    link, _, rest = cut(address)
    if rest and link.startswith("zip://"):
        return _archive_files(rest, options, connections), link.partition("://")[2]
    name = protocol(address)
    if name in WEB and not rest:
        return open_web(address, options, connections), address
    if rest:
        given = _guarded(links(address)[-1], options) if name in WEB else options.of(name)
        return url_to_fs(address, **({name: given} if given else {}))
    given = options.of(name)
    if name in ("gs", "gcs"):
        return _google_files(address, given)
    if name == "hf":
        return _hub_files(address, options)
    if name in S3:
        given = _of_s3(name, given, connections or CONNECTIONS[name])
    return url_to_fs(address, **given, skip_instance_cache=own and name in ONE_THREAD_EACH)


MEMBER_DAMAGE = (BadZipFile, zlib.error)
"""What `zipfile` raises where the bytes of a member do not fit its checksum, or each other."""


class DamagedMember(wording.OwnWords, OSError):
    """A member of an archive is damaged, or is not read here."""


def damaged_member(error: Exception) -> OSError:
    """Build the error for a member of an archive that is damaged."""
    return DamagedMember(f"a member of the archive is damaged ({wording.said(error)})")


def place_in(root: str, path: str) -> str:
    """Join a place in a file system and a path below it.

    Args:
        root: The place of a folder, as `open_files` gives it.
        path: The path; empty for the folder itself.
    """
    root = root.rstrip("/")
    return f"{root}/{path}" if root and path else root or path or "/"


def read_at_most(
    files: fsspec.AbstractFileSystem,
    place: str,
    start: int | None = None,
    end: int | None = None,
    limit: Limit = limits.LARGEST_ANSWER,
) -> bytes:
    """Read a file of a file system that is not asynchronous, or some of its bytes.

    Raises:
        TooLargeError: It has more bytes than the limit.
    """
    if hasattr(files, "zip"):
        return read_member(files, place, limit)
    with files.open(place, "rb") as file:
        if start is not None and end is not None:
            file.seek(start)
            return file.read(end - start)
        if isinstance(getattr(file, "size", None), int):  # as the store says
            check_limit(file.size, limit)
            return file.read()
        return joined(iter(partial(file.read, _PART), b""), limit)


def open_web(address: str, options: StorageOptions, connections: int | None) -> WebFiles:
    """Open the files of a web server; see `web.web_files`."""
    from cxr_datasets.storage.web import web_files  # aiohttp takes a tenth of a second to import

    return web_files(address, options, connections or FEW_CONNECTIONS)


def _guarded(address: str, options: StorageOptions) -> dict[str, Any]:
    from cxr_datasets.storage.web import guarded

    return guarded(address, options)


def _archive_files(
    rest: str, options: StorageOptions, connections: int | None
) -> fsspec.AbstractFileSystem:
    files, place = open_files(rest, options, connections, own=True)
    file = files.open(place, "rb")
    try:
        archive = fsspec.filesystem("zip", fo=Guarded(file), skip_instance_cache=True)
    except TooLargeError as error:
        raise StoreError(
            f"{shown(rest)} {wording.said(error)}. It is not the release's own archive: fetch it "
            "again, or unpack it and pass the folder that it unpacks to."
        ) from error
    except BadZipFile:
        if is_remote(rest):
            file.seek(0)
            refuse_page(file.read(A_PAGE), place)
        raise
    check_readable(archive.zip, rest)
    write_slashes(archive.zip)
    archive.ls("")  # lets fsspec list the members now: threads would see a list half made
    return archive


def _google_files(address: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open files on Google Cloud by HTTP only.

    The class that fsspec opens asks by gRPC what kind of bucket it is. That waits for a minute
    where a proxy lets only HTTP through, and it fails in forked processes.
    """
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**options), GCSFileSystem._strip_protocol(address)


def _hub_files(address: str, options: StorageOptions) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open files on the Hub outside of fsspec's cache.

    `datasets` writes what that cache holds of the Hub, even tokens, into pickles of its streams.
    """
    files = sessions.shared(
        ("hub", options.key),
        lambda: fsspec.filesystem("hf", **options.of("hf"), skip_instance_cache=True),
    )
    return files, files._strip_protocol(address)


def _of_s3(name: str, given: dict[str, Any], connections: int) -> dict[str, Any]:
    """Add to the options of S3 what serves us better than its own defaults."""
    # Of itself botocore opens ten connections, and lets further requests wait for one. And it puts
    # its own name together anew for each request.
    ours = {"max_pool_connections": connections, "user_agent": AGENT}
    given = {**given, "config_kwargs": {**ours, **(given.get("config_kwargs") or {})}}
    known = signature(fsspec.get_filesystem_class(name).__init__).parameters
    if "max_concurrency" in known:  # above 1, s3fs asks for each file's size first
        return {"max_concurrency": 1, **given}
    return given


def _require_known(address: str) -> None:
    """Require that every protocol in an address is known and its package is installed."""
    for link in links(address):
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
        # fsspec's own list says what to install.
        listed = known_implementations.get(name, {}).get("err")
        package = listed or wording.said_of_import(error)
        return f"{where} needs a package that is not installed: {package}."
    return f"{where} is of no protocol that fsspec knows. Check what comes before '://'."
