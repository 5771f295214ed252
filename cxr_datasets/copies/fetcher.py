"""What brings the files of a release to this machine: one contract, whichever way they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Arrival(NamedTuple):
    """A file that came, or did not.

    Attributes:
        path: The file, relative to the release.
        fault: Why it did not come, as a clause; None: it came, as far as the way it came tells.
        passing: Whether it may come if it is asked for again.
    """

    path: str
    fault: str | None = None
    passing: bool = False


class Fetcher(ABC):
    """Brings files. What they should hold is checked by whoever called it.

    Attributes:
        is_publisher: Whether they come from the publisher, as they were published.
        progress: Whether it may show a bar of its own, for one large file.
    """

    is_publisher = True
    progress = True

    @abstractmethod
    def fetch(self, paths: Sequence[str], folder: Path, small: bool = True) -> Iterator[Arrival]:
        """Bring files into a folder, each under its path.

        What an earlier call left unfinished there is continued. If the caller goes away, or this
        process ends in whatever way, nothing goes on.

        Args:
            paths: The files, relative to the release.
            folder: A folder on this machine's disks.
            small: Whether they are images, of which each fits into memory.

        Yields:
            Each file once, in the order in which they came.

        Raises:
            StoreError: The place refuses this user, so that to go on is of no use.
            DownloadError: The disk is full, or a program that is needed is not there.
        """

    @abstractmethod
    def shown(self, path: str = "") -> str:
        """The address of a file as it may stand in a message."""

    def find(self, files: Sequence[str]) -> str | None:
        """Tell which of the names that a table may have it has there.

        Args:
            files: The names; the release's own comes first.

        Returns:
            One of them; None if none is there. Where that does not show, the first.
        """
        return files[0]

    def size_of(self, paths: Sequence[str]) -> float | None:
        """Give the mean size of a few files in bytes; None where that does not show."""
        return None
