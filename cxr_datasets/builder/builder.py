"""The builder that every dataset here is made with.

A dataset's script declares what it is. This class turns its release into an index and the index
into rows, for `load_dataset`, for streams and for exports alike. What `datasets` calls for that is
in `overrides.py`.

Neither this module nor a script uses `open`, `os.path` and the like: files are reached through
`Source`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

import datasets
import pyarrow as pa

from cxr_datasets.builder import missing
from cxr_datasets.builder.access import Access
from cxr_datasets.builder.cohort import Cohort, read_cohort
from cxr_datasets.builder.cohort_options import LISTS
from cxr_datasets.builder.config import CxrConfig, option_help
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.forms import ImageForms
from cxr_datasets.builder.index_check import check_complete
from cxr_datasets.builder.indexed import IndexedBuilder
from cxr_datasets.builder.kept import keeping, usual_folder
from cxr_datasets.builder.layered import add_layers, layer_columns, open_layers
from cxr_datasets.builder.outputs import check_cache
from cxr_datasets.builder.overrides import digest
from cxr_datasets.builder.pixels import Looks, Pace, Pixels
from cxr_datasets.builder.places import ImagePlace, find_place, open_images
from cxr_datasets.builder.published import Published
from cxr_datasets.builder.publisher import Publisher
from cxr_datasets.builder.release import Release
from cxr_datasets.builder.tally import Tally
from cxr_datasets.builder.task_names import TaskNames
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from cxr_datasets.images.column import image_array
from cxr_datasets.layers import ReadyLayer
from cxr_datasets.layers.joined import Layers
from cxr_datasets.storage.by_address import remember
from cxr_datasets.storage.source import Source
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.id_forms import ANY_FORMS, IdForm
from cxr_datasets.tables.keys import combined

_ROWS_PER_TABLE = 4_096
"""Blocks are put together up to this size: larger tables cost less per row to write."""


class CxrBuilder(IndexedBuilder):
    """Base class of the datasets' builders.

    A subclass sets the class attributes and `open_release`, and no more.

    Attributes:
        COLUMNS: The dataset's own columns beyond the core ones, in order.
        SOURCES: Core column, or `path` -> what it is made from, for cards and pages.
        RAW_VIEWS: Its own names of views, accepted by the option `views`.
        RAW_VIEW_COLUMN: The column that holds them.
        INFO: Description, homepage, licence and citation, for `datasets.DatasetInfo`.
        AGREEMENT: Address of what everyone who is given the data must have signed; None: nothing.
            All rows carry it in `info.license`.
        MEAN_IMAGE_BYTES: Mean size of the release's image files.
        IMAGE_SUFFIX: What their names end in; `image_size` puts the suffix of its format there.
        IMAGE_FORMS: The forms in which people have these files; None: with other suffixes.
        ID_FORMS: The forms in which lists and tables of other people name an image, a study or a
            patient; the finest first.
        PUBLISHED: What the publisher says of the release; None: nothing to compare a copy with,
            and no folder is recognised as one.
        ACCESS: How people come to be allowed to read it, for `cxr access`; None: it does not say.
        PUBLISHER: Where `cxr download` fetches the release from; None: from a copy only (`--from`).
        TASK_NAMES: How the files that other programs train by call its studies and images.
        LAYERS: The layers of other people whose forms are known: name -> form.
        SIZE_COLUMNS: Its columns of width and height of the release's own files, if it has them.
        layers: The layers that the option `layers` names.
        sizes_are_told: Whether files were found to have the sizes of `SIZE_COLUMNS`.
        pace: How many images are worked on at once, from the next rows on that are read.
        release: The release.
        place: Where the images are, and in which form.
        found: A key of which image files are there, where that was looked at; else None.
        left_out: Split -> ids of the images that were found to be absent and are left out.
        cohort: What decides which rows there are.
        goes_on: Whether absent and damaged images are met one after another and noted, where an
            option says `error`; only if none of a sample is there, that is an error at once.
    """

    SOURCES: ClassVar[Mapping[str, str]] = {}
    RAW_VIEWS: ClassVar[tuple[str, ...]] = ()
    MEAN_IMAGE_BYTES: ClassVar[int] = 1_500_000
    IMAGE_SUFFIX: ClassVar[str] = ".jpg"
    IMAGE_FORMS: ClassVar[ImageForms | None] = None
    ID_FORMS: ClassVar[tuple[IdForm, ...]] = ANY_FORMS
    ACCESS: ClassVar[Access | None] = None
    PUBLISHED: ClassVar[Published | None] = None
    PUBLISHER: ClassVar[Publisher | None] = None
    TASK_NAMES: ClassVar[TaskNames] = TaskNames()
    LAYERS: ClassVar[Mapping[str, ReadyLayer]] = {}
    SIZE_COLUMNS: ClassVar[tuple[str, str] | None] = None

    def __init__(self, cache_dir: str | None = None, **kwargs: Any):
        check_cache(cache_dir)
        index_folder = index_file.folder_in(
            cache_dir, self.script() if self.is_credentialed() else None
        )
        self._datasets_cache = usual_folder(cache_dir)
        self.pace = Pace()
        self.found: str | None = None
        self.left_out: dict[str, list[str]] = {}
        self.goes_on = False
        self.layers = Layers()
        self.sizes_are_told = False
        self._schema: pa.Schema | None = None
        super().__init__(index_folder, cache_dir, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to a worker: no long list of ids, no forms that are not there."""
        place = replace(self.place, forms=ImageForms.of_suffix(self.IMAGE_SUFFIX))
        config = self.config.without_lists()
        large: dict[str, Any] = {
            "left_out": {},
            "cohort": Cohort(config, None, None),
            "_schema": None,
        }
        given = {**self.config_kwargs, **dict.fromkeys(LISTS & self.config_kwargs.keys())}
        return {
            **super().__getstate__(), **large, "config": config, "config_kwargs": given,
            "place": place,
        }  # fmt: skip

    def open_release(self, config: Any) -> Release:
        """Find and recognise the release that a config names.

        Raises:
            CxrError: It is not there, or is not a copy of this dataset.
        """
        raise NotImplementedError

    def check_names(self, config_name: str | None, options: dict[str, Any]) -> None:
        """Check that a config and options exist.

        Raises:
            OptionError: One does not.
        """
        if config_name is not None and config_name not in CONFIGS:
            raise OptionError.unknown("config", config_name, CONFIGS)
        known = [field.name for field in fields(self.BUILDER_CONFIG_CLASS)]
        own = ["data_dir", *option_help(self.BUILDER_CONFIG_CLASS), "storage_options"]
        for name in options:
            if name not in (*known, "config_id") or name == "data_files":
                raise OptionError.unknown("option", name, own)

    def open_for(self, config: CxrConfig) -> list[Any]:
        """Check the values of the options and open the release, as `self.release`.

        Returns:
            All that decides the rows, for the cache's key.

        Raises:
            CxrError: A value is wrong, the release is not there, or is not a copy of this dataset.
        """
        config.check(self.RAW_VIEWS)
        self.release = self.open_release(config)
        remember(self.release.source)
        self.cohort = read_cohort(config, self.ID_FORMS, self.options)
        self.place = self._open_images(config)
        images = self.place.source
        missing.warn_of_unread(config, images)
        options = {**config.key(), "images": None, "embed": config.embeds(images)}
        self.layers = open_layers(self, config)
        key: list[Any] = [options, self.release.source.root, self.release.stamps()]
        key += self.layers.key()
        self._index_key = digest([config.name, *key])
        if config.looks_ahead(images):
            self._look_ahead(config)
            key.append(self.found)
        elif config.name != "reports":
            self.place = find_place(self.place, self._sampler(config))
        if config.name != "reports":
            self.place = keeping(self.place, config, self._datasets_cache)
        remember(self.place.source)
        return [*key, *self.place.key]

    def _open_images(self, config: CxrConfig) -> ImagePlace:
        """Open the place of the images; their form is not looked for yet."""
        forms = self.IMAGE_FORMS or ImageForms.of_suffix(self.IMAGE_SUFFIX)
        images = None if config.name == "reports" else config.images
        return open_images(images, self.release.source, forms)

    def features(self) -> datasets.Features:
        """The features of the config."""
        return config_features(self.config.name, self.own_columns)

    def schema(self) -> pa.Schema:
        """The same as a schema of Arrow, which `datasets` makes anew each time."""
        if self._schema is None:
            self._schema = self.features().arrow_schema
        return self._schema

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """The dataset's own columns that rows have with these options, in order."""
        return (*self.columns_without_layers(self.config), *layer_columns(self.layers))

    def stored_images(self, rows: pa.Table) -> pa.StructArray:
        """Give the images of rows of the index, stored as addresses; none is looked for or read.

        Args:
            rows: Rows of config `images`, of which the column `path` counts.
        """
        files = self.place.form.files(combined(rows["path"]))
        return image_array(self.place.source.addresses(files))

    def read_rows(
        self,
        index: str,
        blocks: list[int],
        tally: Tally | None = None,
        columns: Collection[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Read blocks of an index file, with the texts and images of their rows.

        Args:
            index: The index file.
            blocks: Numbers of its blocks.
            tally: Counts the images of the rows that are given.
            columns: As for `complete_rows`.

        Yields:
            Tables of the dataset's features. The images of each fit into memory together.

        Raises:
            CxrError: A report or an image cannot be read.
        """
        return self.complete(index_file.read_blocks(index, blocks, _ROWS_PER_TABLE), tally, columns)

    def complete(
        self,
        tables: Iterable[pa.Table],
        tally: Tally | None = None,
        columns: Collection[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Add the texts and images to rows of an index file, as `read_rows` does."""
        return (rows for _, rows in self.complete_rows(tables, columns, tally))

    def with_layers(self, rows: pa.Table, columns: Collection[str] | None = None) -> pa.Table:
        """Add the columns of layers to rows of the index that have their images.

        Args:
            rows: The rows.
            columns: As for `complete_rows`.
        """
        return add_layers(self, rows, columns)

    def complete_rows(
        self,
        tables: Iterable[pa.Table],
        columns: Collection[str] | None = None,
        tally: Tally | None = None,
        are_small: bool = False,
    ) -> Iterator[tuple[int, pa.Table]]:
        """Add the texts and images to rows of an index file, as `read_rows` does, for a stream.

        Args:
            tables: Rows of the index file.
            columns: Columns that are looked at; None: all. Others that take time are null: images
                and reports are not read then, and no text is labelled.
            tally: Counts the images of the rows that are given.
            are_small: Whether the images of a table fit into memory together; if not, it is cut.

        Yields:
            The position of a table, from 0 on, and some of its rows, in order.
        """
        schema = self.schema()
        texts = self.with_texts_of_each(tables, columns)
        looks = Looks.at(columns, self.config)
        for number, rows in self._with_images(texts, looks, tally, are_small):
            if rows.num_rows:
                rows = self.with_layers(rows, columns)
                check_complete(self.release, rows, schema)
                rows = self.place.with_told_paths(rows)
                yield number, rows.select(schema.names).cast(schema)

    def _with_images(
        self, tables: Iterable[pa.Table], looks: Looks, tally: Tally | None, are_small: bool
    ) -> Iterator[tuple[int, pa.Table]]:
        if self.config.name == "reports":
            return enumerate(tables)
        images = Pixels(
            self.place.source, self.config, self.embeds_images(), self._image_columns(),
            self.place.form, self.pace, are_small, looks,
        )  # fmt: skip
        return images.add(tables, tally) if looks else enumerate(map(images.leave_out, tables))

    def decoded_from(self) -> Source:
        """The place of the images, which datasets take along into other processes."""
        return self.place.source

    def embeds_images(self) -> bool:
        """Whether the rows hold the bytes of images, which takes most of the time of a build."""
        if self.config.name == "reports":
            return False
        # A Parquet file is made to travel, and `datasets` itself embeds no member of an archive.
        if self.config.embed is None and self._file_format == "parquet":
            return True
        return self.config.embeds(self.place.source)
