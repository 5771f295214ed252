"""From a release's tables to the index of the rows that the options ask for, kept in the cache.

`builder.py` makes rows of it. As there, no file is reached but through `Source`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import missing, priors
from cxr_datasets.builder.cohort import Cohort
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.index_check import check_index
from cxr_datasets.builder.overrides import DatasetsBuilder, digest
from cxr_datasets.builder.places import ImagePlace, Sampler, find_place, spread
from cxr_datasets.builder.release import Release
from cxr_datasets.builder.rows import split_rows
from cxr_datasets.builder.tally import Tally
from cxr_datasets.builder.text_labels import (
    add_text_labels,
    add_to_each,
    chosen,
    of_the_release,
)
from cxr_datasets.cohorts.rules import ALL, Step, apply_rules, step_of, steps_from, told
from cxr_datasets.columns import plural
from cxr_datasets.layers.joined import Layers
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_MISSING = "missing='skip'"
"""The step of files that are absent, which is behind those of all rules."""


class IndexedBuilder(DatasetsBuilder):
    """The half of a builder that reads tables.

    Attributes:
        COLUMNS: See `CxrBuilder`, as for the others.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    RAW_VIEW_COLUMN: ClassVar[str | None] = None

    release: Release
    place: ImagePlace
    layers: Layers
    cohort: Cohort
    found: str | None
    left_out: dict[str, list[str]]
    goes_on: bool

    def __init__(self, index_folder: str, cache_dir: str | None, **kwargs: Any):
        self._index_folder = index_folder
        self._index_key = ""
        self._splits: dict[str, pa.Table] | None = None
        self._studies: pa.Table | None = None
        self._steps: list[Step] = []
        self._has_told = False
        super().__init__(cache_dir=cache_dir, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to a worker: no index."""
        return {**super().__getstate__(), "_splits": None, "_studies": None}

    def columns_without_layers(self, config: CxrConfig) -> tuple[Column, ...]:
        """The dataset's own columns that rows of a config have beside those of layers."""
        return chosen(self.COLUMNS, config)

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
            self._count(_MISSING, found.images, rows)
        self._index_key = digest([self._index_key, *self.place.key, found.key])
        if not self._has_index(config):
            self._splits = self._split_rows(found.images, config)

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
            self.tell_left_out()
            self._probe(lambda name: index_file.read_column(path, name))
        else:
            splits, self._splits = self._splits, None
            if splits is None:
                splits = self._split_rows(self._wanted_images(self.config), self.config)
            self._write_index(path, splits)
        self.release.keep()
        return path, index_file.read_splits(path)

    def _write_index(self, path: str, splits: dict[str, pa.Table]) -> None:
        """Write the index file while a sample of the image files is looked at.

        The thread that may be interrupted is the one that waits for a store.
        """
        probed: Future[None] = Future()
        notes = [step.as_dict() for step in self._steps]
        with ThreadPoolExecutor(1, thread_name_prefix="cxr-index") as pool:
            try:
                written = pool.submit(index_file.write_index, path, splits, notes, probed.result)
                self._probe(pa.concat_tables(splits.values()).column)
                if self._studies is not None:
                    studies, self._studies = self._studies, None
                    file = self._studies_path(self.config)
                    index_file.write_tables(file, studies.schema, [studies])
                probed.set_result(None)
            finally:
                probed.cancel()  # unless it is done: then nothing is written
            written.result()

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
            self.tell_left_out()
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

    def tell_left_out(self) -> None:
        """Say in one line what the rules left out, unless it was said when tables were read.

        Where no table is read, as rows are in the cache, the index there tells it. What files that
        are absent leave out has a line of its own, whenever they are looked for.
        """
        if not self._has_told and self._has_index(self.config):
            self._tell(steps_from(index_file.read_notes(self._index_path(self.config))))

    def _tell(self, steps: list[Step]) -> None:
        line = told([step for step in steps if step.rule != _MISSING])
        if line and not self._has_told:
            _logger.warning("%s", line)
        self._has_told = True

    def check_any(self, tally: Tally) -> None:
        """Require that one image at least is there and whole, if any was looked for.

        Raises:
            CxrError: None is.
        """
        tally.check_any(self.place, self._sampler(self.config))

    def with_texts(self, rows: pa.Table, columns: Collection[str] | None = None) -> pa.Table:
        """Add to rows of the index what is read from reports: texts, and labels made of them.

        Where rows have earlier studies, all that is told of these is added but their images.

        Args:
            rows: The rows.
            columns: As for `complete_rows`.
        """
        return self._with_texts(self.config, rows, columns)

    def with_texts_of_each(
        self, tables: Iterable[pa.Table], columns: Collection[str] | None = None
    ) -> Iterator[pa.Table]:
        """Add to tables, one after another, what `with_texts` adds."""
        texts = (self._with_unlabelled(self.config, rows, columns) for rows in tables)
        return add_to_each(
            texts, self.columns_without_layers(self.config), columns, self.labels_helper
        )

    def labels_texts(self) -> bool:
        """Whether rows have columns of labels that are made from texts."""
        return any(column.labelled for column in self.columns_without_layers(self.config))

    def _with_texts(
        self, config: CxrConfig, rows: pa.Table, columns: Collection[str] | None
    ) -> pa.Table:
        rows = self._with_unlabelled(config, rows, columns)
        return add_text_labels(rows, self.columns_without_layers(config), columns)

    def _with_unlabelled(
        self, config: CxrConfig, rows: pa.Table, columns: Collection[str] | None
    ) -> pa.Table:
        looked_at = self._reads_texts(config, columns)
        add_texts = self.release.add_texts if looked_at else self.release.without_texts
        if priors.most_priors(config):
            return priors.add_texts(rows, self._all_studies(), config, add_texts, columns)
        return add_texts(rows)

    def _reads_texts(self, config: CxrConfig, columns: Collection[str] | None) -> bool:
        """Whether some columns are read from reports, or made of what is."""
        if columns is None or not self.release.TEXTS:
            return True
        own = self.columns_without_layers(config)
        texts = {
            *self.release.TEXTS,
            *priors.PRIOR_TEXTS,
            *(one.name for one in own if one.labelled),
        }
        return not texts.isdisjoint(columns)

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
        self._tell(self._steps)
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
