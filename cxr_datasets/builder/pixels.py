"""The last step: the column of images, for the rows that are asked for and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
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
from cxr_datasets.builder.priors import PATHS, most_priors
from cxr_datasets.builder.row_images import Images, InOrder, earlier_images, own_images
from cxr_datasets.builder.tally import Found, Tally, choice
from cxr_datasets.columns import PRIOR_IMAGES, plural
from cxr_datasets.errors import CxrError, ImageError, MissingImagesError, StoreError
from cxr_datasets.images.column import IMAGE_TYPE, embedded_images, image_array
from cxr_datasets.images.faults import image_fault
from cxr_datasets.images.resize import JPEG, PNG, reencode
from cxr_datasets.images.whole import check_whole
from cxr_datasets.storage.ahead import in_order, shared
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


@dataclass(frozen=True)
class Looks:
    """Which images are looked at.

    Attributes:
        own: The rows' own.
        earlier: Those of earlier studies.
    """

    own: bool
    earlier: bool

    @classmethod
    def at(cls, columns: Collection[str] | None, config: CxrConfig) -> Looks:
        """At those that some columns hold, or all columns if None."""
        own = columns is None or any(name in columns for name in _IMAGES)
        earlier = most_priors(config) > 0 and (columns is None or PRIOR_IMAGES in columns)
        return cls(own, earlier)

    def __bool__(self) -> bool:
        return self.own or self.earlier


@dataclass(frozen=True)
class Pace:
    """How many images are worked on at once.

    Attributes:
        threads: Threads that read and re-encode.
        rows: Rows whose images are in memory together.
    """

    threads: int = THREADS
    rows: int = ROWS_AT_ONCE


def rows_at_once(pace: Pace, config: CxrConfig) -> int:
    """Rows whose images fit into memory together, with those of earlier studies."""
    return max(1, pace.rows // (1 + most_priors(config)))


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
        looks: Which images are looked at; others are null.
    """

    source: Source
    config: CxrConfig
    embed: bool
    image_columns: tuple[str, ...]
    form: Form
    pace: Pace = Pace()
    are_small: bool = False
    looks: Looks = Looks(own=True, earlier=False)

    def add(
        self, tables: Iterable[pa.Table], tally: Tally | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Add the column `image`, or `images` to rows of studies; and `prior_images`.

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
        if not self.embed:
            yield from ((number, self._complete(rows)) for number, rows in enumerate(tables))
            return
        ahead, here = tee(tables)
        paths = chain.from_iterable(map(self._paths, ahead))
        most = rows_at_once(self.pace, self.config)
        with closing(self._contents(paths)) as contents:
            for number, some in enumerate(here) if self.are_small else _pieces(here, most):
                ends = self._images_of(some).ends
                found, error = self._until_an_error(contents, ends[-1], tally)
                if error is not None:
                    # Rows before the failed image are complete and come first.
                    whole = int(np.searchsorted(ends, len(found), side="right"))
                    some, found = some.slice(0, whole), found[: ends[whole - 1] if whole else 0]
                images = self._images_of(some)
                own, earlier = images.divided(found)
                tally.count(own, partial(self._names_of, images.own), self.config)
                tally.count_earlier(earlier, partial(self._names_of, images.earlier), self.config)
                yield number, self._complete(some, own, earlier)
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

    def leave_out(self, rows: pa.Table) -> pa.Table:
        """Add the columns without reading an image: null, or lists of nulls."""
        if most_priors(self.config) and not self.looks.earlier:
            lists = pa.nulls(rows.num_rows, pa.list_(IMAGE_TYPE))
            rows = rows.append_column(PRIOR_IMAGES, lists)
        if self.looks.own:
            return rows
        if self.config.name != "studies":
            return rows.append_column("image", pa.nulls(rows.num_rows, IMAGE_TYPE))
        images = len(combined(rows["paths"]).flatten())
        return _with_lists(rows, "images", "paths", pa.nulls(images, IMAGE_TYPE))

    def _images_of(self, rows: pa.Table) -> InOrder:
        return InOrder(
            own_images(rows) if self.looks.own else None,
            earlier_images(rows) if self.looks.earlier else None,
        )

    def _paths(self, rows: pa.Table) -> list[str | None]:
        """List the paths of the rows' images in order; None for one known to be absent."""
        return self.form.files(self._images_of(rows).paths()).to_pylist()

    def _names_of(self, images: Images | None) -> tuple[pa.Array, pa.Array]:
        """The ids of images that are looked at, and the paths of their files."""
        assert images is not None
        return images.ids, self.form.files(images.paths)

    def _complete(
        self, rows: pa.Table, own: Sequence[Found] = (), earlier: Sequence[Found] = ()
    ) -> pa.Table:
        """Add the columns of images, given what to store of each where they are embedded."""
        images, rows = self._images_of(rows), self.leave_out(rows)
        if images.earlier is not None:
            found = self._stored(images.earlier, earlier)
            rows = _with_lists(rows, PRIOR_IMAGES, PATHS, found)
        if images.own is None:
            return rows
        found, kept = self._stored(images.own, own), self._kept(own)
        if self.config.name != "studies":
            rows = rows.append_column("image", found)
            return rows if kept is None else rows.filter(kept)
        rows = _with_lists(rows, "images", "paths", found)
        if kept is None:
            return rows
        return filter_lists(rows, ("images", *map(plural, self.image_columns)), kept)

    def _kept(self, contents: Sequence[Found]) -> pa.Array | None:
        """Mark the images that the options do not leave out; None if that is all of them."""
        kept = [
            not isinstance(content, CxrError) or choice(content, self.config) != "skip"
            for content in contents
        ]
        return None if all(kept) else pa.array(kept)

    def _stored(self, images: Images, contents: Sequence[Found]) -> pa.ChunkedArray:
        paths = self.form.files(images.paths)
        if self.embed:
            files = [content if isinstance(content, bytes) else None for content in contents]
            return embedded_images(self._names(paths), files)
        return pa.chunked_array([image_array(self.source.addresses(paths), images.exists)])

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
            begin: Callable[[str | None], Future[Found]] = partial(self._begin, pool)
            if self.looks.earlier:  # which are often the own images of rows nearby
                begin = shared(begin, ahead)
            begun = in_order(begin, paths, ahead)
            with closing(begun) as contents:
                for content in contents:
                    yield content.result()

    def _begin(self, pool: Executor, path: str | None) -> Future[Found]:
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


def _with_lists(
    rows: pa.Table, name: str, like: str, images: pa.ChunkedArray | pa.Array
) -> pa.Table:
    """Add a column of lists of images, as long as those of another column.

    Args:
        rows: The rows.
        name: The new column.
        like: The other.
        images: The images of all lists, in order.
    """
    offsets = combined(rows[like]).offsets
    lists = pa.ListArray.from_arrays(pc.subtract(offsets, offsets[0]), combined(images))
    return rows.append_column(name, lists)
