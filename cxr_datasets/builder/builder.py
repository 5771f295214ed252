"""The builder that every dataset here is made with.

A dataset's script declares what it is. This class turns its release into an index and the index
into rows, for `load_dataset`, for streams and for exports alike. What `datasets` calls for that is
in `overrides.py`.

`datasets` replaces `open`, `os.path` and others in this module and in the scripts by functions of
its own, so neither uses them: files are reached through `Source`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any, ClassVar

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import missing, priors
from cxr_datasets.builder.access import Access
from cxr_datasets.builder.cohort import Cohort, read_cohort
from cxr_datasets.builder.cohort_options import LISTS
from cxr_datasets.builder.config import CxrConfig, option_help
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.forms import ImageForms
from cxr_datasets.builder.index_check import check_complete, check_index
from cxr_datasets.builder.kept import keeping, usual_folder
from cxr_datasets.builder.layered import add_layers, layer_columns, open_layers
from cxr_datasets.builder.outputs import check_cache
from cxr_datasets.builder.overrides import DatasetsBuilder, digest
from cxr_datasets.builder.pixels import Looks, Pace, Pixels
from cxr_datasets.builder.places import ImagePlace, Sampler, find_place, open_images, spread
from cxr_datasets.builder.published import Published
from cxr_datasets.builder.publisher import Publisher
from cxr_datasets.builder.release import Release
from cxr_datasets.builder.rows import split_rows
from cxr_datasets.builder.tally import Tally
from cxr_datasets.builder.task_names import TaskNames
from cxr_datasets.builder.text_labels import add_text_labels, chosen, of_the_release
from cxr_datasets.cohorts.rules import ALL, Step, apply_rules, step_of, steps_from
from cxr_datasets.columns import CONFIGS, plural
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


class CxrBuilder(DatasetsBuilder):
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

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    SOURCES: ClassVar[Mapping[str, str]] = {}
    RAW_VIEWS: ClassVar[tuple[str, ...]] = ()
    RAW_VIEW_COLUMN: ClassVar[str | None] = None
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
        self._splits: dict[str, pa.Table] | None = None
        self._studies: pa.Table | None = None
        self._steps: list[Step] = []
        self._index_folder = index_file.folder_in(
            cache_dir, self.script() if self.is_credentialed() else None
        )
        self._datasets_cache = usual_folder(cache_dir)
        self.pace = Pace()
        self.found: str | None = None
        self.left_out: dict[str, list[str]] = {}
        self.goes_on = False
        self.layers = Layers()
        self.sizes_are_told = False
        super().__init__(cache_dir=cache_dir, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to a worker: no index, no long list of ids, no forms that are not there."""
        place = replace(self.place, forms=ImageForms.of_suffix(self.IMAGE_SUFFIX))
        config = self.config.without_lists()
        large: dict[str, Any] = {
            "_splits": None,
            "_studies": None,
            "left_out": {},
            "cohort": Cohort(config, None, None),
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

    def _look_ahead(self, config: CxrConfig) -> None:
        """Look for every image file: after a download went on, an old cache must not answer."""
        rows = self._wanted_images(config)
        self.place = find_place(self.place, partial(spread, combined(rows["path"])))
        found = missing.keep_present(rows, self.place, config)
        if self._studies is not None:
            are_null = config.missing != "error"
            self._studies, key = priors.look_for_priors(
                self._studies, rows, found.images, self.place, are_null
            )
            found = replace(found, key=digest([found.key, key]))
        self.found, self.left_out = found.key, found.left_out
        if found.images.num_rows < rows.num_rows:
            self._count("missing='skip'", found.images, rows)
        self._index_key = digest([self._index_key, *self.place.key, found.key])
        if not self._has_index(config):
            self._splits = self._split_rows(found.images, config)

    def features(self) -> datasets.Features:
        """The features of the config."""
        return config_features(self.config.name, self.own_columns)

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """The dataset's own columns that rows have with these options, in order."""
        return (*self.columns_without_layers(self.config), *layer_columns(self.layers))

    def columns_without_layers(self, config: CxrConfig) -> tuple[Column, ...]:
        """The dataset's own columns that rows of a config have beside those of layers."""
        return chosen(self.COLUMNS, config)

    def wanted_images(self) -> pa.Table:
        """Read the tables and keep the images that the options ask for; no file is looked for.

        Returns:
            Rows of the index in the release's own order, those in no split among them, unless
            the options say how to split; see `Release.index`.

        Raises:
            CxrError: The release's tables are broken.
            OptionError: No image is left.
        """
        return self._wanted_images(self.config, in_a_split=False)

    def check_any(self, tally: Tally) -> None:
        """Require that one image at least is there and whole, if any was looked for.

        Raises:
            CxrError: None is.
        """
        tally.check_any(self.place, self._sampler(self.config))

    def write_index(self) -> tuple[str, dict[str, index_file.SplitBlocks]]:
        """Read the tables and write the index file, unless it is in the cache.

        Returns:
            Its path, and the blocks of each split in it.

        Raises:
            CxrError: The release's tables are broken, or images are not there.
        """
        path = self._index_path(self.config)
        if self._has_index(self.config):
            self.release.prepare(self._index_folder)
            self._probe(lambda name: index_file.read_column(path, name))
        else:
            splits, self._splits = self._splits, None
            if splits is None:
                splits = self._split_rows(self._wanted_images(self.config), self.config)
            self._probe(lambda name: pa.concat_tables(splits.values()).column(name))
            if self._studies is not None:
                studies, self._studies = self._studies, None
                index_file.write_tables(self._studies_path(self.config), studies.schema, [studies])
            index_file.write_index(path, splits, [step.as_dict() for step in self._steps])
        self.release.keep()
        return path, index_file.read_splits(path)

    def has_index(self) -> bool:
        """Whether all that `write_index` writes is in the cache."""
        return self._has_index(self.config)

    def index_rows(self) -> dict[str, pa.Table]:
        """Read the tables, for those who need neither texts nor images.

        Returns:
            Split -> its rows as the index has them. No image file is looked for, and no index file
            is written; one that is in the cache is read.

        Raises:
            CxrError: The release's tables are broken.
        """
        path = self._index_path(self.config)
        if self._has_index(self.config):
            self.release.prepare(self._index_folder)
            return index_file.read_tables(path)
        if self._splits is None:
            self._splits = self._split_rows(self._wanted_images(self.config), self.config)
        return self._splits

    def steps(self) -> list[Step]:
        """Say which rules left how many rows out, in order; none where all rows are there.

        What files that are absent or damaged leave out is told only if they are looked for before
        any is read.

        Raises:
            CxrError: The release's tables are broken.
        """
        if self._has_index(self.config):
            return steps_from(index_file.read_notes(self._index_path(self.config)))
        self.index_rows()
        return self._steps

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

    def with_texts(self, rows: pa.Table, columns: Collection[str] | None = None) -> pa.Table:
        """Add to rows of the index what is read from reports: texts, and labels made of them.

        Where rows have earlier studies, all that is told of these is added but their images.

        Args:
            rows: The rows.
            columns: As for `complete_rows`.
        """
        return self._with_texts(self.config, rows, columns)

    def _with_texts(
        self, config: CxrConfig, rows: pa.Table, columns: Collection[str] | None
    ) -> pa.Table:
        add_texts = self.release.add_texts
        if priors.most_priors(config):
            rows = priors.add_texts(rows, self._all_studies(), config, add_texts, columns)
        else:
            rows = add_texts(rows)
        return add_text_labels(rows, self.columns_without_layers(config), columns)

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
                are not read then, and no text is labelled.
            tally: Counts the images of the rows that are given.
            are_small: Whether the images of a table fit into memory together; if not, it is cut.

        Yields:
            The position of a table, from 0 on, and some of its rows, in order.
        """
        schema = self.features().arrow_schema
        texts = (self.with_texts(rows, columns) for rows in tables)
        looks = Looks.at(columns, self.config)
        for number, rows in self._with_images(texts, looks, tally, are_small):
            if rows.num_rows:
                rows = self.with_layers(rows, columns)
                check_complete(self.release, rows, schema)
                rows = self.place.with_told_paths(rows)
                yield number, rows.select(schema.names).cast(schema)

    def _index_path(self, config: CxrConfig) -> str:
        name = f"{self.name}-{config.name}-{self._index_key}-{config.version}-{self.hash}.arrow"
        return f"{self._index_folder}/{name}"

    def _studies_path(self, config: CxrConfig) -> str:
        """The file of all studies in the order of time, beside the index."""
        return f"{self._index_path(config).removesuffix('.arrow')}-studies.arrow"

    def _has_index(self, config: CxrConfig) -> bool:
        paths = [self._index_path(config)]
        if priors.most_priors(config):
            paths.append(self._studies_path(config))
        return all(map(index_file.has_index, paths))

    def _all_studies(self) -> pa.Table:
        if self._studies is None:
            self._studies = index_file.read_table(self._studies_path(self.config))
        return self._studies

    def _sampler(self, config: CxrConfig) -> Sampler:
        """Give a function that takes a sample of the images' paths.

        On a second start it takes them from the index file, without reading the tables.
        """
        column = "path" if config.name == "images" else plural("path")
        path = self._index_path(config)
        if self._has_index(config):
            sampled = partial(index_file.spread_rows, path, column)
        else:
            self._splits = self._split_rows(self._wanted_images(config), config)
            sampled = partial(spread, pa.concat_tables(self._splits.values()).column(column))
        if config.name == "images":
            return sampled
        return lambda count: pc.list_element(sampled(count), 0)

    def _split_rows(self, images: pa.Table, config: CxrConfig) -> dict[str, pa.Table]:
        """Arrange the rows of each split as the index file is to hold them."""
        return split_rows(images, config, self._image_columns())

    def _wanted_images(self, config: CxrConfig, in_a_split: bool = True) -> pa.Table:
        index = self.release.index(self._index_folder)
        check_index(self.release, index, of_the_release(self.COLUMNS))
        if priors.most_priors(config):
            features = config_features("images", self.COLUMNS)
            index, self._studies = priors.with_history(
                index, self.release, features, self.RAW_VIEW_COLUMN
            )
        index = self.layers.add_places(index)
        rules = self.cohort.rules(
            self.RAW_VIEW_COLUMN, self.columns_without_layers(config),
            partial(self._with_texts, config), self.layers, in_a_split,
        )  # fmt: skip
        images, self._steps = apply_rules(index, rules)
        return images

    def _count(self, rule: str, images: pa.Table, before: pa.Table) -> None:
        """Note what was left out beyond the rules."""
        steps = self._steps or [step_of(ALL, before, before.num_rows)]
        self._steps = [*steps, step_of(rule, images, before.num_rows)]

    def _image_columns(self) -> tuple[str, ...]:
        own = (column.name for column in self.COLUMNS if column.per == "image")
        return ("image_id", "view", "path", "present", *own, *self.layers.image_columns())

    def _probe(self, column: Callable[[str], pa.ChunkedArray]) -> None:
        """Look at a sample of the image files, if an absent one is to be an error.

        Args:
            column: Gives a column of the index file by its name.
        """
        if self.config.name == "reports" or self.config.missing != "error":
            return
        if self.config.name == "images":
            paths = column("path")
        else:
            paths = pc.list_flatten(column(plural("path")))
        missing.probe(self.place, combined(paths), self.goes_on)

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
