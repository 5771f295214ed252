"""Files from a copy that somebody has: a folder, a bucket, a server, read as the builder reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from cxr_datasets import limits
from cxr_datasets.copies.fetcher import Arrival, Fetcher
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage import durable, own
from cxr_datasets.storage.download import PIECE
from cxr_datasets.storage.source import Source


class FromSource(Fetcher):
    """Brings files from a source, several at once where it is remote."""

    is_publisher = False

    def __init__(self, source: Source):
        """Take the source, the folder of which holds the tables."""
        self.source = source

    def shown(self, path: str = "") -> str:
        """See `Fetcher.shown`."""
        return self.source.shown(path)

    def find(self, files: Sequence[str]) -> str | None:
        """See `Fetcher.find`."""
        found = self.source.first_existing(files)
        if found is None:
            self.source.check_permitted(files[0])
        return found

    def size_of(self, paths: Sequence[str]) -> float | None:
        """See `Fetcher.size_of`."""
        sizes = [size for size in self.source.few_sizes(paths) if size]
        return sum(sizes) / len(sizes) if sizes else None

    def fetch(self, paths: Sequence[str], folder: Path, small: bool = True) -> Iterator[Arrival]:
        """See `Fetcher.fetch`. Of a large file, what came before is not read again."""
        if not small:
            for path in paths:
                yield self._arrival(path, partial(self._fetch_large, path, folder / path))
            return
        for path, read in zip(paths, self.source.each(paths, limits.LARGEST_IMAGE), strict=True):
            yield self._arrival(path, lambda: _write(folder / path, read()))  # noqa: B023

    def _arrival(self, path: str, bring: object) -> Arrival:
        try:
            bring()  # type: ignore[operator]
        except FileNotFoundError:
            return Arrival(path, "is not there")
        except PermissionError:
            return Arrival(path, "may not be read: permission denied")
        except TooLargeError as error:
            return Arrival(path, str(error))
        except StoreError as error:
            if error.refused:
                raise
            # The source has tried again itself.
            return Arrival(path, f"could not be read. {error}")
        return Arrival(path)

    def _fetch_large(self, path: str, part: Path) -> None:
        if not self.source.is_remote:
            _write(part, self.source.mapped(path, limits.LARGEST_ARCHIVE))
            return
        size = self.source.size(path)
        if size is None:
            self.source.check_permitted(path)
            raise FileNotFoundError(path)
        durable.make_folder(part.parent)
        with open(part, "ab", opener=own.open_file) as file:
            start = file.tell() if file.tell() < size else 0
            for at, content in self.source.pieces(path, start, size, PIECE):
                file.seek(at)
                file.truncate()
                file.write(content)
                file.flush()


def _write(part: Path, content: object) -> None:
    durable.make_folder(part.parent)
    with open(part, "wb", opener=own.open_file) as file:
        view = memoryview(content)  # type: ignore[arg-type]
        file.write(view)
    os.utime(part)
