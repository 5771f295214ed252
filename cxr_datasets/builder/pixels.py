"""The last step: the column of images, for the rows that are asked for and no others."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, tee

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.columns import plural
from cxr_datasets.errors import CxrError, ImageError, MissingImagesError, StoreError
from cxr_datasets.images.column import IMAGE_TYPE, embedded_images, image_array
from cxr_datasets.images.faults import image_fault
from cxr_datasets.images.resize import JPEG, PNG, reencode
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.source import EMPTY, Source
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.studies import filter_lists

THREADS = os.cpu_count() or 1
ROWS_AT_ONCE = 32
"""Rows whose images are in memory together: 50 MB of the releases' full-size files."""

FIRST_ROWS = ROWS_AT_ONCE if datasets.__version__.startswith("4.") else 1
"""Rows of the first piece, and twice as many of each that follows: who wants one row is not to wait
for many images. `IterableDataset.skip` of `datasets` 4 counts wrong past the first piece."""

_logger = logging.getLogger(__name__)

_SUFFIXES = {JPEG: ".jpg", PNG: ".png"}


@dataclass(frozen=True)
class Pace:
    """How many images are worked on at once.

    Attributes:
        threads: Of reading and re-encoding.
        rows: Whose images are in memory together.
    """

    threads: int = THREADS
    rows: int = ROWS_AT_ONCE


