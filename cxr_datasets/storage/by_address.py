"""Files that are read by their address alone, as a stored image names one."""

from __future__ import annotations

from cxr_datasets import limits
from cxr_datasets.limits import Limit
from cxr_datasets.storage import addresses
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.source import Source, open_place


def remember(source: Source) -> None:
    """Let `read_address` use this source, with its options, for the files in it."""
    sessions.add_source(source)


def read_address(address: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
    """All bytes of a file that is remote or in an archive, by its address alone.

    If this process, or the one that forked it, loaded the release, its options are used. If not,
    the credentials are those that the store's own tools find.

    Args:
        address: The file.
        limit: How many bytes it may have.

    Raises:
        FileNotFoundError: It is not there.
        TooLargeError: It has more bytes.
        StoreError: The store refuses it, or failed again and again.
    """
    place, path = place_of(address)
    return place.read(path, limit)


def place_of(address: str) -> tuple[Source, str]:
    """The place that holds a file, by the file's address alone, and the file's path in it.

    See `read_address` for the credentials. Nothing is asked of the place yet.
    """
    found = sessions.loaded(address)
    if found:
        return found  # type: ignore[return-value]
    link, chain, rest = addresses.cut(address)
    if link.startswith("zip://") and addresses.is_archive(rest):
        # The same for all its members, to read their list once.
        return sessions.same_source(open_place(rest)), link.removeprefix("zip://")
    folder, _, name = link.rpartition("/")
    return open_place(f"{folder}{chain}{rest}"), name
