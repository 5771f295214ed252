"""A place in a store whose images are kept on a disk of this machine once they were fetched."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

from cxr_datasets import limits
from cxr_datasets.digests import short_digest
from cxr_datasets.limits import Limit, check_limit
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.kept_files import KeptFiles
from cxr_datasets.storage.kept_folder import begin_place
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.sessions import sessions

_DIGITS = 32

_R = TypeVar("_R")

Check = Callable[[bytes], object]
"""Raises an error for bytes that are not to be kept."""


class Kept(Remote):
    """A remote place whose whole files are kept when they are read, and are read from there.

    What else is asked of it, such as sizes, goes to the store.

    Attributes:
        files: What is kept.
        begun: The folder of its files among them, as `begin_place` gives it.
        check: Raises an error for bytes that are not to be kept, as those of a damaged image: a
            good one may come in its place.
    """

    def __init__(
        self,
        root: str,
        options: StorageOptions | None,
        connections: int | None,
        files: KeptFiles,
        begun: str,
        check: Check,
    ):
        super().__init__(root, options, connections)
        self.files = files
        self.begun = begun
        self.check = check

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self.root, self.options, self.connections, self.files, self.begun, self.check)
        return type(self), given

    def without_options(self) -> Kept:
        """The same place, to be reached with the credentials that the store's own tools find."""
        return Kept(self.root, None, self.connections, self.files, self.begun, self.check)

    def read(self, path: str, limit: Limit = limits.LARGEST_ANSWER) -> bytes:
        """See `Source.read`."""
        content = self.files.read(self._name(path))
        if content is None:
            return self._keeping(path, partial(super().read, path, limit))
        check_limit(len(content), limit)
        return content

    def begin(
        self,
        path: str,
        pool: Executor,
        use: Callable[[Callable[[], bytes]], _R],
        limit: Limit = limits.LARGEST_ANSWER,
    ) -> Future[_R]:
        """See `Source.begin`."""
        if self.files.has(self._name(path)):
            return pool.submit(use, partial(self.read, path, limit))
        return super().begin(
            path, pool, lambda read: use(partial(self._keeping, path, read)), limit
        )

    def _keeping(self, path: str, read: Callable[[], bytes]) -> bytes:
        """Give the bytes that a store sends, and keep them if they are whole."""
        content = read()
        try:
            self.check(content)
        except Exception:  # whoever uses them meets it, and says what is wrong
            return content
        self.files.keep(self._name(path), content)
        return content

    def _name(self, path: str) -> str:
        return f"{self.begun}/{short_digest(path.encode(), _DIGITS)}"


def kept(source: Remote, files: KeptFiles, check: Check) -> Kept:
    """Let the images of a place be kept.

    Args:
        source: The place. What it was asked already tells whether its files are still the same.
        files: Where they are kept.
        check: As `Kept.check`.

    Raises:
        CacheError: The disk refuses to write it down.
    """
    begun = begin_place(files, source.root, source.seen())
    made = Kept(source.root, source.options, source.connections, files, begun, check)
    sessions.own(made, lambda: source.requests)  # an archive would be opened twice
    return made
