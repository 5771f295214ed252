"""Names of `datasets` that its documentation does not promise and that we rely on.

A test looks each of them up, so that a new release that lost some fails with a list of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Internal:
    """A name that we rely on.

    Attributes:
        name: `module:attribute`, or `module:function(parameter)` for a parameter. An attribute may
            also be one that instances have.
        used_in: The module of ours that relies on it.
        versions: The versions of `datasets` that have it, such as `<4`; empty: all we support.
    """

    name: str
    used_in: str
    versions: str = ""


_PUSHES = tuple(
    f"datasets.{kind}.push_to_hub({parameter})"
    for kind in ("arrow_dataset:Dataset", "dataset_dict:DatasetDict")
    for parameter in ("repo_id", "private", "token")
)
_PUSHES_OF_STREAMS = tuple(
    f"datasets.{kind}.push_to_hub({parameter})"
    for kind in ("iterable_dataset:IterableDataset", "dataset_dict:IterableDatasetDict")
    for parameter in ("repo_id", "private", "token")
)
_WRITERS_OF_STREAMS = tuple(
    f"datasets.iterable_dataset:IterableDataset.{name}(path_or_buf)"
    for name in ("to_csv", "to_json", "to_parquet")
)

_NAMES = {
    "hooks/loading.py": (
        "datasets.load:dataset_module_factory(path)",
        "datasets.load:dataset_module_factory(data_dir)",
        "datasets.inspect:dataset_module_factory",
        "datasets.load:DatasetModule(module_path)",
        "datasets.load:DatasetModule(hash)",
        "datasets.load:DatasetModule(builder_kwargs)",
    ),
    "hooks/frames.py": (
        "datasets.features.features:Features._column_requires_decoding",
        "datasets.formatting.polars_formatter:PolarsFeaturesDecoder.decode_column(column)",
        "datasets.formatting.polars_formatter:PolarsFeaturesDecoder.decode_column(column_name)",
        "datasets.formatting.polars_formatter:PolarsFeaturesDecoder.decode_row(row)",
        "datasets.formatting.polars_formatter:PolarsFeaturesDecoder.features",
    ),
    "hooks/selection.py": (
        "datasets.iterable_dataset:SelectColumnsIterable.__init__(ex_iterable)",
        "datasets.iterable_dataset:SelectColumnsIterable.__init__(column_names)",
        "datasets.iterable_dataset:BufferShuffledExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:InterleavedShardsExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:RebatchedArrowExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:RepeatExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:SelectColumnsIterable.ex_iterable",
        "datasets.iterable_dataset:SkipExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:StepExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:TakeExamplesIterable.ex_iterable",
    ),
    "hooks/shuffling.py": (
        "datasets.iterable_dataset:BufferShuffledExamplesIterable.generator",
        "datasets.iterable_dataset:FilteredExamplesIterable.batched",
        "datasets.iterable_dataset:FilteredExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:FilteredExamplesIterable.with_indices",
        "datasets.iterable_dataset:FormattedExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:FormattedExamplesIterable.iter_arrow",
        "datasets.iterable_dataset:IterableDataset._ex_iterable",
        "datasets.iterable_dataset:IterableDataset._is_main_process",
        "datasets.iterable_dataset:IterableDataset._prepare_ex_iterable_for_iteration",
        "datasets.iterable_dataset:IterableDataset._starting_state_dict",
        "datasets.iterable_dataset:_BaseExamplesIterable.load_state_dict(state_dict)",
        "datasets.iterable_dataset:IterableDataset._state_dict",
        "datasets.iterable_dataset:IterableDataset.epoch",
        "datasets.iterable_dataset:MappedExamplesIterable.batched",
        "datasets.iterable_dataset:MappedExamplesIterable.ex_iterable",
        "datasets.iterable_dataset:MappedExamplesIterable.with_indices",
        "datasets.iterable_dataset:SkipExamplesIterable.__init__(block_sources_order_when_shuffling)",
        "datasets.iterable_dataset:SkipExamplesIterable.__init__(ex_iterable)",
        "datasets.iterable_dataset:SkipExamplesIterable.__init__(n)",
        "datasets.iterable_dataset:SkipExamplesIterable.n",
        "datasets.iterable_dataset:StepExamplesIterable.__init__(ex_iterable)",
        "datasets.iterable_dataset:StepExamplesIterable.__init__(offset)",
        "datasets.iterable_dataset:StepExamplesIterable.__init__(step)",
        "datasets.iterable_dataset:TakeExamplesIterable.__init__(block_sources_order_when_shuffling)",
        "datasets.iterable_dataset:TakeExamplesIterable.__init__(ex_iterable)",
        "datasets.iterable_dataset:TakeExamplesIterable.__init__(n)",
        "datasets.iterable_dataset:TakeExamplesIterable.n",
        "datasets.iterable_dataset:VerticallyConcatenatedMultiSourcesExamplesIterable.ex_iterables",
    ),
    "hooks/carrying.py": (
        "datasets.arrow_dataset:Dataset._info",
        "datasets.builder:DatasetBuilder.storage_options",
        "datasets.features.features:Features.copy",
        "datasets.io.parquet:ParquetDatasetWriter.__init__(dataset)",
        "datasets.io.parquet:ParquetDatasetWriter.dataset",
    ),
    "hooks/sending.py": (
        *_PUSHES,
        *_PUSHES_OF_STREAMS,
        "datasets.arrow_dataset:Dataset.save_to_disk(dataset_path)",
        "datasets.arrow_dataset:Dataset.to_csv(path_or_buf)",
        "datasets.arrow_dataset:Dataset.to_json(path_or_buf)",
        "datasets.arrow_dataset:Dataset.to_parquet(path_or_buf)",
        "datasets.dataset_dict:DatasetDict.save_to_disk(dataset_dict_path)",
        *_WRITERS_OF_STREAMS,
    ),
    "hooks/visibility.py": ("datasets.config:HF_ENDPOINT",),
    "hooks/torch_later.py": (
        "datasets.config:TORCH_AVAILABLE",
        "datasets.iterable_dataset:IterableDataset._epoch",
    ),
    "hooks/streaming.py": (
        "datasets.iterable_dataset:ArrowExamplesIterable.__init__(generate_tables_fn)",
        "datasets.iterable_dataset:ArrowExamplesIterable.__init__(kwargs)",
        "datasets.iterable_dataset:ArrowExamplesIterable.__iter__",
        "datasets.iterable_dataset:ArrowExamplesIterable._init_state_dict",
        "datasets.iterable_dataset:ArrowExamplesIterable._iter_arrow",
        "datasets.iterable_dataset:ArrowExamplesIterable._state_dict",
        "datasets.iterable_dataset:ArrowExamplesIterable.generate_tables_fn",
        "datasets.iterable_dataset:ArrowExamplesIterable.kwargs",
        "datasets.iterable_dataset:ArrowExamplesIterable.num_shards",
        "datasets.iterable_dataset:ArrowExamplesIterable.reshard_data_sources",
        "datasets.iterable_dataset:ArrowExamplesIterable.shard_data_sources(contiguous)",
        "datasets.iterable_dataset:ArrowExamplesIterable.shard_data_sources(index)",
        "datasets.iterable_dataset:ArrowExamplesIterable.shard_data_sources(num_shards)",
        "datasets.iterable_dataset:ArrowExamplesIterable.shuffle_data_sources(generator)",
        "datasets.iterable_dataset:ArrowExamplesIterable.split_shard_indices_by_worker",
    ),
    "builder/overrides.py": (
        "datasets.builder:ArrowBasedBuilder._generate_tables",
        "datasets.builder:ArrowBasedBuilder._get_examples_iterable_for_split(split_generator)",
        "datasets.builder:ArrowBasedBuilder._prepare_split(num_proc)",
        "datasets.builder:ArrowBasedBuilder._prepare_split(split_generator)",
        "datasets.builder:ArrowBasedBuilder._prepare_split_single",
        "datasets.builder:DatasetBuilder.BUILDER_CONFIGS",
        "datasets.builder:DatasetBuilder.BUILDER_CONFIG_CLASS",
        "datasets.builder:DatasetBuilder.DEFAULT_CONFIG_NAME",
        "datasets.builder:DatasetBuilder.DEFAULT_WRITER_BATCH_SIZE",
        "datasets.builder:DatasetBuilder.VERSION",
        "datasets.builder:DatasetBuilder.__init__(cache_dir)",
        "datasets.builder:DatasetBuilder.__init__(data_dir)",
        "datasets.builder:DatasetBuilder.__init__(data_files)",
        "datasets.builder:DatasetBuilder.__init__(hash)",
        "datasets.builder:DatasetBuilder.__init__(storage_options)",
        "datasets.builder:DatasetBuilder.__init__(token)",
        "datasets.builder:DatasetBuilder._build_cache_dir",
        "datasets.builder:DatasetBuilder._create_builder_config(config_name)",
        "datasets.builder:DatasetBuilder._create_builder_config(custom_features)",
        "datasets.builder:DatasetBuilder._download_and_prepare",
        "datasets.builder:DatasetBuilder._fs",
        "datasets.builder:DatasetBuilder._info",
        "datasets.builder:DatasetBuilder._save_info",
        "datasets.builder:DatasetBuilder._save_infos",
        "datasets.builder:DatasetBuilder._split_generators(dl_manager)",
        "datasets.builder:DatasetBuilder.as_dataset",
        "datasets.builder:DatasetBuilder.as_streaming_dataset",
        "datasets.builder:DatasetBuilder.config",
        "datasets.builder:DatasetBuilder.config_id",
        "datasets.builder:DatasetBuilder.download_and_prepare",
        "datasets.builder:DatasetBuilder.hash",
        "datasets.builder:DatasetBuilder.info",
        "datasets.builder:DatasetBuilder.name",
        "datasets.builder:DatasetBuilder.token",
        "datasets.exceptions:DatasetGenerationError",
        "datasets.filesystems:is_remote_filesystem",
        "datasets.info:DatasetInfo.splits",
        "datasets.streaming:extend_module_for_streaming(module_path)",
        "datasets.splits:SplitGenerator.gen_kwargs",
        "datasets.splits:SplitGenerator.split_info",
        "datasets.splits:SplitInfo.num_examples",
    ),
    "builder/closed.py": ("datasets.builder:DatasetBuilder._cache_dir_root",),
    "builder/cached.py": (
        "datasets.builder:DatasetBuilder._cache_dir",
        "datasets.utils._filelock:FileLock",
        "datasets.builder:DatasetBuilder._output_dir",
        "datasets.config:DATASET_INFO_FILENAME",
        "datasets.info:DatasetInfo.from_directory",
    ),
    "builder/builder.py": (
        "datasets.builder:DatasetBuilder.__getstate__",
        "datasets.builder:DatasetBuilder._file_format",
    ),
    "images/column.py": (
        "datasets.features.image:Image._type",
        "datasets.features.image:Image.decode",
        "datasets.features.image:Image.decode_example(token_per_repo_id)",
        "datasets.features.image:Image.decode_example(value)",
        "datasets.features.image:Image.mode",
    ),
    "tables/index.py": ("datasets.config:HF_DATASETS_CACHE",),
    "export/card.py": ("datasets.info:DatasetInfo._to_yaml_dict",),
    "export/parquet.py": (
        "datasets.features.features:Features.arrow_schema",
        "datasets.features.features:Features.from_arrow_schema",
        "datasets.features.features:Features.to_dict",
    ),
    "training/groups.py": ("datasets.arrow_dataset:Dataset._indices",),
}

_SOME_VERSIONS = {
    "datasets.builder:DatasetBuilder._save_infos": "<4",
    "datasets.iterable_dataset:ArrowExamplesIterable.reshard_data_sources": ">=4.6.1",
    "datasets.iterable_dataset:InterleavedShardsExamplesIterable.ex_iterable": ">=5.1",
    **dict.fromkeys([*_PUSHES_OF_STREAMS, *_WRITERS_OF_STREAMS], ">=4"),
}

INTERNALS = tuple(
    Internal(name, used_in, _SOME_VERSIONS.get(name, ""))
    for used_in, names in _NAMES.items()
    for name in names
)
"""Every such name, by the module that relies on it."""
