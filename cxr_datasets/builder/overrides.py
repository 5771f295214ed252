"""What `datasets` calls of a builder: where ours differs from its base class, and why.

Our own steps, from a release to rows, are in `builder.py`. Here they are called when `datasets`
needs them.

No builder uses `open`, `os.path` and the like: files are reached through `Source`. So `datasets`
need not replace these by functions of its own in the modules of builders, and is told so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError
from datasets.filesystems import is_remote_filesystem

from cxr_datasets._version import __version__
from cxr_datasets.builder import cached, closed, kept, streamed
from cxr_datasets.builder.config import CxrConfig, place_options
from cxr_datasets.builder.outputs import check_output
from cxr_datasets.builder.sums import write_sums
from cxr_datasets.builder.tally import Tallies, Tally, tallies
from cxr_datasets.builder.text_labels import helper_pays
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import CxrError
from cxr_datasets.hooks.agreements import license_text
from cxr_datasets.hooks.sending import check_address
from cxr_datasets.hooks.streaming import ShardsAhead
from cxr_datasets.images.column import name_images
from cxr_datasets.labels.text.beside import Helper
from cxr_datasets.layers.layer import addresses_of
from cxr_datasets.packages import code_hash
from cxr_datasets.storage.addresses import check_characters, check_open
from cxr_datasets.storage.cache import cache_fault, in_cache
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source
from cxr_datasets.tables.index import SplitBlocks

_patched_for_streaming = True
"""Tells `datasets` that nothing is to be replaced in this module; see `DatasetsBuilder`."""

_ROWS_WORTH_PROCESSES = 10_000
"""Rows without pixels that one process writes as fast as several: a tenth of a second's work."""

_ROWS_PER_RECORD_BATCH = 5_000
"""Path-only rows are small; the 100 that `datasets` takes for images makes slow files."""


def digest(key: Any) -> str:
    """A short text that differs for different keys, made of lists, mappings and texts."""
    return short_digest(json.dumps(key, sort_keys=True, default=str).encode())


