"""`cxr export`: the options of `export` and of each dataset as words of a command line."""

from __future__ import annotations

import argparse
import json
import re
import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.config import option_help
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from cxr_datasets.export.run import export

_DESCRIPTION = (
    "Write a dataset to Parquet files with its images in them, which load anywhere without this "
    "project. Stopped in whatever way, the same command goes on, and ends with the same bytes."
)

_OWN = ("run", "command", "dataset", "out_options", "storage_options")


def add_export(commands: Any, builders: dict[str, type[CxrBuilder]]) -> None:
    """Add the command to those of `cxr`.

    Args:
        commands: Subparsers of the command line.
        builders: Name -> builder of every dataset.
    """
    parser = commands.add_parser(
        "export", help="write a dataset to Parquet", description=_DESCRIPTION
    )
    datasets = parser.add_subparsers(required=True, metavar="DATASET", dest="dataset")
    for name, builder in builders.items():
        _add_dataset(datasets.add_parser(name, description=_DESCRIPTION), builder)


def _add_dataset(command: argparse.ArgumentParser, builder: type[CxrBuilder]) -> None:
    command.add_argument("--data-dir", required=True, help="your copy of the release")
    command.add_argument("--out", required=True, help="folder or address to write to")
    command.add_argument("--config", choices=CONFIGS, default=CONFIGS[0], help="default: images")
    command.add_argument("--split", nargs="+", help="splits to write; default: all")
    workers = command.add_mutually_exclusive_group()
    workers.add_argument("--num-proc", type=int, help="processes to start, of one thread each")
    workers.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster to use")
    _add_options(command, builder)
    command.add_argument("--rows-per-file", type=int, help="most rows of a file")
    command.add_argument("--storage-options", metavar="FILE",
                         help="JSON file of fsspec options for the release's store")  # fmt: skip
    command.add_argument("--out-options", metavar="FILE", help="likewise for the store of --out")
    command.add_argument("--cache-dir", help="where the index is kept; default: that of datasets")
    command.add_argument("--no-progress", dest="progress", action="store_false",
                         help="show no progress bar")  # fmt: skip
    command.set_defaults(run=_run, command=command)


def _add_options(command: argparse.ArgumentParser, builder: type[CxrBuilder]) -> None:
    """Add the dataset's own options, described as in the docstrings of its config."""
    config = builder.BUILDER_CONFIG_CLASS
    own = set(config().key()) | {"connections"}
    hints = typing.get_type_hints(config)
    described = _described(config) | option_help(config)
    for field in fields(config):
        if field.name not in own or field.name == "embed":
            continue
        kinds = [kind for kind in typing.get_args(hints[field.name]) or (hints[field.name],)
                 if kind is not types.NoneType]  # fmt: skip
        many = typing.get_origin(kinds[0]) is list
        command.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=int if kinds[0] is int else str,
            nargs="+" if many else None,
            default=argparse.SUPPRESS,
            help=described.get(field.name, "").replace("%", "%%"),
        )


def _described(config: type) -> dict[str, str]:
    """Name -> text of the attributes in the docstrings of a class and of those it derives from."""
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__):
        text = (kind.__doc__ or "").partition("Attributes:")[2]
        for name, said in re.findall(r"^ {8}(\w+): ((?:.*\n?(?! {8}\w+: ))*)", text, re.MULTILINE):
            found[name] = " ".join(said.replace("`", "").split())
    return found


def _run(options: argparse.Namespace) -> None:
    given = {name: value for name, value in vars(options).items() if name not in _OWN}
    summary = export(
        options.dataset,
        given.pop("data_dir"),
        given.pop("out"),
        storage_options=_read_options("storage_options", options.storage_options),
        out_options=_read_options("out_options", options.out_options),
        **given,
    )
    print(summary)


def _read_options(name: str, file: str | None) -> dict[str, Any] | None:
    """Storage options from a file, for a command line is seen by everybody on the machine."""
    if file is None:
        return None
    option = f"--{name.replace('_', '-')}"
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # Not its text, which may quote the file.
        raise OptionError(f"{option}={file} cannot be read: {type(error).__name__}.") from None
    if not isinstance(read, dict):
        raise OptionError(f"{option}={file} must hold a JSON object of options.")
    return read
