"""`cxr export`: the options of `export` and of each dataset as words of a command line."""

from __future__ import annotations

import argparse
import typing
from dataclasses import fields

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import Parser, add_datasets, add_option
from cxr_datasets.columns import CONFIGS
from cxr_datasets.packages import builder_class

_DESCRIPTION = (
    "Write a dataset to Parquet files that hold its images and load anywhere without this project; "
    "with --as, to tar shards, or to the files that other programs train and score by. "
    "If it is stopped, in whatever way, the same command goes on and ends with the same bytes."
)

_WORKERS = ("num_proc", "dask")
"""Options that exclude each other."""

_ONLY_IN_PYTHON = ("client",)


def add_arguments(parser: Parser) -> None:
    """Add a command for every dataset.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    add_datasets(parser, _add_options)


def _add_options(dataset: str, command: Parser) -> None:
    """Add the options of an export, and those of the dataset, each as its field describes it."""
    config = builder_class(dataset).BUILDER_CONFIG_CLASS
    from cxr_datasets.export.options import ExportOptions, dataset_options

    command.add_argument("--data-dir", required=True, help="Your copy of the release.")
    command.add_argument(
        "--out",
        required=True,
        help="Folder or address to write to. Its bucket, or the folder above it, must be there.",
    )
    command.add_argument(
        "--config", choices=CONFIGS, default=CONFIGS[0], help=f"Default: {CONFIGS[0]}."
    )
    command.add_argument("--split", nargs="+", help="Splits to write. Default: all.")
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="Write nothing: say how many rows, files, bytes and hours are to come, by a sample "
        "that is read and re-encoded now, and whether the disk has room. Exit code 1 if it has "
        "not.",
    )
    workers = command.add_mutually_exclusive_group()
    hints = typing.get_type_hints(ExportOptions)
    for option in fields(ExportOptions):
        if option.name not in _ONLY_IN_PYTHON:
            group = workers if option.name in _WORKERS else command
            add_option(group, option, hints[option.name])
    add_common(command, log=True)
    own = command.add_argument_group(f"options of {dataset}")
    hints = typing.get_type_hints(config)
    for option in fields(config):
        if option.name in dataset_options(config):
            add_option(own, option, hints[option.name])
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.export import export

    words = given(options)
    return export(words.pop("dataset"), words.pop("data_dir"), words.pop("out"), **words)
