"""The last step: the column of images, for the rows that are asked for and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, tee

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits, wording
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.forms import Form
from cxr_datasets.builder.tally import Found, Tally, choice
from cxr_datasets.columns import plural
from cxr_datasets.errors import CxrError, ImageError, MissingImagesError, StoreError
from cxr_datasets.images.column import IMAGE_TYPE, embedded_images, image_array
from cxr_datasets.images.faults import image_fault
from cxr_datasets.images.resize import JPEG, PNG, reencode
from cxr_datasets.images.whole import check_whole
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.faults import NOT_THERE
from cxr_datasets.storage.source import EMPTY, Source
from cxr_datasets.tables.keys import combined
from cxr_datasets.tables.studies import filter_lists

THREADS = os.cpu_count() or 1
ROWS_AT_ONCE = 32
"""Rows whose images are in memory together: 50 MB of full-size radiographs."""

FIRST_ROWS = ROWS_AT_ONCE if datasets.__version__.startswith("4.") else 1
"""Rows of the first piece. Each later piece has twice as many, up to the most: so one row does not
wait for many images. `datasets` 4 gets the most at once, because its `IterableDataset.skip` counts
wrong past the first piece."""

_IMAGES = ("image", plural("image"))

_SUFFIXES = {JPEG: ".jpg", PNG: ".png"}


def looks_at_images(columns: Collection[str] | None) -> bool:
    """Whether some columns, or all if None, hold images."""
    return columns is None or any(name in columns for name in _IMAGES)


@dataclass(frozen=True)
class Pace:
    """How many images are worked on at once.

    Attributes:
        threads: Threads that read and re-encode.
        rows: Rows whose images are in memory together.
    """

    threads: int = THREADS
    rows: int = ROWS_AT_ONCE


@dataclass(frozen=True)
class Pixels:
    """Adds the images to rows of the index.

    Attributes:
        source: Where the images are.
        config: The options.
        embed: Whether to store the bytes of the files, not their addresses.
        image_columns: Columns of config `images` with a value for each image.
        form: The form in which they are there.
        pace: How many images are worked on at once.
        are_small: Whether the images of each table fit into memory together; others are cut.
    """

    source: Source
    config: CxrConfig
    embed: bool
    image_columns: tuple[str, ...]
    form: Form
    pace: Pace = Pace()
    are_small: bool = False

    def add(
        self, tables: Iterable[pa.Table], tally: Tally | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Add the column `image`, or `images` to rows of studies.

        Images to embed are read several at once, ahead of the rows that are used and over the
        ends of tables.

        Args:
            tables: Rows of an index file.
            tally: Counts the images of the rows that are given. If it `goes_on`, an absent or
                damaged image is no error.

        Yields:
            The position of a table, from 0 on, and some of its rows, in order. Their images fit
            into memory together. If `missing` is `skip`, rows whose image is absent are left out;
            if `damaged` is, rows whose image is damaged.

        Raises:
            MissingImagesError: An image to embed is absent and `missing` is `error`.
            ImageError: An image to embed is damaged and `damaged` is `error`.
            StoreError: A store or disk refuses an image, or failed again and again.
        """
        tally = tally or Tally()
        complete = self._to_studies if self.config.name == "studies" else self._to_images
        if not self.embed:
            yield from ((number, complete(rows, [])) for number, rows in enumerate(tables))
            return
        ahead, here = tee(tables)
        paths = chain.from_iterable(map(self._paths, ahead))
        with closing(self._contents(paths)) as contents:
            pieces = enumerate(here) if self.are_small else _pieces(here, self.pace.rows)
            for number, some in pieces:
                ends = self._ends(some)
                found, error = self._until_an_error(contents, ends[-1], tally)
                if error is not None:
                    # Rows before the failed image are complete and come first.
                    whole = int(np.searchsorted(ends, len(found), side="right"))
                    some, found = some.slice(0, whole), found[: ends[whole - 1] if whole else 0]
                tally.count(found, partial(self._names_of, some), self.config)
                yield number, complete(some, found)
                if error is not None:
                    raise error

    def _until_an_error(
        self, contents: Iterator[Found], count: int, tally: Tally
    ) -> tuple[list[Found], CxrError | None]:
        """Take so many contents, or those before the first that is an error, and that error."""
        found: list[Found] = []
        try:
            for content in islice(contents, count):
                if isinstance(content, CxrError) and tally.refuses(content, self.config):
                    return found, content
                found.append(content)
        except CxrError as error:
            return found, error
        return found, None

    def _ends(self, rows: pa.Table) -> np.ndarray:
        """Count the images of each row and of all rows before it together."""
        if self.config.name != "studies":
            return np.arange(1, rows.num_rows + 1)
        return np.cumsum(pc.list_value_length(combined(rows["paths"])).to_numpy())

    def leave_out(self, rows: pa.Table) -> pa.Table:
        """Add the column without reading an image: null, or lists of nulls."""
        if self.config.name != "studies":
            return rows.append_column("image", pa.nulls(rows.num_rows, IMAGE_TYPE))
        images = len(combined(rows["paths"]).flatten())
        return _with_lists(rows, pa.chunked_array([pa.nulls(images, IMAGE_TYPE)]))

    def _paths(self, rows: pa.Table) -> list[str | None]:
        """List the paths of the rows' images in order; None for one known to be absent."""
        if self.config.name == "studies":
            rows = _flattened(rows)
        paths, exists = self._files_and_presence(rows)
        return (paths if exists is None else pc.if_else(exists, paths, None)).to_pylist()

    def _names_of(self, rows: pa.Table) -> tuple[pa.Array, pa.Array]:
        """The ids of the rows' images, and the paths of their files."""
        if self.config.name == "studies":
            ids = combined(rows[plural("image_id")]).flatten()
            return ids, self.form.files(combined(rows[plural("path")]).flatten())
        return combined(rows["image_id"]), self.form.files(combined(rows["path"]))

    def _to_images(self, rows: pa.Table, contents: list[Found]) -> pa.Table:
        images = self._images(rows, contents)
        rows, kept = rows.append_column("image", images), self._kept(contents)
        return rows if kept is None else rows.filter(kept)

    def _to_studies(self, rows: pa.Table, contents: list[Found]) -> pa.Table:
        images = self._images(_flattened(rows), contents)
        rows, kept = _with_lists(rows, images), self._kept(contents)
        if kept is None:
            return rows
        return filter_lists(rows, ("images", *map(plural, self.image_columns)), kept)

    def _kept(self, contents: list[Found]) -> pa.Array | None:
        """Mark the images that the options do not leave out; None if that is all of them."""
        kept = [
            not isinstance(content, CxrError) or choice(content, self.config) != "skip"
            for content in contents
        ]
        return None if all(kept) else pa.array(kept)

    def _images(self, rows: pa.Table, contents: list[Found]) -> pa.ChunkedArray:
        paths, exists = self._files_and_presence(rows)
        if self.embed:
            files = [content if isinstance(content, bytes) else None for content in contents]
            return embedded_images(self._names(paths), files)
        return pa.chunked_array([image_array(self.source.addresses(paths), exists)])

    def _files_and_presence(self, images: pa.Table) -> tuple[pa.Array, pa.Array | None]:
        """Paths in `source`, and a mark for each that exists; None where that is not known."""
        exists = combined(images["present"]) if "present" in images.column_names else None
        return self.form.files(combined(images["path"])), exists

    def _names(self, paths: pa.Array) -> pa.Array:
        """File names to keep beside embedded bytes, as `datasets` does."""
        names = pc.struct_field(pc.extract_regex(paths, r"(?P<name>[^/]+)$"), "name")
        if self.config.image_size is None:
            return names
        stem = pc.replace_substring_regex(names, f"{re.escape(self.form.suffix)}$", "")
        return pc.binary_join_element_wise(stem, _SUFFIXES[self.config.image_format], "")

    def _contents(self, paths: Iterable[str | None]) -> Generator[Found, None, None]:
        """Read what to store of each image, in order; None where there is no path."""
        ahead = max(self.pace.rows, self.source.reads_ahead)
        with ThreadPoolExecutor(self.pace.threads, thread_name_prefix="cxr-pixels") as pool:
            begun = in_order(lambda path: self._begin(path, pool), paths, ahead)
            with closing(begun) as contents:
                for content in contents:
                    yield content.result()

    def _begin(self, path: str | None, pool: Executor) -> Future[Found]:
        if path is None:
            return pool.submit(lambda: None)
        return self.source.begin(path, pool, partial(self._content, path), limits.LARGEST_IMAGE)

    def _content(self, path: str, read: Callable[[], bytes]) -> Found:
        """Read what to store of an image, or find out why there is nothing to store."""
        address = self.source.shown(path)
        try:
            content = read()
            if len(content) <= EMPTY:
                raise FileNotFoundError(address)
        except NOT_THERE as error:
            return _caused(MissingImagesError(image_fault(address, error)), error)
        except OSError as error:
            if error.errno is None:  # a damaged member of an archive, or a file beyond a limit
                return _caused(ImageError(image_fault(address, error)), error)
            # A fault of the disk says nothing about the file.
            raise StoreError(
                f"image {address} could not be read: {wording.said(error)}. Check its permissions "
                "and the disk it is on, and start again."
            ) from error
        return self._checked(content, address)

    def _checked(self, content: bytes, address: str) -> Found:
        """Check that a file is a whole image, and make it smaller if so wished."""
        try:
            check_whole(content)
            if self.config.image_size is None:
                return content
            return reencode(content, self.config.image_size, self.config.image_format)
        except MemoryError:
            raise
        except Exception as error:  # Pillow and zlib each have errors of their own
            return _caused(ImageError(image_fault(address, error)), error)


def _caused(error: CxrError, cause: Exception) -> CxrError:
    """Give an error that is not raised here its cause."""
    error.__cause__ = cause
    return error


def _pieces(tables: Iterable[pa.Table], largest: int) -> Iterator[tuple[int, pa.Table]]:
    """Cut tables into pieces whose images fit into memory, each with the position of its table."""
    size = min(FIRST_ROWS, largest)
    for number, rows in enumerate(tables):
        start = 0
        while start < rows.num_rows:
            piece = rows.slice(start, size)
            yield number, piece
            start += piece.num_rows
            size = min(2 * size, largest)


def _flattened(studies: pa.Table) -> pa.Table:
    """The images of studies, a row for each."""
    names = [name for name in ("path", "present") if plural(name) in studies.column_names]
    return pa.table({name: combined(studies[plural(name)]).flatten() for name in names})


def _with_lists(studies: pa.Table, images: pa.ChunkedArray) -> pa.Table:
    """Add the column `images` to studies, given the images of all of them in order."""
    offsets = combined(studies["paths"]).offsets
    lists = pa.ListArray.from_arrays(pc.subtract(offsets, offsets[0]), combined(images))
    return studies.append_column("images", lists)
