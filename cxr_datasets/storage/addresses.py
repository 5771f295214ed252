"""Addresses: local paths, and those of fsspec such as `s3://bucket/key` or `zip://a::https://b`.

A chained address names the innermost thing first: `zip://folder::https://host/archive.zip` is a
folder in an archive on a server. Each part between `::` is called a link here.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from urllib.parse import urlsplit

from cxr_datasets.errors import OptionError

WEB = ("http", "https")

ARCHIVE = ".zip"
"""The suffix of an archive that is read in place."""

_LOCAL = ("file", "local")
_CHAIN = "::"

_STORES = {
    "hf": r"(datasets/|spaces/|buckets/)?[^/]+/[^/]+",
    "s3": r"arn:[^/]+:(outpost/[^/]+/)?accesspoint/[^/]+|[^/]*",
}
"""The part of an address that names the store, where it goes beyond the first slash."""


def normalised(address: str) -> str:
    """Write an address in the one form in which addresses are compared and stored.

    Args:
        address: A local path, or an fsspec address.

    Returns:
        An absolute local path, or an address without `.`, `..` and a final slash.
    """
    link, chain, rest = address.partition(_CHAIN)
    if rest and not is_remote(rest):
        rest = normalised(rest)
    protocol, separator, path = link.partition("://")
    if not separator:
        return os.path.normpath(Path(link).expanduser().absolute()) + chain + rest
    if protocol in _LOCAL and not chain:
        return os.path.normpath(path)
    root = posixpath.normpath(path).lstrip("/") if path.strip("/") else ""
    slash = "/" if path.startswith("/") else ""  # memory:///a, sftp's absolute paths have none
    return f"{protocol}://{slash}{'' if root == '.' else root}{chain}{rest}"


def joined(address: str, path: str) -> str:
    """Append a path to a normalised address. `..` goes up, but never out of the store."""
    link, chain, rest = address.partition(_CHAIN)
    protocol, separator, place = link.partition("://")
    if not separator:
        return os.path.normpath(f"{link.rstrip('/')}/{path}")
    store = _store(protocol, place) if has_host(link) else ""
    place = place[len(store) :]
    below = posixpath.normpath(f"/{place}/{path}").lstrip("/")
    between = "/" if store and below else ""
    return f"{protocol}://{store}{between}{below}{chain}{rest}"


def server_of(address: str) -> str:
    """Cut a normalised address down to its server, bucket or repository."""
    link, chain, rest = address.partition(_CHAIN)
    protocol, _, place = link.partition("://")
    return f"{protocol}://{_store(protocol, place)}{chain}{rest}"


def _store(protocol: str, place: str) -> str:
    """The part of an address that names a server, bucket, access point or repository."""
    found = re.match(_STORES.get(protocol, "[^/]*"), place)
    return found[0] if found else place


def protocol(address: str) -> str:
    """Tell the protocol that brings the bytes, such as `file` or `s3`: in a chain, the last one."""
    end = address.rpartition(_CHAIN)[2]
    name = end.partition("://")[0] if "://" in end else "file"
    return "file" if name in _LOCAL else name


def is_remote(address: str) -> bool:
    """Whether the bytes come from anywhere but this machine's disks."""
    return protocol(address) != "file"


def is_archive(address: str) -> bool:
    """Whether an address names a zip archive itself, and not a folder in one."""
    return address.endswith(ARCHIVE) and _CHAIN not in address


def inside(address: str) -> str:
    """The address that the files of a place begin with. In an archive it is a chain."""
    return f"zip://{_CHAIN}{address}" if is_archive(address) else address


def has_host(link: str) -> bool:
    """Whether the first part of a link's path names a server, bucket or repository."""
    return link.partition("://")[0] not in (*_LOCAL, "zip", "memory", "")


def shown(address: str) -> str:
    """Write an address as it may be printed: without user, password and signature.

    A local path stays as it is.
    """
    return _CHAIN.join(
        _without_query(re.sub("://[^/]*@", "://", link)) if "://" in link else link
        for link in address.split(_CHAIN)
    )


def shown_in(text: str) -> str:
    """Write a line of a log as it may be printed: every address in it as `shown` writes it.

    Some libraries log the path without the server. Its query is cut too.
    """
    return re.sub(r"[^\s'\"]+", lambda word: _without_query(shown(word[0])), text)


def _without_query(link: str) -> str:
    return re.sub(r"\?.+", "?...", link, flags=re.DOTALL)


def last_part(address: str) -> str:
    """The name at the end of a path or address, which does not tell where that is."""
    return re.split(r"[/\\]", re.sub(r"[?#].*", "", address).rstrip("/\\"))[-1]


def check_open(option: str, address: str | os.PathLike[str]) -> None:
    """Refuse an address that must not stand in a cache key, a file or a message.

    Raises:
        OptionError: It holds a password or a signature.
    """
    address = os.fspath(address)
    for link in address.split(_CHAIN):
        if not has_host(link) or "://" not in link:
            continue
        parts = urlsplit(link)
        if parts.password is not None or (link.split("://")[0] in WEB and parts.query):
            raise OptionError(
                f"{option}={shown(address)} holds a password or a signature, which would be stored "
                "with the dataset. Give the plain address, and the credentials as "
                "storage_options=, in ~/.netrc, or as the store's own tools take them."
            )