@dataclass(frozen=True)
class Pixels:
    """How images get into rows.

    Attributes:
        source: The release.
        config: Its options.
        embed: Whether to store the files' bytes; else their addresses.
        image_columns: Columns of config `images` with a value for each image.
        suffix: What the names of the release's image files end in.
        pace: How many images are worked on at once.
    """

    source: Source
    config: CxrConfig
    embed: bool
    image_columns: tuple[str, ...]
    suffix: str
    pace: Pace = Pace()

    def add(self, tables: Iterable[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
        """Add the column `image`, or `images` to rows of studies.

        Images to embed are read several at once and ahead of the rows that are used, over the
        ends of tables too.

        Args:
            tables: Rows of an index file.

        Yields:
            The number of the table, from 0 on, and rows of it, in order and so few that their
            images fit into memory; without those whose image is absent or broken if `missing` is
            `skip`.

        Raises:
            MissingImagesError: An image to embed is absent and `missing` is `error`.
            ImageError: An image to embed does not decode and `missing` is `error`.
            StoreError: A remote store refuses an image, or failed again and again.
        """
        complete = self._to_studies if self.config.name == "studies" else self._to_images
        if not self.embed:
            yield from ((number, complete(rows, [])) for number, rows in enumerate(tables))
            return
        ahead, here = tee(tables)
        paths = chain.from_iterable(map(self._paths, ahead))
        with closing(self._contents(paths)) as contents:
            for number, some in _pieces(here, self.pace.rows):
                ends = self._ends(some)
                found, error = _until_an_error(contents, ends[-1])
                if error is None:
                    yield number, complete(some, found)
                    continue
                # The rows before the image that failed lose nothing by it.
                whole = int(np.searchsorted(ends, len(found), side="right"))
                rows = complete(some.slice(0, whole), found[: ends[whole - 1] if whole else 0])
                yield number, rows
                raise error

    def _ends(self, rows: pa.Table) -> np.ndarray:
        """For each row, how many images it and those before it have."""
        if self.config.name != "studies":
            return np.arange(1, rows.num_rows + 1)
        return np.cumsum(pc.list_value_length(combined(rows["paths"])).to_numpy())

    def leave_out(self, rows: pa.Table) -> pa.Table:
        """Add the column as it is without images: null, or lists of null."""
        if self.config.name != "studies":
            return rows.append_column("image", pa.nulls(rows.num_rows, IMAGE_TYPE))
        images = len(combined(rows["paths"]).flatten())
        return _with_lists(rows, pa.chunked_array([pa.nulls(images, IMAGE_TYPE)]))

    def _paths(self, rows: pa.Table) -> list[str | None]:
        """Path of every image of the rows in order; None where it is known to be absent."""
        if self.config.name == "studies":
            rows = _flattened(rows)
        paths, exists = _paths_and_presence(rows)
        return (paths if exists is None else pc.if_else(exists, paths, None)).to_pylist()

    def _to_images(self, rows: pa.Table, contents: list[bytes | None]) -> pa.Table:
        images = self._images(rows, contents)
        rows = rows.append_column("image", images)
        return rows.filter(images.is_valid()) if self.config.missing == "skip" else rows

    def _to_studies(self, rows: pa.Table, contents: list[bytes | None]) -> pa.Table:
        images = self._images(_flattened(rows), contents)
        rows = _with_lists(rows, images)
        if self.config.missing == "skip" and images.null_count:
            lists = ("images", *map(plural, self.image_columns))
            rows = filter_lists(rows, lists, combined(images.is_valid()))
        return rows

    def _images(self, rows: pa.Table, contents: list[bytes | None]) -> pa.ChunkedArray:
        paths, exists = _paths_and_presence(rows)
        if self.embed:
            return embedded_images(self._names(paths), contents)
        return pa.chunked_array([image_array(self.source.addresses(paths), exists)])

    def _names(self, paths: pa.Array) -> pa.Array:
        """File names to keep beside embedded bytes, as `datasets` does."""
        names = pc.struct_field(pc.extract_regex(paths, r"(?P<name>[^/]+)$"), "name")
        if self.config.image_size is None:
            return names
        stem = pc.replace_substring_regex(names, f"{re.escape(self.suffix)}$", "")
        return pc.binary_join_element_wise(stem, _SUFFIXES[self.config.image_format], "")

    def _contents(self, paths: Iterable[str | None]) -> Generator[bytes | None, None, None]:
        """What is to be stored of each image, in order; None where there is none."""
        ahead = max(self.pace.rows, self.source.reads_ahead)
        with ThreadPoolExecutor(self.pace.threads, thread_name_prefix="cxr-pixels") as pool:
            begun = in_order(lambda path: self._begin(path, pool), paths, ahead)
            with closing(begun) as contents:
                for content in contents:
                    yield content.result()

    def _begin(self, path: str | None, pool: Executor) -> Future[bytes | None]:
        if path is None:
            return pool.submit(lambda: None)
        return self.source.begin(path, pool, partial(self._content, path))

    def _content(self, path: str, read: Callable[[], bytes]) -> bytes | None:
        try:
            return self._read(path, read)
        except (MissingImagesError, ImageError) as error:
            if self.config.missing == "error":
                raise
            _logger.warning("missing=%r: %s", self.config.missing, error)
            return None

    def _read(self, path: str, read: Callable[[], bytes]) -> bytes:
        address = self.source.shown(path)
        try:
            content = read()
            if len(content) <= EMPTY:
                raise FileNotFoundError(address)
            if self.config.image_size is None:
                return content
            return reencode(content, self.config.image_size, self.config.image_format)
        except FileNotFoundError as error:
            raise MissingImagesError(image_fault(address, error)) from error
        except StoreError:
            raise
        except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
            raise ImageError(image_fault(address, error)) from error


def _pieces(tables: Iterable[pa.Table], largest: int) -> Iterator[tuple[int, pa.Table]]:
    """Tables, numbered, in pieces of so few rows that their images fit into memory."""
    size = min(FIRST_ROWS, largest)
    for number, rows in enumerate(tables):
        start = 0
        while start < rows.num_rows:
            piece = rows.slice(start, size)
            yield number, piece
            start += piece.num_rows
            size = min(2 * size, largest)


def _until_an_error(
    contents: Iterator[bytes | None], count: int
) -> tuple[list[bytes | None], CxrError | None]:
    """Take so many contents, or those before one that cannot be had, and why it cannot."""
    found: list[bytes | None] = []
    try:
        for content in islice(contents, count):
            found.append(content)
    except CxrError as error:
        return found, error
    return found, None


def _flattened(studies: pa.Table) -> pa.Table:
    """The images of studies, one a row."""
    names = [name for name in ("paths", "presents") if name in studies.column_names]
    return pa.table({name.removesuffix("s"): combined(studies[name]).flatten() for name in names})


def _with_lists(studies: pa.Table, images: pa.ChunkedArray) -> pa.Table:
    """Studies with the column `images`, given one after another."""
    offsets = combined(studies["paths"]).offsets
    lists = pa.ListArray.from_arrays(pc.subtract(offsets, offsets[0]), combined(images))
    return studies.append_column("images", lists)


def _paths_and_presence(images: pa.Table) -> tuple[pa.Array, pa.Array | None]:
    """Paths, and which of them exist where that is known."""
    exists = combined(images["present"]) if "present" in images.column_names else None
    return combined(images["path"]), exists
