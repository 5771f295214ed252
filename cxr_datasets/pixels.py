"""The last step: the column of images, for the rows that are asked for and no others."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.config import CxrConfig
from cxr_datasets.errors import CxrError, ImageError, MissingImagesError
from cxr_datasets.features import plural
from cxr_datasets.images import describe, image_array
from cxr_datasets.resize import JPEG, PNG, reencode
from cxr_datasets.source import THREADS, UNFINISHED, Source
from cxr_datasets.studies import filter_lists
from cxr_datasets.tables import combined

ROWS_AT_ONCE = 32
"""Rows whose images are in memory together: 50 MB of the releases' full-size files."""

_logger = logging.getLogger(__name__)

_SUFFIXES = {JPEG: ".jpg", PNG: ".png"}


@dataclass(frozen=True)
class Pixels:
    """How images get into rows.

    Attributes:
        source: The release.
        config: Its options.
        embed: Whether to store the files' bytes; else their addresses.
        image_columns: Columns of config `images` with a value for each image.
    """

    source: Source
    config: CxrConfig
    embed: bool
    image_columns: tuple[str, ...]

    def add(self, rows: pa.Table) -> pa.Table:
        """Add the column `image`, or `images` to rows of studies.

        Args:
            rows: Rows of an index file.

        Returns:
            The rows; without those whose image is absent or broken if `missing` is `skip`.

        Raises:
            MissingImagesError: An image to embed is absent and `missing` is `error`.
            ImageError: An image to embed does not decode and `missing` is `error`.
        """
        return self._to_studies(rows) if self.config.name == "studies" else self._to_images(rows)

    def _to_images(self, rows: pa.Table) -> pa.Table:
        images = self._images(rows, "path", "present")
        rows = rows.append_column("image", images)
        return rows.filter(images.is_valid()) if self.config.missing == "skip" else rows

    def _to_studies(self, rows: pa.Table) -> pa.Table:
        paths = combined(rows["paths"])
        names = [name for name in ("paths", "presents") if name in rows.column_names]
        flat = pa.table({name: combined(rows[name]).flatten() for name in names})
        images = self._images(flat, "paths", "presents")
        offsets = pc.subtract(paths.offsets, paths.offsets[0])
        rows = rows.append_column("images", pa.ListArray.from_arrays(offsets, images))
        if self.config.missing == "skip" and images.null_count:
            lists = ("images", *map(plural, self.image_columns))
            rows = filter_lists(rows, lists, images.is_valid())
        return rows

    def _images(self, rows: pa.Table, path: str, present: str) -> pa.StructArray:
        paths = combined(rows[path])
        exists = combined(rows[present]) if present in rows.column_names else None
        if not self.embed:
            return image_array(self.source.addresses(paths), None, exists)
        contents = self._contents(paths if exists is None else pc.if_else(exists, paths, None))
        return image_array(self._names(paths), contents, contents.is_valid())

    def _names(self, paths: pa.Array) -> pa.Array:
        """File names to keep beside embedded bytes, as `datasets` does."""
        names = pc.struct_field(pc.extract_regex(paths, r"(?P<name>[^/]+)$"), "name")
        if self.config.image_size is None:
            return names
        stem = pc.replace_substring_regex(names, r"(\.dcm)?\.[a-z]+$", "")
        return pc.binary_join_element_wise(stem, _SUFFIXES[self.config.image_format], "")

    def _contents(self, paths: pa.Array) -> pa.Array:
        with ThreadPoolExecutor(THREADS) as pool:
            return pa.array(pool.map(self._content, paths.to_pylist()), pa.binary())

    def _content(self, path: str | None) -> bytes | None:
        if path is None:
            return None
        try:
            return self._read(path)
        except CxrError as error:
            if self.config.missing == "error":
                raise
            _logger.warning("missing=%r: %s", self.config.missing, error)
            return None

    def _read(self, path: str) -> bytes:
        address = self.source.address(path)
        try:
            content = self.source.read(path)
            if len(content) <= UNFINISHED:
                raise FileNotFoundError(address)
            if self.config.image_size is None:
                return content
            return reencode(content, self.config.image_size, self.config.image_format)
        except FileNotFoundError as error:
            raise MissingImagesError(describe(address, error)) from error
        except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
            raise ImageError(describe(address, error)) from error