class DatasetsBuilder(datasets.ArrowBasedBuilder):
    """A builder as `datasets` calls it; `CxrBuilder` adds the steps.

    Attributes:
        options: Storage options with the credentials, of all stores.
        labels_helper: Labels the texts of a build in another process, where that pays.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = CxrConfig
    DEFAULT_CONFIG_NAME = "images"
    DEFAULT_WRITER_BATCH_SIZE = _ROWS_PER_RECORD_BATCH

    INFO: ClassVar[dict[str, str]] = {}
    AGREEMENT: ClassVar[str | None] = None

    _tallies: Tallies

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Tell `datasets` that nothing is to be replaced in the module of a builder.

        It would import scipy, where that is installed, in each process that makes or unpickles a
        builder: a sixth of a second, to replace `scipy.io.loadmat` where nobody calls it.
        """
        super().__init_subclass__(**kwargs)
        vars(sys.modules[cls.__module__])["_patched_for_streaming"] = True

    @classmethod
    def is_credentialed(cls) -> bool:
        """Whether only those who signed an agreement may have the data, or what comes of them."""
        return bool(cls.AGREEMENT)

    @classmethod
    def script(cls) -> str:
        """Name of the script that defines it, which is that of the dataset's package."""
        return cls.__module__.rpartition(".")[2]

    # The steps that these methods call.

    def check_names(self, config_name: str | None, options: dict[str, Any]) -> None:
        """Refuse a config or an option that does not exist."""
        raise NotImplementedError

    def open_for(self, config: Any) -> list[Any]:
        """Open the release that a config names; give all that decides its rows."""
        raise NotImplementedError

    def features(self) -> datasets.Features:
        """The features of the config."""
        raise NotImplementedError

    def tell_left_out(self) -> None:
        """Say once which rules leave out how many rows."""
        raise NotImplementedError

    def check_any(self, tally: Tally) -> None:
        """Require that one image at least is there and whole, if any was looked for."""
        raise NotImplementedError

    def write_index(self) -> tuple[str, dict[str, SplitBlocks]]:
        """Write the index file; give its path and the blocks of each split."""
        raise NotImplementedError

    def embeds_images(self) -> bool:
        """Whether the rows hold the bytes of images."""
        raise NotImplementedError

    def labels_texts(self) -> bool:
        """Whether rows have columns of labels that are made from texts."""
        raise NotImplementedError

    def decoded_from(self) -> Source:
        """The place of the images."""
        raise NotImplementedError

    def read_rows(
        self, index: str, blocks: list[int], tally: Tally | None = None
    ) -> Iterator[pa.Table]:
        """Read blocks of the index with their texts and images."""
        raise NotImplementedError

    def complete_rows(
        self,
        tables: Iterable[pa.Table],
        columns: Collection[str] | None = None,
        tally: Tally | None = None,
        are_small: bool = False,
    ) -> Iterator[tuple[int, pa.Table]]:
        """Add the texts and images to rows of the index, for a stream."""
        raise NotImplementedError

    # What `datasets` calls, in this order.

    def __init__(self, cache_dir: str | None = None, hash: str | None = None, **kwargs: Any):
        """Keep credentials from `datasets`, which stores them, and give it a hash of our code.

        For a class from a package it makes no hash, so that changed code would find the old cache.
        """
        if kwargs.get("data_files") is not None:  # `datasets` would look for them first
            self.check_names(None, {"data_files": None})
        if kwargs.get("data_dir"):
            check_open("data_dir", kwargs["data_dir"])
        # Kept here and not handed on: `datasets` would write into them.
        given = kwargs.pop("storage_options", None)
        places = (kwargs.get(name) for name in place_options(self.BUILDER_CONFIG_CLASS))
        self.options = StorageOptions(given, *places, *addresses_of(kwargs.get("layers")))
        self.labels_helper = Helper()
        with cached.preparing(self, cache_dir):
            super().__init__(cache_dir=cache_dir, hash=code_hash(self.script(), hash), **kwargs)
            closed.close_locks(self)
        self.token = None  # `datasets` would put it into every stream; it is in the options

    def _create_builder_config(
        self, config_name: str | None = None, custom_features: Any = None, **options: Any
    ) -> tuple[CxrConfig, str]:
        """Check the options first, and put the release's state into the name of the cache.

        `datasets` puts in the text of `data_dir` only, so that changed tables would find the old
        cache; and all options, though some do not change the rows.
        """
        self.check_names(config_name, options)
        for name, value in options.items():
            if isinstance(value, str):
                check_characters(name, value)
        config, _ = super()._create_builder_config(
            config_name=config_name, custom_features=custom_features, **options
        )
        if self.token:
            self.options = self.options.with_default("hf", token=self.token)
        key = self.open_for(config)
        if custom_features is not None:
            key.append(custom_features.to_dict())
        return config, f"{config.name}-{digest(key)}"

    def _build_cache_dir(self) -> str:
        """As in `datasets`, which opens a lock there next; see `closed`."""
        self._cache_dir = super()._build_cache_dir()
        closed.begin(self)
        return self._cache_dir

    def _info(self) -> datasets.DatasetInfo:
        """Required of every builder."""
        license = license_text(self.INFO.get("license", ""), self.AGREEMENT)
        return datasets.DatasetInfo(features=self.features(), **{**self.INFO, "license": license})

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        """Required of every builder. For `datasets`, each block in the list is a shard."""
        path, splits = self.write_index()
        return [self._split_generator(name, path, split) for name, split in splits.items()]

    def _split_generator(
        self, name: str, index: str, split: SplitBlocks
    ) -> datasets.SplitGenerator:
        generator = datasets.SplitGenerator(
            name=name, gen_kwargs={"index": index, "blocks": list(split.blocks)}
        )
        generator.split_info.num_examples = split.rows  # so that the progress bar has a total
        return generator

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """As in `datasets`; in the end count the images that are absent or damaged."""
        cached.clear_leftovers(self)
        closed.begin_writing(self)
        kept.tell_of_bytes(self.config, self.place.source.is_remote, self.embeds_images())
        with tallies() as self._tallies, self.labels_helper:
            super()._download_and_prepare(*args, **kwargs)
            tally = self._tallies.together()
        tally.tell(self.config)
        self.check_any(tally)
        # Splits without rows, as the index has none: `datasets` cannot load one.
        for name in [name for name, split in self.info.splits.items() if not split.num_examples]:
            del self.info.splits[name]

    def _generate_tables(self, index: str, blocks: list[int]) -> Iterator[tuple[int, pa.Table]]:
        """Required of every builder."""
        tally = Tally()
        yield from enumerate(self.read_rows(index, blocks, tally))
        self._tallies.keep(tally)

    def _prepare_split(
        self, split_generator: Any, num_proc: int | None = None, **kwargs: Any
    ) -> None:
        """Write a small split without pixels in this process: starting others takes longer."""
        rows = split_generator.split_info.num_examples
        if rows < _ROWS_WORTH_PROCESSES and not self.embeds_images():
            num_proc = None
        if num_proc in (None, 1) and self.labels_texts() and helper_pays(rows):
            self.labels_helper.begin()
        super()._prepare_split(split_generator, num_proc=num_proc, **kwargs)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Raise our errors as they are; `datasets` hides them behind one that does not help."""
        try:
            yield from closed.closing(self, super()._prepare_split_single(*args, **kwargs))
            return
        except DatasetGenerationError as error:
            cause = error.__cause__
            if isinstance(cause, OSError):  # of the disk: those of the release are ours already
                cause = cache_fault(self._output_dir, cause)
            if not isinstance(cause, CxrError):
                raise
        # Not raised above: each would be the context of the other, and pickling would never end.
        raise cause from None

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """As in `datasets`; a cache that is full or closed is told in words.

        Raises:
            HubError: It would be written to a place of the Hub that others can see.
        """
        given = dict(zip(("output_dir",), args, strict=False)) | kwargs
        check_address(given.get("output_dir"), given.get("storage_options"), self.AGREEMENT)
        check_output(*args, **kwargs)
        closed.check_beside(self, given.get("output_dir"))
        try:
            with cached.preparing(self):
                super().download_and_prepare(*args, **kwargs)
        finally:
            closed.close_locks(self)

    def _save_info(self) -> None:
        """Write down what the files add up to, with the last of them."""
        super()._save_info()
        if self._file_format == "arrow" and not is_remote_filesystem(self._fs):
            with in_cache(self._output_dir):
                write_sums(self._output_dir)
        closed.close_written(self)  # before the folder gets its name

    def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        cached.check_files(self)
        self.tell_left_out()  # nothing was read if the dataset was in the cache
        self.info.features = name_images(self.info.features, self.decoded_from())
        with cached.choosing_splits():
            return super().as_dataset(*args, **kwargs)

    def as_streaming_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; decode errors of the result name the image."""
        # Where the dataset is built already, its features come from the cache, as plain ones.
        self.info.features = name_images(self.info.features)
        with cached.choosing_splits():
            return super().as_streaming_dataset(*args, **kwargs)

    def _get_examples_iterable_for_split(self, split_generator: Any) -> ShardsAhead:
        """Read ahead over the ends of shards; the step of `datasets` stops at each."""
        reads = partial(streamed.read_blocks, self), partial(streamed.read_order, self)
        return ShardsAhead(*reads, **split_generator.gen_kwargs, skips=self.config.skips)

    def _save_infos(self) -> None:
        """Leave the package's card as it is: `datasets` 3.6 would write the infos into it."""
