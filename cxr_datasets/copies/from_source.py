"""Files from a copy that somebody has: a folder, a bucket, a server, read as the builder reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa

from cxr_datasets import limits
from cxr_datasets.copies.fetcher import Arrival, Fetcher
from cxr_datasets.errors import StoreError
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage import durable, own
from cxr_datasets.storage.download import PIECE
from cxr_datasets.storage.source import Source

_R = TypeVar("_R")


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
        """See `Fetcher.fetch`. Of a large remote file, what came before is not read again."""
        if not small:
            for path in paths:
                yield self._fetch_large(path, folder / path)
            return
        for path, read in zip(paths, self.source.each(paths, limits.LARGEST_IMAGE), strict=True):
            yield self._arrival(path, read, partial(_write, folder / path))

    def _fetch_large(self, path: str, part: Path) -> Arrival:
        if not self.source.is_remote:
            read = partial(self.source.mapped, path, limits.LARGEST_ARCHIVE)
            return self._arrival(path, read, partial(_write, part))
        durable.make_folder(part.parent)
        with open(part, "ab", opener=own.open_file) as file:
            return self._arrival(path, partial(self._append_rest, path, file), lambda _: None)

    def _append_rest(self, path: str, file: BinaryIO) -> None:
        size = self.source.size(path)
        if size is None:
            self.source.check_permitted(path)
            raise FileNotFoundError(path)
        start = file.tell() if file.tell() < size else 0
        for at, content in self.source.pieces(path, start, size, PIECE):
            file.seek(at)
            file.truncate()
            file.write(content)
            file.flush()

    def _arrival(self, path: str, read: Callable[[], _R], write: Callable[[_R], object]) -> Arrival:
        """Read a file, and write what came; say why it cannot be read."""
        try:
            content = read()
        except FileNotFoundError:
            return Arrival(path, "is not there")
        except PermissionError:
            return Arrival(path, "may not be read: permission denied")
        except TooLargeError as error:
            return Arrival(path, str(error))
        except StoreError as error:
            if error.refused:
                raise
            return Arrival(path, f"did not come: {error}")  # the source has tried again itself
        write(content)
        return Arrival(path)


def _write(part: Path, content: bytes | pa.Buffer) -> None:
    durable.make_folder(part.parent)
    with open(part, "wb", opener=own.open_file) as file:
        file.write(memoryview(content))
