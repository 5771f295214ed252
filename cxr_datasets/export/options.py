"""The options of `export`, and which of the names that a caller gives are the dataset's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import datasets

from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError
from cxr_datasets.flags import check_flags

_ALWAYS = "embed"
"""Option of a dataset that is no choice here: an export always holds the images."""


@dataclass(frozen=True)
class ExportOptions:
    """How an export is written, whatever the dataset.

    Each field says in its metadata what it does, for the command line and the docs.
    """

    form: str = field(
        default="parquet",
        metadata={
            "word": "as",
            "metavar": "FORM",
            "help": "What is written: parquet; webdataset, tar shards; r2gen, an annotation.json; "
            "llava, conversations as JSON lines; rexrank, a JSON file a split to score reports "
            "by. Default: parquet.",
        },
    )
    target: list[str] | None = field(
        default=None,
        metadata={
            "help": "Sections of the report, of which the first that a row has is the text to "
            "write; not for parquet. Default: findings, and for webdataset and llava then "
            "impression. Rows without one have no entry, or no text in a shard.",
            "metavar": "SECTION",
        },
    )
    clean: list[str] | None = field(
        default=None,
        metadata={
            "help": "Recipes of clean_text by which that text is cleaned, in this order, such as "
            "white_space; not for parquet. Default: texts stay as they are.",
            "metavar": "RECIPE",
        },
    )
    template: str | None = field(
        default=None,
        metadata={
            "help": "What the human of llava says, with names of columns in braces, such as "
            "'{indication} Write the {target}.'; {prior} is the text of the newest earlier study. "
            "Default: a sentence that asks for the target.",
            "metavar": "TEXT",
        },
    )
    write_images: bool | None = field(
        default=None,
        metadata={
            "help": "For r2gen, llava and rexrank: whether the images are written too, each into "
            "a file of its own. If not, paths are those of the files in your copy. Default: only "
            "with image_size."
        },
    )
    num_proc: int | None = field(
        default=None,
        metadata={
            "help": "Processes to start, of one thread each, or more for a file that holds most of "
            "what is left. Default: this process, with a thread for each core."
        },
    )
    dask: str | None = field(
        default=None,
        metadata={
            "help": "Address of the scheduler of a Dask cluster that writes, such as "
            "tls://host:8786. Its workers must have the same code, and see the release and the "
            "folder to write to under the same names. Secrets go to them over TLS only.",
            "metavar": "ADDRESS",
        },
    )
    client: Any = field(
        default=None, metadata={"help": "A Dask client whose cluster writes, like that of dask."}
    )
    rows_per_file: int | None = field(
        default=None,
        metadata={
            "help": "Most rows in a file, as far as whole blocks of the index (at most 256 rows) "
            "allow. Default: as many as come to about 400 MB, but eight files of a split "
            "that has 2,048 rows, and one for each 256 rows of a smaller one.",
            "metavar": "ROWS",
        },
    )
    storage_options: Mapping[str, Any] | None = field(
        default=None,
        metadata={
            "help": "Options of the store that the release is in, as its fsspec file system takes "
            "them."
        },
    )
    out_options: Mapping[str, Any] | None = field(
        default=None,
        metadata={
            "help": "Options of the store to write to, as its fsspec file system takes them."
        },
    )
    cache_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder that keeps the index. Default: the cache of datasets.",
            "metavar": "FOLDER",
        },
    )
    verify: bool = field(
        default=False,
        metadata={
            "help": "Read the files that are finished already again, and write those anew whose "
            "sha256 is not the one that was noted. Without it their sizes are compared."
        },
    )
    progress: bool = field(default=True, metadata={"help": "Show a progress bar."})

    def check(self) -> None:
        """Check the options' values.

        Raises:
            OptionError: One of them is wrong, or two exclude each other.
        """
        check_flags(verify=self.verify, progress=self.progress)
        if self.write_images is not None:
            check_flags(write_images=self.write_images)
        if sum(choice is not None for choice in (self.num_proc, self.dask, self.client)) > 1:
            raise OptionError("num_proc, dask and client exclude each other. Give one of them.")
        if self.num_proc is not None and not is_whole(self.num_proc, least=1):
            raise OptionError(
                f"num_proc={self.num_proc!r} is not a number of processes. Give a positive "
                f"integer, such as {os.cpu_count()}."
            )
        if self.rows_per_file is not None and not is_whole(self.rows_per_file, least=1):
            raise OptionError(
                f"rows_per_file={self.rows_per_file!r} is not a number of rows. Give a positive "
                "integer."
            )


def dataset_options(config_class: type[CxrConfig]) -> list[str]:
    """List the names of the options that a dataset has in an export, in their order.

    Args:
        config_class: The dataset's config.
    """
    plain = {option.name for option in fields(datasets.BuilderConfig)}
    names = (option.name for option in fields(config_class))
    return [name for name in names if name not in (*plain, _ALWAYS)]


def sort_options(
    given: Mapping[str, Any], config_class: type[CxrConfig]
) -> tuple[ExportOptions, dict[str, Any]]:
    """Tell the options of an export from those of the dataset.

    Args:
        given: Options by name.
        config_class: The dataset's config.

    Returns:
        The options of the export, and those of the dataset by name. A path among these becomes
        a string.

    Raises:
        OptionError: There is no such option, or it has a wrong value.
    """
    own = [option.name for option in fields(ExportOptions)]
    known = [*own, *dataset_options(config_class)]
    for name in given:
        if name == _ALWAYS:
            raise OptionError(
                "embed is not an option of an export: its files always hold the images."
            )
        if name not in known:
            raise OptionError.unknown("option", name, ["config", "split", *known])
    options = ExportOptions(**{name: given[name] for name in own if name in given})
    options.check()
    return options, {name: _plain(given[name]) for name in given if name not in own}


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
