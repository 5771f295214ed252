"""The builder every dataset here is made with.

A dataset's script declares what it is; this class turns its release into an index, the index into
shards, and shards into Arrow tables, for `load_dataset` and for streaming alike.

`datasets` replaces `open`, `os.path` and others in this module and in the scripts by functions of
its own, so neither uses them: files are reached through `Source`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from cxr_datasets import index as index_file
from cxr_datasets import missing as missing_images
from cxr_datasets._version import __version__
from cxr_datasets.code import code_hash
from cxr_datasets.errors import CxrError, MissingImagesError, OptionError
from cxr_datasets.features import CONFIGS, Column, config_features, plural
from cxr_datasets.images import image_array, name_images
from cxr_datasets.release import Release
from cxr_datasets.studies import group_by_study
from cxr_datasets.tables import combined
from cxr_datasets.views import check_views, keep_views

SPLITS = ("train", "validation", "test")

_ROWS_PER_TABLE = 4_096
"""Shards are written together up to this size: larger tables cost less per row to write."""

_ROWS_PER_RECORD_BATCH = 5_000
"""Path-only rows are small; the 100 that `datasets` takes for images makes slow files."""


@dataclass
class CxrConfig(datasets.BuilderConfig):
    """Options that every dataset here has.

    Attributes:
        views: Keep only images of these views: normalised names (`frontal`, `lateral`, `oblique`,
            `unknown`) or, where the dataset has them, its own. In configs `studies` and `reports`
            a study left without an image is dropped. None: all.
        missing: What an image whose file is absent becomes: `error` refuses to build, `skip`
            leaves out its row, `null` keeps the row with a null image.
    """

    views: list[str] | None = None
    missing: str = "error"

    def check(self, raw_views: tuple[str, ...]) -> None:
        """Check the options' values.

        Args:
            raw_views: The dataset's own names of views.

        Raises:
            OptionError: One of them is not known.
        """
        if self.views is not None:
            self.views = check_views(self.views, raw_views)
        if self.missing not in missing_images.CHOICES:
            raise OptionError.unknown("missing", self.missing, missing_images.CHOICES)

    def key(self) -> dict[str, Any]:
        """The options that decide what the rows hold, for the cache key."""
        plain = {field.name for field in fields(datasets.BuilderConfig)}
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in plain
        }


class CxrBuilder(datasets.ArrowBasedBuilder):
    """Base class of the datasets' builders.

    A subclass sets the class attributes and `open_release`, and no more.

    Attributes:
        COLUMNS: The dataset's own columns beyond the core ones, in order.
        RAW_VIEWS: Its own names of views, accepted by the option `views`.
        RAW_VIEW_COLUMN: The column that holds them.
        INFO: Description, homepage, licence and citation, for `datasets.DatasetInfo`.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = CxrConfig
    DEFAULT_CONFIG_NAME = "images"
    DEFAULT_WRITER_BATCH_SIZE = _ROWS_PER_RECORD_BATCH

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    RAW_VIEWS: ClassVar[tuple[str, ...]] = ()
    RAW_VIEW_COLUMN: ClassVar[str | None] = None
    INFO: ClassVar[dict[str, str]] = {}

    def __init__(self, cache_dir: str | None = None, hash: str | None = None, **kwargs: Any):
        package = type(self).__module__.split(".")[-1]
        self._images: pa.Table | None = None
        if kwargs.get("data_files") is not None:  # `datasets` would look for them first
            self._check_names(None, {"data_files": None})
        super().__init__(cache_dir=cache_dir, hash=code_hash(package, hash), **kwargs)

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
        self.release = self.open_release(config)
        key = [config.key(), self.release.source.root, self.release.stamps()]
        if custom_features is not None:
            key.append(custom_features.to_dict())
        if config.name != "reports" and config.missing != "error":
            # Which files exist decides the rows, so it is part of the key: after a download went
            # on, an old cache must not answer.
            self._images, present = self._keep_present(self._wanted_images(config), config.missing)
            key.append(missing_images.digest(present))
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode())
        return config, f"{config.name}-{digest.hexdigest()[:16]}"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            features=config_features(self.config.name, self.COLUMNS), **self.INFO
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        self.release.prepare(self._index_folder())
        path = self._index_path()
        splits = None if index_file.has_index(path) else self._plan()
        if self.config.name != "reports" and self.config.missing == "error":
            missing_images.probe(self.release.source, self._all_paths(path, splits))
        if splits is not None:
            index_file.write_index(path, splits)
        return [
            self._split_generator(name, path, shards)
            for name, shards in index_file.read_splits(path).items()
        ]

    def _generate_tables(self, index: str, shards: list[int]) -> Iterator[tuple[int, pa.Table]]:
        features = config_features(self.config.name, self.COLUMNS)
        for number, rows in enumerate(index_file.read_shards(index, shards, _ROWS_PER_TABLE)):
            rows = self.release.add_texts(rows)
            if self.config.name != "reports":
                rows = self._add_images(rows)
            yield number, rows.select(list(features)).cast(features.arrow_schema)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from super()._prepare_split_single(*args, **kwargs)
        except DatasetGenerationError as error:
            # `datasets` hides the message that helps behind one that does not.
            if isinstance(error.__cause__, CxrError):
                raise error.__cause__ from None
            raise

    def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        self.info.features = name_images(self.info.features)
        return super().as_dataset(*args, **kwargs)

    def as_streaming_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        # Where the dataset is built already, its features come from the cache, as plain ones.
        self.info.features = name_images(self.info.features)
        return super().as_streaming_dataset(*args, **kwargs)

    def _save_infos(self) -> None:
        """Nothing to do for `save_infos`: the cache holds them, as with `datasets` 4.

        `datasets` 3.6 would write them into this package's card, which is read-only to many.
        """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_images": None}

    # The steps.

    def _check_names(self, config_name: str | None, options: dict[str, Any]) -> None:
        if config_name is not None and config_name not in CONFIGS:
            raise OptionError.unknown("config", config_name, CONFIGS)
        known = [field.name for field in fields(self.BUILDER_CONFIG_CLASS)]
        own = ["data_dir", *self.BUILDER_CONFIG_CLASS().key()]
        for name in options:
            if name not in (*known, "config_id") or name == "data_files":
                raise OptionError.unknown("option", name, own)

    def _index_folder(self) -> str:
        root = self._cache_dir_root
        if "://" in root:  # a dataset may be built into a bucket; the index must be mapped
            root = str(datasets.config.HF_DATASETS_CACHE)
        return f"{root}/cxr_index"

    def _index_path(self) -> str:
        name = f"{self.name}-{self.config_id}-{self.config.version}-{self.hash}.arrow"
        return f"{self._index_folder()}/{name}"

    def _split_generator(
        self, name: str, index: str, split: index_file.SplitShards
    ) -> datasets.SplitGenerator:
        generator = datasets.SplitGenerator(
            name=name, gen_kwargs={"index": index, "shards": list(split.shards)}
        )
        generator.split_info.num_examples = split.rows  # so that the progress bar has a total
        return generator

    def _wanted_images(self, config: CxrConfig) -> pa.Table:
        images = self.release.index()
        if config.views is not None:
            raw = images[self.RAW_VIEW_COLUMN] if self.RAW_VIEW_COLUMN else None
            images = images.filter(keep_views(images["view"], raw, config.views))
            if images.num_rows == 0:
                raise OptionError(f"views={config.views} leaves no image of this release.")
        return images

    def _keep_present(self, images: pa.Table, missing: str) -> tuple[pa.Table, Any]:
        present = missing_images.find_present(self.release.source, combined(images["path"]))
        if missing == "null":
            return images.append_column("present", pa.array(present)), present
        if not present.any():
            raise MissingImagesError(
                f"None of the {len(present)} images that the tables list is in "
                f"{self.release.source.root}. Check that data_dir is the folder that holds the "
                "images, or load config 'reports', which needs none."
            )
        missing_images.report_skipped(present)
        return images.filter(pa.array(present)), present

    def _plan(self) -> dict[str, pa.Table]:
        """Rows of each split as the index file holds them; a split without rows is left out."""
        images = self._wanted_images(self.config) if self._images is None else self._images
        self._images = None
        splits = {}
        for split in SPLITS:
            rows = images.filter(pa.compute.equal(images["split"], split))
            if rows.num_rows:
                splits[split] = self._arrange(rows.drop_columns(["split"]))
        if not splits:
            raise OptionError(
                f"The options {self.config.key()} leave no image of {self.release.source.root} in "
                "any split."
            )
        return splits

    def _arrange(self, images: pa.Table) -> pa.Table:
        rank = combined(images["rank"])
        images = images.drop_columns(["rank"])
        if self.config.name == "images":
            return images
        of_image = ["image_id", "view", "path", "present"]
        of_image += [column.name for column in self.COLUMNS if column.per == "image"]
        studies = group_by_study(images, of_image, rank)
        if self.config.name == "studies":
            return studies
        lists = [plural(name) for name in of_image]
        return studies.drop_columns([name for name in studies.column_names if name in lists])

    def _all_paths(self, path: str, splits: dict[str, pa.Table] | None) -> pa.Array:
        name = "path" if self.config.name == "images" else plural("path")
        if splits is None:
            column = index_file.read_column(path, name)
        else:
            column = pa.chunked_array(
                [chunk for rows in splits.values() for chunk in rows[name].chunks]
            )
        return combined(column if name == "path" else pa.compute.list_flatten(column))

    def _add_images(self, rows: pa.Table) -> pa.Table:
        if self.config.name == "images":
            return rows.append_column("image", self._images_of(rows, "path", "present"))
        return rows.append_column("images", self._lists_of_images(rows))

    def _lists_of_images(self, rows: pa.Table) -> pa.Array:
        lists = combined(rows["paths"])
        flat = {
            name: combined(rows[name]).flatten() for name in ("paths", "presents")
            if name in rows.column_names
        }  # fmt: skip
        images = self._images_of(pa.table(flat), "paths", "presents")
        offsets = pa.compute.subtract(lists.offsets, lists.offsets[0])
        return pa.ListArray.from_arrays(offsets, images)

    def _images_of(self, rows: pa.Table, path: str, present: str) -> pa.Array:
        paths = combined(rows[path])
        exists = combined(rows[present]) if present in rows.column_names else None
        contents = None
        if self._file_format == "parquet":
            # A Parquet file is made to travel; `datasets` embeds local files only.
            contents = self.release.source.read_many(paths, exists)
        return image_array(self.release.source.addresses(paths), contents, exists)
