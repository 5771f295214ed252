"""The builder every dataset here is made with.

A dataset's script declares what it is; this class turns its release into an index, the index into
shards, and shards into Arrow tables, for `load_dataset` and for streaming alike.

`datasets` replaces `open`, `os.path` and others in this module and in the scripts by functions of
its own, so neither uses them: files are reached through `Source`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, ClassVar

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets.exceptions import DatasetGenerationError

from cxr_datasets._version import __version__
from cxr_datasets.builder import missing
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.pixels import Pace, Pixels
from cxr_datasets.builder.release import Release
from cxr_datasets.builder.rows import keep_present, split_rows, wanted_images
from cxr_datasets.columns import CONFIGS, plural
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.hooks.streaming import ShardsAhead
from cxr_datasets.images.column import name_images
from cxr_datasets.packages import code_hash
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import remember
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined

_ROWS_PER_TABLE = 4_096
"""Shards are written together up to this size: larger tables cost less per row to write."""

_ROWS_WORTH_PROCESSES = 10_000
"""Rows without pixels that one process writes as fast as several: a tenth of a second's work."""

_ROWS_PER_RECORD_BATCH = 5_000
"""Path-only rows are small; the 100 that `datasets` takes for images makes slow files."""


class CxrBuilder(datasets.ArrowBasedBuilder):
    """Base class of the datasets' builders.

    A subclass sets the class attributes and `open_release`, and no more.

    Attributes:
        COLUMNS: The dataset's own columns beyond the core ones, in order.
        RAW_VIEWS: Its own names of views, accepted by the option `views`.
        RAW_VIEW_COLUMN: The column that holds them.
        INFO: Description, homepage, licence and citation, for `datasets.DatasetInfo`.
        AGREEMENT: Address of what everyone who is given the data must have signed; None: nothing.
        MEAN_IMAGE_BYTES: Mean size of the release's image files.
        IMAGE_SUFFIX: What their names end in; `image_size` puts the suffix of its format there.
        pace: How many images are worked on at once, from the next rows on that are read.
        found: A key of which image files are there, where that was looked at; else None.
        left_out: Split -> ids of the images that were found to be absent and are left out.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = CxrConfig
    DEFAULT_CONFIG_NAME = "images"
    DEFAULT_WRITER_BATCH_SIZE = _ROWS_PER_RECORD_BATCH

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    RAW_VIEWS: ClassVar[tuple[str, ...]] = ()
    RAW_VIEW_COLUMN: ClassVar[str | None] = None
    INFO: ClassVar[dict[str, str]] = {}
    AGREEMENT: ClassVar[str | None] = None
    MEAN_IMAGE_BYTES: ClassVar[int] = 1_500_000
    IMAGE_SUFFIX: ClassVar[str] = ".jpg"

    def __init__(self, cache_dir: str | None = None, hash: str | None = None, **kwargs: Any):
        package = type(self).__module__.split(".")[-1]
        self._images: pa.Table | None = None
        self._index_folder = index_file.folder_in(cache_dir)
        self.pace = Pace()
        self.found: str | None = None
        self.left_out: dict[str, list[str]] = {}
        if kwargs.get("data_files") is not None:  # `datasets` would look for them first
            self._check_names(None, {"data_files": None})
        # Kept here and not handed on: `datasets` would write into them.
        given = kwargs.pop("storage_options", None)
        self.options = StorageOptions(given, kwargs.get("data_dir"))
        super().__init__(cache_dir=cache_dir, hash=code_hash(package, hash), **kwargs)
        self.token = None  # `datasets` would put it into every stream; it is in the options

    def open_release(self, config: Any) -> Release:
        """Find and recognise the release that a config names.

        Raises:
            CxrError: It is not there, or is not a copy of this dataset.
        """
        raise NotImplementedError

    # Called by `datasets`, in this order.

    def _create_builder_config(
        self, config_name: str | None = None, custom_features: Any = None, **options: Any
    ) -> tuple[CxrConfig, str]:
        self._check_names(config_name, options)
        config, _ = super()._create_builder_config(
            config_name=config_name, custom_features=custom_features, **options
        )
        config.check(self.RAW_VIEWS)
        if self.token:
            self.options = self.options.with_default("hf", token=self.token)
        self.release = self.open_release(config)
        source = self.release.source
        remember(source)
        options = {**config.key(), "embed": config.embeds(source)}
        key = [options, source.root, self.release.stamps()]
        if custom_features is not None:
            key.append(custom_features.to_dict())
        if config.looks_ahead(source):
            # After a download went on, an old cache must not answer.
            images = self._wanted_images(config)
            found = keep_present(images, source, config)
            self._images, self.found, self.left_out = found.images, found.key, found.left_out
            key.append(found.key)
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode())
        return config, f"{config.name}-{digest.hexdigest()[:16]}"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            features=config_features(self.config.name, self.COLUMNS), **self.INFO
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        path, splits = self.write_index()
        return [self._split_generator(name, path, shards) for name, shards in splits.items()]

    def _generate_tables(self, index: str, shards: list[int]) -> Iterator[tuple[int, pa.Table]]:
        yield from enumerate(self.read_rows(index, shards))

    # What they do, and what is made of shards elsewhere than in `datasets`.

    def write_index(self) -> tuple[str, dict[str, index_file.SplitShards]]:
        """Read the tables and write the index file, unless it is in the cache.

        Returns:
            Its path, and the shards of each split in it.

        Raises:
            CxrError: The release's tables are broken, or images are not there.
        """
        path = self._index_path()
        splits = None if index_file.has_index(path) else self._plan()
        if splits is None:
            self.release.prepare(self._index_folder)
        if self.config.name != "reports" and self.config.missing == "error":
            missing.probe(self.release.source, self._all_paths(path, splits))
        if splits is not None:
            index_file.write_index(path, splits)
        return path, index_file.read_splits(path)

    def read_rows(self, index: str, shards: list[int]) -> Iterator[pa.Table]:
        """Read shards: rows of an index file, with their texts and images.

        Args:
            index: The index file.
            shards: Numbers of its shards.

        Yields:
            Tables of the dataset's features, whose images fit into memory together.

        Raises:
            CxrError: A report or an image cannot be read.
        """
        tables = index_file.read_shards(index, shards, _ROWS_PER_TABLE)
        return (rows for _, rows in self._complete_rows(tables, pixels=True))

    def read_shards(
        self, index: str, shards: list[int], pixels: bool = True, passed: int = 0
    ) -> Iterator[tuple[int, pa.Table]]:
        """Read shards as `read_rows` does, but no table holds rows of two.

        Args:
            index: The index file.
            shards: Numbers of its shards.
            pixels: Whether images are wanted; else their column is null and none is read.
            passed: Rows at the beginning of the first shard that are not wanted any more.

        Yields:
            Which of the shards, from 0 on, and rows of it.

        Raises:
            CxrError: A report or an image cannot be read.
        """
        tables = index_file.read_shards(index, shards, rows=1)
        # Which rows `missing="skip"` leaves out shows only when they are read.
        unread = passed if self.config.missing != "skip" else 0
        tables = (rows.slice(0 if n else unread) for n, rows in enumerate(tables))
        left = passed - unread
        for number, rows in self._complete_rows(tables, pixels):
            if number == 0 and left >= rows.num_rows:
                left -= rows.num_rows
                continue
            yield number, rows

    def _prepare_split(
        self, split_generator: Any, num_proc: int | None = None, **kwargs: Any
    ) -> None:
        # Starting processes takes longer than writing the few rows of a small split.
        rows = split_generator.split_info.num_examples
        if self.config.image_size is None and rows < _ROWS_WORTH_PROCESSES:
            num_proc = None
        super()._prepare_split(split_generator, num_proc=num_proc, **kwargs)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from super()._prepare_split_single(*args, **kwargs)
            return
        except DatasetGenerationError as error:
            # `datasets` hides the message that helps behind one that does not.
            cause = error.__cause__
            if not isinstance(cause, CxrError):
                raise
        # Out here, or each would be part of the other, and no pickle would come to an end.
        raise cause from None

    def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        self.info.features = name_images(self.info.features)
        return super().as_dataset(*args, **kwargs)

    def as_streaming_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        # Where the dataset is built already, its features come from the cache, as plain ones.
        self.info.features = name_images(self.info.features)
        return super().as_streaming_dataset(*args, **kwargs)

    def _get_examples_iterable_for_split(self, split_generator: Any) -> ShardsAhead:
        return ShardsAhead(self.read_shards, **split_generator.gen_kwargs)

    def _save_infos(self) -> None:
        """Nothing to do for `save_infos`: the cache holds them, as with `datasets` 4.

        `datasets` 3.6 would write them into this package's card, which is read-only to many.
        """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_images": None, "left_out": {}}

    # The steps.

    def _check_names(self, config_name: str | None, options: dict[str, Any]) -> None:
        if config_name is not None and config_name not in CONFIGS:
            raise OptionError.unknown("config", config_name, CONFIGS)
        known = [field.name for field in fields(self.BUILDER_CONFIG_CLASS)]
        own = ["data_dir", *self.BUILDER_CONFIG_CLASS().key()]
        for name in options:
            if name not in (*known, "config_id") or name == "data_files":
                raise OptionError.unknown("option", name, own)

    def _index_path(self) -> str:
        name = f"{self.name}-{self.config_id}-{self.config.version}-{self.hash}.arrow"
        return f"{self._index_folder}/{name}"

    def _split_generator(
        self, name: str, index: str, split: index_file.SplitShards
    ) -> datasets.SplitGenerator:
        generator = datasets.SplitGenerator(
            name=name, gen_kwargs={"index": index, "shards": list(split.shards)}
        )
        generator.split_info.num_examples = split.rows  # so that the progress bar has a total
        return generator

    def _plan(self) -> dict[str, pa.Table]:
        """Rows of each split, as the index file holds them."""
        images, self._images = self._images, None
        if images is None:
            images = self._wanted_images(self.config)
        return split_rows(images, self.config, self._image_columns())

    def _wanted_images(self, config: CxrConfig) -> pa.Table:
        return wanted_images(self.release, config, self.RAW_VIEW_COLUMN, self._index_folder)

    def _image_columns(self) -> tuple[str, ...]:
        own = (column.name for column in self.COLUMNS if column.per == "image")
        return ("image_id", "view", "path", "present", *own)

    def _all_paths(self, path: str, splits: dict[str, pa.Table] | None) -> pa.Array:
        name = "path" if self.config.name == "images" else plural("path")
        if splits is None:
            column = index_file.read_column(path, name)
        else:
            column = pa.chunked_array(
                [chunk for rows in splits.values() for chunk in rows[name].chunks]
            )
        return combined(column if name == "path" else pc.list_flatten(column))

    def _complete_rows(
        self, tables: Iterable[pa.Table], pixels: bool
    ) -> Iterator[tuple[int, pa.Table]]:
        """Rows of the index with texts and images, in numbered tables that fit into memory."""
        schema = config_features(self.config.name, self.COLUMNS).arrow_schema
        texts = map(self.release.add_texts, tables)
        for number, rows in self._with_images(texts, pixels):
            if rows.num_rows:
                yield number, rows.select(schema.names).cast(schema)

    def _with_images(
        self, tables: Iterable[pa.Table], pixels: bool
    ) -> Iterator[tuple[int, pa.Table]]:
        if self.config.name == "reports":
            return enumerate(tables)
        # A Parquet file is made to travel, and `datasets` itself embeds no member of an archive.
        embed = self.config.embeds(self.release.source)
        if self.config.embed is None and self._file_format == "parquet":
            embed = True
        images = Pixels(self.release.source, self.config, embed, self._image_columns(), self.pace)
        return images.add(tables) if pixels else enumerate(map(images.leave_out, tables))
