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
from cxr_datasets.redaction import BETWEEN_LINKS, CHAIN, holds_secret, shown, shown_in

__all__ = [
    "ARCHIVE", "WEB", "check_characters", "check_open", "cut", "has_host", "inside", "is_archive",
    "is_chain", "is_remote", "joined", "last_part", "links", "normalised", "protocol", "server_of",
    "shown", "shown_in",
]  # fmt: skip

WEB = ("http", "https")

ARCHIVE = ".zip"
"""The suffix of an archive that is read in place, in small letters or capitals."""

_LOCAL = ("file", "local")
_STORES = {
    "hf": r"(datasets/|spaces/|buckets/)?[^/]+/[^/]+",
    "s3": r"arn:[^/]+:(outpost/[^/]+/)?accesspoint/[^/]+|[^/]*",
}
"""The part of an address that names the store, where it goes beyond the first slash."""


def cut(address: str) -> tuple[str, str, str]:
    """Cut an address behind its first link: that link, `::` or nothing, and the rest."""
    link, *rest = BETWEEN_LINKS.split(address, maxsplit=1)
    return (link, CHAIN, rest[0]) if rest else (link, "", "")


def links(address: str) -> list[str]:
    """Give the links of an address; one if it is no chain."""
    return BETWEEN_LINKS.split(address)


def is_chain(address: str) -> bool:
    """Whether an address has several links."""
    return BETWEEN_LINKS.search(address) is not None


def normalised(address: str) -> str:
    """Write an address in the one form in which addresses are compared and stored.

    Args:
        address: A local path, or an fsspec address.

    Returns:
        An absolute local path, or an address without `.`, `..` and a final slash.
    """
    link, chain, rest = cut(address)
    if rest and not is_remote(rest):
        rest = normalised(rest)
    protocol, separator, path = link.partition("://")
    if not separator:
        return os.path.normpath(_expanded(link).absolute()) + chain + rest
    if protocol in _LOCAL and not chain:
        return os.path.normpath(path)
    root = posixpath.normpath(path).lstrip("/") if path.strip("/") else ""
    slash = "/" if path.startswith("/") else ""  # memory:///a, sftp's absolute paths have none
    return f"{protocol}://{slash}{'' if root == '.' else root}{chain}{rest}"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise OptionError(
            f"{path} begins with the home of a user whom this machine does not know. Give the path "
            "from the root on."
        ) from None


def joined(address: str, path: str) -> str:
    """Append a path to a normalised address. `..` goes up, but never out of the store."""
    link, chain, rest = cut(address)
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
    link, chain, rest = cut(address)
    protocol, _, place = link.partition("://")
    return f"{protocol}://{_store(protocol, place)}{chain}{rest}"


def _store(protocol: str, place: str) -> str:
    """The part of an address that names a server, bucket, access point or repository."""
    found = re.match(_STORES.get(protocol, "[^/]*"), place)
    return found[0] if found else place


def protocol(address: str) -> str:
    """Tell the protocol that brings the bytes, such as `file` or `s3`: in a chain, the last one."""
    end = links(address)[-1]
    name = end.partition("://")[0] if "://" in end else "file"
    return "file" if name in _LOCAL else name


def is_remote(address: str) -> bool:
    """Whether the bytes come from anywhere but this machine's disks."""
    return protocol(address) != "file"


def is_archive(address: str) -> bool:
    """Whether an address names a zip archive itself, and not a folder in one."""
    return address.lower().endswith(ARCHIVE) and not is_chain(address)


def inside(address: str) -> str:
    """The address that the files of a place begin with. In an archive it is a chain."""
    return f"zip://{CHAIN}{address}" if is_archive(address) else address


def has_host(link: str) -> bool:
    """Whether the first part of a link's path names a server, bucket or repository."""
    return link.partition("://")[0] not in (*_LOCAL, "zip", "memory", "")


def last_part(address: str) -> str:
    """The name at the end of a path or address, which does not tell where that is."""
    return re.split(r"[/\\]", re.sub(r"[?#].*", "", address).rstrip("/\\"))[-1]


def check_open(option: str, address: str | os.PathLike[str]) -> None:
    """Refuse what is no address, or must not stand in a cache key, a file or a message.

    Raises:
        OptionError: It can be no path or address, or it holds a password or a signature.
    """
    if not isinstance(address, (str, os.PathLike)) or not isinstance(os.fspath(address), str):
        raise OptionError(f"{option}={address!r} is no path and no address. Give one as text.")
    address = os.fspath(address)
    check_characters(option, address)
    if holds_secret(address):
        raise OptionError(
            f"{option}={shown(address)} holds a password, a token or a signature, or looks as if "
            "it did; it would be stored with the dataset. Give the plain address, and the "
            "credentials as storage_options=, in ~/.netrc, or as the store's own tools take them. "
            "In a path write @ as %40, ? as %3F and # as %23; before the name of a local folder "
            "put ./."
        )
    for link in links(address):
        if has_host(link) and "://" in link:
            _check_server(option, address, link)


def check_characters(option: str, address: str) -> None:
    """Refuse text that can be no path.

    Raises:
        OptionError: It holds a zero, or is not UTF-8.
    """
    try:
        held = "a character of value 0" if "\0" in address.encode().decode() else ""
    except UnicodeEncodeError:
        held = "bytes that are not UTF-8"
    if held:
        raise OptionError(
            f"{option}={shown(address)!a} holds {held}, which no file can be reached by here. Give "
            "another path: rename the folder, or make a link to it."
        )


def _check_server(option: str, address: str, link: str) -> None:
    """Refuse a link whose host or port is none."""
    try:
        parts = urlsplit(link)
        if protocol(link) not in _STORES:  # a bucket is no host, and its name may hold colons
            _ = parts.port  # looked at for its error only
    except ValueError:  # its text quotes the address
        raise OptionError(
            f"{option}={shown(address)} is no address: its host or port cannot be read. Give "
            "scheme://host:port/path; a host that is a number with colons stands in brackets, as "
            "in http://[::1]:8080/data."
        ) from None
